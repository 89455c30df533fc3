"""ReplicaSets: a number of equal pods."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, invalid
from kube_lite.resources.kinds.pod.template import (
    TEMPLATE_COLUMNS,
    default_template,
    template_cells,
    validate_selected_template,
    validate_workload_selector,
)
from kube_lite.resources.kinds.pod.template_warnings import workload_warnings
from kube_lite.resources.labelselector import go_selector
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import (
    AGE_COLUMN,
    NAME_COLUMN,
    SCALE,
    TWICE,
    Cells,
    Column,
    Resource,
    ScalePaths,
    status,
)
from kube_lite.resources.rules import nonnegative
from kube_lite.resources.selectors import format_label_selector

COUNT_COLUMNS = (
    NAME_COLUMN,
    Column("Desired", type="integer"),
    Column("Current", type="integer"),
    Column("Ready", type="integer"),
    AGE_COLUMN,
    *TEMPLATE_COLUMNS,
    Column("Selector", priority=1),
)


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_template(spec)


def prepare_create(obj: Obj) -> None:
    """A new workload has no status."""
    obj["status"] = {}


def prepare_update(new: Obj, old: Obj) -> None:
    """Status goes through ``/status``."""
    new["status"] = old.get("status", {})


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found = nonnegative(spec.get("replicas"), "spec.replicas")
    found.extend(nonnegative(spec.get("minReadySeconds"), "spec.minReadySeconds"))
    found.extend(validate_workload_selector(spec.get("selector"), "spec.selector", "deployment"))
    found.extend(validate_selected_template(spec.get("selector"), spec.get("template") or {}, "spec.template"))
    return found


def validate_counts(state: Obj, path: str = "status") -> Errors:
    """Counts of a status: none negative, none above the number of pods."""
    found: Errors = []
    total = state.get("replicas", 0)
    for name in ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"):
        found.extend(nonnegative(state.get(name), f"{path}.{name}"))
    for name in ("terminatingReplicas", "observedGeneration"):
        found.extend(nonnegative(state.get(name), f"{path}.{name}"))
    for name in ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"):
        if state.get(name, 0) > total:
            found.append(invalid(f"{path}.{name}", state.get(name, 0), "cannot be greater than status.replicas"))
    if state.get("availableReplicas", 0) > state.get("readyReplicas", 0):
        at = f"{path}.availableReplicas"
        found.append(invalid(at, state.get("availableReplicas", 0), "cannot be greater than readyReplicas"))
    return found


def validate_selector_kept(new: Obj, old: Obj) -> Errors:
    """The selector of a workload never changes."""
    after, before = (new.get("spec") or {}).get("selector"), (old.get("spec") or {}).get("selector")
    return [] if after == before else [invalid("spec.selector", go_selector(after), IMMUTABLE)]


def validate_collisions(new: Obj, old: Obj) -> Errors:
    """The count that makes names of revisions differ only grows."""
    after, before = ((obj.get("status") or {}).get("collisionCount") for obj in (new, old))
    if before is None or (after is not None and after >= before):
        return []
    return [invalid("status.collisionCount", after or 0, "cannot be decremented")]


def _row(obj: Obj, now: datetime) -> Cells:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    return [
        name_of(obj),
        spec.get("replicas", 0),
        state.get("replicas", 0),
        state.get("readyReplicas", 0),
        age(obj, now),
        *template_cells(spec),
        format_label_selector(spec.get("selector")),
    ]


def selectable(obj: Obj) -> dict[str, str]:
    """``status.replicas``, which ReplicationControllers share."""
    return {"status.replicas": str((obj.get("status") or {}).get("replicas", 0))}


RESOURCES = (
    Resource(
        kind="ReplicaSet",
        update_checks=TWICE,
        plural="replicasets",
        group="apps",
        definition="io.k8s.api.apps.v1.ReplicaSet",
        short_names=("rs",),
        categories=("all",),
        subresources={
            "status": status(validate=lambda new, old: validate_counts(new.get("status") or {})),
            "scale": SCALE,
        },
        scale=ScalePaths(),
        default=_default,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        warnings=workload_warnings(named=True),
        validate=_validate,
        validate_update=lambda new, old: _validate(new) + validate_selector_kept(new, old),
        columns=COUNT_COLUMNS,
        row=_row,
        selectable=selectable,
        selectable_names=("status.replicas",),
    ),
)
