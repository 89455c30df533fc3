"""Writes over a log that fails when told: nothing is acknowledged that is not durable, and nothing stands on a loss."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from kube_lite import clock
from kube_lite.store.group_commit import MAX_WAITING, GroupCommitStore
from kube_lite.store.log import Loaded, Write
from kube_lite.store.store import Encode, Event, Record, Stopped, StorageFull, StoreError, WriteConflict


class FakeLog:
    """Takes a second per commit, and fails those it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[Event]] = []
        self.failures: dict[int, StoreError] = {}
        self.attempts = 0
        self.reserved = 0
        self.has_space = True
        self.closed_at: int | None = None

    async def append(self, writes: Sequence[Write], reserve: int) -> None:
        self.attempts += 1
        attempt = self.attempts
        await anyio.sleep(1)
        if attempt in self.failures:
            raise self.failures[attempt]
        self.reserved = reserve or self.reserved
        assert all(write.event.revision <= self.reserved for write in writes)
        if writes:
            self.batches.append([write.event for write in writes])

    async def events(self, prefix: str, after: int, upto: int, limit: int) -> list[Event]:
        events = [event for batch in self.batches for event in batch]
        return [e for e in events if after < e.revision <= upto and e.key.startswith(prefix)][:limit]

    async def nth_event(self, after: int, upto: int, n: int) -> int:
        return min(upto, after + n)

    async def compact(self, after: int, upto: int) -> None:
        pass

    async def tidy(self, shrink: bool = False) -> None:
        pass

    async def checkpoint(self) -> None:
        pass

    async def release_reserve(self) -> None:
        pass

    async def regain_reserve(self) -> bool:
        return self.has_space

    async def verify(self) -> None:
        pass

    async def write_copy(self, path: str, loaded: Loaded) -> None:
        pass

    async def close(self, revision: int) -> None:
        self.closed_at = revision


@asynccontextmanager
async def running(log: FakeLog) -> AsyncIterator[GroupCommitStore]:
    store = GroupCommitStore(log, Loaded({}, frozenset(), {}, 1, 0))
    await store.reserve()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.run)
        try:
            yield store
        finally:
            await store.close()


def run(log: FakeLog, test: Callable[[GroupCommitStore], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(log) as store:
            await test(store)

    clock.run_virtual(main())


def says(text: str) -> Encode:
    return lambda revision: f"{text}@{revision}".encode()


Results = dict[str, Record | StoreError]


async def attempt(results: Results, name: str, call: Awaitable[Record]) -> None:
    try:
        results[name] = await call
    except StoreError as error:
        results[name] = error


def test_writes_that_wait_are_committed_together() -> None:
    log = FakeLog()

    async def test(store: GroupCommitStore) -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(store.write, f"/{number}", 0, says("x"))
        assert [len(batch) for batch in log.batches] in ([1, 99], [100])

    run(log, test)
    assert log.closed_at == 101


def test_readers_and_listeners_see_only_what_is_durable() -> None:
    async def test(store: GroupCommitStore) -> None:
        heard: list[Event] = []
        store.subscribe(heard.extend)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.write, "/a", 0, says("x"))
            await anyio.sleep(0.5)
            assert await store.get("/a") is None
            assert (store.revision, heard) == (1, [])
            await anyio.sleep(1)
            assert await store.get("/a") is not None
            assert len(heard) == 1

    run(FakeLog(), test)


def test_a_write_may_build_on_one_that_is_under_way() -> None:
    log = FakeLog()

    async def test(store: GroupCommitStore) -> None:
        results: Results = {}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(attempt, results, "first", store.write("/a", 0, says("1")))
            await anyio.sleep(0.5)
            tasks.start_soon(attempt, results, "second", store.write("/a", 2, says("2")))
        assert results == {"first": Record("/a", b"1@2", 2), "second": Record("/a", b"2@3", 3)}

    run(log, test)


def test_a_conflict_with_a_write_under_way_is_told_once_that_is_durable() -> None:
    async def test(store: GroupCommitStore) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.write, "/a", 0, says("1"))
            await anyio.sleep(0.5)
            with pytest.raises(WriteConflict) as raised:
                await store.write("/a", 0, says("2"))
            assert raised.value.actual == Record("/a", b"1@2", 2)

    run(FakeLog(), test)


