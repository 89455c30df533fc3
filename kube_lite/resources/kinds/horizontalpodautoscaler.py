"""HorizontalPodAutoscalers: replicas that follow a load, stored as v2 and served as v1 too."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from kube_lite.resources import names, quantity
from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, child, forbidden, index, invalid, not_supported, required
from kube_lite.resources.go.types import go_quantity
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.meta import Obj, metadata, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, status
from kube_lite.resources.rules import dns_label, nonnegative

METRICS = "autoscaling.alpha.kubernetes.io/metrics"
CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
"""Annotations in which v1 shows what only v2 has fields for."""
DEFAULT_UTILIZATION = 80
"""Percent of requested CPU aimed at where no metric is named."""
_SOURCES = {
    "Resource": "resource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
    "ContainerResource": "containerResource",
}
_IN_TURN = ("object", "external", "pods", "resource", "containerResource")
"""Sources in the order in which they are looked for."""
MAX_WINDOW = 3600
"""Longest stabilization window in seconds."""
MAX_PERIOD = 1800
"""Longest period of a scaling policy in seconds."""
_UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def _cpu(percent: int) -> Obj:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        spec["metrics"] = [_cpu(DEFAULT_UTILIZATION)]
    if (behavior := spec.get("behavior")) is not None:
        for name, rules in (("scaleUp", _UP), ("scaleDown", _DOWN)):
            behavior[name] = {**json.loads(json.dumps(rules)), **(behavior.get(name) or {})}


def _default_v1(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    annotations = metadata(obj).get("annotations") or {}
    if spec.get("targetCPUUtilizationPercentage") is None and METRICS not in annotations:
        spec["targetCPUUtilizationPercentage"] = DEFAULT_UTILIZATION


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


def metric_to_v2(metric: Obj) -> Obj:
    """A metric in v1's annotation, which knows neither ``target`` nor ``metric``."""
    made: Obj = {"type": metric.get("type", "")}
    for name in _SOURCES.values():
        source = metric.get(name)
        if source is None:
            continue
        made[name] = {**_identified(name, source), "target": _aimed_at(name, source)}
    return made


def metric_to_v1(metric: Obj) -> Obj:
    """The reverse of :func:`metric_to_v2`."""
    made: Obj = {"type": metric.get("type", "")}
    for name in _SOURCES.values():
        source = metric.get(name)
        if source is None:
            continue
        kept = _identified_in_v1(name, source)
        target = source.get("target") or {}
        average = "averageValue" if name == "object" else "targetAverageValue"
        names_of_v1 = {
            "averageUtilization": "targetAverageUtilization",
            "averageValue": average,
            "value": "targetValue",
        }
        if name == "object":
            kept["targetValue"] = "0"  # always there, whatever is aimed at
        made[name] = {**kept, **{old: target[new] for new, old in names_of_v1.items() if new in target}}
    return made


_MEASURED = {
    "currentAverageUtilization": "averageUtilization",
    "currentAverageValue": "averageValue",
    "averageValue": "averageValue",
    "currentValue": "value",
}
"""Fields of a v1 metric status that v2 keeps in ``current``."""


def status_to_v2(metric: Obj) -> Obj:
    """The status of a metric in v1's annotation or in v2beta1, as v2 has it."""
    made: Obj = {"type": metric.get("type", "")}
    for name in _SOURCES.values():
        source = metric.get(name)
        if source is None:
            continue
        kept = _identified(name, source)
        current = {
            new: source[old]
            for old, new in _MEASURED.items()
            if source.get(old) is not None and not (old == "currentValue" and source[old] == "0")
        }
        made[name] = {**kept, "current": current}
    return made


def status_to_v1(metric: Obj) -> Obj:
    """The reverse of :func:`status_to_v2`."""
    made: Obj = {"type": metric.get("type", "")}
    for name in _SOURCES.values():
        source = metric.get(name)
        if source is None:
            continue
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
        made[name] = kept
    return made


