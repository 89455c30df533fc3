"""How much of the past stays in memory: bounded for each kind and for all, and given back when it is old."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import anyio
import pytest

from kube_lite import clock
from kube_lite.store.memory import MemoryStore
from kube_lite.store.ring import RingSettings
from kube_lite.store.store import Compacted, Encode
from kube_lite.store.watch_cache import WatchCache, WatchCaches

PODS = "/registry/core/pods/"
NODES = "/registry/core/nodes/"
FOOS = "/registry/ex.io/foos/"


def nothing(value: bytes) -> tuple[Mapping[str, str], Mapping[str, str]]:
    return {}, {}


def body(size: int = 10) -> Encode:
    return lambda revision: b"x" * size


def run(test: Callable[[MemoryStore, WatchCaches], Awaitable[None]], ring: RingSettings | None = None) -> None:
    async def main() -> None:
        store = MemoryStore()
        caches = WatchCaches(store, lambda prefix: nothing, ring)
        await caches.start()
        await test(store, caches)

    clock.run_virtual(main())


def length(cache: WatchCache) -> int:
    """How many events the ring holds."""
    return len(cache.read(cache._first))


async def write(store: MemoryStore, prefix: str, count: int, size: int = 10) -> None:
    for number in range(count):
        await store.write(f"{prefix}{store.revision}-{number}", 0, body(size))


def test_old_events_of_a_kind_that_nobody_writes_any_more_go_too() -> None:
    """The ring was looked at with the next event of the kind only: what a burst left stayed for good."""

    async def test(store: MemoryStore, caches: WatchCaches) -> None:
        await write(store, PODS, 100)
        await anyio.sleep(61)
        assert length(caches.cache(PODS)) == 100
        for _ in range(4):
            await write(store, NODES, 1)
            await anyio.sleep(1)
        assert length(caches.cache(PODS)) == 10
        assert caches.held == caches.cache(PODS).held + caches.cache(NODES).held

    run(test, RingSettings(window_seconds=60.0, window_events=10, dropped_at_once=30))


def test_renewals_of_leases_do_not_fill_the_memory_of_an_idle_cluster() -> None:
    async def test(store: MemoryStore, caches: WatchCaches) -> None:
        record = await store.write(NODES + "a", 0, body(), transient=True)
        for _ in range(3000):
            await anyio.sleep(1)
            record = await store.write(NODES + "a", record.revision, body(), transient=True)
        assert length(caches.cache(NODES)) <= 1000

    run(test)


def test_all_rings_together_are_bounded_and_the_largest_gives_way() -> None:
    async def test(store: MemoryStore, caches: WatchCaches) -> None:
        await write(store, NODES, 20, size=1000)
        for _ in range(20):
            await write(store, PODS, 100, size=1000)
            assert caches.held <= 2_000_000
        assert length(caches.cache(NODES)) == 20
        assert 100 < length(caches.cache(PODS)) < 1000
        with pytest.raises(Compacted):
            caches.cache(PODS).cursor(30)

    run(test, RingSettings(max_total=2_000_000))


def test_a_kind_that_is_served_no_longer_leaves_nothing() -> None:
    async def test(store: MemoryStore, caches: WatchCaches) -> None:
        record = await store.write(FOOS + "a", 0, body())
        kept = caches.cache(FOOS)
        caches.drop(FOOS)
        assert caches.cache(FOOS) is kept  # there is an object still
        gone = await store.delete(FOOS + "a", record.revision, body())
        caches.drop(FOOS)
        caches.drop(PODS)
        assert caches.held == 0
        again = caches.cache(FOOS)
        assert again is not kept
        with pytest.raises(Compacted):  # what was before is for the store's history to tell
            again.cursor(record.revision)
        cursor = again.cursor(gone.revision)
        await store.write(FOOS + "b", 0, body())
        assert [event.key for event in cursor.ready()] == [FOOS + "b"]

    run(test)
