"""The scheduling queue: which pod next, and when to try a refused one again.

A pending pod is in one of four places. *active*: to be tried, in the order of the QueueSort plugin. *backoff*:
to be tried once its back-off has passed. *unschedulable*: refused, until an event comes that a plugin which
refused it cares about, or five minutes have passed. *gated*: kept out by a PreEnqueue plugin. Everything runs on
the scheduler's loop, so nothing can happen between a refusal and its entry here.

The queue holds each pending pod of the cluster once, so its bound is the number of pods in the store; there is
no policy for "full", because leaving out a pod would leave it pending for ever.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import anyio
import msgspec

from kube_lite import clock
from kube_lite.sched.framework import ClusterEvent, EventKind, Framework
from kube_lite.sched.podinfo import PodInfo

log = logging.getLogger(__name__)

INITIAL_BACKOFF = 1.0
"""Seconds a pod waits after its first failed attempt (upstream's podInitialBackoffSeconds)."""

MAX_BACKOFF = 10.0
"""Seconds it waits at most (upstream's podMaxBackoffSeconds)."""

MAX_UNSCHEDULABLE = 300.0
"""Seconds after which a refused pod is tried again whatever happened (upstream's podMaxInUnschedulablePodsDuration)."""

RESOLUTION = 1e-6
"""Seconds by which a timer may be early: an event loop wakes us up to its clock's resolution too soon."""


class QueuedPod(msgspec.Struct, eq=False):
    """A pending pod and its history; times are ``clock.monotonic()``."""

    info: PodInfo
    queued_at: float
    attempts: int = 0
    failed_at: float = 0.0
    refused_by: frozenset[str] = frozenset()
    place: str = ""
    ticket: int = 0
    """Which heap entry is the valid one; others are leftovers."""

    @property
    def ready_at(self) -> float:
        """When its back-off has passed."""
        if not self.attempts:
            return self.queued_at
        return self.failed_at + min(INITIAL_BACKOFF * 2.0 ** min(self.attempts - 1, 10), MAX_BACKOFF)


@dataclass(order=True, slots=True)
class _Entry:
    key: tuple[float, ...]
    ticket: int
    pod: QueuedPod = field(compare=False)


class SchedulingQueue:
    """Pending pods by key ``namespace/name``."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._pods: dict[str, QueuedPod] = {}
        self._active: list[_Entry] = []
        self._timers: list[_Entry] = []
        self._unschedulable: dict[str, QueuedPod] = {}
        self._tickets = 0
        self._wake = anyio.Event()

    def __len__(self) -> int:
        return len(self._pods)

    def place(self, key: str) -> str:
        """Where a pod is: active, backoff, unschedulable, gated, scheduling, or '' when it is not here."""
        queued = self._pods.get(key)
        return queued.place if queued is not None else ""

    # -- in and out

    def add(self, info: PodInfo) -> None:
        """A pod appeared, or changed. A refused one is tried again if the change may help it."""
        queued = self._pods.get(info.key)
        if queued is None or queued.info.uid != info.uid:
            self.remove(info.key)
            queued = self._pods[info.key] = QueuedPod(info, clock.monotonic())
            self._enter(queued)
            return
        queued.info = info
        if queued.place in ("active", "backoff"):
            self._enter(queued)  # its priority may be another
        elif queued.place == "gated":
            self._enter(queued)
        elif queued.place == "unschedulable":
            self._wake_up(queued, ClusterEvent(EventKind.TARGET_UPDATE, pod=info.pod))

    def remove(self, key: str) -> None:
        """A pod is pending no longer."""
        queued = self._pods.pop(key, None)
        if queued is not None:
            self._leave(queued)

    async def pop(self) -> QueuedPod:
        """The next pod to try; waits until there is one."""
        while True:
            queued = self.pop_nowait()
            if queued is not None:
                return queued
            self._wake = anyio.Event()
            timeout = self._timers[0].key[0] - clock.monotonic() if self._timers else None
            with anyio.move_on_after(timeout):
                await self._wake.wait()

    def pop_nowait(self) -> QueuedPod | None:
        """The next pod to try now, or None."""
        self._run_timers()
        while self._active:
            entry = heapq.heappop(self._active)
            if entry.ticket == entry.pod.ticket:
                entry.pod.place = "scheduling"
                entry.pod.attempts += 1
                return entry.pod
        return None

    def done(self, queued: QueuedPod) -> None:
        """The pod was placed: forget it, unless it is another by now."""
        if self._pods.get(queued.info.key) is queued:
            self.remove(queued.info.key)

    def refuse(self, queued: QueuedPod, refused_by: frozenset[str]) -> None:
        """No node fits: wait for an event that ``refused_by`` care about."""
        if self._pods.get(queued.info.key) is not queued:
            return
        queued.failed_at = clock.monotonic()
        queued.refused_by = refused_by
        queued.place = "unschedulable"
        self._unschedulable[queued.info.key] = queued
        self._set_timer(queued, queued.failed_at + MAX_UNSCHEDULABLE)

    def retry(self, queued: QueuedPod) -> None:
        """Something failed that may go well next time: try again after the back-off."""
        if self._pods.get(queued.info.key) is not queued:
            return
        queued.failed_at = clock.monotonic()
        queued.refused_by = frozenset()
        self._enter(queued)

    # -- events

    def notify(self, event: ClusterEvent) -> None:
        """Something changed in the cluster: try those again that it may help."""
        for queued in list(self._unschedulable.values()):
            self._wake_up(queued, event)

    def pending(self) -> Iterator[QueuedPod]:
        """All pods in the queue."""
        return iter(self._pods.values())

    def _wake_up(self, queued: QueuedPod, event: ClusterEvent) -> None:
        if self._framework.wakes(queued.refused_by, event, queued.info):
            self._enter(queued)

    # -- places

    def _enter(self, queued: QueuedPod) -> None:
        """Put a pod where it belongs now: gated, backoff or active."""
        self._leave(queued)
        gate = self._framework.gate(queued.info)
        if gate is not None:
            queued.place = "gated"
        elif queued.ready_at > clock.monotonic() + RESOLUTION:
            queued.place = "backoff"
            self._set_timer(queued, queued.ready_at)
        else:
            queued.place = "active"
            queued.ticket = self._ticket()
            key = self._framework.queue_sort.sort_key(queued.info, queued.queued_at)
            heapq.heappush(self._active, _Entry(key, queued.ticket, queued))
        self._wake.set()

    def _leave(self, queued: QueuedPod) -> None:
        self._unschedulable.pop(queued.info.key, None)
        queued.place = ""
        queued.ticket = 0

    def _ticket(self) -> int:
        self._tickets += 1
        return self._tickets

    def _set_timer(self, queued: QueuedPod, deadline: float) -> None:
        queued.ticket = self._ticket()
        heapq.heappush(self._timers, _Entry((deadline,), queued.ticket, queued))
        self._wake.set()

    def _run_timers(self) -> None:
        moment = clock.monotonic() + RESOLUTION
        while self._timers and self._timers[0].key[0] <= moment:
            entry = heapq.heappop(self._timers)
            if entry.ticket == entry.pod.ticket:
                self._enter(entry.pod)
        self._drop_leftovers()

    def _drop_leftovers(self) -> None:
        """Keep the heap of timers from filling with entries of pods that moved on before they were due."""
        while self._timers and self._timers[0].ticket != self._timers[0].pod.ticket:
            heapq.heappop(self._timers)
        if len(self._timers) > 64 + 4 * len(self._pods):
            self._timers = [entry for entry in self._timers if entry.ticket == entry.pod.ticket]
            heapq.heapify(self._timers)
