"""The two forms of a HorizontalPodAutoscaler: v1 keeps in annotations what only v2 has fields for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kube_lite.resources.kinds.horizontalpodautoscaler.metrics import SOURCES, cpu_metric
from kube_lite.resources.meta import Obj

METRICS = "autoscaling.alpha.kubernetes.io/metrics"
CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
"""Annotations in which v1 shows what only v2 has fields for."""


def from_v2(obj: Obj) -> Obj:
    """The v1 form: the CPU metric as a number, everything else in annotations."""
    spec = {k: v for k, v in (obj.get("spec") or {}).items() if k not in ("metrics", "behavior")}
    annotations = dict((obj.get("metadata") or {}).get("annotations") or {})
    others = []
    for metric in (obj.get("spec") or {}).get("metrics") or ():
        resource = metric.get("resource") or {}
        percent = (resource.get("target") or {}).get("averageUtilization")
        first = "targetCPUUtilizationPercentage" not in spec
        if metric.get("type") == "Resource" and resource.get("name") == "cpu" and percent is not None and first:
            spec["targetCPUUtilizationPercentage"] = percent
        else:
            others.append(metric)
    if others:
        annotations[METRICS] = json.dumps([metric_to_v1(m) for m in others], separators=(",", ":"))
    if behavior := (obj.get("spec") or {}).get("behavior"):
        annotations[BEHAVIOR] = json.dumps(behavior, separators=(",", ":"))
    state = {k: v for k, v in (obj.get("status") or {}).items() if k not in ("currentMetrics", "conditions")}
    for metric in (obj.get("status") or {}).get("currentMetrics") or ():
        resource = metric.get("resource") or {}
        percent = (resource.get("current") or {}).get("averageUtilization")
        if resource.get("name") == "cpu" and percent is not None:
            state["currentCPUUtilizationPercentage"] = percent
    if measured := (obj.get("status") or {}).get("currentMetrics"):
        annotations[CURRENT_METRICS] = json.dumps([status_to_v1(m) for m in measured], separators=(",", ":"))
    if conditions := (obj.get("status") or {}).get("conditions"):
        annotations[CONDITIONS] = json.dumps(conditions, separators=(",", ":"))
    meta = {**(obj.get("metadata") or {}), **({"annotations": annotations} if annotations else {})}
    return {**obj, "apiVersion": "autoscaling/v1", "metadata": meta, "spec": spec, "status": state}


def _aimed_at(name: str, source: Obj) -> Obj:
    """The ``target`` of v2 for a source of v1; its type follows from the amounts that are there."""
    average = source.get("averageValue" if name == "object" else "targetAverageValue")
    value, percent = source.get("targetValue"), source.get("targetAverageUtilization")
    target: Obj = {"type": "AverageValue"}
    if name in ("resource", "containerResource"):
        value, target["type"] = None, "AverageValue" if percent is None else "Utilization"
    elif name == "external":
        percent, target["type"] = None, "AverageValue" if value is None else "Value"
    elif name == "object":
        percent, target["type"] = None, "Value" if average is None else "AverageValue"
        value = value or "0" if average is None else value if value != "0" else None
    else:
        percent, value, average = None, None, average or "0"
    amounts = {"value": value, "averageValue": average, "averageUtilization": percent}
    return {**target, **{field: amount for field, amount in amounts.items() if amount is not None}}


def _identified(name: str, source: Obj) -> Obj:
    """What v2 says of a metric of v1 beside its amounts."""
    kept: Obj = {k: source[k] for k in ("name", "container") if k in source}
    if "metricName" in source:
        selector = source.get("selector") or source.get("metricSelector")
        kept["metric"] = {"name": source["metricName"], **({"selector": selector} if selector else {})}
    if name == "object":
        kept["describedObject"] = source.get("target") or {}
    return kept


def _identified_in_v1(name: str, source: Obj) -> Obj:
    """The reverse of :func:`_identified`."""
    kept: Obj = {k: source[k] for k in ("name", "container") if k in source}
    if (identifier := source.get("metric")) is not None:
        kept["metricName"] = identifier.get("name", "")
        if selector := identifier.get("selector"):
            kept["metricSelector" if name == "external" else "selector"] = selector
    if name == "object":
        kept["target"] = source.get("describedObject") or {}
    return kept


def _each_source(metric: Obj, convert: Callable[[str, Obj], Obj]) -> Obj:
    """A metric, or the status of one, with what ``convert`` makes of each source that it has."""
    sources = {name: convert(name, metric[name]) for name in SOURCES.values() if metric.get(name) is not None}
    return {"type": metric.get("type", ""), **sources}


def metric_to_v2(metric: Obj) -> Obj:
    """A metric in v1's annotation, which knows neither ``target`` nor ``metric``."""
    return _each_source(metric, lambda name, source: {**_identified(name, source), "target": _aimed_at(name, source)})


