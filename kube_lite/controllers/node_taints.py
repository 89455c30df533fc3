"""Taints that the node lifecycle sets and takes away (upstream's ``node.kubernetes.io/*``)."""

from __future__ import annotations

from kube_lite.resources.meta import Obj
from kube_lite.resources.views import Node, Taint

NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "NoExecute"

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"

_BY_CONDITION: dict[tuple[str, str], str] = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
}

_NO_SCHEDULE_KEYS = frozenset(_BY_CONDITION.values()) | {UNSCHEDULABLE}
_NO_EXECUTE_KEYS = frozenset({NOT_READY, UNREACHABLE})


def is_lifecycle_taint(taint: Taint) -> bool:
    """Whether the taint is the lifecycle controller's to set and remove."""
    keys = {NO_SCHEDULE: _NO_SCHEDULE_KEYS, NO_EXECUTE: _NO_EXECUTE_KEYS}.get(taint.effect, frozenset())
    return taint.key in keys


def condition_taints(node: Node) -> list[Taint]:
    """The NoSchedule taints that follow from the node's conditions and from ``unschedulable``."""
    keys = [_BY_CONDITION[pair] for c in node.status.conditions if (pair := (c.type, c.status)) in _BY_CONDITION]
    if node.spec.unschedulable:
        keys.append(UNSCHEDULABLE)
    return [Taint(key=key, effect=NO_SCHEDULE) for key in keys]


def execute_taint(node: Node) -> Taint | None:
    """The NoExecute taint of a node that is not ready; None when it is, or has never said anything."""
    ready = node.condition("Ready")
    key = {"False": NOT_READY, "Unknown": UNREACHABLE}.get(ready.status) if ready is not None else None
    return Taint(key=key, effect=NO_EXECUTE) if key is not None else None


def taint_as_json(taint: Taint) -> Obj:
    """A taint as it stands in the API."""
    entry: Obj = {"key": taint.key, "effect": taint.effect}
    if taint.value:
        entry["value"] = taint.value
    if taint.time_added:
        entry["timeAdded"] = taint.time_added
    return entry
