"""HorizontalPodAutoscalers in tables."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.kinds.horizontalpodautoscaler.metrics import SOURCES
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column


def _metric_text(metric: Obj, current: Obj) -> str:
    """What is measured and what is aimed at, for tables."""
    name = SOURCES.get(metric.get("type", ""), "")
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


def row(obj: Obj, now: datetime) -> Cells:
    """The cells under ``COLUMNS``, from the form of v2."""
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


COLUMNS = (
    NAME_COLUMN,
    Column("Reference"),
    Column("Targets"),
    Column("MinPods"),
    Column("MaxPods"),
    Column("Replicas"),
    AGE_COLUMN,
)
