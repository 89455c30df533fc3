"""The zygote's event loop: readable and writable descriptors, and timers; nothing else.

asyncio would do, but costs a process that is forked for every container 0.1 s of imports and 10 MB.
"""

from __future__ import annotations

import heapq
import itertools
import select
import sys
import time
import traceback
from collections.abc import Callable

Callback = Callable[[], None]


class Timer:
    """A call to be made at a moment, unless cancelled."""

    def __init__(self, when: float, call: Callback) -> None:
        self.when = when
        self.call: Callback | None = call

    def cancel(self) -> None:
        """Forget it; also when it has passed."""
        self.call = None


class Loop:
    """Runs callbacks until :meth:`stop`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Callback] = {}
        self._writers: dict[int, Callback] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._running = False

    def add_reader(self, fd: int, call: Callback) -> None:
        """Call whenever ``fd`` can be read or has hung up."""
        self._readers[fd] = call
        self._update(fd, new=fd not in self._writers)

    def add_writer(self, fd: int, call: Callback) -> None:
        """Call whenever ``fd`` can be written."""
        new = fd not in self._readers and fd not in self._writers
        self._writers[fd] = call
        self._update(fd, new=new)

    def remove_writer(self, fd: int) -> None:
        """Forget the writer of ``fd``."""
        if self._writers.pop(fd, None) is not None:
            self._update(fd, new=False)

    def remove(self, fd: int) -> None:
        """Forget ``fd``; to be called before it is closed."""
        known = self._readers.pop(fd, None) or self._writers.pop(fd, None)
        self._writers.pop(fd, None)
        if known is not None:
            self._epoll.unregister(fd)

    def _update(self, fd: int, *, new: bool) -> None:
        mask = (select.EPOLLIN if fd in self._readers else 0) | (select.EPOLLOUT if fd in self._writers else 0)
        if new:
            self._epoll.register(fd, mask)
        else:
            self._epoll.modify(fd, mask)

    def call_later(self, seconds: float, call: Callback) -> Timer:
        """Call once, after ``seconds``."""
        timer = Timer(time.monotonic() + seconds, call)  # noqa: TID251  # this process lives in real time
        heapq.heappush(self._timers, (timer.when, next(self._order), timer))
        return timer

    def stop(self) -> None:
        """End :meth:`run` after the current callback."""
        self._running = False

    def run(self) -> None:
        """Run until stopped."""
        self._running = True
        while self._running:
            for fd, mask in self._epoll.poll(self._wait()):
                # A callback may have removed a descriptor that is still in this batch.
                if mask & ~select.EPOLLOUT and fd in self._readers:
                    _guarded(self._readers[fd])
                if mask & select.EPOLLOUT and fd in self._writers:
                    _guarded(self._writers[fd])
            self._fire()

    def _wait(self) -> float:
        while self._timers and self._timers[0][2].call is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return -1
        return max(0.0, self._timers[0][0] - time.monotonic())  # noqa: TID251

    def _fire(self) -> None:
        now = time.monotonic()  # noqa: TID251
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.call is not None:
                _guarded(timer.call)


def _guarded(call: Callback) -> None:
    """One failing callback (a bug, a full disk) must not end the zygote, for all containers end with it."""
    try:
        call()
    except Exception:
        print(traceback.format_exc(), file=sys.stderr, flush=True)
