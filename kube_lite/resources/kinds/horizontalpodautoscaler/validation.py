"""Rules of HorizontalPodAutoscalers beyond the schema, in the form of v2."""

from __future__ import annotations

from kube_lite.resources import names, quantity
from kube_lite.resources.field import Errors, child, forbidden, index, invalid, not_supported, required
from kube_lite.resources.go.types import go_quantity
from kube_lite.resources.kinds.horizontalpodautoscaler.metrics import SOURCES
from kube_lite.resources.meta import Obj
from kube_lite.resources.rules import NOT_NEGATIVE, dns_label

_IN_TURN = ("object", "external", "pods", "resource", "containerResource")
"""Sources in the order in which they are looked for."""
MAX_WINDOW = 3600
"""Longest stabilization window in seconds."""
MAX_PERIOD = 1800
"""Longest period of a scaling policy in seconds."""


def _reference(reference: Obj, path: str) -> Errors:
    found: Errors = []
    for name in ("kind", "name"):
        value = reference.get(name, "")
        if not value:
            found.append(required(child(path, name)))
        else:
            found.extend(invalid(child(path, name), value, problem) for problem in names.path_segment(value))
    return found


def _target(target: Obj, path: str) -> Errors:
    found: Errors = []
    kind = target.get("type", "")
    if not kind:
        found.append(required(child(path, "type"), "must specify a metric target type"))
    if kind not in ("Utilization", "Value", "AverageValue"):
        detail = "must be either Utilization, Value, or AverageValue"
        found.append(invalid(child(path, "type"), kind, detail))
    for name in ("value", "averageValue"):
        if (text := target.get(name)) is not None and quantity.parse(text).nanos <= 0:
            found.append(invalid(child(path, name), go_quantity(text), "must be positive"))
    if (percent := target.get("averageUtilization")) is not None and percent < 1:
        found.append(invalid(child(path, "averageUtilization"), percent, "must be greater than 0"))
    return found


def _needed_target(name: str, target: Obj, path: str) -> Errors:
    """Which values of a target the kind of metric needs, and which exclude each other."""
    value, average = target.get("value"), target.get("averageValue")
    if name in ("resource", "containerResource"):
        percent = target.get("averageUtilization")
        if percent is None and average is None:
            detail = "must set either a target raw value or a target utilization"
            return [required(child(path, "averageUtilization"), detail)]
        detail = "may not set both a target raw value and a target utilization"
        return [forbidden(child(path, "averageValue"), detail)] if percent is not None and average is not None else []
    at = child(path, "averageValue")
    if name == "pods":
        return [required(at, "must specify a positive target averageValue")] if average is None else []
    if name == "object":
        unset = value is None and average is None
        return [required(at, "must set either a target value or averageValue")] if unset else []
    if value is None and average is None:
        return [required(at, "must set either a target value for metric or a per-pod target")]
    if value is not None and average is not None:
        detail = "may not set both a target value for metric and a per-pod target"
        return [forbidden(child(path, "value"), detail)]
    return []


def _source(name: str, source: Obj, path: str) -> Errors:
    """What is measured, and what is aimed at."""
    found: Errors = []
    if name in ("resource", "containerResource") and not source.get("name"):
        found.append(required(child(path, "name"), "must specify a resource name"))
    if name == "containerResource":
        at, container = child(path, "container"), source.get("container", "")
        found.extend(dns_label(container, at) if container else [required(at, "must specify a container")])
    if name == "object":
        found.extend(_reference(source.get("describedObject") or {}, child(path, "describedObject")))
    if name in ("pods", "object", "external"):
        label = (source.get("metric") or {}).get("name", "")
        where = child(child(path, "metric"), "name")
        if not label:
            found.append(required(where, "must specify a metric name"))
        else:
            found.extend(invalid(where, label, problem) for problem in names.path_segment(label))
    target, at = source.get("target") or {}, child(path, "target")
    return found + _target(target, at) + _needed_target(name, target, at)


