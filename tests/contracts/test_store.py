"""What every store promises, run over each of them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube_lite.store.memory import MemoryStore
from kube_lite.store.sqlite import SqliteSettings, open_sqlite
from kube_lite.store.store import (
    Compacted,
    Encode,
    Event,
    FutureRevision,
    Page,
    Record,
    Stopped,
    Store,
    WriteConflict,
)

Open = Callable[[Path], AbstractAsyncContextManager[Store]]


@asynccontextmanager
async def open_memory(path: Path) -> AsyncIterator[Store]:
    store = MemoryStore()
    yield store
    await store.close()


def open_file(path: Path) -> AbstractAsyncContextManager[Store]:
    # NORMAL spares the syncs, whose effect the power-cut test is about.
    return open_sqlite(path / "state.db", SqliteSettings(synchronous="NORMAL", reserve_bytes=0))


STORES = pytest.mark.parametrize("open_store", [open_memory, open_file], ids=["memory", "sqlite"])


def run(open_store: Open, path: Path, test: Callable[[Store], Awaitable[None]]) -> None:
    async def main() -> None:
        async with open_store(path) as store:
            await test(store)

    asyncio.run(main())


def says(text: str) -> Encode:
    return lambda revision: f"{text}@{revision}".encode()


def bare(number: int) -> Encode:
    return lambda revision: str(number).encode()


def brief(events: Sequence[Event]) -> list[tuple[str, int, bool, int]]:
    return [(e.key, e.revision, e.deleted, e.previous.revision if e.previous else 0) for e in events]


def names(page: Page) -> list[str]:
    return [record.key for record in page.records]


@STORES
def test_a_write_stores_the_bytes_encoded_with_its_revision(open_store: Open, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        before = store.revision
        record = await store.write("/a", 0, says("x"))
        assert record == Record("/a", f"x@{record.revision}".encode(), before + 1)
        assert await store.get("/a") == record
        assert store.revision == record.revision
        assert await store.get("/b") is None

    run(open_store, tmp_path, test)


@STORES
def test_a_write_expecting_another_revision_conflicts_and_says_what_stands_there(
    open_store: Open, tmp_path: Path
) -> None:
    async def test(store: Store) -> None:
        first = await store.write("/a", 0, says("x"))
        for expected in (0, first.revision + 1):
            with pytest.raises(WriteConflict) as raised:
                await store.write("/a", expected, says("y"))
            assert raised.value.actual == first
        with pytest.raises(WriteConflict) as raised:
            await store.write("/b", first.revision, says("y"))
        assert raised.value.actual is None
        with pytest.raises(WriteConflict):
            await store.delete("/a", first.revision + 1, says("y"))
        for expected in (0, 7):
            with pytest.raises(WriteConflict):
                await store.delete("/b", expected, says("y"))
        assert store.revision == first.revision

    run(open_store, tmp_path, test)


@STORES
def test_a_deleted_key_can_be_created_again_under_a_new_revision(open_store: Open, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        first = await store.write("/a", 0, says("x"))
        gone = await store.delete("/a", first.revision, says("last"))
        assert gone.value == f"last@{gone.revision}".encode()
        assert await store.get("/a") is None
        again = await store.write("/a", 0, says("y"))
        assert first.revision < gone.revision < again.revision

    run(open_store, tmp_path, test)


@STORES
def test_of_concurrent_writes_expecting_the_same_revision_one_wins(open_store: Open, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        wins: list[Record] = []
        losses: list[WriteConflict] = []

        async def contend(number: int) -> None:
            try:
                wins.append(await store.write("/a", 0, says(str(number))))
            except WriteConflict as conflict:
                losses.append(conflict)

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(contend, number)
        assert len(wins) == 1
        assert [conflict.actual for conflict in losses] == wins * 19

    run(open_store, tmp_path, test)


@STORES
def test_concurrent_counters_lose_no_step(open_store: Open, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        await store.write("/n", 0, lambda revision: b"0")

        async def count() -> None:
            for _ in range(10):
                while True:
                    record = await store.get("/n")
                    assert record is not None
                    following = int(record.value) + 1
                    try:
                        await store.write("/n", record.revision, bare(following))
                        break
                    except WriteConflict:
                        continue

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(count)
        final = await store.get("/n")
        assert final is not None
        assert final.value == b"80"

    run(open_store, tmp_path, test)


@STORES
def test_listeners_hear_each_write_once_in_order_before_it_is_acknowledged(open_store: Open, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        heard: list[Event] = []
        stop = store.subscribe(heard.extend)

        async def write(number: int) -> None:
            record = await store.write(f"/{number}", 0, says("x"))
            assert record.revision in {event.revision for event in heard}

        start = store.revision
        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(write, number)
        assert [event.revision for event in heard] == list(range(start + 1, start + 31))
        stop()
        await store.write("/late", 0, says("x"))
        assert len(heard) == 30

    run(open_store, tmp_path, test)


@STORES
def test_a_deletion_event_carries_the_last_state_and_the_record_before(open_store: Open, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        heard: list[Event] = []
        store.subscribe(heard.extend)
        first = await store.write("/a", 0, says("x"))
        gone = await store.delete("/a", first.revision, says("last"))
        assert heard[-1] == Event("/a", gone.value, gone.revision, True, first)
        assert list(await store.history("/a", first.revision)) == heard[-1:]

    run(open_store, tmp_path, test)


@STORES
def test_pages_follow_key_order_and_count_what_remains(open_store: Open, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        for key in ("/b/2", "/a/1", "/b/10", "/b/1", "/c", "/b"):
            await store.write(key, 0, says("x"))
        page = await store.list("/b/")
        assert (names(page), page.remaining, page.revision) == (["/b/1", "/b/10", "/b/2"], 0, store.revision)
        page = await store.list("/b/", limit=2)
        assert (names(page), page.remaining) == (["/b/1", "/b/10"], 1)
        page = await store.list("/b/", start="/b/10\0", limit=2)
        assert (names(page), page.remaining) == (["/b/2"], 0)
        assert names(await store.list("")) == ["/a/1", "/b", "/b/1", "/b/10", "/b/2", "/c"]
        assert names(await store.list("/x")) == []

    run(open_store, tmp_path, test)


@STORES
def test_a_past_state_is_listed_as_it_was(open_store: Open, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        a = await store.write("/a", 0, says("1"))
        b = await store.write("/b", 0, says("1"))
        then = store.revision
        await store.write("/a", a.revision, says("2"))
        await store.delete("/b", b.revision, says("gone"))
        await store.write("/c", 0, says("1"))
        page = await store.list("/", revision=then)
        assert page.records == (a, b)
        assert page.revision == then
        page = await store.list("/", revision=then, limit=1)
        assert (page.records, page.remaining) == ((a,), 1)
        assert (await store.list("/", revision=then, start="/a\0")).records == (b,)
        with pytest.raises(FutureRevision):
            await store.list("/", revision=store.revision + 1)

    run(open_store, tmp_path, test)


@STORES
def test_compaction_drops_the_past_and_keeps_the_present(open_store: Open, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        a = await store.write("/a", 0, says("1"))
        a2 = await store.write("/a", a.revision, says("2"))
        b = await store.write("/b", 0, says("1"))
        await store.delete("/b", b.revision, says("gone"))
        cut = store.revision
        a3 = await store.write("/a", a2.revision, says("3"))
        await store.compact(cut)
        assert store.compacted == cut
        assert (await store.list("/")).records == (a3,)
        assert (await store.list("/", revision=cut)).records == (a2,)
        assert brief(await store.history("", cut)) == [("/a", a3.revision, False, a2.revision)]
        with pytest.raises(Compacted):
            await store.list("/", revision=cut - 1)
        with pytest.raises(Compacted):
            await store.history("", cut - 1)
        with pytest.raises(FutureRevision):
            await store.compact(store.revision + 1)
        await store.compact(1)
        assert store.compacted == cut

    run(open_store, tmp_path, test)


@STORES
def test_history_is_limited_and_filtered(open_store: Open, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        start = store.revision
        for number in range(6):
            await store.write(f"/{'ab'[number % 2]}/{number}", 0, says("x"))
        assert [event.key for event in await store.history("/b/", start)] == ["/b/1", "/b/3", "/b/5"]
        assert [event.key for event in await store.history("", start, limit=2)] == ["/a/0", "/b/1"]
        assert list(await store.history("", store.revision)) == []

    run(open_store, tmp_path, test)


@STORES
def test_a_transient_key_shares_revisions_and_has_no_history(open_store: Open, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        heard: list[Event] = []
        store.subscribe(heard.extend)
        start = store.revision
        pod = await store.write("/pods/a", 0, says("x"))
        lease = await store.write("/leases/a", 0, says("1"), transient=True)
        lease = await store.write("/leases/a", lease.revision, says("2"))  # stays what it was made as
        assert [event.revision for event in heard] == [pod.revision, pod.revision + 1, lease.revision]
        assert [event.key for event in await store.history("/pods/", start)] == ["/pods/a"]
        with pytest.raises(Compacted):  # rather than a gap that nobody sees
            await store.history("/leases/", start)
        assert list(await store.history("/leases/", lease.revision)) == []
        assert (await store.list("/", revision=pod.revision)).records == (lease, pod)
        await store.delete("/leases/a", lease.revision, says("gone"))
        with pytest.raises(Compacted):
            await store.history("/leases/", lease.revision)
        await store.compact(store.revision)
        assert list(await store.history("/leases/", store.revision)) == []

    run(open_store, tmp_path, test)


@STORES
def test_a_failing_encoder_leaves_no_trace(open_store: Open, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        def broken(revision: int) -> bytes:
            raise ValueError("cannot")

        with pytest.raises(ValueError, match="cannot"):
            await store.write("/a", 0, broken)
        assert await store.get("/a") is None
        await store.write("/a", 0, says("x"))

    run(open_store, tmp_path, test)


@STORES
def test_a_closed_store_refuses(open_store: Open, tmp_path: Path) -> None:
    async def test(store: Store) -> None:
        await store.write("/a", 0, says("x"))
        await store.close()
        for call in (store.get("/a"), store.list(""), store.write("/b", 0, says("x")), store.history("", 0)):
            with pytest.raises(Stopped):
                await call

    run(open_store, tmp_path, test)


KEYS = ("/a/1", "/a/2", "/b/1", "/t/1")
Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "write", "delete", "wrong", "past", "history", "compact", "batch", "reopen"]),
              st.integers(0, len(KEYS) - 1), st.integers(0, 20)),
    max_size=40,
)  # fmt: skip


class Model:
    """The store as a list of everything that ever happened."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.compacted = 0

    def state(self, revision: int) -> dict[str, Record]:
        state: dict[str, Record] = {}
        for event in self.events:
            if event.revision <= revision or event.key.startswith("/t/"):
                if event.deleted:
                    state.pop(event.key, None)
                else:
                    state[event.key] = Record(event.key, event.value, event.revision)
        return state

    def now(self, key: str) -> int:
        record = self.state(2**62).get(key)
        return record.revision if record else 0

    def listing(self, prefix: str, revision: int) -> tuple[Record, ...]:
        state = self.state(revision)
        return tuple(state[key] for key in sorted(state) if key.startswith(prefix))

    async def step(self, store: Store, step: Step) -> None:
        action, number, amount = step
        key = KEYS[number]
        standing = self.now(key)
        if action == "write":
            await store.write(key, standing, says(str(amount)), transient=key.startswith("/t/"))
        elif action == "batch":
            async with anyio.create_task_group() as tasks:
                for each in KEYS:
                    tasks.start_soon(self._put, store, each, self.now(each))
        elif action == "delete" and standing:
            await store.delete(key, standing, says("gone"))
        elif action == "wrong":
            with pytest.raises(WriteConflict):
                await store.write(key, standing + 1, says("never"))
        elif action == "past":
            await self._check_past(store, key[:3], max(1, store.revision - amount))
        elif action == "history" and number < 3:
            await self._check_history(store, key[:3], max(0, store.revision - amount))
        elif action == "compact":
            await store.compact(max(0, store.revision - amount))
            self.compacted = max(self.compacted, store.revision - amount)
            assert store.compacted == self.compacted

    async def _put(self, store: Store, key: str, standing: int) -> None:
        await store.write(key, standing, says("batch"), transient=key.startswith("/t/"))

    async def _check_past(self, store: Store, prefix: str, revision: int) -> None:
        if revision < self.compacted:
            with pytest.raises(Compacted):
                await store.list(prefix, revision=revision)
        else:
            page = await store.list(prefix, revision=revision, limit=1)
            rest = (
                await store.list(prefix, revision=revision, start=page.records[-1].key + "\0") if page.records else page
            )
            assert page.records + (rest.records if page.records else ()) == self.listing(prefix, revision)
            assert page.remaining == len(rest.records)

    async def _check_history(self, store: Store, prefix: str, after: int) -> None:
        if after < self.compacted:
            with pytest.raises(Compacted):
                await store.history(prefix, after)
        else:
            wanted = [e for e in self.events if e.revision > after and e.key.startswith(prefix)]
            assert list(await store.history(prefix, after)) == wanted


@STORES
@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_any_sequence_behaves_as_the_list_of_all_events_says(open_store: Open, steps: list[Step]) -> None:
    async def main(path: Path) -> None:
        model = Model()
        remaining = list(steps)
        revision = 0
        while True:
            async with open_store(path) as store:
                assert store.revision >= revision
                stop = store.subscribe(model.events.extend)
                while remaining:
                    step = remaining.pop(0)
                    if step[0] == "reopen" and open_store is not open_memory:
                        break
                    await model.step(store, step)
                assert (await store.list("")).records == model.listing("", store.revision)
                stop()
                revision = store.revision
            if not remaining:
                break
        revisions = [event.revision for event in model.events]
        assert revisions == sorted(set(revisions))

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(main(Path(directory)))
