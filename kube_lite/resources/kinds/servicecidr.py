"""ServiceCIDRs: ranges that service addresses come from."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.addresses import range_errors
from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, index, invalid, required, show
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, status_alone
from kube_lite.resources.rules import parse_cidr

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
    """A range as it is always written: in the shortest form."""
    if problems := range_errors(text, path, _BAD_CIDR):
        return problems
    canonical = str(parse_cidr(text))
    return [] if text == canonical else [invalid(path, text, f"must be in canonical form ({show(canonical)})")]


def _validate_update(new: Obj, old: Obj) -> Errors:
    """A range stays, and one of the other family may come to it."""
    after, before = (list((obj.get("spec") or {}).get("cidrs") or ()) for obj in (new, old))
    if len(after) != len(before) and (len(before), len(after)) != (1, 2):
        return [invalid("spec.cidrs", after, IMMUTABLE)]
    found = [
        invalid(index("spec.cidrs", i), now, IMMUTABLE)
        for i, (now, was) in enumerate(zip(after, before, strict=False))
        if now != was
    ]
    return found if len(after) == len(before) else found + _validate(new)


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
