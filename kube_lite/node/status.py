"""The status of a pod, computed whole from what the worker knows: no I/O, no memory.

Phase, conditions and container states are those of upstream's kubelet (``generateAPIPodStatus``, ``getPhase``,
``status/generate.go``); clients match on their reasons. :func:`difference` makes the smallest strategic merge
patch from what was sent before, so that conditions that others own (PodScheduled, readiness gates) stay.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from kube_lite import clock
from kube_lite.node import restarts
from kube_lite.node.runtime import ContainerPhase, ContainerState
from kube_lite.resources.kinds.pod.view import Container, ContainerStatus, Pod

Json = dict[str, Any]

SCHEME = "kube-lite"
"""The runtime's name, as in ``nodeInfo.containerRuntimeVersion``."""

CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
"""The conditions that a node owns."""


class Waiting(msgspec.Struct, frozen=True):
    """Why a container does not run, for now; reason and message as kubectl shows them."""

    reason: str
    message: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """An end that the node decided on, such as DeadlineExceeded."""

    reason: str
    message: str
    grace: float | None = None
    """Seconds that its containers get; None for what the pod asks."""


class PodView(msgspec.Struct):
    """All that a status is made of, besides the pod itself."""

    host_ip: str
    start_time: datetime
    ip: str = ""
    sandbox: bool = False
    attempts: dict[str, dict[int, ContainerState]] = msgspec.field(default_factory=dict)
    """What the runtime knows: container name, attempt, state."""
    waiting: dict[str, Waiting] = msgspec.field(default_factory=dict)
    """Containers that cannot be started yet."""
    ready: dict[str, bool] = msgspec.field(default_factory=dict)
    """Results of readiness probes; absent without a probe."""
    started: dict[str, bool] = msgspec.field(default_factory=dict)
    """Results of startup probes; absent without a probe."""
    again: Collection[str] = ()
    """Containers that have ended and are started again though their restart policy would not."""
    verdict: Verdict | None = None
    rejected: bool = False
    """The verdict is that the pod was never admitted: its status has nothing else."""
    initialized: bool = False
    finished: bool = False
    """No container runs or will run again."""

    def latest(self) -> dict[str, ContainerState]:
        """The newest attempt of each container."""
        return {name: tries[max(tries)] for name, tries in self.attempts.items() if tries}

    def is_started(self, name: str) -> bool:
        """Whether a running container has passed its startup probe."""
        return self.started.get(name, True)


def _stamp(moment: datetime | None) -> str | None:
    return clock.timestamp(moment) if moment else None


def container_id(state: ContainerState) -> str:
    """With the runtime's name as scheme, as the API shows it."""
    known = state.container_id
    return known if not known or "://" in known else f"{SCHEME}://{known}"


def _unlocated(identity: str) -> Json:
    return {
        "exitCode": 137,
        "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the pod was terminated",
        "containerID": identity,
    }


def _terminated(state: ContainerState) -> Json:
    if state.phase is ContainerPhase.UNKNOWN:
        return _unlocated(container_id(state))
    ended: Json = {
        "exitCode": state.exit_code,
        "reason": state.reason or ("Completed" if state.exit_code == 0 else "Error"),
        "startedAt": _stamp(state.started_at),
        "finishedAt": _stamp(state.finished_at),
        "containerID": container_id(state),
    }
    if state.signal:
        ended["signal"] = state.signal
    if state.message:
        ended["message"] = state.message
    return {key: value for key, value in ended.items() if value is not None}


def _carried(old: ContainerStatus | None, attempt: int) -> Json | None:
    """The previous end as the API remembers it, when the runtime no longer does."""
    if old is None:
        return None
    state = old.last_state.terminated if old.restart_count == attempt else None
    if state is None and old.restart_count == attempt - 1:
        state = old.state.terminated
    if state is None:
        return None
    return {k: v for k, v in msgspec.to_builtins(state).items() if v not in (None, "") and (k != "signal" or v)}


def _last_end(
    tries: Mapping[int, ContainerState], newest: int, old: ContainerStatus | None, *, again: bool
) -> Json | None:
    """How the start before ended, by the runtime, or by the API where that knows nothing of it."""
    previous = tries.get(newest - 1)
    if previous is not None and restarts.ended(previous):
        return _terminated(previous)
    if not tries and again and old is not None and old.container_id and old.state.running is not None:
        return _unlocated(old.container_id)
    return _carried(old, newest if tries or again else 0)


def attempts_known(old: ContainerStatus | None) -> int:
    """How often a container of which the runtime knows nothing is known to have ended: with the node, if it ran."""
    return 0 if old is None else old.restart_count + bool(old.container_id)


