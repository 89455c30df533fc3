"""ResourceClaims and their templates: devices that a pod needs."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, invalid
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.kinds.resourceclaim.spec import validate_claim_spec
from kube_lite.resources.kinds.resourceclaim.status import prepare_status, validate_status
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.metadata import validate_template_metadata
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, UpdateCheck, status


def _default_spec(spec: Obj) -> None:
    for request in (spec.get("devices") or {}).get("requests") or ():
        for exact in (request.get("exactly"), *(request.get("firstAvailable") or ())):
            if exact is None:
                continue
            if not exact.get("allocationMode"):
                exact["allocationMode"] = "ExactCount"
            if exact["allocationMode"] == "ExactCount" and not exact.get("count"):
                exact["count"] = 1
            for toleration in exact.get("tolerations") or ():
                if not toleration.get("operator"):
                    toleration["operator"] = "Equal"


def _default_claim(obj: Obj) -> None:
    _default_spec(obj.setdefault("spec", {}))


def _default_template(obj: Obj) -> None:
    _default_spec(obj.setdefault("spec", {}).setdefault("spec", {}))


def _validate_template(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found = validate_template_metadata(spec.get("metadata") or {}, "spec.metadata")
    return found + validate_claim_spec(spec.get("spec") or {}, "spec.spec")


def _validate_update(new: Obj, old: Obj) -> Errors:
    return [] if new.get("spec") == old.get("spec") else [invalid("spec", new.get("spec"), IMMUTABLE)]


def _row(obj: Obj, now: datetime) -> Cells:
    state = obj.get("status") or {}
    states = ["deleted"] if (obj.get("metadata") or {}).get("deletionTimestamp") else []
    if state.get("allocation") is not None:
        states.extend(["allocated", "reserved"] if state.get("reservedFor") else ["allocated"])
    return [name_of(obj), ",".join(states) or "pending", age(obj, now)]


RESOURCES = (
    Resource(
        kind="ResourceClaim",
        plural="resourceclaims",
        group="resource.k8s.io",
        definition="io.k8s.api.resource.v1.ResourceClaim",
        update_checks=(UpdateCheck.METADATA, UpdateCheck.CHANGE),
        subresources={"status": status(prepare_status, validate_status, ("spec", "metadata"))},
        generation=False,
        default=_default_claim,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=lambda obj: validate_claim_spec(obj.get("spec") or {}, "spec"),
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
        validate=_validate_template,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, AGE_COLUMN),
        row=lambda obj, now: [name_of(obj), age(obj, now)],
    ),
)
