"""ResourceClaims and their templates: devices that a pod needs."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, child, duplicate, index, invalid, required
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, status_alone
from kube_lite.resources.rules import dns_label, dns_subdomain

_ONE_KIND = "exactly one of `exactly` or `firstAvailable` is required"


def _default_spec(spec: Obj) -> None:
    for request in (spec.get("devices") or {}).get("requests") or ():
        for exact in (request.get("exactly"), *(request.get("firstAvailable") or ())):
            if exact is None:
                continue
            if not exact.get("allocationMode"):
                exact["allocationMode"] = "ExactCount"
            if exact["allocationMode"] == "ExactCount" and not exact.get("count"):
                exact["count"] = 1


def _spec(spec: Obj, path: str) -> Errors:
    found: Errors = []
    at = child(child(path, "devices"), "requests")
    seen: set[str] = set()
    for i, request in enumerate((spec.get("devices") or {}).get("requests") or ()):
        where = index(at, i)
        name = request.get("name", "")
        found.extend(dns_label(name, child(where, "name")) if name else [required(child(where, "name"))])
        if name in seen:
            found.append(duplicate(child(where, "name"), name))
        seen.add(name)
        exact, alternatives = request.get("exactly"), request.get("firstAvailable")
        if (exact is None) == (not alternatives):
            found.append(required(where, _ONE_KIND))
        if exact is not None:
            device = exact.get("deviceClassName", "")
            into = child(child(where, "exactly"), "deviceClassName")
            found.extend(dns_subdomain(device, into) if device else [required(into)])
    return found


def _default_claim(obj: Obj) -> None:
    _default_spec(obj.setdefault("spec", {}))


def _default_template(obj: Obj) -> None:
    _default_spec(obj.setdefault("spec", {}).setdefault("spec", {}))


def _validate_update(new: Obj, old: Obj) -> Errors:
    return [] if new.get("spec") == old.get("spec") else [invalid("spec", new.get("spec"), IMMUTABLE)]


def _row(obj: Obj, now: datetime) -> Cells:
    state = obj.get("status") or {}
    states = ["deleted"] if (obj.get("metadata") or {}).get("deletionTimestamp") else []
    if state.get("allocation") is None:
        states.append("pending")
    else:
        states.append("allocated")
        states.append("reserved" if state.get("reservedFor") else "")
    return [name_of(obj), ",".join(s for s in states if s), age(obj, now)]


RESOURCES = (
    Resource(
        kind="ResourceClaim",
        plural="resourceclaims",
        group="resource.k8s.io",
        definition="io.k8s.api.resource.v1.ResourceClaim",
        subresources={"status": status_alone()},
        generation=False,
        default=_default_claim,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=lambda obj: _spec(obj.get("spec") or {}, "spec"),
        validate_update=_validate_update,
        columns=(NAME_COLUMN, Column("State"), AGE_COLUMN),
        row=_row,
    ),
    Resource(
        kind="ResourceClaimTemplate",
        plural="resourceclaimtemplates",
        group="resource.k8s.io",
        definition="io.k8s.api.resource.v1.ResourceClaimTemplate",
        generation=False,
        default=_default_template,
        validate=lambda obj: _spec((obj.get("spec") or {}).get("spec") or {}, "spec.spec"),
        validate_update=_validate_update,
        columns=(NAME_COLUMN, AGE_COLUMN),
        row=lambda obj, now: [name_of(obj), age(obj, now)],
    ),
)