def metric_to_v1(metric: Obj) -> Obj:
    """The reverse of :func:`metric_to_v2`."""
    return _each_source(metric, _source_in_v1)


def _source_in_v1(name: str, source: Obj) -> Obj:
    kept = _identified_in_v1(name, source)
    if name == "object":
        kept["targetValue"] = "0"  # always there, whatever is aimed at
    names_of_v1 = {
        "averageUtilization": "targetAverageUtilization",
        "averageValue": "averageValue" if name == "object" else "targetAverageValue",
        "value": "targetValue",
    }
    target = source.get("target") or {}
    return {**kept, **{old: target[new] for new, old in names_of_v1.items() if new in target}}


_MEASURED = {
    "currentAverageUtilization": "averageUtilization",
    "currentAverageValue": "averageValue",
    "averageValue": "averageValue",
    "currentValue": "value",
}
"""Fields of a v1 metric status that v2 keeps in ``current``."""


def status_to_v2(metric: Obj) -> Obj:
    """The status of a metric in v1's annotation or in v2beta1, as v2 has it."""
    return _each_source(metric, _measured)


def _measured(name: str, source: Obj) -> Obj:
    current = {
        new: source[old]
        for old, new in _MEASURED.items()
        if source.get(old) is not None and not (old == "currentValue" and source[old] == "0")
    }
    return {**_identified(name, source), "current": current}


def status_to_v1(metric: Obj) -> Obj:
    """The reverse of :func:`status_to_v2`."""
    return _each_source(metric, _measured_in_v1)


def _measured_in_v1(name: str, source: Obj) -> Obj:
    kept = _identified_in_v1(name, source)
    current = source.get("current") or {}
    average = "averageValue" if name == "object" else "currentAverageValue"
    if name in ("object", "external"):
        kept["currentValue"] = current.get("value", "0")
    elif current.get("averageValue") is None:
        kept[average] = "0"
    if current.get("averageValue") is not None:
        kept[average] = current["averageValue"]
    if current.get("averageUtilization") is not None:
        kept["currentAverageUtilization"] = current["averageUtilization"]
    return kept


def parsed(text: str) -> Any:
    """The JSON in an annotation, None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def to_v2(obj: Obj) -> Obj:
    """The v2 form of a v1 object."""
    source = obj.get("spec") or {}
    spec = {k: v for k, v in source.items() if k != "targetCPUUtilizationPercentage"}
    annotations = dict((obj.get("metadata") or {}).get("annotations") or {})
    listed = parsed(annotations.pop(METRICS, "null"))
    metrics = [metric_to_v2(m) for m in listed if isinstance(m, dict)] if isinstance(listed, list) else []
    if source.get("targetCPUUtilizationPercentage") is not None:
        metrics = [*metrics, cpu_metric(source["targetCPUUtilizationPercentage"])]
    if metrics:
        spec["metrics"] = metrics
    if behavior := parsed(annotations.pop(BEHAVIOR, "null")):
        spec["behavior"] = behavior
    state = {k: v for k, v in (obj.get("status") or {}).items() if k != "currentCPUUtilizationPercentage"}
    if conditions := parsed(annotations.pop(CONDITIONS, "null")):
        state["conditions"] = conditions
    percent = (obj.get("status") or {}).get("currentCPUUtilizationPercentage")
    if percent is not None:
        current = {"name": "cpu", "current": {"averageUtilization": percent}}
        state["currentMetrics"] = [{"type": "Resource", "resource": current}]
    measured = parsed(annotations.pop(CURRENT_METRICS, "null"))
    if isinstance(measured, list) and measured:
        state["currentMetrics"] = [status_to_v2(m) for m in measured if isinstance(m, dict)]
    meta = {k: v for k, v in (obj.get("metadata") or {}).items() if k != "annotations"}
    if annotations:
        meta["annotations"] = annotations
    return {**obj, "apiVersion": "autoscaling/v2", "metadata": meta, "spec": spec, "status": state}
