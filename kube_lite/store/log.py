"""What the durable store needs of the file under it, and what the two hand each other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import anyio
import msgspec

from kube_lite.store.store import Event, Record, StoreError


class Loaded(msgspec.Struct, frozen=True):
    """What a log holds when it is opened."""

    records: Mapping[str, Record]
    transient: frozenset[str]
    unlogged: Mapping[str, int]
    """Transient keys, gone ones too where known, and the revisions of their last changes."""
    revision: int
    compacted: int


class Write:
    """A decided write on its way to the disk."""

    __slots__ = ("_settled", "event", "future", "record", "transient")

    def __init__(self, event: Event, transient: bool, future: asyncio.Future[Record] | None = None) -> None:
        self.event = event
        self.record = Record(event.key, event.value, event.revision)
        self.transient = transient
        self.future = future
        self._settled: anyio.Event | None = None

    @property
    def frees(self) -> bool:
        """Whether it takes no more room than there is: deletions, and renewals of transient rows."""
        return self.event.deleted or (self.transient and self.event.previous is not None)

    def standing(self) -> Record | None:
        """What stands under the key once this is committed."""
        return None if self.event.deleted else self.record

    async def settled(self) -> None:
        """Wait until this is committed or has failed."""
        if self._settled is None:
            self._settled = anyio.Event()
        await self._settled.wait()

    def succeed(self) -> None:
        """Acknowledge it."""
        if self.future is not None and not self.future.done():
            self.future.set_result(self.record)
        self._wake()

    def fail(self, error: StoreError) -> None:
        """Refuse it."""
        if self.future is not None and not self.future.done():
            self.future.set_exception(error)
        self._wake()

    def _wake(self) -> None:
        if self._settled is not None:
            self._settled.set()


class Log(Protocol):
    """The durable side: atomic batches, history by revision. Calls may come at once; it puts them in order."""

    async def append(self, writes: Sequence[Write], reserve: int) -> None:
        """Make all of them durable, or none; with ``reserve`` above 0, that reservation too.

        :raises StorageFull: no room; nothing was written
        :raises Stopped: the disk failed; whether they are written is not known
        """
        ...

    async def events(self, prefix: str, after: int, upto: int, limit: int) -> list[Event]:
        """Logged events of keys under ``prefix`` with after < revision <= upto, oldest first."""
        ...

    async def nth_event(self, after: int, upto: int, n: int) -> int:
        """The revision of the n-th logged event above ``after``, or ``upto`` if it is beyond that."""
        ...

    async def compact(self, after: int, upto: int) -> None:
        """Drop what was superseded or deleted by the events with after < revision <= upto, in one transaction."""
        ...

    async def tidy(self, shrink: bool = False) -> None:
        """Give free space back to the file system, a little at a time.

        :param shrink: the write-ahead log, too, at once: for a full disk
        """
        ...

    async def checkpoint(self) -> None:
        """House-keeping that may follow any batch, after it was acknowledged.

        :raises StorageFull: it has to wait
        :raises Stopped: the disk failed
        """
        ...

    async def release_reserve(self) -> None:
        """Give up the room kept for deletions on a full disk."""
        ...

    async def regain_reserve(self) -> bool:
        """Try to take that room again; whether there was enough."""
        ...

    async def verify(self) -> None:
        """Read everything and compare the checksums. :raises Corrupt: naming the row"""
        ...

    async def write_copy(self, path: str, loaded: Loaded) -> None:
        """Make a new file at ``path`` holding that; see :meth:`GroupCommitStore.backup`."""
        ...

    async def close(self, revision: int) -> None:
        """Let go of the file; ``revision`` is the last one handed out, 0 when the log failed."""
        ...