def test_on_a_full_disk_all_that_stands_on_the_lost_batch_fails_and_deletions_go_on() -> None:
    log = FakeLog()

    async def test(store: GroupCommitStore) -> None:
        results: Results = {}
        old = await store.write("/old", 0, says("x"))
        lease = await store.write("/lease", 0, says("x"), transient=True)
        log.failures[log.attempts + 1] = StorageFull("full")
        log.has_space = False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(attempt, results, "put", store.write("/new", 0, says("1")))
            tasks.start_soon(attempt, results, "delete", store.delete("/old", old.revision, says("gone")))
            await anyio.sleep(0.5)
            tasks.start_soon(attempt, results, "on the put", store.write("/new", 4, says("2")))
            tasks.start_soon(attempt, results, "delete the put", store.delete("/new", 5 + 1, says("2")))
            tasks.start_soon(attempt, results, "contender", store.write("/new", 0, says("3")))
            tasks.start_soon(attempt, results, "lease", store.write("/lease", lease.revision, says("y")))
        kinds = {name: type(result) for name, result in results.items()}
        assert kinds.pop("delete the put") in (StorageFull, WriteConflict)
        assert kinds == {
            "put": StorageFull, "on the put": StorageFull, "contender": StorageFull,
            "delete": Record, "lease": Record,
        }  # fmt: skip
        fullness = [store.full]
        assert [record.key for record in (await store.list("")).records] == ["/lease"]
        with pytest.raises(StorageFull):
            await store.write("/new", 0, says("x"))
        log.has_space = True
        await anyio.sleep(2)
        again = await store.write("/new", 0, says("x"))
        fullness.append(store.full)
        assert fullness == [True, False]
        events = [event for batch in log.batches for event in batch]
        revisions = [event.revision for event in events]
        assert revisions == sorted(set(revisions))
        assert again.revision == revisions[-1]
        assert 4 not in revisions  # the lost put's number stays unused

    run(log, test)


def test_a_failed_disk_fails_everything_and_ends_the_owner() -> None:
    log = FakeLog()
    results: Results = {}

    async def test(store: GroupCommitStore) -> None:
        await store.write("/a", 0, says("x"))
        log.failures[log.attempts + 1] = Stopped("the disk is gone")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(attempt, results, "in the batch", store.write("/b", 0, says("x")))
            await anyio.sleep(0.5)
            tasks.start_soon(attempt, results, "behind it", store.write("/c", 0, says("x")))
            tasks.start_soon(attempt, results, "contender", store.write("/b", 0, says("y")))
            await anyio.sleep(100)

    with pytest.raises(ExceptionGroup) as raised:
        run(log, test)
    assert raised.group_contains(Stopped, match="the disk is gone")
    assert {name: type(result) for name, result in results.items()} == dict.fromkeys(
        ("in the batch", "behind it", "contender"), Stopped
    )
    assert log.closed_at == 0  # numbering must go on behind the reservation


def test_a_cancelled_writer_harms_nobody() -> None:
    async def test(store: GroupCommitStore) -> None:
        async with anyio.create_task_group() as tasks:
            with anyio.move_on_after(0.5):
                await store.write("/a", 0, says("x"))
            tasks.start_soon(store.write, "/b", 0, says("x"))
        assert [record.key for record in (await store.list("")).records] == ["/a", "/b"]

    run(FakeLog(), test)


def test_closing_commits_what_waits_even_when_cancelled() -> None:
    log = FakeLog()

    async def main() -> None:
        with anyio.move_on_after(1.5):
            async with running(log) as store, anyio.create_task_group() as tasks:
                tasks.start_soon(store.write, "/a", 0, says("x"))
                await anyio.sleep(0.1)
                await anyio.sleep(100)

    clock.run_virtual(main())
    assert [event.key for batch in log.batches for event in batch] == ["/a"]


def test_more_writers_than_may_wait_are_held_back_not_refused() -> None:
    log = FakeLog()

    async def test(store: GroupCommitStore) -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(2 * MAX_WAITING + 10):
                tasks.start_soon(store.write, f"/{number}", 0, says("x"))
        assert store.revision == 2 * MAX_WAITING + 11
        assert max(len(batch) for batch in log.batches) <= MAX_WAITING

    run(log, test)
