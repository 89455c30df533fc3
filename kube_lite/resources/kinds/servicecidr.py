"""ServiceCIDRs: ranges that service addresses come from."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, index, invalid, required
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
        return [invalid("spec.cidrs", cidrs, "may only hold up to 2 values")]
    found: Errors = []
    networks = [parse_cidr(cidr) for cidr in cidrs]
    for i, (cidr, network) in enumerate(zip(cidrs, networks, strict=True)):
        if network is None:
            found.append(invalid(index("spec.cidrs", i), cidr, _BAD_CIDR))
    families = [network.version for network in networks if network is not None]
    if len(families) == 2 and families[0] == families[1]:
        detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        found.append(invalid("spec.cidrs", cidrs, detail))
    return found


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
