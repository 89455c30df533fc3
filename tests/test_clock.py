"""Time: the virtual loop jumps, tells deadlocks, and runs threads inline; texts of moments."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import anyio
import pytest

from kube_lite import clock


def test_an_hour_of_virtual_time_passes_at_once_and_in_order() -> None:
    order: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await anyio.sleep(seconds)
        order.append((name, clock.monotonic()))

    async def main() -> datetime:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sleeper, "late", 3600.0)
            tasks.start_soon(sleeper, "early", 0.5)
            tasks.start_soon(sleeper, "middle", 60.0)
        return clock.now()

    began = time.monotonic()
    assert clock.run_virtual(main()) == clock.VIRTUAL_START + timedelta(hours=1)
    assert [name for name, _ in order] == ["early", "middle", "late"]
    assert [at for _, at in order] == pytest.approx([0.5, 60.0, 3600.0])
    assert time.monotonic() - began < 60


def test_work_takes_no_virtual_time() -> None:
    async def main() -> float:
        for _ in range(1000):
            await anyio.lowlevel.checkpoint()
        return clock.monotonic()

    assert clock.run_virtual(main()) == 0


def test_timeouts_are_virtual_too() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            with anyio.fail_after(500):
                await anyio.sleep_forever()
        return clock.monotonic()

    assert clock.run_virtual(main()) == pytest.approx(500)


def test_waiting_for_what_cannot_happen_is_an_error_and_not_a_hang() -> None:
    cleaned = []

    async def main() -> None:
        try:
            await anyio.Event().wait()
        finally:
            cleaned.append(True)

    with pytest.raises(RuntimeError, match="deadlock"):
        clock.run_virtual(main())
    assert cleaned == [True]


def test_a_run_begins_when_it_is_told_to() -> None:
    async def main() -> str:
        await anyio.sleep(1.25)
        return clock.timestamp_micro()

    assert clock.run_virtual(main(), datetime(2030, 2, 3, tzinfo=UTC)) == "2030-02-03T00:00:01.250000Z"


def test_a_thread_is_inline_and_at_no_time_in_a_virtual_run() -> None:
    async def where() -> tuple[int, float]:
        return await clock.run_in_thread(threading.get_ident), clock.monotonic()

    assert clock.run_virtual(where()) == (threading.get_ident(), 0)
    ident, _ = anyio.run(where)
    assert ident != threading.get_ident()


def test_what_a_thread_raises_is_raised_here() -> None:
    async def main() -> None:
        await clock.run_in_thread(int, "x")

    for run in (clock.run_virtual, lambda coroutine: anyio.run(lambda: coroutine)):
        with pytest.raises(ValueError, match="invalid literal"):
            run(main())


def test_outside_of_a_loop_time_is_the_systems() -> None:
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


def test_moments_are_written_and_read_in_utc() -> None:
    moment = datetime(2026, 3, 4, 5, 6, 7, 89, UTC)
    assert clock.timestamp(moment) == "2026-03-04T05:06:07Z"
    assert clock.timestamp_micro(moment) == "2026-03-04T05:06:07.000089Z"
    assert clock.parse_timestamp("2026-03-04T05:06:07.000089Z") == moment
    shifted = clock.parse_timestamp("2026-03-04T07:06:07+02:00")
    assert (shifted, shifted.tzinfo) == (moment.replace(microsecond=0), UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=9)))
    assert clock.timestamp(elsewhere) == "2026-03-04T05:06:07Z"
    assert clock.timestamp_micro(elsewhere) == "2026-03-04T05:06:07.000089Z"
    for wrong in ("yesterday", "2026-03-04T05:06:07", ""):
        with pytest.raises(ValueError, match="."):  # noqa: RUF043  # whatever the text
            clock.parse_timestamp(wrong)