def container_status(
    declared: Container, view: PodView, old: ContainerStatus | None, *, init: bool, default: Waiting, again: bool
) -> Json:
    """One entry of containerStatuses or initContainerStatuses.

    :param again: whether one that ended with the node is told of as ended, since it is started again at once
    """
    tries = view.attempts.get(declared.name) or {}
    newest = max(tries, default=attempts_known(old))
    state = tries.get(newest)
    waiting = view.waiting.get(declared.name)
    last = _last_end(tries, newest, old, again=again)
    shown: Json
    sidecar = init and restarts.is_sidecar(declared)
    ready = started = False
    if state is not None and restarts.running(state):
        shown = {"running": {"startedAt": _stamp(state.started_at)}}
        started = view.is_started(declared.name)
        ready = started and view.ready.get(declared.name, declared.readiness_probe is None)
        if init and not sidecar:
            ready = False
    elif state is not None and restarts.ended(state) and waiting is None and declared.name not in view.again:
        shown = {"terminated": _terminated(state)}
        ready = init and not sidecar and restarts.succeeded(state)
    else:
        reason = waiting or default
        shown = {"waiting": {"reason": reason.reason}}
        if reason.message:
            shown["waiting"]["message"] = reason.message
        if state is not None and restarts.ended(state):
            last = _terminated(state)  # and no end of now: under some policies the API takes that for final
    status: Json = {
        "name": declared.name,
        "state": shown,
        "lastState": {"terminated": last} if last else {},
        "ready": ready,
        "restartCount": max(newest, old.restart_count if old else 0),
        "image": (state.image if state else "") or declared.image,
        "imageID": state.image_id if state else "",
        "started": started,
    }
    if state is not None and state.container_id:
        status["containerID"] = container_id(state)
    return status


def _ended_badly(status: Json) -> bool | None:
    """Whether a container status shows a failed end; None when it shows no end at all."""
    ended = status["state"].get("terminated") or (
        status["lastState"].get("terminated") if "waiting" in status["state"] else None
    )
    return None if ended is None else ended["exitCode"] != 0


def phase(pod: Pod, init: Sequence[Json], main: Sequence[Json], terminal: bool, again: Collection[str] = ()) -> str:
    """The pod's phase (upstream ``getPhase``).

    :param terminal: no container runs or will be started again
    :param again: see :class:`PodView`
    """
    by_name = {c.name: c for c in pod.spec.init_containers}
    pending_init = 0
    for status in init:
        sidecar = restarts.is_sidecar(by_name[status["name"]])
        bad = _ended_badly(status)
        if sidecar:
            pending_init += "running" not in status["state"] and bad is None
        elif bad and pod.spec.restart_policy == "Never":
            return "Failed"
        elif bad is not False:
            pending_init += 1
    running = sum("running" in s["state"] for s in main)
    ends = [bad for s in main if "running" not in s["state"] and (bad := _ended_badly(s)) is not None]
    waiting = len(main) - running - len(ends)
    if terminal and ends and running == 0:
        return "Failed" if waiting or any(ends) else "Succeeded"
    if terminal:
        return "Failed"
    if waiting or (pending_init and not running and not ends):
        return "Pending"
    if running or again or pod.spec.restart_policy == "Always":
        return "Running"
    if not any(ends):
        return "Succeeded"
    return "Failed" if pod.spec.restart_policy == "Never" else "Running"


def _names(statuses: Sequence[Json]) -> str:
    return "[" + " ".join(s["name"] for s in statuses) + "]"


def _conditions(pod: Pod, view: PodView, current: str, init: Sequence[Json], main: Sequence[Json]) -> list[Json]:
    sidecars = {c.name for c in pod.spec.init_containers if restarts.is_sidecar(c)}
    unready = [s for s in [*(i for i in init if i["name"] in sidecars), *main] if not s["ready"]]
    incomplete = [
        s for s in init if not (s["started"] or _ended_badly(s) is False if s["name"] in sidecars else s["ready"])
    ]
    found: dict[str, Json] = {}
    found["PodReadyToStartContainers"] = {"status": "True" if view.sandbox and not view.finished else "False"}
    if current == "Succeeded":
        initialized: Json = {"status": "True", "reason": "PodCompleted"}
    elif view.initialized or not incomplete:
        initialized = {"status": "True"}
    else:
        message = f"containers with incomplete status: {_names(incomplete)}"
        initialized = {"status": "False", "reason": "ContainersNotInitialized", "message": message}
    found["Initialized"] = initialized
    if current in ("Succeeded", "Failed"):
        containers: Json = {"status": "False", "reason": "PodCompleted" if current == "Succeeded" else "PodFailed"}
    elif unready:
        message = f"containers with unready status: {_names(unready)}"
        containers = {"status": "False", "reason": "ContainersNotReady", "message": message}
    else:
        containers = {"status": "True"}
    found["Ready"] = _ready(pod, containers)
    found["ContainersReady"] = containers
    return [_condition(pod, kind, found[kind]) for kind in CONDITIONS]