def _metric(metric: Obj, path: str) -> Errors:
    """One metric: of several sources only the first is looked at."""
    kind = metric.get("type", "")
    at = child(path, "type")
    unknown = not_supported(at, kind, frozenset(SOURCES))
    found: Errors = [] if kind else [required(at, "must specify a metric source type")]
    expected = SOURCES.get(kind)
    found.extend([] if expected else [unknown])
    present = [name for name in _IN_TURN if metric.get(name) is not None]
    for name in present[:1]:
        found.extend(_source(name, metric[name], child(path, name)))
    if expected is None:
        found.append(unknown)
    elif expected not in present:
        found.append(required(child(path, expected), "must populate information for the given metric source"))
    if len(present) != 1:
        detail = "must populate the given metric source only"
        found.extend(forbidden(child(path, name), detail) for name in present if name != expected)
    return found


def _metrics(metrics: list[Obj], replicas: int | None, path: str) -> Errors:
    found = [problem for i, metric in enumerate(metrics) for problem in _metric(metric, index(path, i))]
    if replicas == 0 and not any(metric.get("type") in ("Object", "External") for metric in metrics):
        detail = "must specify at least one Object or External metric to support scaling to zero replicas"
        found.append(forbidden(path, detail))
    return found


def _behavior(behavior: Obj, path: str) -> Errors:
    found: Errors = []
    for name in ("scaleUp", "scaleDown"):
        rules = behavior.get(name)
        if rules is None:
            continue
        at = child(path, name)
        window, select = rules.get("stabilizationWindowSeconds"), rules.get("selectPolicy")
        if window is not None and not 0 <= window <= MAX_WINDOW:
            detail = (
                "must be greater than or equal to zero" if window < 0 else f"must be less than or equal to {MAX_WINDOW}"
            )
            found.append(invalid(child(at, "stabilizationWindowSeconds"), window, detail))
        if select is not None and select not in ("Max", "Min", "Disabled"):
            found.append(not_supported(child(at, "selectPolicy"), select, frozenset({"Max", "Min", "Disabled"})))
        policies = rules.get("policies") or []
        if not policies:
            found.append(required(child(at, "policies"), "must specify at least one Policy"))
        for i, policy in enumerate(policies):
            where = index(child(at, "policies"), i)
            if policy.get("type") not in ("Pods", "Percent"):
                choices = frozenset({"Pods", "Percent"})
                found.append(not_supported(child(where, "type"), policy.get("type", ""), choices))
            for part in ("value", "periodSeconds"):
                if policy.get(part, 0) <= 0:
                    found.append(invalid(child(where, part), policy.get(part, 0), "must be greater than zero"))
            if (seconds := policy.get("periodSeconds", 0)) > MAX_PERIOD:
                detail = f"must be less than or equal to {MAX_PERIOD}"
                found.append(invalid(child(where, "periodSeconds"), seconds, detail))
        tolerance = rules.get("tolerance")
        if tolerance is not None and quantity.parse(tolerance).nanos < 0:
            found.append(invalid(child(at, "tolerance"), tolerance, NOT_NEGATIVE))
    return found


def validate(obj: Obj) -> Errors:
    """The rules of the object as v2 has it."""
    spec = obj.get("spec") or {}
    found: Errors = []
    low, high = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    if low is not None and low < 1:
        found.append(invalid("spec.minReplicas", low, "must be greater than or equal to 1"))
    if high < 1:
        found.append(invalid("spec.maxReplicas", high, "must be greater than 0"))
    if low is not None and high < low:
        found.append(invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`"))
    found.extend(_reference(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef"))
    found.extend(_metrics(spec.get("metrics") or [], low, "spec.metrics"))
    if behavior := spec.get("behavior"):
        found.extend(_behavior(behavior, "spec.behavior"))
    return found
