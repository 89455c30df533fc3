"""Watchers see every event in order, once, and none is missing; what they ask for is all that wakes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube_lite import clock
from kube_lite.store.memory import MemoryStore
from kube_lite.store.ring import CachedEvent, RingSettings
from kube_lite.store.store import Compacted, Encode, Record
from kube_lite.store.watch_cache import Cursor, WatchCache, WatchCaches, kind_prefix

PODS = "/registry/core/pods/"
NODES = "/registry/core/nodes/"


def extract(value: bytes) -> tuple[Mapping[str, str], Mapping[str, str]]:
    document = json.loads(value)
    return document.get("labels", {}), {"node": document.get("node", "")}


def pod(node: str = "", **labels: str) -> Encode:
    return lambda revision: json.dumps({"node": node, "labels": labels, "revision": revision}).encode()


async def started(store: MemoryStore, ring: RingSettings | None = None) -> WatchCaches:
    caches = WatchCaches(store, lambda prefix: extract, ring)
    await caches.start()
    return caches


def run(test: Callable[[MemoryStore], Awaitable[None]]) -> None:
    async def main() -> None:
        await test(MemoryStore())

    clock.run_virtual(main())


async def take(cursor: Cursor, count: int) -> list[CachedEvent]:
    taken: list[CachedEvent] = []
    while len(taken) < count:
        taken += await cursor.next(60)
    return taken


def test_the_kind_of_a_key() -> None:
    assert kind_prefix("/registry/core/pods/default/a") == PODS
    assert kind_prefix("/registry/core/nodes/a") == NODES
    assert kind_prefix("/registry/apps/deployments/ns/a/b") == "/registry/apps/deployments/"
    assert kind_prefix("/odd") == "/"


def test_it_holds_what_the_store_holds_in_key_order() -> None:
    async def test(store: MemoryStore) -> None:
        await store.write(PODS + "b/1", 0, pod(app="x"))
        caches = await started(store)
        record = await store.write(PODS + "a/2", 0, pod())
        await store.write(PODS + "a/1", 0, pod())
        await store.write(NODES + "n", 0, pod())
        cache = caches.cache(PODS)
        assert [item.key for item in cache.range(PODS)] == [PODS + "a/1", PODS + "a/2", PODS + "b/1"]
        assert [item.key for item in cache.range(PODS, start=PODS + "a/2", limit=1)] == [PODS + "a/2"]
        assert (cache.count(PODS + "a/"), cache.count(PODS), cache.count(NODES)) == (2, 3, 0)
        item = cache.get(PODS + "b/1")
        assert item is not None
        assert item.labels == {"app": "x"}
        await store.delete(PODS + "a/2", record.revision, pod())
        assert cache.get(PODS + "a/2") is None
        assert cache.count(PODS) == 2
        assert cache.revision == caches.revision == store.revision

    run(test)


def test_writes_made_while_the_caches_load_are_neither_lost_nor_doubled() -> None:
    class Slow(MemoryStore):
        async def list(self, *args: object, **options: object) -> object:  # type: ignore[override]
            await self.write(PODS + "before", 0, pod())
            page = await super().list("")
            await self.write(PODS + "during", 0, pod())
            return page

    async def main() -> None:
        store = Slow()
        caches = await started(store)
        cache = caches.cache(PODS)
        assert [item.key for item in cache.range(PODS)] == [PODS + "before", PODS + "during"]
        assert [event.key for event in cache.cursor(2).ready()] == [PODS + "during"]
        assert caches.revision == store.revision

    clock.run_virtual(main())


def test_a_cursor_gives_events_after_its_revision_with_the_state_before() -> None:
    async def test(store: MemoryStore) -> None:
        caches = await started(store)
        first = await store.write(PODS + "a", 0, pod("n1"))
        second = await store.write(PODS + "a", first.revision, pod("n2"))
        third = await store.delete(PODS + "a", second.revision, pod("n2"))
        events = list(caches.cache(PODS).cursor(first.revision).ready())
        assert [(event.revision, event.deleted) for event in events] == [
            (second.revision, False),
            (third.revision, True),
        ]
        assert events[0].previous is not None
        assert (events[0].previous.fields, events[0].item.fields) == ({"node": "n1"}, {"node": "n2"})
        assert caches.cache(PODS).cursor(-1).ready() == ()

    run(test)


def test_waiting_cursors_share_the_very_events() -> None:
    async def test(store: MemoryStore) -> None:
        caches = await started(store)
        taken: list[list[CachedEvent]] = []

        async def watch() -> None:
            taken.append(await take(caches.cache(PODS).cursor(-1), 3))

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(watch)
            await anyio.sleep(1)
            for number in range(3):
                await store.write(f"{PODS}{number}", 0, pod())
        assert len(taken) == 100
        assert all(events[0] is taken[0][0] for events in taken)
        assert [event.revision for event in taken[99]] == [2, 3, 4]

    run(test)


def test_with_many_waiting_events_gather_and_are_delivered_together() -> None:
    async def test(store: MemoryStore) -> None:
        caches = await started(store, RingSettings(wakeup_seconds=0.001, max_delay_seconds=0.05))
        wakeups: list[int] = []

        async def watch() -> None:
            cursor = caches.cache(PODS).cursor(-1)
            seen = 0
            while seen < 100:
                seen += len(await cursor.next(60))
                wakeups.append(seen)

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(watch)
            await anyio.sleep(1)
            for number in range(100):
                await store.write(f"{PODS}{number}", 0, pod())
                await anyio.sleep(0.001)
        assert 20 < len(wakeups) < 20 * 12  # an event a millisecond, wake-ups 20 ms apart

    run(test)


def test_next_gives_nothing_when_its_time_has_passed() -> None:
    async def test(store: MemoryStore) -> None:
        caches = await started(store)
        cursor = caches.cache(PODS).cursor(-1)
        began = clock.now()
        assert await cursor.next(5) == ()
        assert clock.now() - began == timedelta(seconds=5)
        assert await cursor.next(0) == ()

    run(test)


def test_a_wait_of_less_than_a_millisecond_may_be_woken_early() -> None:
    """uvloop calls back at once then, by a handle that does not know when; a server ended by asking it."""

    async def main() -> None:
        caches = await started(MemoryStore())
        cursor = caches.cache(PODS).cursor(-1)
        for _ in range(20):
            asyncio.get_running_loop().call_soon(cursor.wake)
            assert await cursor.next(0.0004) == ()
        cursor.close()

    anyio.run(main, backend_options={"use_uvloop": True})


def test_closing_a_cursor_ends_its_wait() -> None:
    async def test(store: MemoryStore) -> None:
        cursor = (await started(store)).cache(PODS).cursor(-1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cursor.next, None)
            await anyio.sleep(1)
            cursor.close()

    run(test)


def test_a_cancelled_wait_loses_no_event() -> None:
    async def test(store: MemoryStore) -> None:
        caches = await started(store)
        cursor = caches.cache(PODS).cursor(-1)
        with anyio.move_on_after(1):
            await cursor.next(None)
        await store.write(PODS + "a", 0, pod())
        assert len(await cursor.next(1)) == 1
        assert caches.cache(PODS).wakeups.waiting == 0

    run(test)


def test_a_bookmark_names_the_store_s_revision_only_when_nothing_is_pending() -> None:
    async def test(store: MemoryStore) -> None:
        caches = await started(store)
        cursor = caches.cache(PODS).cursor(-1)
        await store.write(NODES + "n", 0, pod())
        assert cursor.revision == store.revision  # others' writes move it on
        await store.write(PODS + "a", 0, pod())
        assert cursor.revision == store.revision - 1 - 1
        cursor.ready()
        assert cursor.revision == store.revision

    run(test)


def test_events_up_to_a_future_revision_are_not_given() -> None:
    async def test(store: MemoryStore) -> None:
        caches = await started(store)
        cursor = caches.cache(PODS).cursor(4)
        assert cursor.revision == 4
        for number in range(5):
            await store.write(f"{PODS}{number}", 0, pod())
        assert [event.revision for event in cursor.ready()] == [5, 6]

    run(test)


def test_a_triggered_cursor_hears_of_its_objects_only_coming_and_going() -> None:
    async def test(store: MemoryStore) -> None:
        caches = await started(store)
        cursor = caches.cache(PODS).cursor(-1, ("node", "n1"))
        taken: list[CachedEvent] = []

        async def watch() -> None:
            taken.extend(await take(cursor, 3))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await anyio.sleep(1)
            record = await store.write(PODS + "a", 0, pod(""))
            await store.write(PODS + "other", 0, pod("n2"))
            for node in ("n1", "n2"):
                record = await store.write(PODS + "a", record.revision, pod(node))
            await store.write(PODS + "b", 0, pod("n1"))
        assert [event.revision for event in taken] == [4, 5, 6]
        assert cursor.revision == store.revision

    run(test)


def test_a_triggered_cursor_is_not_overtaken_while_nothing_concerns_it() -> None:
    async def test(store: MemoryStore) -> None:
        ring = RingSettings(window_events=50, window_seconds=0, rescan_events=20)
        caches = await started(store, ring)
        cursor = caches.cache(PODS).cursor(-1, ("node", "n1"))
        taken: list[CachedEvent] = []

        async def watch() -> None:
            taken.extend(await take(cursor, 1))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            for number in range(500):
                await store.write(f"{PODS}{number}", 0, pod("n2"))
            await store.write(PODS + "mine", 0, pod("n1"))
        assert [event.key for event in taken] == [PODS + "mine"]

    run(test)


def test_the_ring_keeps_its_window_and_then_says_compacted() -> None:
    async def test(store: MemoryStore) -> None:
        caches = await started(store, RingSettings(window_events=3, window_seconds=600))
        cache = caches.cache(PODS)
        slow = cache.cursor(-1)
        for number in range(10):
            await store.write(f"{PODS}{number}", 0, pod())
        assert len(cache.cursor(1).ready()) == 10  # younger than the window
        await anyio.sleep(601)
        await store.write(PODS + "late", 0, pod())
        assert len(cache.cursor(9).ready()) == 3
        with pytest.raises(Compacted):
            cache.cursor(8)
        with pytest.raises(Compacted):
            await slow.next(1)

    run(test)


def test_the_ring_is_bounded_by_bytes() -> None:
    async def test(store: MemoryStore) -> None:
        caches = await started(store, RingSettings(max_bytes=100_000))
        for number in range(1_000):
            await store.write(f"{PODS}{number}", 0, pod())
        cache = caches.cache(PODS)
        assert cache.held <= 100_000
        assert len(cache._ring) < 200
        assert len(cache.cursor(store.revision - 50).ready()) == 50

    run(test)


def test_what_came_before_the_caches_started_is_left_to_the_store_s_history() -> None:
    async def test(store: MemoryStore) -> None:
        await store.write(PODS + "a", 0, pod())
        caches = await started(store)
        with pytest.raises(Compacted):
            caches.cache(PODS).cursor(1)
        assert caches.cache(NODES).cursor(2).ready() == ()

    run(test)


def test_an_object_that_cannot_be_read_stays_readable_and_stops_nothing() -> None:
    async def test(store: MemoryStore) -> None:
        caches = await started(store)
        await store.write(PODS + "bad", 0, lambda revision: b"{not json")
        await store.write(PODS + "good", 0, pod(app="x"))
        bad = caches.cache(PODS).get(PODS + "bad")
        assert bad is not None
        assert (bad.value, bad.labels) == (b"{not json", {})
        assert caches.cache(PODS).count(PODS) == 2

    run(test)


@settings(max_examples=80, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3)), max_size=60),
    start=st.integers(1, 40),
)
def test_every_cursor_sees_exactly_the_events_after_its_revision(
    steps: list[tuple[int, bool, int]], start: int
) -> None:
    async def main() -> None:
        store = MemoryStore()
        caches = await started(store, RingSettings(window_events=10_000))
        standing: dict[str, Record] = {}
        written: list[int] = []
        cursor = caches.cache(PODS).cursor(start)
        seen: list[int] = []
        for number, remove, read in steps:
            kind = PODS if number < 4 else NODES
            key = f"{kind}{number}"
            before = standing.pop(key, None)
            if remove and before:
                record = await store.delete(key, before.revision, pod())
            else:
                record = await store.write(key, before.revision if before else 0, pod())
                standing[key] = record
            if kind == PODS:
                written.append(record.revision)
            if read == 0:
                seen += [event.revision for event in cursor.ready()]
                assert cursor.revision == max(start, store.revision)
        seen += [event.revision for event in cursor.ready()]
        assert seen == [revision for revision in written if revision > start]
        cache: WatchCache = caches.cache(PODS)
        assert {item.key: item.revision for item in cache.range(PODS)} == {
            key: record.revision for key, record in standing.items() if key.startswith(PODS)
        }

    clock.run_virtual(main())


def test_many_large_events_are_handed_out_in_parts_and_many_small_ones_at_once() -> None:
    """What a watcher has been given lies in memory for it alone until its client has taken it."""

    async def story(store: MemoryStore) -> None:
        caches = await started(store)
        small, large = caches.cache(PODS).cursor(-1), caches.cache(NODES).cursor(-1)
        for number in range(40):
            await store.write(f"{PODS}{number}", 0, pod())
            await store.write(f"{NODES}{number}", 0, pod(a="x" * 500_000))
        assert len(small.ready()) == 40
        counts = []
        while large.pending:
            counts.append(len(large.ready()))
        assert sum(counts) == 40
        assert max(counts) < 8

    run(story)
