"""The queue's four words: fair, stingy, delaying, patient."""

from __future__ import annotations

import anyio
import pytest

from kube_lite import clock
from kube_lite.client.workqueue import Closed, WorkQueue


def test_keys_come_out_in_the_order_in_which_they_came_and_once() -> None:
    async def main() -> None:
        queue = WorkQueue()
        for key in "abab":
            queue.add(key)
        assert [await queue.get(), await queue.get()] == ["a", "b"]
        assert len(queue) == 0

    clock.run_virtual(main())


def test_a_key_added_while_worked_on_comes_again_only_after_done() -> None:
    async def main() -> None:
        queue = WorkQueue()
        queue.add("a")
        key = await queue.get()
        queue.add("a")
        queue.add("a")
        assert len(queue) == 0
        queue.done(key)
        assert await queue.get() == "a"
        queue.done("a")
        assert len(queue) == 0

    clock.run_virtual(main())


def test_a_delayed_key_comes_at_its_time_and_the_earliest_timer_counts() -> None:
    async def main() -> None:
        queue = WorkQueue()
        queue.add_after("late", 7200)
        queue.add_after("a", 60)
        queue.add_after("a", 10)
        queue.add_after("a", 30)
        assert await queue.get() == "a"
        assert clock.monotonic() == pytest.approx(10)
        queue.done("a")
        assert await queue.get() == "late"
        assert clock.monotonic() == pytest.approx(7200)

    clock.run_virtual(main())


def test_a_worker_that_waits_is_woken_by_an_earlier_timer() -> None:
    async def main() -> None:
        queue = WorkQueue()
        seen: list[tuple[str, float]] = []

        async def work() -> None:
            seen.append((await queue.get(), clock.monotonic()))

        queue.add_after("slow", 100)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            tasks.start_soon(work)
            await anyio.sleep(1)
            queue.add_after("quick", 2)
        assert seen == [("quick", 3.0), ("slow", 100.0)]

    clock.run_virtual(main())


def test_back_off_doubles_up_to_its_ceiling_and_forget_starts_anew() -> None:
    async def main() -> None:
        queue = WorkQueue()
        delays = [queue.add_rate_limited("a") for _ in range(3)]
        assert delays == [0.005, 0.01, 0.02]
        for _ in range(2000):
            last = queue.add_rate_limited("a")
        assert last == 1000.0
        queue.forget("a")
        assert queue.failures("a") == 0
        assert queue.add_rate_limited("a") == 0.005

    clock.run_virtual(main())


def test_shutdown_hands_out_what_is_ready_and_then_ends_the_workers() -> None:
    async def main() -> None:
        queue = WorkQueue()
        ended = 0

        async def work() -> None:
            nonlocal ended
            try:
                while True:
                    queue.done(await queue.get())
            except Closed:
                ended += 1

        queue.add_after("never", 5)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(work)
            await anyio.sleep(1)
            queue.add("a")
            queue.shutdown()
            queue.add("b")
        assert ended == 3
        assert clock.monotonic() == 1.0

    clock.run_virtual(main())


def test_no_two_workers_ever_hold_the_same_key() -> None:
    async def main() -> None:
        queue = WorkQueue()
        held: set[str] = set()
        handled = 0

        async def work() -> None:
            nonlocal handled
            while True:
                key = await queue.get()
                assert key not in held
                held.add(key)
                await anyio.sleep(0.5)
                held.discard(key)
                handled += 1
                queue.done(key)

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(work)
            for _ in range(50):
                for key in "abc":
                    queue.add(key)
                await anyio.sleep(0.1)
            await anyio.sleep(5)
            tasks.cancel_scope.cancel()
        assert handled >= 3 * 10

    clock.run_virtual(main())


def test_a_cancelled_worker_hands_on_the_key_or_timer_that_it_waited_for() -> None:
    async def main() -> None:
        queue = WorkQueue()
        taken: list[tuple[str, str, float]] = []
        scopes: dict[str, anyio.CancelScope] = {}

        async def work(name: str) -> None:
            with anyio.CancelScope() as scope:
                scopes[name] = scope
                while True:
                    key = await queue.get()
                    taken.append((name, key, clock.monotonic()))
                    queue.done(key)

        queue.add_after("timed", 5)
        async with anyio.create_task_group() as tasks:
            for name in ("first", "second", "third"):
                tasks.start_soon(work, name)
            await anyio.sleep(1)
            scopes["first"].cancel()  # it watched the timer
            await anyio.sleep(5)
            assert [(key, moment) for _, key, moment in taken] == [("timed", 5.0)]
            queue.add("woken")
            scopes["third"].cancel()
            scopes["second"].cancel()
            tasks.start_soon(work, "fourth")
            await anyio.sleep(1)
            assert [key for _, key, _ in taken] == ["timed", "woken"]
            tasks.cancel_scope.cancel()

    clock.run_virtual(main())


def test_a_key_wakes_one_worker_however_many_wait() -> None:
    async def main() -> None:
        queue = WorkQueue()

        async def work() -> None:
            while True:
                queue.done(await queue.get())

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(work)
            await anyio.sleep(1)
            assert queue.waiting == 100
            queue.add("a")
            assert queue.waiting == 99
            tasks.cancel_scope.cancel()

    clock.run_virtual(main())
