"""HorizontalPodAutoscalers of v2beta1 and v2beta2."""

from __future__ import annotations

import json

import pytest

from kube_lite.resources.kinds.horizontalpodautoscaler.conversion import BEHAVIOR
from tests.resources.kinds.cases import create, resource
from tests.resources.kinds.withdrawn.conversions import Obj, assert_same, shown_as, stored_as

HERE = ("autoscaling", "horizontalpodautoscalers", "v2beta1")
SELECTOR = {"matchLabels": {"a": "b"}}
OBJECT = {"kind": "Ingress", "name": "i"}
METRICS: list[tuple[str, Obj, Obj]] = [
    (
        "Resource",
        {"name": "cpu", "targetAverageUtilization": 50},
        {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
    ),
    (
        "Resource",
        {"name": "memory", "targetAverageValue": "1Gi"},
        {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
    ),
    (
        "ContainerResource",
        {"name": "cpu", "container": "c", "targetAverageUtilization": 50},
        {"name": "cpu", "container": "c", "target": {"type": "Utilization", "averageUtilization": 50}},
    ),
    (
        "Pods",
        {"metricName": "m", "targetAverageValue": "10", "selector": SELECTOR},
        {"metric": {"name": "m", "selector": SELECTOR}, "target": {"type": "AverageValue", "averageValue": "10"}},
    ),
    (
        "Object",
        {"target": OBJECT, "metricName": "r", "targetValue": "2k"},
        {"describedObject": OBJECT, "metric": {"name": "r"}, "target": {"type": "Value", "value": "2k"}},
    ),
    (
        "Object",
        {"target": OBJECT, "metricName": "r", "targetValue": "0", "averageValue": "3"},
        {"describedObject": OBJECT, "metric": {"name": "r"}, "target": {"type": "AverageValue", "averageValue": "3"}},
    ),
    (
        "External",
        {"metricName": "q", "metricSelector": SELECTOR, "targetValue": "30"},
        {"metric": {"name": "q", "selector": SELECTOR}, "target": {"type": "Value", "value": "30"}},
    ),
]
MEASURED: list[tuple[str, Obj, Obj]] = [
    (
        "Resource",
        {"name": "cpu", "currentAverageUtilization": 40, "currentAverageValue": "100m"},
        {"name": "cpu", "current": {"averageUtilization": 40, "averageValue": "100m"}},
    ),
    (
        "Pods",
        {"metricName": "m", "currentAverageValue": "7"},
        {"metric": {"name": "m"}, "current": {"averageValue": "7"}},
    ),
    (
        "Object",
        {"target": OBJECT, "metricName": "r", "currentValue": "1k"},
        {"describedObject": OBJECT, "metric": {"name": "r"}, "current": {"value": "1k"}},
    ),
    ("External", {"metricName": "q", "currentValue": "9"}, {"metric": {"name": "q"}, "current": {"value": "9"}}),
]


def source(kind: str, value: Obj) -> Obj:
    return {"type": kind, kind[:1].lower() + kind[1:]: value}


def scaler(metrics: list[Obj], **more: Obj) -> Obj:
    return {"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "metrics": metrics}, **more}


@pytest.mark.parametrize(("kind", "old", "new"), METRICS)
def test_targets_are_converted_both_ways(kind: str, old: Obj, new: Obj) -> None:
    assert_same(*HERE, scaler([source(kind, old)]), scaler([source(kind, new)]))


@pytest.mark.parametrize(("kind", "old", "new"), MEASURED)
def test_measurements_are_converted_both_ways(kind: str, old: Obj, new: Obj) -> None:
    states = [{"currentMetrics": [source(kind, value)]} for value in (old, new)]
    assert_same(*HERE, scaler([], status=states[0]) | {"spec": {}}, scaler([], status=states[1]) | {"spec": {}})


def test_behavior_is_kept_in_an_annotation() -> None:
    behavior = {"scaleDown": {"selectPolicy": "Min"}}
    stored = {"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "behavior": behavior}}
    shown = shown_as(*HERE, stored)
    assert "behavior" not in shown["spec"]
    assert json.loads(shown["metadata"]["annotations"][BEHAVIOR]) == behavior
    assert stored_as(*HERE, shown) == stored


def test_v1_keeps_what_was_measured_in_annotations() -> None:
    stored = scaler([], status={"currentMetrics": [source(kind, new) for kind, _, new in MEASURED]})
    stored["spec"].pop("metrics")
    assert (
        stored_as(
            "autoscaling",
            "horizontalpodautoscalers",
            "v1",
            shown_as("autoscaling", "horizontalpodautoscalers", "v1", stored),
        )
        == stored
    )


def test_v2beta2_is_v2_under_another_name() -> None:
    metrics = [source(kind, new) for kind, _, new in METRICS]
    assert_same("autoscaling", "horizontalpodautoscalers", "v2beta2", scaler(metrics), scaler(metrics))


@pytest.mark.parametrize(
    ("version", "target"),
    [
        ("v2beta1", {"targetAverageUtilization": 80}),
        ("v2beta2", {"target": {"type": "Utilization", "averageUtilization": 80}}),
    ],
)
def test_cpu_is_aimed_at_by_default(version: str, target: Obj) -> None:
    reference = {"kind": "Deployment", "name": "d"}
    old = {"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "scaleTargetRef": reference}}
    made, causes = create(resource("autoscaling", "horizontalpodautoscalers", version), old)
    assert not causes
    assert made["spec"]["metrics"] == [source("Resource", {"name": "cpu", **target})]
    assert made["spec"]["minReplicas"] == 1
