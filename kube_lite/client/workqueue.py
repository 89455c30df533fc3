"""A queue of keys to reconcile: fair, stingy, delaying, and patient with keys that fail.

Fair: keys are handed out in the order in which they came. Stingy: a key that waits already is not queued twice,
and one added while somebody works on it is handed out again only after ``done``, so that no two workers ever
hold the same key. Delaying: ``add_after`` keeps a heap of timers, looked at by one of those who wait in ``get``;
there is no task of its own. A key wakes one worker: waking all that wait, for each key, took more time in
simulations than all the rest. Patient: ``add_rate_limited`` waits twice as long after each failure until ``forget``.

Full: a key is held once however often it is added, so the queue is bounded by the number of distinct keys,
which is the number of objects that the API server admits.
"""

from __future__ import annotations

import heapq
from collections import deque

import anyio

from kube_lite import clock

BASE_DELAY = 0.005
"""Seconds after the first failure of a key (client-go, ``ItemExponentialFailureRateLimiter``)."""

MAX_DELAY = 1000.0
"""Seconds that no back-off exceeds (client-go's default for controllers)."""


class Closed(Exception):
    """Raised by ``get`` when the queue has been shut down and is empty."""


class WorkQueue:
    """Keys waiting to be worked on. Everything but ``get`` returns at once.

    :param base_delay: seconds of back-off after the first failure of a key
    :param max_delay: seconds that the back-off of a key never exceeds
    """

    def __init__(self, base_delay: float = BASE_DELAY, max_delay: float = MAX_DELAY) -> None:
        self._base_delay = base_delay
        self._max_delay = max_delay
        self._ready: deque[str] = deque()
        self._dirty: set[str] = set()
        self._processing: set[str] = set()
        self._timers: list[tuple[float, int, str]] = []
        self._due: dict[str, float] = {}
        self._sequence = 0
        self._failures: dict[str, int] = {}
        self._waiting: deque[anyio.Event] = deque()
        self._keeper: anyio.Event | None = None
        """Whoever of those that wait does so no longer than to the next timer."""
        self._closed = False

    def __len__(self) -> int:
        """Keys ready to be handed out (not those that wait for a timer)."""
        return len(self._ready)

    @property
    def waiting(self) -> int:
        """Workers that wait for a key."""
        return len(self._waiting)

    def add(self, key: str) -> None:
        """Queue ``key``, unless it waits already."""
        if self._closed or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._ready.append(key)
            self._wake_one()

    def add_after(self, key: str, seconds: float) -> None:
        """Queue ``key`` after so many seconds; of several timers of one key the earliest counts."""
        if self._closed:
            return
        if seconds <= 0:
            self.add(key)
            return
        due = clock.monotonic() + seconds
        if self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._timers, (due, self._sequence, key))
        if self._timers[0][2] == key:
            self._wake_keeper()

    def add_rate_limited(self, key: str) -> float:
        """Queue ``key`` after its back-off, which doubles with each call until ``forget``; gives the seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # 2**64 seconds is far beyond any ceiling; larger powers would overflow a float
        delay = min(self._base_delay * 2.0 ** min(failures, 64), self._max_delay)
        self.add_after(key, delay)
        return delay

    def forget(self, key: str) -> None:
        """Let the next failure of ``key`` be its first."""
        self._failures.pop(key, None)

    def failures(self, key: str) -> int:
        """How often ``key`` has failed since it was last forgotten."""
        return self._failures.get(key, 0)

    async def get(self) -> str:
        """The next key, as soon as there is one; its worker must call ``done``. :raises Closed: shut down"""
        while True:
            delay = self._release_due()
            if self._ready:
                key = self._ready.popleft()
                self._dirty.discard(key)
                self._processing.add(key)
                if delay is not None and self._keeper is None:
                    self._wake_one()
                return key
            if self._closed:
                raise Closed
            await self._wait(delay)

    async def _wait(self, delay: float | None) -> None:
        """Until there may be something to do; the first to come also watches the timers."""
        mine = anyio.Event()
        self._waiting.append(mine)
        if delay is not None and self._keeper is None:
            self._keeper = mine
        try:
            with anyio.move_on_after(delay if self._keeper is mine else None):
                await mine.wait()
        except BaseException:
            kept = self._retire(mine)
            if kept or mine.is_set():
                self._wake_one()  # what we were woken for, or waited for, is another's now
            raise
        self._retire(mine)

    def _retire(self, waiter: anyio.Event) -> bool:
        """Forget one that waits no more; whether it watched the timers."""
        if not waiter.is_set():
            self._waiting.remove(waiter)
        kept = self._keeper is waiter
        if kept:
            self._keeper = None
        return kept

    def _wake_one(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()

    def _wake_keeper(self) -> None:
        if self._keeper is None:
            self._wake_one()
        elif not self._keeper.is_set():
            self._waiting.remove(self._keeper)
            self._keeper.set()

    def done(self, key: str) -> None:
        """Say that work on ``key`` has ended; if it was added meanwhile it is queued again."""
        self._processing.discard(key)
        if key in self._dirty:
            self._ready.append(key)
            self._wake_one()

    def shutdown(self) -> None:
        """Take no more keys; what is ready is still handed out, timers are dropped."""
        self._closed = True
        self._timers.clear()
        self._due.clear()
        while self._waiting:
            self._wake_one()

    def _release_due(self) -> float | None:
        """Queue the keys whose time has come; seconds until the next timer, None without one."""
        while self._timers:
            due, _, key = self._timers[0]
            if self._due.get(key) != due:
                heapq.heappop(self._timers)  # an earlier timer of this key took its place
                continue
            # loop clocks are floats: a timer that is a hair early would make the waiter spin
            left = due - clock.monotonic()
            if left > 1e-9:
                return left
            heapq.heappop(self._timers)
            del self._due[key]
            self.add(key)
        return None
