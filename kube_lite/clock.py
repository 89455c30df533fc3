"""The only source of time and threads.

Everything reads the time here, so that a whole control plane can run on :class:`VirtualLoop`: an event loop
whose clock jumps to the next timer when nothing is ready, so that five minutes pass in microseconds and two
runs with the same seed are the same. Under a virtual loop :func:`run_in_thread` runs the call inline, because
the order in which threads finish differs from run to run.

Under a virtual loop wall time is ``start + loop.time()``; else it is the system clock.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, TypeVar

import anyio.to_thread

T = TypeVar("T")

VIRTUAL_START = datetime(2026, 1, 1, tzinfo=UTC)
"""When every virtual run begins, unless told otherwise."""


class _InstantSelector(selectors.DefaultSelector):
    """Polls without waiting, and moves the virtual clock by what the loop would have waited."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        super().__init__()
        self._advance = advance

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("virtual loop: nothing is scheduled and nothing can happen any more (deadlock)")
        if timeout > 0:
            self._advance(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, starting at ``start``; its ``time()`` counts seconds from there."""

    made: ClassVar[bool] = False
    """Whether this process ever had one; a server in real time asks for the clock often and never has."""

    def __init__(self, start: datetime = VIRTUAL_START) -> None:
        VirtualLoop.made = True
        self.start = start
        self._elapsed = 0.0
        super().__init__(_InstantSelector(self._pass))

    def _pass(self, seconds: float) -> None:
        self._elapsed += seconds

    def time(self) -> float:
        """Virtual seconds since ``start``."""
        return self._elapsed


def run_virtual(main: Coroutine[Any, Any, T], start: datetime = VIRTUAL_START) -> T:
    """Run ``main`` to its end on a fresh :class:`VirtualLoop`."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start)) as runner:
        return runner.run(main)


def _virtual_loop() -> VirtualLoop | None:
    if not VirtualLoop.made:
        return None
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    return loop if isinstance(loop, VirtualLoop) else None


def now() -> datetime:
    """The time, in UTC."""
    loop = _virtual_loop()
    if loop is not None:
        return loop.start + timedelta(seconds=loop.time())
    return datetime.fromtimestamp(time.time(), UTC)  # noqa: TID251  # the system clock is read here only


def monotonic() -> float:
    """Seconds that only grow; the zero point means nothing."""
    loop = _virtual_loop()
    return loop.time() if loop is not None else time.monotonic()  # noqa: TID251  # the system clock is read here only


def _utc(moment: datetime | None) -> datetime:
    if moment is None:
        return now()
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def timestamp(moment: datetime | None = None) -> str:
    """RFC 3339 with whole seconds, as ``metav1.Time``: ``2026-01-01T00:00:00Z``."""
    if moment is None and _virtual_loop() is None:
        return _second(int(time.time())) + "Z"  # noqa: TID251  # the system clock is read here only
    return _utc(moment).isoformat(timespec="seconds")[:19] + "Z"


def timestamp_micro(moment: datetime | None = None) -> str:
    """RFC 3339 with microseconds, as ``metav1.MicroTime``: ``2026-01-01T00:00:00.000000Z``."""
    if moment is None and _virtual_loop() is None:
        seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        return f"{_second(seconds)}.{nanoseconds // 1000:06d}Z"
    return _utc(moment).isoformat(timespec="microseconds")[:26] + "Z"


@lru_cache(maxsize=4)
def _second(epoch: int) -> str:
    """A second since 1970 without its zone; each request asks for the present one several times."""
    return datetime.fromtimestamp(epoch, UTC).isoformat()[:19]


def parse_timestamp(text: str) -> datetime:
    """The moment an RFC 3339 text stands for. :raises ValueError: not such a text"""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {text!r}")
    return moment.astimezone(UTC)


async def run_in_thread(call: Callable[..., T], *args: Any) -> T:
    """Run a blocking call in a worker thread; inline, and at no virtual time, under a virtual loop."""
    if _virtual_loop() is not None:
        return call(*args)
    return await anyio.to_thread.run_sync(call, *args)
