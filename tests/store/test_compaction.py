"""History goes when it is both old enough and far enough behind."""

from __future__ import annotations

import anyio

from kube_lite import clock
from kube_lite.store.compaction import Compactor, HistorySettings, compact_regularly
from kube_lite.store.memory import MemoryStore

SETTINGS = HistorySettings(window_seconds=600, window_events=1_000, interval_seconds=30)


def test_old_history_stays_while_it_is_among_the_newest_events() -> None:
    compactor = Compactor(SETTINGS)
    assert compactor.observe(0, 10, 0) == 0
    assert compactor.observe(100_000, 1_009, 999) == 0
    assert compactor.observe(100_001, 1_010, 1_000) == 10


def test_many_events_stay_while_they_are_young() -> None:
    compactor = Compactor(SETTINGS)
    compactor.observe(0, 10, 0)
    assert compactor.observe(599, 100_000, 99_990) == 0
    assert compactor.observe(600, 100_001, 99_991) == 10
    assert compactor.observe(1_199, 200_000, 199_990) == 100_000


def test_the_window_always_holds_both_bounds() -> None:
    compactor = Compactor(SETTINGS)
    events: list[tuple[float, int]] = [(0.0, 1)]
    for step in range(1, 3_000):
        at, revision = step * 30.0, events[-1][1] + (step * 7919) % 300
        events.append((at, revision))
        droppable = compactor.observe(at, revision, revision)
        if droppable:
            assert revision - droppable >= 1_000
            assert at - min(then for then, reached in events if reached == droppable) >= 600
        assert len(compactor._notes) <= 400


def test_a_store_is_compacted_while_it_runs() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(compact_regularly, store, SETTINGS)
            record = await store.write("/a", 0, lambda revision: b"x")
            for _ in range(5_000):
                await anyio.sleep(1)
                record = await store.write("/a", record.revision, lambda revision: b"x")
            assert 3_500 < store.compacted <= store.revision - 1_000
            assert len(await store.history("", store.compacted)) == store.revision - store.compacted
            tasks.cancel_scope.cancel()

    clock.run_virtual(main())
