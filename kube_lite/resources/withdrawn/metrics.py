"""The metrics of HorizontalPodAutoscalers before autoscaling/v2, which named their targets otherwise."""

from __future__ import annotations

from collections.abc import Mapping

from kube_lite.resources.withdrawn.edits import API, Derived, Edit, Row, integer, quantity, refers, text

_SELECTOR = refers("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector", "Which series of the metric are meant.")
_NAMED = {"metricName": text("Name of the metric.")}
_TARGETED = {
    "targetAverageUtilization": integer("Percent of what pods request that is aimed at, on average."),
    "targetAverageValue": quantity("Amount per pod that is aimed at, on average."),
}
_CURRENT = {
    "currentAverageUtilization": integer("Percent of what pods request that is used, on average."),
    "currentAverageValue": quantity("Amount per pod, on average."),
}
_NAME: Row = ("name", "one", ("string",))
_CONTAINER: Row = ("container", "one", ("string",))
_METRIC_NAME: Row = ("metricName", "one", ("string",))
_METRIC_SELECTOR: Row = ("metricSelector", "one", ("apis.meta.v1.LabelSelector",))
_ANY_SELECTOR: Row = ("selector", "one", ("apis.meta.v1.LabelSelector",))
_TARGET: Row = ("target", "one", ("autoscaling.v2.CrossVersionObjectReference",))


def _amount(name: str) -> Row:
    return (name, "one", ("api.resource.Quantity",))


def _number(name: str) -> Row:
    return (name, "one", ("int32",))


METRICS = {
    "ObjectMetricSource": Edit(
        renamed={"describedObject": "target"},
        removed=("metric",),
        added={
            **_NAMED,
            "target": refers(f"{API}autoscaling.v2beta1.CrossVersionObjectReference", "The object measured."),
            "targetValue": quantity("Value of the metric that is aimed at."),
            "averageValue": quantity("Amount per pod that is aimed at, on average."),
            "selector": _SELECTOR,
        },
        required=("metricName", "targetValue"),
        numbers={
            1: _TARGET,
            2: _METRIC_NAME,
            3: _amount("targetValue"),
            4: _ANY_SELECTOR,
            5: _amount("averageValue"),
        },
    ),
    "PodsMetricSource": Edit(
        removed=("metric", "target"),
        added={**_NAMED, "targetAverageValue": _TARGETED["targetAverageValue"], "selector": _SELECTOR},
        required=("metricName", "targetAverageValue"),
        numbers={1: _METRIC_NAME, 2: _amount("targetAverageValue"), 3: _ANY_SELECTOR},
    ),
    "ResourceMetricSource": Edit(
        removed=("target",),
        added=_TARGETED,
        numbers={1: _NAME, 2: _number("targetAverageUtilization"), 3: _amount("targetAverageValue")},
    ),
    "ContainerResourceMetricSource": Edit(
        removed=("target",),
        added=_TARGETED,
        numbers={1: _NAME, 2: _number("targetAverageUtilization"), 3: _amount("targetAverageValue"), 4: _CONTAINER},
    ),
    "ExternalMetricSource": Edit(
        removed=("metric", "target"),
        added={
            **_NAMED,
            "metricSelector": _SELECTOR,
            "targetValue": quantity("Value of the metric that is aimed at."),
            "targetAverageValue": _TARGETED["targetAverageValue"],
        },
        required=("metricName",),
        numbers={1: _METRIC_NAME, 2: _METRIC_SELECTOR, 3: _amount("targetValue"), 4: _amount("targetAverageValue")},
    ),
    "ObjectMetricStatus": Edit(
        renamed={"describedObject": "target"},
        removed=("metric", "current"),
        added={
            **_NAMED,
            "target": refers(f"{API}autoscaling.v2beta1.CrossVersionObjectReference", "The object measured."),
            "currentValue": quantity("Value of the metric."),
            "averageValue": quantity("Amount per pod, on average."),
            "selector": _SELECTOR,
        },
        required=("metricName", "currentValue"),
        numbers={
            1: _TARGET,
            2: _METRIC_NAME,
            3: _amount("currentValue"),
            4: _ANY_SELECTOR,
            5: _amount("averageValue"),
        },
    ),
    "PodsMetricStatus": Edit(
        removed=("metric", "current"),
        added={**_NAMED, "currentAverageValue": _CURRENT["currentAverageValue"], "selector": _SELECTOR},
        required=("metricName", "currentAverageValue"),
        numbers={1: _METRIC_NAME, 2: _amount("currentAverageValue"), 3: _ANY_SELECTOR},
    ),
    "ResourceMetricStatus": Edit(
        removed=("current",),
        added=_CURRENT,
        required=("currentAverageValue",),
        numbers={1: _NAME, 2: _number("currentAverageUtilization"), 3: _amount("currentAverageValue")},
    ),
    "ContainerResourceMetricStatus": Edit(
        removed=("current",),
        added=_CURRENT,
        required=("currentAverageValue",),
        numbers={1: _NAME, 2: _number("currentAverageUtilization"), 3: _amount("currentAverageValue"), 4: _CONTAINER},
    ),
    "ExternalMetricStatus": Edit(
        removed=("metric", "current"),
        added={
            **_NAMED,
            "metricSelector": _SELECTOR,
            "currentValue": quantity("Value of the metric."),
            "currentAverageValue": _CURRENT["currentAverageValue"],
        },
        required=("metricName", "currentValue"),
        numbers={1: _METRIC_NAME, 2: _METRIC_SELECTOR, 3: _amount("currentValue"), 4: _amount("currentAverageValue")},
    ),
    "HorizontalPodAutoscalerSpec": Edit(
        removed=("behavior",),
        numbers={
            1: ("scaleTargetRef", "one", ("autoscaling.v2.CrossVersionObjectReference",)),
            2: _number("minReplicas"),
            3: _number("maxReplicas"),
            4: ("metrics", "list", ("autoscaling.v2.MetricSpec",)),
        },
    ),
}


def autoscaling(version: str, edits: Mapping[str, Edit]) -> Derived:
    """A beta version of the HorizontalPodAutoscaler."""
    return Derived(
        group="autoscaling",
        version=version,
        package=API + f"autoscaling.{version}",
        base=API + "autoscaling.v2",
        kinds=("HorizontalPodAutoscaler",),
        edits={**edits, "HorizontalPodAutoscalerStatus": Edit(required=("currentReplicas", "conditions"))},
    )
