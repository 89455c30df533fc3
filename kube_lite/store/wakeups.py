"""Who waits for events of one kind, and when each of them is woken.

To wake a watcher and write to its connection costs far more than the event. So with many of them waiting a round of
wake-ups takes a while: events gather meanwhile and go out together, a few watchers at a time, so that other work comes
in between. Who waits only for objects with one field value (a node's pods) is woken at once, and for those alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from kube_lite import clock
from kube_lite.store.ring import CachedEvent, RingSettings, Trigger


class Waiter(Protocol):
    """One who waits for events."""

    def wake(self) -> None:
        """There may be some."""

    def wake_soon(self) -> None:
        """There will be some when the batch of events is complete."""


class Wakeups:
    """The waiters of one kind, and the round of wake-ups that is under way or planned."""

    def __init__(self, settings: RingSettings) -> None:
        self._settings = settings
        self._waiting: dict[Waiter, None] = {}
        self._triggered: dict[Trigger, dict[Waiter, None]] = {}
        self._unscanned = 0
        """Events since those with a trigger last looked through the ring."""
        self._woken_at = float("-inf")
        self._planned: asyncio.TimerHandle | None = None
        self._to_wake: list[Waiter] = []
        """Those whose turn is still to come in the round that is under way, last first."""
        self._step = 0.0
        self._next_step = 0.0
        self._again = False
        """Whether events came during the round."""

    @property
    def waiting(self) -> int:
        """How many wait for events of any object."""
        return len(self._waiting)

    def wait(self, waiter: Waiter, trigger: Trigger | None) -> None:
        """Wake ``waiter`` when there are events, or only when objects with that field value are concerned."""
        if trigger is None:
            self._waiting[waiter] = None
        else:
            self._triggered.setdefault(trigger, {})[waiter] = None

    def unwait(self, waiter: Waiter, trigger: Trigger | None) -> None:
        """Wake it no more."""
        if trigger is None:
            self._waiting.pop(waiter, None)
        elif waiters := self._triggered.get(trigger):
            waiters.pop(waiter, None)
            if not waiters:
                del self._triggered[trigger]

    def happened(self, event: CachedEvent) -> None:
        """Wake those whose trigger the event is for; :meth:`settle` must follow once the batch is in."""
        self._unscanned += 1
        if not self._triggered:
            return
        states = (event.item,) if event.previous is None else (event.item, event.previous)
        for state in states:
            for trigger in state.fields.items():
                if waiters := self._triggered.get(trigger):
                    _wake(waiters)

    def settle(self, at: float) -> None:
        """After a batch: wake the others, now or in a round that is planned."""
        if self._unscanned >= self._settings.rescan_events:
            self._unscanned = 0
            for waiters in tuple(self._triggered.values()):
                _wake(waiters)
        if self._to_wake:
            self._again = True
        elif self._waiting and self._planned is None:
            self._plan_round(at)

    def _plan_round(self, at: float) -> None:
        remaining = self._woken_at + self._round_seconds(len(self._waiting)) - at
        if remaining <= 0:
            self._wake_all()
        else:
            self._planned = asyncio.get_running_loop().call_later(remaining, self._wake_all)

    def _round_seconds(self, waiters: int) -> float:
        return min(waiters * self._settings.wakeup_seconds, self._settings.max_delay_seconds)

    def _wake_all(self) -> None:
        self._planned = None
        self._woken_at = clock.monotonic()
        self._to_wake = list(reversed(self._waiting))
        self._step = self._round_seconds(self._settings.woken_at_once)
        self._next_step = self._woken_at
        self._wake_some()

    def _wake_some(self) -> None:
        left = self._to_wake
        try:
            for _ in range(min(self._settings.woken_at_once, len(left))):
                left.pop().wake()
        finally:  # one that cannot be served does not keep the others waiting
            if left:
                # by the round's schedule: a step that is late does not move the later ones
                self._next_step += self._step
                asyncio.get_running_loop().call_later(max(self._next_step - clock.monotonic(), 0.0), self._wake_some)
            elif self._again:
                self._again = False
                self._plan_round(clock.monotonic())


def _wake(waiters: Mapping[Waiter, None]) -> None:
    for waiter in tuple(waiters):
        waiter.wake_soon()
