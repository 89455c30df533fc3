"""HorizontalPodAutoscalers: replicas that follow a load, stored as v2 and served as v1 too."""

from __future__ import annotations

import json

from msgspec.structs import replace

from kube_lite.resources.field import Errors
from kube_lite.resources.kinds.horizontalpodautoscaler.columns import COLUMNS, row
from kube_lite.resources.kinds.horizontalpodautoscaler.conversion import (
    BEHAVIOR,
    CONDITIONS,
    CURRENT_METRICS,
    METRICS,
    from_v2,
    to_v2,
)
from kube_lite.resources.kinds.horizontalpodautoscaler.metrics import cpu_metric
from kube_lite.resources.kinds.horizontalpodautoscaler.validation import validate
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.meta import Obj, metadata
from kube_lite.resources.registry import Resource, status
from kube_lite.resources.rules import nonnegative

DEFAULT_UTILIZATION = 80
"""Percent of requested CPU aimed at where no metric is named."""
_UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        spec["metrics"] = [cpu_metric(DEFAULT_UTILIZATION)]
    if (behavior := spec.get("behavior")) is not None:
        for name, rules in (("scaleUp", _UP), ("scaleDown", _DOWN)):
            behavior[name] = {**json.loads(json.dumps(rules)), **(behavior.get(name) or {})}


def _default_v1(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    annotations = metadata(obj).get("annotations") or {}
    if spec.get("targetCPUUtilizationPercentage") is None and METRICS not in annotations:
        spec["targetCPUUtilizationPercentage"] = DEFAULT_UTILIZATION


def _validate_status(new: Obj, old: Obj) -> Errors:
    state = new.get("status") or {}
    return [
        error
        for name in ("currentReplicas", "desiredReplicas")
        for error in nonnegative(state.get(name), f"status.{name}")
    ]


_V2 = Resource(
    kind="HorizontalPodAutoscaler",
    plural="horizontalpodautoscalers",
    group="autoscaling",
    version="v2",
    definition="io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
    short_names=("hpa",),
    categories=("all",),
    subresources={"status": status(validate=_validate_status)},
    generation=False,
    default=_default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=lambda new, old: validate(new),
    columns=COLUMNS,
    row=row,
)

RESOURCES = (
    _V2,
    replace(
        _V2,
        version="v1",
        definition="io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler",
        default=_default_v1,
        validate=lambda obj: validate(to_v2(obj)),
        validate_update=lambda new, old: validate(to_v2(new)),
        row=lambda obj, now: row(to_v2(obj), now),
        internal_annotations=(METRICS, CONDITIONS, BEHAVIOR, CURRENT_METRICS),
        storage_version="v2",
        convert_from_storage=from_v2,
        convert_to_storage=to_v2,
    ),
)
