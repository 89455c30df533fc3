"""Probes: one task for each probe of each run of a container, as upstream's prober.

The first probe comes ``initialDelaySeconds`` after the container started, the next ones each period. A result
counts once it has come ``successThreshold`` or ``failureThreshold`` times in a row. Liveness and readiness wait
until the startup probe, if there is one, has succeeded, which ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

import anyio
import msgspec

from kube_lite import clock
from kube_lite.node.hooks import Handlers, Outcome, Target
from kube_lite.resources.kinds.pod.view import Container, Probe


class ProbeKind(StrEnum):
    """As events name them."""

    STARTUP = "Startup"
    LIVENESS = "Liveness"
    READINESS = "Readiness"


def probe_of(container: Container, kind: ProbeKind) -> Probe | None:
    """The container's probe of that kind."""
    if kind is ProbeKind.STARTUP:
        return container.startup_probe
    return container.liveness_probe if kind is ProbeKind.LIVENESS else container.readiness_probe


class Streak(msgspec.Struct):
    """Counts equal results in a row until they count."""

    success_threshold: int
    failure_threshold: int
    last: bool | None = None
    length: int = 0

    def add(self, success: bool) -> bool | None:
        """The result that now holds, None while the row is too short."""
        self.length = self.length + 1 if success is self.last else 1
        self.last = success
        return success if self.length >= (self.success_threshold if success else self.failure_threshold) else None


class ProbeTask:
    """One probe of one run of a container.

    :param on_result: called when the result that holds has changed
    :param on_complaint: called with each failure or warning, for its event
    """

    def __init__(
        self,
        handlers: Handlers,
        target: Target,
        kind: ProbeKind,
        started_at: datetime,
        on_result: Callable[[ProbeKind, bool], None],
        on_complaint: Callable[[ProbeKind, Outcome], None],
    ) -> None:
        probe = probe_of(target.container, kind)
        assert probe is not None
        self._probe = probe
        self._handlers = handlers
        self._target = target
        self._kind = kind
        self._started_at = started_at
        self._on_result = on_result
        self._on_complaint = on_complaint

    async def run(self, ready_to_begin: anyio.Event) -> None:
        """Probe until cancelled, a startup probe until it succeeded.

        :param ready_to_begin: set once the container counts as started
        """
        probe = self._probe
        if self._kind is not ProbeKind.STARTUP:
            await ready_to_begin.wait()
        early = probe.initial_delay_seconds - (clock.now() - self._started_at).total_seconds()
        if early > 0:
            await anyio.sleep(early)
        streak = Streak(probe.success_threshold, probe.failure_threshold)
        holds: bool | None = None
        due = clock.monotonic()
        while True:
            outcome = await self._handlers.run(self._target, probe, max(probe.timeout_seconds, 1), grpc=probe.grpc)
            if not outcome.success or outcome.warning:
                self._on_complaint(self._kind, outcome)
            result = streak.add(outcome.success)
            if result is not None and result is not holds:
                holds = result
                self._on_result(self._kind, result)
                if self._kind is ProbeKind.STARTUP:
                    return
            due = max(due + max(probe.period_seconds, 1), clock.monotonic())
            await anyio.sleep(due - clock.monotonic())