def _ready(pod: Pod, containers: Json) -> Json:
    """As the containers are, unless a readiness gate is closed."""
    if containers["status"] != "True":
        return containers
    closed = []
    for gate in pod.spec.readiness_gates:
        condition = pod.condition(gate.condition_type)
        if condition is None:
            closed.append(f'corresponding condition of pod readiness gate "{gate.condition_type}" does not exist.')
        elif condition.status != "True":
            closed.append(
                f'the status of pod readiness gate "{gate.condition_type}" is not "True", but {condition.status}'
            )
    if not closed:
        return containers
    message = closed[0] if len(closed) == 1 else "[" + ", ".join(closed) + "]"
    return {"status": "False", "reason": "ReadinessGatesNotReady", "message": message}


def _condition(pod: Pod, kind: str, content: Json) -> Json:
    return {"type": kind, **content, "observedGeneration": pod.metadata.generation}


def build(pod: Pod, view: PodView) -> Json:
    """The whole status, without lastTransitionTime, which :class:`Transitions` adds."""
    if view.rejected and view.verdict is not None:
        return {
            "phase": "Failed",
            "reason": view.verdict.reason,
            "message": f"Pod was rejected: {view.verdict.message}",
            "observedGeneration": pod.metadata.generation,
            "startTime": clock.timestamp(view.start_time),
            "conditions": [],
        }
    old = {s.name: s for s in [*pod.status.init_container_statuses, *pod.status.container_statuses]}
    creating = Waiting("ContainerCreating")
    initializing = Waiting("PodInitializing")
    init = [
        container_status(c, view, old.get(c.name), init=True, default=initializing, again=restarts.is_sidecar(c))
        for c in pod.spec.init_containers
    ]
    default = initializing if pod.spec.init_containers else creating
    # where init containers run anew first the pod is Pending again, as upstream, and no end is told of
    again = pod.spec.restart_policy != "Never" and not pod.spec.init_containers
    main = [
        container_status(c, view, old.get(c.name), init=False, default=default, again=again)
        for c in pod.spec.containers
    ]
    current = "Failed" if view.verdict else phase(pod, init, main, view.finished, view.again)
    status: Json = {
        "phase": current,
        "observedGeneration": pod.metadata.generation,
        "conditions": _conditions(pod, view, current, init, main),
        "hostIP": view.host_ip,
        "hostIPs": [{"ip": view.host_ip}],
        "startTime": clock.timestamp(view.start_time),
        "containerStatuses": main,
    }
    if init:
        status["initContainerStatuses"] = init
    if view.ip:
        status["podIP"] = view.ip
        status["podIPs"] = [{"ip": view.ip}]
    if view.verdict:
        status["reason"] = view.verdict.reason
        status["message"] = view.verdict.message
    return status


class Transitions:
    """Remembers since when each condition has its status."""

    def __init__(self, pod: Pod) -> None:
        self._since = {
            c.type: (c.status, c.last_transition_time) for c in pod.status.conditions if c.last_transition_time
        }

    def stamp(self, status: Json) -> None:
        """Add lastTransitionTime to the conditions of ``status``."""
        for condition in status["conditions"]:
            known = self._since.get(condition["type"])
            if known is None or known[0] != condition["status"]:
                known = self._since[condition["type"]] = (condition["status"], clock.timestamp())
            condition["lastTransitionTime"] = known[1]


def known(pod: Pod) -> Json:
    """What the API shows already and a patch may have to take back, as :func:`build` would write it."""
    now = pod.status
    conditions = [
        {
            key: value
            for key, value in (
                ("type", c.type),
                ("status", c.status),
                ("reason", c.reason),
                ("message", c.message),
                ("lastTransitionTime", c.last_transition_time),
            )
            if value
        }
        for c in now.conditions
        if c.type in CONDITIONS
    ]
    shown = {
        "conditions": conditions,
        "reason": now.reason,
        "message": now.message,
        "podIP": now.pod_ip,
        "podIPs": [{"ip": address.ip} for address in now.pod_ips],
    }
    return {key: value for key, value in shown.items() if value}


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    """A strategic merge patch from ``old`` to ``new``, empty when nothing changed.

    Conditions are merged by type and carry explicit nulls for what they lost; addresses replace the old ones.
    """
    patch: Json = {key: None for key in old if key not in new}
    for key, value in new.items():
        if old.get(key) == value:
            continue
        if key == "conditions":
            before = {c["type"]: c for c in old.get(key, ())}
            patch[key] = [
                {**{lost: None for lost in before.get(c["type"], {}) if lost not in c}, **c}
                for c in value
                if before.get(c["type"]) != c
            ]
        elif key in ("podIPs", "hostIPs") and old.get(key):
            patch[key] = [*value, {"$patch": "replace"}]
        else:
            patch[key] = value
    return patch
