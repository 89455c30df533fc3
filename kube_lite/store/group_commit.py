"""Writes decided in memory, made durable in groups: the durable store, apart from the file it writes.

A write is decided at once, against what is committed plus what is on its way, and gets its revision there. All
writes waiting when the disk is free go out as one batch (a commit costs a sync, whatever its size), and only
then are they acknowledged, and shown to readers and listeners. When a batch fails, so does everything that was
decided while it was under way, because it may stand on it.

Revisions are handed out only below a durable reservation, which runs ahead. So a number is never used twice,
not even one whose write was lost in a crash; after a crash numbering goes on behind the reservation.
"""

from __future__ import annotations

import asyncio
import builtins  # the protocol has a method named list
from collections import deque
from collections.abc import Callable, Sequence

import anyio

from kube_lite import clock
from kube_lite.store.current import Current
from kube_lite.store.log import Loaded, Log, Write
from kube_lite.store.store import (
    Compacted,
    Encode,
    Event,
    FutureRevision,
    Listener,
    Page,
    Record,
    Stopped,
    StorageFull,
    StoreError,
    WriteConflict,
)

MAX_WAITING = 4_096
"""Writes that may wait for the disk; the next one waits before it is decided."""

MAX_BATCH_BYTES = 4 * 1024 * 1024
"""A batch is cut above this, so that no commit takes long and the write-ahead log stays small."""

RESERVATION = 16_384
"""Revisions reserved ahead; renewed when fewer than half are left. Half must exceed twice MAX_WAITING - 1."""

COMPACTION_STEP = 100
"""Events compacted in one transaction: a few milliseconds, which is what a write may have to wait."""

HISTORY_STEP = 1_000
"""History rows read in one go, for the same reason."""

FULL = "the disk is full: free space, or delete objects"
"""What whoever writes is told then."""
FULL_RETRY_SECONDS = 1.0
"""When the disk is full, look for space no more often than this."""


