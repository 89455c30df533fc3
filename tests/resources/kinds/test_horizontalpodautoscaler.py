"""HorizontalPodAutoscalers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import BAD, NEEDED, NOT_HERE, UNKNOWN, Cause, Change, assert_create, resource

KIND, OLD = (
    resource("autoscaling", "horizontalpodautoscalers", "v2"),
    resource("autoscaling", "horizontalpodautoscalers", "v2beta1"),
)
TARGET = {"type": "Utilization", "averageUtilization": 50}
VALID: dict[str, Any] = {
    "metadata": {"name": "x"},
    "spec": {
        "maxReplicas": 3,
        "scaleTargetRef": {"kind": "Deployment", "name": "d"},
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": TARGET}}],
    },
}
FIRST = "spec.metrics[0]"
EXTERNAL = f"{FIRST}.external"


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("valid", {}, []),
        (
            "no type",
            {"spec.metrics.0.type": ""},
            [
                (NEEDED, f"{FIRST}.type", "must specify a metric source type"),
                (UNKNOWN, f"{FIRST}.type", '"ContainerResource", "External"'),
                (UNKNOWN, f"{FIRST}.type", '"ContainerResource", "External"'),
            ],
        ),
        (
            "no source",
            {"spec.metrics.0": {"type": "Pods"}},
            [(NEEDED, f"{FIRST}.pods", "must populate information for the given metric source")],
        ),
        (
            "another source",
            {"spec.metrics.0.type": "External"},
            [(NEEDED, EXTERNAL, "must populate information for the given metric source")],
        ),
        (
            "two sources",
            {"spec.metrics.0.external": {}},
            [
                (NEEDED, f"{EXTERNAL}.metric.name", "must specify a metric name"),
                (NEEDED, f"{EXTERNAL}.target.type", "must specify a metric target type"),
                (BAD, f"{EXTERNAL}.target.type", "must be either"),
                (NEEDED, f"{EXTERNAL}.target.averageValue", "must set either"),
                (NOT_HERE, EXTERNAL, "must populate the given metric source only"),
            ],
        ),
        (
            "empty source",
            {"spec.metrics.0": {"type": "External", "external": {}}},
            [
                (NEEDED, f"{EXTERNAL}.metric.name", "must specify a metric name"),
                (NEEDED, f"{EXTERNAL}.target.type", "must specify a metric target type"),
                (BAD, f"{EXTERNAL}.target.type", "must be either Utilization, Value, or AverageValue"),
                (NEEDED, f"{EXTERNAL}.target.averageValue", "a per-pod target"),
            ],
        ),
        (
            "to zero",
            {"spec.minReplicas": 0},
            [
                (BAD, "spec.minReplicas", "must be greater than or equal to 1"),
                (NOT_HERE, "spec.metrics", "at least one Object or External metric"),
            ],
        ),
    ],
)
def test_a_new_autoscaler(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


@pytest.mark.parametrize(
    ("metric", "causes"),
    [
        (
            {"type": "Resource", "resource": {"name": "cpu"}},
            [(NEEDED, f"{FIRST}.resource.target.averageUtilization", "must set either")],
        ),
        (
            {"type": "Pods", "pods": {"metricName": "m"}},
            [(BAD, f"{FIRST}.pods.target.averageValue", "must be positive")],
        ),
        (
            {"type": "External", "external": {"metricName": "m", "targetValue": "1", "targetAverageValue": "1"}},
            [(NOT_HERE, f"{EXTERNAL}.target.value", "may not set both")],
        ),
    ],
)
def test_the_target_of_an_old_metric_has_the_type_that_its_fields_tell(metric: Change, causes: list[Cause]) -> None:
    assert_create(OLD, VALID, {"spec.metrics": [metric]}, causes)
