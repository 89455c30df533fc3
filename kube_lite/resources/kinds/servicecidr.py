"""ServiceCIDRs: ranges that service addresses come from."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, index, invalid, required, show
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, status_alone
from kube_lite.resources.rules import parse_cidr, parse_ip

_BAD_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def _validate(obj: Obj) -> Errors:
    cidrs = (obj.get("spec") or {}).get("cidrs") or []
    if not cidrs:
        return [required("spec.cidrs", "at least one CIDR required")]
    if len(cidrs) > 2:
        return [invalid("spec.cidrs", obj["spec"], "may only hold up to 2 values")]
    families = {None if network is None else network.version for network in map(parse_cidr, cidrs)}
    if len(cidrs) == 2 and families != {4, 6}:
        detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        return [invalid("spec.cidrs", obj["spec"], detail)]
    return [problem for i, cidr in enumerate(cidrs) for problem in _cidr(cidr, index("spec.cidrs", i))]


def _cidr(text: str, path: str) -> Errors:
    """A range as it is always written: without bits after the prefix, in the shortest form."""
    network = parse_cidr(text)
    if network is None:
        return [invalid(path, text, _BAD_CIDR)]
    if str(network) == text:
        return []
    address = text.partition("/")[0]
    canonical = f"{parse_ip(address)}/{network.prefixlen}"
    if canonical != text:
        return [invalid(path, text, f"must be in canonical form ({show(canonical)})")]
    return [invalid(path, text, "must not have bits set beyond the prefix length")]


def _validate_update(new: Obj, old: Obj) -> Errors:
    after, before = (new.get("spec") or {}).get("cidrs") or [], (old.get("spec") or {}).get("cidrs") or []
    if after == before:
        return []
    if len(before) == 1 and len(after) == 2 and after[0] == before[0]:
        return _validate(new)
    return [invalid("spec.cidrs", after, IMMUTABLE)]


def _row(obj: Obj, now: datetime) -> Cells:
    return [name_of(obj), ",".join((obj.get("spec") or {}).get("cidrs") or ()), age(obj, now)]


RESOURCES = (
    Resource(
        kind="ServiceCIDR",
        plural="servicecidrs",
        group="networking.k8s.io",
        definition="io.k8s.api.networking.v1.ServiceCIDR",
        namespaced=False,
        subresources={"status": status_alone()},
        generation=False,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=_validate,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, Column("CIDRs"), AGE_COLUMN),
        row=_row,
    ),
)
