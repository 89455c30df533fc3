"""How pods look in tables: the words that ``kubectl get pods`` prints (upstream's ``printPod``)."""

from __future__ import annotations

from datetime import datetime

from kube_lite.clock import parse_timestamp
from kube_lite.resources.ages import age, human_duration
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column

COLUMNS = (
    NAME_COLUMN,
    Column("Ready"),
    Column("Status"),
    Column("Restarts", "integer"),
    AGE_COLUMN,
    Column("IP", priority=1),
    Column("Node", priority=1),
    Column("Nominated Node", priority=1),
    Column("Readiness Gates", priority=1),
)

NODE_LOST = "NodeLost"


class _Restarts:
    """Counts restarts and remembers the last one."""

    def __init__(self) -> None:
        self.count = 0
        self.last = ""

    def add(self, status: Obj) -> None:
        self.count += status.get("restartCount", 0)
        ended = ((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt")
        if ended and ended > self.last:
            self.last = ended

    def text(self, now: datetime) -> str | int:
        """A bare number, or text where the time of the last restart is known."""
        if not self.count or not self.last:
            return self.count
        ago = human_duration((now - parse_timestamp(self.last)).total_seconds())
        return f"{self.count} ({ago} ago)"


def _ended(terminated: Obj, prefix: str = "") -> str:
    if reason := terminated.get("reason"):
        return f"{prefix}{reason}"
    if signal := terminated.get("signal"):
        return f"{prefix}Signal:{signal}"
    return f"{prefix}ExitCode:{terminated.get('exitCode', 0)}"


def _init_reason(spec: Obj, status: Obj, restarts: _Restarts, sidecar_restarts: _Restarts) -> tuple[str, int]:
    """The first unfinished init container's state, or '', and how many sidecars are ready."""
    sidecars = {c.get("name") for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}
    ready = 0
    for i, container in enumerate(status.get("initContainerStatuses") or ()):
        restarts.add(container)
        sidecar = container.get("name") in sidecars
        if sidecar:
            sidecar_restarts.add(container)
        state = container.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting") or {}
        if terminated is not None and not terminated.get("exitCode", 0):
            continue
        if sidecar and container.get("started"):
            ready += bool(container.get("ready"))
            continue
        if terminated is not None:
            return _ended(terminated, "Init:"), ready
        if waiting.get("reason") and waiting["reason"] != "PodInitializing":
            return f"Init:{waiting['reason']}", ready
        return f"Init:{i}/{len(spec.get('initContainers') or ())}", ready
    return "", ready


def _container_reason(status: Obj, reason: str, restarts: _Restarts) -> tuple[str, int]:
    """The state of the containers, and how many are ready."""
    ready, running = 0, False
    for container in reversed(status.get("containerStatuses") or ()):
        restarts.add(container)
        state = container.get("state") or {}
        waiting, terminated = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif terminated is not None:
            reason = _ended(terminated)
        elif container.get("ready") and state.get("running") is not None:
            running = True
            ready += 1
    if reason == "Completed" and running:
        conditions = status.get("conditions") or ()
        is_ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
        reason = "Running" if is_ready else "NotReady"
    return reason, ready


def _gates(spec: Obj, status: Obj) -> str:
    gates = spec.get("readinessGates")
    if not gates:
        return "<none>"
    true = {c.get("type") for c in status.get("conditions") or () if c.get("status") == "True"}
    return f"{sum(gate.get('conditionType') in true for gate in gates)}/{len(gates)}"


def row(pod: Obj, now: datetime) -> Cells:
    """The cells of one pod."""
    meta, spec, status = pod.get("metadata") or {}, pod.get("spec") or {}, pod.get("status") or {}
    reason = status.get("reason") or status.get("phase", "")
    if any(
        c.get("type") == "PodScheduled" and c.get("reason") == "SchedulingGated" for c in status.get("conditions") or ()
    ):
        reason = "SchedulingGated"
    restarts, sidecar_restarts = _Restarts(), _Restarts()
    init_reason, ready = _init_reason(spec, status, restarts, sidecar_restarts)
    initialized = any(
        c.get("type") == "Initialized" and c.get("status") == "True" for c in status.get("conditions") or ()
    )
    if init_reason and not initialized:
        reason = init_reason
    else:
        restarts = sidecar_restarts
        reason, more = _container_reason(status, init_reason or reason, restarts)
        ready += more
    if meta.get("deletionTimestamp"):
        if status.get("reason") == NODE_LOST:
            reason = "Unknown"
        elif status.get("phase") not in ("Succeeded", "Failed"):
            reason = "Terminating"
    sidecars = sum(c.get("restartPolicy") == "Always" for c in spec.get("initContainers") or ())
    ips = status.get("podIPs")
    address = (ips[0].get("ip") if ips else "") or status.get("podIP") or "<none>"
    return [
        meta.get("name", ""),
        f"{ready}/{len(spec.get('containers') or ()) + sidecars}",
        reason,
        restarts.text(now),
        age(pod, now),
        address,
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        _gates(spec, status),
    ]


def row_conditions(pod: Obj) -> list[Obj]:
    """The mark of a finished pod in its Table row."""
    phase = (pod.get("status") or {}).get("phase")
    if phase == "Succeeded":
        message = "The pod has completed successfully."
    elif phase == "Failed":
        message = "The pod failed."
    else:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": message}]
