"""Deployments: replica sets that follow a template."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, forbidden, go_int_or_string, invalid, not_supported, required
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.pod.template import (
    TEMPLATE_COLUMNS,
    default_template,
    template_cells,
    validate_selected_template,
    validate_workload_selector,
)
from kube_lite.resources.kinds.pod.template_warnings import workload_warnings
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update, validate_selector_kept
from kube_lite.resources.meta import Obj, metadata, name_of
from kube_lite.resources.registry import (
    AGE_COLUMN,
    NAME_COLUMN,
    SCALE,
    Cells,
    Column,
    Resource,
    ScalePaths,
    prepare_status_update,
    status,
)
from kube_lite.resources.rules import as_number, at_most_100_percent, nonnegative, number_or_percent
from kube_lite.resources.selectors import format_label_selector

TYPES = frozenset({"Recreate", "RollingUpdate"})


def default_deployment_spec(spec: Obj) -> None:
    """Replicas, strategy, history and deadline (apps/v1)."""
    spec.setdefault("replicas", 1)
    strategy = spec.setdefault("strategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    default_template(spec)


def _default(obj: Obj) -> None:
    default_deployment_spec(obj.setdefault("spec", {}))


def _strategy(strategy: Obj) -> Errors:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    at = "spec.strategy.rollingUpdate"
    if kind == "Recreate":
        if rolling is not None:
            return [forbidden(at, "may not be specified when strategy `type` is 'Recreate'")]
        return []
    if kind not in TYPES:
        return [not_supported("spec.strategy", go_value("apps.DeploymentStrategy", strategy), TYPES)]
    if rolling is None:
        return [required(at, "this should be defaulted and never be nil")]
    found: Errors = []
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    found.extend(number_or_percent(unavailable, f"{at}.maxUnavailable"))
    found.extend(number_or_percent(surge, f"{at}.maxSurge"))
    if as_number(unavailable) == 0 and as_number(surge) == 0:
        found.append(
            invalid(f"{at}.maxUnavailable", go_int_or_string(unavailable), "may not be 0 when `maxSurge` is 0")
        )
    found.extend(at_most_100_percent(unavailable, f"{at}.maxUnavailable"))
    return found


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found = nonnegative(spec.get("replicas"), "spec.replicas")
    selector = spec.get("selector")
    found.extend(validate_workload_selector(selector, "spec.selector", "deployment"))
    found.extend(validate_selected_template(selector, spec.get("template") or {}, "spec.template"))
    found.extend(_strategy(spec.get("strategy") or {}))
    found.extend(nonnegative(spec.get("minReadySeconds"), "spec.minReadySeconds"))
    found.extend(nonnegative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit"))
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        found.extend(nonnegative(deadline, "spec.progressDeadlineSeconds"))
        if deadline <= spec.get("minReadySeconds", 0):
            found.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return found


def _prepare_status(new: Obj, old: Obj) -> None:
    prepare_status_update(new, old)
    labels = metadata(old).get("labels")
    if labels is None:
        metadata(new).pop("labels", None)
    else:
        metadata(new)["labels"] = labels


def _validate_status(new: Obj, old: Obj) -> Errors:
    state = new.get("status") or {}
    found: Errors = []
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")
    for name in ("observedGeneration", *counts):
        found.extend(nonnegative(state.get(name), f"status.{name}"))
    total, ready = state.get("replicas", 0), state.get("readyReplicas", 0)
    for name in ("updatedReplicas", "readyReplicas", "availableReplicas"):
        if (value := state.get(name, 0)) > total:
            found.append(invalid(f"status.{name}", value, "cannot be greater than status.replicas"))
    if (available := state.get("availableReplicas", 0)) > ready:
        found.append(invalid("status.availableReplicas", available, "cannot be greater than readyReplicas"))
    count, before = state.get("collisionCount"), (old.get("status") or {}).get("collisionCount")
    if before is not None and (count is None or count < before):
        found.append(invalid("status.collisionCount", count, "cannot be decremented"))
    return found


def _row(obj: Obj, now: datetime) -> Cells:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    return [
        name_of(obj),
        f"{state.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        state.get("updatedReplicas", 0),
        state.get("availableReplicas", 0),
        age(obj, now),
        *template_cells(spec),
        format_label_selector(spec.get("selector")),
    ]


RESOURCES = (
    Resource(
        kind="Deployment",
        counts_annotations=True,
        plural="deployments",
        group="apps",
        definition="io.k8s.api.apps.v1.Deployment",
        short_names=("deploy",),
        categories=("all",),
        subresources={
            "status": status(_prepare_status, _validate_status, ("spec", "metadata.labels")),
            "scale": SCALE,
        },
        scale=ScalePaths(),
        default=_default,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        warnings=workload_warnings(named=True),
        validate=_validate,
        validate_update=lambda new, old: _validate(new) + validate_selector_kept(new, old),
        columns=(
            NAME_COLUMN,
            Column("Ready"),
            Column("Up-to-date"),
            Column("Available"),
            AGE_COLUMN,
            *TEMPLATE_COLUMNS,
            Column("Selector", priority=1),
        ),
        row=_row,
    ),
)