class GroupCommitStore:
    """The :class:`Store` over a :class:`Log`; :meth:`run` must run for as long as it is used."""

    def __init__(self, log: Log, loaded: Loaded) -> None:
        self._log = log
        self._current = Current(loaded.revision)
        self._current.load(loaded.records, loaded.transient, loaded.unlogged)
        self._compacted = loaded.compacted
        self._handed = loaded.revision
        self._reserved = 0
        self._queue: deque[Write] = deque()
        self._pending: dict[str, Write] = {}
        """The last decided write of each key, until it is committed or has failed."""
        self._logged = 0
        self._idle: asyncio.Future[None] | None = None
        self._room = anyio.Event()
        self._closing = False
        self._closed = anyio.Event()
        self._failure: Exception | None = None
        self._full = False
        self._full_checked = 0.0

    @property
    def revision(self) -> int:
        """The revision of the newest committed write."""
        return self._current.revision

    @property
    def compacted(self) -> int:
        """The revision up to which history has been dropped."""
        return self._compacted

    @property
    def logged(self) -> int:
        """How many events have entered the history since the store was opened."""
        return self._logged

    @property
    def full(self) -> bool:
        """Whether the disk was full at last sight, so that new objects are refused."""
        return self._full

    async def get(self, key: str) -> Record | None:
        """The committed record under ``key``."""
        self._check_open()
        return self._current.records.get(key)

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Page:
        """Records under ``prefix``; see :meth:`Store.list`. Transient keys have no past: they are as now."""
        self._check_open()
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)
        if not revision or revision == self.revision:
            return self._current.page(prefix, start, limit)
        past: dict[str, Record | None] = {}
        undone = revision
        while undone < self.revision:
            self._check_history(revision)
            upto = self.revision
            events = await self._log.events(prefix, undone, upto, HISTORY_STEP)
            for event in events:
                past.setdefault(event.key, event.previous)
            undone = events[-1].revision if len(events) == HISTORY_STEP else upto
        self._check_history(revision)
        return self._current.past_page(prefix, start, limit, revision, past)

    async def write(self, key: str, expected: int, encode: Encode, *, transient: bool = False) -> Record:
        """Put bytes under ``key``; see :meth:`Store.write`. An existing key stays as transient as it was made."""
        previous = await self._standing_at(key, expected)
        while self._full and not (previous and self._is_transient(key)):
            await self._find_space()
            previous = await self._standing_at(key, expected)
        if previous is not None:
            transient = self._is_transient(key)
        return await self._decide(key, encode, previous, deleted=False, transient=transient)

    async def delete(self, key: str, expected: int, encode: Encode) -> Record:
        """Remove ``key``; see :meth:`Store.delete`."""
        previous = await self._standing_at(key, expected)
        if previous is None:
            raise WriteConflict(key, expected, None)
        return await self._decide(key, encode, previous, deleted=True, transient=self._is_transient(key))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` after each commit; returns the way to stop that."""
        return self._current.subscribe(listener)

    async def history(self, prefix: str, after: int, limit: int = 0) -> Sequence[Event]:
        """Events under ``prefix`` above ``after``, oldest first; see :meth:`Store.history`."""
        self._check_open()
        if self._current.history_gap(prefix, after):
            self._check_history(after)
            raise Compacted(after, self.revision)
        found: builtins.list[Event] = []
        upto, reached = self.revision, after
        while reached < upto:
            self._check_history(after)
            step = min(HISTORY_STEP, limit - len(found)) if limit else HISTORY_STEP
            events = await self._log.events(prefix, reached, upto, step)
            found += events
            if len(events) < step or len(found) == limit:
                break
            reached = events[-1].revision
        self._check_history(after)
        return found

    async def compact(self, revision: int) -> None:
        """Drop history up to and including ``revision``, in small batches between which writes go on.

        :raises FutureRevision: not reached yet
        """
        self._check_open()
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)
        while self._compacted < revision:
            after = self._compacted
            upto = await self._log.nth_event(after, revision, COMPACTION_STEP)
            # First refuse readers, then drop what they would need.
            self._compacted = upto
            await self._log.compact(after, upto)
            self._check_open()
        self._current.forget_gaps(self._compacted)
        await self._log.tidy(shrink=self._full)

    async def verify(self) -> None:
        """Read the whole file and compare its checksums. :raises Corrupt: naming the row"""
        self._check_open()
        await self._log.verify()

    async def backup(self, path: str) -> None:
        """Write a consistent copy to ``path`` (which must not exist) while writes go on.

        In the copy numbering goes on far above what this store can have reached since, and history is gone, so
        that no watcher takes a restored cluster for the one it knew.
        """
        self._check_open()
        # What is committed is in memory, and bytes do not change: this is a snapshot, and nothing has to wait.
        current = self._current
        loaded = Loaded(dict(current.records), frozenset(current.transient), {}, current.revision, self._compacted)
        await self._log.write_copy(path, loaded)

    async def close(self) -> None:
        """Commit what waits, then let go of the files."""
        self._closing = True
        self._wake_committer()
        await self._closed.wait()

    async def run(self) -> None:
        """Commit until :meth:`close`; no cancellation ends it before what waits is committed.

        :raises Stopped: the disk failed
        """
        with anyio.CancelScope(shield=True):
            try:
                while True:
                    if self._queue:
                        await self._commit(self._cut_batch())
                    elif self._closing:
                        break
                    else:
                        self._idle = asyncio.get_running_loop().create_future()
                        await self._idle
            except Exception as error:
                self._failure = error
                raise
            finally:
                self._fail(tuple(self._queue), Stopped("the store has stopped"))
                self._room.set()
                try:
                    await self._log.close(0 if self._failure else self._handed)
                finally:
                    self._closed.set()

    async def reserve(self) -> None:
        """Reserve the first revisions, before any write is decided."""
        reserved = self._handed + RESERVATION
        try:
            await self._log.append((), reserve=reserved)
            self._reserved = reserved
        except StorageFull:
            # Reads go on; deletions need revisions, so they take them from the space kept for that.
            self._full = True
            await self._log.release_reserve()
            await self._log.append((), reserve=reserved)
            self._reserved = reserved

    def _check_open(self) -> None:
        if self._failure is not None:
            raise Stopped(f"the store has stopped: {self._failure}")
        if self._closing:
            raise Stopped("the store is closed")

    def _check_history(self, revision: int) -> None:
        if revision < self._compacted:
            raise Compacted(revision, self._compacted)

    async def _standing_at(self, key: str, expected: int) -> Record | None:
        """What stands under the key, on its way or committed, if that has the expected revision.

        A mismatch with something on its way proves nothing until that is committed, so it is waited for.
        """
        while True:
            self._check_open()
            if len(self._queue) >= MAX_WAITING:
                await self._room.wait()
                continue
            pending = self._pending.get(key)
            standing = pending.standing() if pending is not None else self._current.records.get(key)
            if (standing.revision if standing is not None else 0) == expected:
                return standing
            if pending is None:
                raise WriteConflict(key, expected, standing)
            await pending.settled()

    def _is_transient(self, key: str) -> bool:
        pending = self._pending.get(key)
        return pending.transient if pending is not None else key in self._current.transient

    async def _decide(
        self, key: str, encode: Encode, previous: Record | None, *, deleted: bool, transient: bool
    ) -> Record:
        revision = self._handed + 1
        if revision > self._reserved:
            raise StorageFull("no revision is reserved, because the disk is full")
        event = Event(key, encode(revision), revision, deleted, previous)
        self._handed = revision
        future: asyncio.Future[Record] = asyncio.get_running_loop().create_future()
        write = Write(event, transient, future)
        self._queue.append(write)
        self._pending[key] = write
        self._wake_committer()
        return await future

    def _wake_committer(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _cut_batch(self) -> Sequence[Write]:
        queue, size = self._queue, 0
        batch: builtins.list[Write] = []
        while queue and size < MAX_BATCH_BYTES:
            write = queue.popleft()
            size += len(write.event.value)
            batch.append(write)
        self._room.set()
        self._room = anyio.Event()
        return batch

    async def _commit(self, batch: Sequence[Write]) -> None:
        reserve = self._handed + RESERVATION if self._handed + RESERVATION // 2 > self._reserved else 0
        try:
            await self._log.append(batch, reserve)
        except StorageFull as error:
            await self._commit_what_frees(batch, error)
            return
        except StoreError as error:
            self._fail(batch, Stopped(f"the store has stopped: {error}"))
            raise
        self._reserved = reserve or self._reserved
        self._acknowledge(batch)
        try:
            await self._log.checkpoint()
        except StorageFull:
            self._full = True

    def _acknowledge(self, batch: Sequence[Write]) -> None:
        unlogged = {write.event.revision for write in batch if write.transient}
        self._logged += len(batch) - len(unlogged)
        pending = self._pending
        for write in batch:
            if pending.get(write.event.key) is write:
                del pending[write.event.key]
        self._current.apply([write.event for write in batch], unlogged)
        for write in batch:
            write.succeed()

    def _fail(self, writes: Sequence[Write], error: StoreError) -> None:
        for write in writes:
            if self._pending.get(write.event.key) is write:
                del self._pending[write.event.key]
            write.fail(error)

    async def _commit_what_frees(self, batch: Sequence[Write], error: StorageFull) -> None:
        """On a full disk fail the batch and what was decided since, save what frees room and stands on no loser."""
        self._full = True
        self._full_checked = clock.monotonic()
        decided = [*batch, *self._queue]
        self._queue.clear()
        survivors: builtins.list[Write] = []
        losers: builtins.list[Write] = []
        for write in decided:
            stands = self._current.records.get(write.event.key) is write.event.previous
            (survivors if write.frees and stands else losers).append(write)
        refusal = StorageFull(FULL)
        refusal.__cause__ = error
        self._fail(losers, refusal)
        self._pending = {write.event.key: write for write in survivors}
        await self._log.release_reserve()
        if not survivors:
            return
        try:
            await self._log.append(survivors, 0)
        except StorageFull as again:
            decided = [*survivors, *self._queue]
            self._queue.clear()
            self._fail(decided, again)
        else:
            self._acknowledge(survivors)

    async def _find_space(self) -> None:
        """Leave the full state if there is room again. :raises StorageFull: there is not"""
        now = clock.monotonic()
        if now - self._full_checked >= FULL_RETRY_SECONDS:
            self._full_checked = now
            if await self._log.regain_reserve():
                self._full = False
        if self._full:
            raise StorageFull(FULL)
