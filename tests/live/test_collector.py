"""The cycle collector never holds up the loop for long, and still finds what is old."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import anyio
import pytest

from kube_lite import clock
from kube_lite.live import collector


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


class Ring:
    """Holds itself."""

    def __init__(self) -> None:
        self.itself = self


def test_no_look_that_comes_by_itself_is_at_more_than_a_few_thousand_objects() -> None:
    sizes: list[int] = []

    def told(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            sizes.append(sum(len(gc.get_objects(generation)) for generation in range(info["generation"] + 1)))

    collector.calm()
    gc.callbacks.append(told)
    try:
        kept = [[number] for number in range(400_000)]
    finally:
        gc.callbacks.remove(told)
    assert len(kept) == 400_000
    assert len(sizes) > 50
    assert max(sizes) < 5 * collector.YOUNG


def test_old_garbage_goes_within_minutes() -> None:
    async def story() -> None:
        ring = Ring()
        gone = weakref.ref(ring)
        given: list[Ring | None] = []
        gc.collect()  # it is of the oldest generation now
        gc.set_threshold(collector.YOUNG, collector.MIDDLE, collector.NEVER)
        del ring
        gc.collect(1)
        assert gone() is not None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(collector.look_rarely, lambda: given.append(gone()))
            await anyio.sleep(collector.SHORTEST + 1)
            assert gone() is None
            assert given == [None]
            tasks.cancel_scope.cancel()

    clock.run_virtual(story())


def test_the_longer_it_takes_the_rarer_it_is_and_idle_processes_are_left_in_peace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[float] = []
    busy = True
    times = iter(float(number) for number in range(0, 1000, 2))  # each look takes two seconds

    async def story() -> None:
        nonlocal busy
        monkeypatch.setattr(gc, "collect", lambda: looked.append(anyio.current_time()))
        monkeypatch.setattr(clock, "monotonic", lambda: next(times))
        monkeypatch.setattr(collector, "_looks", lambda: len(looked) if busy else -2)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(collector.look_rarely)
            await anyio.sleep(5_000)
            assert looked == [60.0, 2060.0, 4060.0]
            busy = False
            await anyio.sleep(10_000)
            assert len(looked) == 4
            tasks.cancel_scope.cancel()

    clock.run_virtual(story())
