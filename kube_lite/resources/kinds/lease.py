"""Leases: heartbeats and elections."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, invalid
from kube_lite.resources.gated import drop_gated
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        found.append(invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        found.append(invalid("spec.leaseTransitions", transitions, "must to greater or equal than 0"))
    return found


def _prepare_create(obj: Obj) -> None:
    _prepare_update(obj, {})


def _prepare_update(new: Obj, old: Obj) -> None:
    """Elections that a server decides (CoordinatedLeaderElection) are off."""
    drop_gated(new.get("spec") or {}, old.get("spec") or {}, "strategy", "preferredHolder")


def _row(obj: Obj, now: datetime) -> Cells:
    return [name_of(obj), (obj.get("spec") or {}).get("holderIdentity") or "", age(obj, now)]


RESOURCES = (
    Resource(
        standard_finalizers=False,
        kind="Lease",
        plural="leases",
        group="coordination.k8s.io",
        definition="io.k8s.api.coordination.v1.Lease",
        generation=False,
        allow_create_on_update=True,
        allow_unconditional_update=False,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        validate=_validate,
        validate_update=lambda new, old: _validate(new),
        columns=(NAME_COLUMN, Column("Holder"), AGE_COLUMN),
        row=_row,
    ),
)
