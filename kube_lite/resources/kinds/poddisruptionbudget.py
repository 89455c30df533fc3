"""PodDisruptionBudgets: how many pods may be away."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources import names
from kube_lite.resources.ages import age
from kube_lite.resources.conditions import validate_conditions
from kube_lite.resources.field import Errors, invalid, not_supported
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.labelselector import validate_label_selector
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, status
from kube_lite.resources.rules import at_most_100_percent, nonnegative, number_or_percent


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        shown = go_value("policy.PodDisruptionBudgetSpec", spec)
        found.append(invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set"))
    for name in ("minAvailable", "maxUnavailable"):
        if (value := spec.get(name)) is not None:
            found.extend(number_or_percent(value, f"spec.{name}"))
            found.extend(at_most_100_percent(value, f"spec.{name}"))
    found.extend(validate_label_selector(spec.get("selector"), "spec.selector"))
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in ("AlwaysAllow", "IfHealthyBudget"):
        choices = ("IfHealthyBudget", "AlwaysAllow")
        found.append(not_supported("spec.unhealthyPodEvictionPolicy", policy, choices))
    return found


def _validate_status(new: Obj, old: Obj) -> Errors:
    state = new.get("status") or {}
    found: Errors = []
    for name in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"):
        found.extend(nonnegative(state.get(name), f"status.{name}"))
    return found + validate_conditions(state.get("conditions") or [], "status.conditions")


def _row(obj: Obj, now: datetime) -> Cells:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    return [
        name_of(obj),
        str(spec.get("minAvailable", "N/A")),
        str(spec.get("maxUnavailable", "N/A")),
        state.get("disruptionsAllowed", 0),
        age(obj, now),
    ]


RESOURCES = (
    Resource(
        standard_finalizers=False,
        kind="PodDisruptionBudget",
        update_checks=(),
        name_rule=names.path_segment,
        plural="poddisruptionbudgets",
        group="policy",
        definition="io.k8s.api.policy.v1.PodDisruptionBudget",
        short_names=("pdb",),
        subresources={"status": status(validate=_validate_status)},
        allow_unconditional_update=False,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=_validate,
        validate_update=lambda new, old: _validate(new),
        columns=(
            NAME_COLUMN,
            Column("Min Available"),
            Column("Max Unavailable"),
            Column("Allowed Disruptions", type="integer"),
            AGE_COLUMN,
        ),
        row=_row,
    ),
)