def parsed(text: str) -> Any:
    """The JSON in an annotation, None where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def to_v2(obj: Obj) -> Obj:
    """The v2 form of a v1 object."""
    source = obj.get("spec") or {}
    spec = {k: v for k, v in source.items() if k != "targetCPUUtilizationPercentage"}
    annotations = dict((obj.get("metadata") or {}).get("annotations") or {})
    listed = parsed(annotations.pop(METRICS, "null"))
    metrics = [metric_to_v2(m) for m in listed if isinstance(m, dict)] if isinstance(listed, list) else []
    if source.get("targetCPUUtilizationPercentage") is not None:
        metrics = [*metrics, _cpu(source["targetCPUUtilizationPercentage"])]
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
    unknown = not_supported(at, kind, frozenset(_SOURCES))
    found: Errors = [] if kind else [required(at, "must specify a metric source type")]
    expected = _SOURCES.get(kind)
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
    return found


def _validate(obj: Obj) -> Errors:
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


def _metric_text(metric: Obj, current: Obj) -> str:
    """What is measured and what is aimed at, for tables."""
    name = _SOURCES.get(metric.get("type", ""), "")
    source = metric.get(name) or {}
    target, now = source.get("target") or {}, (current.get(name) or {}).get("current") or {}
    if name in ("resource", "containerResource"):
        if target.get("averageValue") is not None:
            return f"{now.get('averageValue', '<unknown>')}/{target['averageValue']}"
        aim = f"{target['averageUtilization']}%" if target.get("averageUtilization") is not None else "<auto>"
        seen = f"{now['averageUtilization']}%" if now.get("averageUtilization") is not None else "<unknown>"
        return f"{seen}/{aim}"
    if target.get("averageValue") is not None:
        suffix = "" if name == "pods" else " (avg)"
        return f"{now.get('averageValue', '<unknown>')}/{target['averageValue']}{suffix}"
    return f"{now.get('value', '<unknown>')}/{target.get('value', '<unknown>')}"


def _targets(spec: Obj, state: Obj) -> str:
    metrics, seen = spec.get("metrics") or [], state.get("currentMetrics") or []
    if not metrics:
        return "<none>"
    shown = [_metric_text(m, seen[i] if i < len(seen) else {}) for i, m in enumerate(metrics)]
    more = f" + {len(shown) - 2} more..." if len(shown) > 2 else ""
    return ", ".join(shown[:2]) + more


def _row(obj: Obj, now: datetime) -> Cells:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    reference = spec.get("scaleTargetRef") or {}
    return [
        name_of(obj),
        f"{reference.get('kind', '')}/{reference.get('name', '')}",
        _targets(spec, state),
        str(spec.get("minReplicas", "<unset>")),
        spec.get("maxReplicas", 0),
        state.get("currentReplicas", 0),
        age(obj, now),
    ]


_COLUMNS = (
    NAME_COLUMN,
    Column("Reference"),
    Column("Targets"),
    Column("MinPods"),
    Column("MaxPods"),
    Column("Replicas"),
    AGE_COLUMN,
)


def _validate_status(new: Obj, old: Obj) -> Errors:
    state = new.get("status") or {}
    return [
        error
        for name in ("currentReplicas", "desiredReplicas")
        for error in nonnegative(state.get(name), f"status.{name}")
    ]


RESOURCES = (
    Resource(
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
        validate=_validate,
        validate_update=lambda new, old: _validate(new),
        columns=_COLUMNS,
        row=_row,
    ),
    Resource(
        kind="HorizontalPodAutoscaler",
        plural="horizontalpodautoscalers",
        group="autoscaling",
        version="v1",
        definition="io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler",
        short_names=("hpa",),
        categories=("all",),
        subresources={"status": status(validate=_validate_status)},
        generation=False,
        default=_default_v1,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=lambda obj: _validate(to_v2(obj)),
        validate_update=lambda new, old: _validate(to_v2(new)),
        columns=_COLUMNS,
        row=lambda obj, now: _row(to_v2(obj), now),
        internal_annotations=(METRICS, CONDITIONS, BEHAVIOR, CURRENT_METRICS),
        storage_version="v2",
        convert_from_storage=from_v2,
        convert_to_storage=to_v2,
    ),
)
