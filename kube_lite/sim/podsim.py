"""One simulated pod: what its node would report at every moment of its life.

A pod here moves as one: its containers are pulled, started, made ready and ended together. ``SimPod`` decides and
describes; it does no I/O. The fleet calls :meth:`SimPod.advance` when the time that it named has come, and writes
:meth:`SimPod.status` whenever ``version`` has moved on.
"""

from __future__ import annotations

import random
from enum import StrEnum
from typing import Any

import msgspec

from kube_lite import clock
from kube_lite.resources.kinds.pod.view import Container, Pod
from kube_lite.sim.stages import EXIT_CODE, RUN_FOR, Stages, backoff

KILLED = 143
"""Exit code of a process that SIGTERM ended (128 + 15)."""
REPORT_CREATING = 1.0
"""Seconds of creation from which on ``ContainerCreating`` is reported; shorter ones go straight to Running."""


def _number(text: str | None) -> float | None:
    """The number in an annotation; anyone can write anything there."""
    try:
        number = float(text) if text is not None else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < 1e9 else None


class Step(StrEnum):
    """Where a simulated pod is."""

    CREATING = "creating"
    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"


class SimPod(msgspec.Struct, eq=False):
    """A pod on a simulated node; times are ``clock.monotonic()``, stamps RFC 3339."""

    pod: Pod
    node: int
    ip: str
    host_ip: str
    stages: Stages
    rng: random.Random
    step: Step = Step.CREATING
    ready: bool = False
    stopping: bool = False
    version: int = 0
    written: int = 0
    restarts: int = 0
    failures: int = 0
    due: float | None = None
    """When something happens next."""
    created_at: str = ""
    started_at: str = ""
    transition: str = ""
    waiting: tuple[str, str] = ("ContainerCreating", "")
    last_end: dict[str, Any] | None = None
    _ready_due: float = 0.0
    _exit_due: float | None = None

    @property
    def restarts_allowed(self) -> str:
        """``restartPolicy``."""
        return self.pod.spec.restart_policy

    def begin(self, has_images: bool) -> None:
        """The node has seen the pod."""
        self.created_at = self.transition = clock.timestamp()
        delay = self.stages.sandbox.duration(self.rng)
        delay += sum(self.stages.start.duration(self.rng) for _ in self.pod.spec.init_containers)
        delay += 0.0 if has_images else self.stages.pull.duration(self.rng)
        delay += self.stages.start.duration(self.rng)
        self.due = clock.monotonic() + delay
        if delay >= REPORT_CREATING:
            self.version += 1

    def adopt(self) -> None:
        """The pod was running before this fleet: go on from what its status says."""
        status = self.pod.status
        self.step = Step.FINISHED if self.pod.finished else Step.RUNNING
        self.ready = self.pod.ready
        self.ip = status.pod_ip or self.ip
        self.created_at = status.start_time or clock.timestamp()
        self.transition = self.started_at = self.created_at
        for container in status.container_statuses:
            self.restarts = max(self.restarts, container.restart_count)
            if container.state.running is not None and container.state.running.started_at:
                self.started_at = container.state.running.started_at
        if self.step is Step.RUNNING:
            self._plan(clock.monotonic())

    def stop(self) -> None:
        """Deletion was asked for: end after the stop stage, or the grace period if that is shorter."""
        if self.stopping:
            return
        self.stopping = True
        started = self.step is Step.RUNNING
        grace = self.pod.metadata.deletion_grace_period_seconds
        needed = self.stages.stop.duration(self.rng) if started else 0.0
        self.due = clock.monotonic() + (needed if grace is None else min(needed, float(grace)))

    def advance(self) -> None:
        """What ``due`` stood for happens now."""
        self.due = None
        if self.stopping:
            self._end()
            return
        moment = clock.monotonic()
        if self.step is Step.RUNNING:
            if self._exit_due is not None and self._exit_due <= moment:
                self._exit()
            elif not self.ready:
                self.ready = True
                self.due = self._exit_due
                self._changed()
        elif self.step in (Step.CREATING, Step.WAITING):
            self._start(moment)

    def _end(self) -> None:
        """All is stopped. A pod that finalizers hold (a Job's) must be seen to have ended, or it is held for ever."""
        if self.step is Step.FINISHED or not self.pod.metadata.finalizers:
            return
        if self.step is Step.RUNNING or self.last_end is None:
            self.last_end = {"exitCode": KILLED, "reason": "Error"}
            if self.started_at:
                self.last_end |= {"startedAt": self.started_at, "finishedAt": clock.timestamp()}
        self.ready, self.step = False, Step.FINISHED
        self._changed()

    def _changed(self) -> None:
        self.transition = clock.timestamp()
        self.version += 1

    def _start(self, moment: float) -> None:
        for stage in (self.stages.sandbox, self.stages.pull, self.stages.start):
            if stage.fails(self.rng):
                self.failures += 1
                self._wait(stage.reason, stage.message, backoff(self.failures))
                return
        self.failures = 0
        self.step, self.started_at = Step.RUNNING, clock.timestamp()
        self._plan(moment)
        self._changed()

    def _plan(self, moment: float) -> None:
        """When the running containers become ready, and when they end by themselves."""
        run_for = _number(self.pod.metadata.annotations.get(RUN_FOR))
        self._exit_due = moment + run_for if run_for is not None else None
        if not self.ready:
            self._ready_due = moment + self.stages.ready.duration(self.rng)
            self.ready = self._ready_due <= moment
        if not self.ready:
            self.due = self._ready_due if self._exit_due is None else min(self._ready_due, self._exit_due)
        else:
            self.due = self._exit_due

    def _wait(self, reason: str, message: str, seconds: float) -> None:
        self.step, self.ready, self.waiting = Step.WAITING, False, (reason, message)
        self.due = clock.monotonic() + seconds
        self._changed()

    def _exit(self) -> None:
        code = int(_number(self.pod.metadata.annotations.get(EXIT_CODE)) or 0) & 0xFF
        self.last_end = {
            "exitCode": code,
            "reason": "Error" if code else "Completed",
            "startedAt": self.started_at,
            "finishedAt": clock.timestamp(),
        }
        self.ready = False
        if self.restarts_allowed == "Always" or (self.restarts_allowed == "OnFailure" and code):
            self.restarts += 1
            delay = backoff(self.restarts - 1) if self.restarts > 1 else 0.0
            name = f"{self.pod.metadata.name}_{self.pod.metadata.namespace}({self.pod.metadata.uid})"
            message = f"back-off {delay:g}s restarting failed containers of pod {name}"
            self._wait("CrashLoopBackOff", message, delay)
        else:
            self.step = Step.FINISHED
            self._changed()

    # -- what is reported

    def status(self) -> dict[str, Any]:
        """The status as a kubelet writes it."""
        running = self.step is Step.RUNNING
        started = running or self.last_end is not None
        status: dict[str, Any] = {
            "phase": self._phase(),
            "hostIP": self.host_ip,
            "hostIPs": [{"ip": self.host_ip}],
            "startTime": self.created_at,
            "conditions": self._conditions(started),
            "containerStatuses": [self._container(c) for c in self.pod.spec.containers],
        }
        if started:
            status |= {"podIP": self.ip, "podIPs": [{"ip": self.ip}]}
        if self.pod.spec.init_containers:
            status["initContainerStatuses"] = [self._init_container(c, started) for c in self.pod.spec.init_containers]
        return status

    def _phase(self) -> str:
        if self.step is Step.FINISHED:
            return "Failed" if self.last_end and self.last_end["exitCode"] else "Succeeded"
        return "Running" if self.step is Step.RUNNING or self.last_end is not None else "Pending"

    def _conditions(self, started: bool) -> list[dict[str, Any]]:
        finished = self.step is Step.FINISHED
        unready: dict[str, Any] = {"reason": "ContainersNotReady", "message": self._unready_message()}
        if self._phase() == "Succeeded":
            unready = {"reason": "PodCompleted"}
        elif finished:
            unready = {"reason": "PodFailed"}
        done = {"reason": "PodCompleted"} if self._phase() == "Succeeded" else {}
        return [
            self._condition("PodReadyToStartContainers", started and not finished),
            self._condition("Initialized", started or not self.pod.spec.init_containers, **done),
            self._condition("Ready", self.ready, **({} if self.ready else unready)),
            self._condition("ContainersReady", self.ready, **({} if self.ready else unready)),
        ]

    def _unready_message(self) -> str:
        return f"containers with unready status: [{' '.join(c.name for c in self.pod.spec.containers)}]"

    def _condition(self, kind: str, true: bool, **why: Any) -> dict[str, Any]:
        return {
            "type": kind,
            "status": "True" if true else "False",
            "lastProbeTime": None,
            "lastTransitionTime": self.transition,
            # A strategic merge keeps what is not named: an old reason must be taken back.
            "reason": why.get("reason"),
            "message": why.get("message"),
        }

    def _container(self, container: Container) -> dict[str, Any]:
        match self.step:
            case Step.RUNNING:
                state: dict[str, Any] = {"running": {"startedAt": self.started_at}}
            case Step.FINISHED:
                state = {"terminated": self._terminated(container)}
            case _:
                reason, message = self.waiting
                state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        ended = self.last_end is not None and self.step is not Step.FINISHED
        return {
            "name": container.name,
            "state": state,
            "lastState": {"terminated": self._terminated(container)} if ended else {},
            "ready": self.ready,
            "started": self.step is Step.RUNNING,
            "restartCount": self.restarts,
            "image": container.image,
            "imageID": f"sim://{container.image}" if self.started_at else "",
            **({"containerID": self._container_id(container.name)} if self.started_at else {}),
        }

    def _init_container(self, container: Container, started: bool) -> dict[str, Any]:
        sidecar = container.restart_policy == "Always"
        if not started:
            state: dict[str, Any] = {"waiting": {"reason": "PodInitializing"}}
        elif sidecar and self.step is not Step.FINISHED:
            state = {"running": {"startedAt": self.created_at}}
        else:
            state = {
                "terminated": {
                    "exitCode": 0,
                    "reason": "Completed",
                    "startedAt": self.created_at,
                    "finishedAt": self.started_at,
                    "containerID": self._container_id(container.name),
                }
            }
        return {
            "name": container.name,
            "state": state,
            "lastState": {},
            "ready": started,
            "started": sidecar and started,
            "restartCount": 0,
            "image": container.image,
            "imageID": f"sim://{container.image}" if started else "",
            **({"containerID": self._container_id(container.name)} if started else {}),
        }

    def _terminated(self, container: Container) -> dict[str, Any]:
        return {**(self.last_end or {}), "containerID": self._container_id(container.name)}

    def _container_id(self, name: str) -> str:
        return f"sim://{self.pod.metadata.uid}/{name}/{self.restarts}"
