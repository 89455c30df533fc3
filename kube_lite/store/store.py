"""The store's protocol and its words.

A **revision** is one number for the whole store that grows with every write and is never used twice, across
restarts too. A **record** is the bytes under a key and the revision of the write that put them there. Every
write names the revision it expects (compare-and-swap), 0 meaning "must not exist". **Compacted** is the
revision up to which history has been dropped.

The revision stands inside the stored object, so a writer hands over ``encode(revision) -> bytes`` and the
store calls it once the revision is known. Writes are decided in memory in revision order, made durable in
groups, and only then acknowledged and shown to readers and listeners.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

Encode = Callable[[int], bytes]
"""Makes the bytes to store from the revision of the write; pure, fast, called once."""


class Record(msgspec.Struct, frozen=True):
    """The bytes under a key, as of the write with this revision."""

    key: str
    value: bytes
    revision: int


class Event(msgspec.Struct, frozen=True):
    """One committed write: a put, or a deletion that carries the last state under the new revision."""

    key: str
    value: bytes
    revision: int
    deleted: bool
    previous: Record | None


class Page(msgspec.Struct, frozen=True):
    """Part of a range in key order, all as of one revision.

    ``remaining`` counts the records of the range after this page (0 on the last one).
    """

    records: tuple[Record, ...]
    revision: int
    remaining: int


class StoreError(Exception):
    """Base of what a store raises."""


class WriteConflict(StoreError):
    """Raised by write and delete when the key is not at the expected revision.

    ``actual`` is the record that stands there (committed), None when the key does not exist.
    """

    def __init__(self, key: str, expected: int, actual: Record | None) -> None:
        super().__init__(f"{key}: expected revision {expected}, found {actual.revision if actual else 0}")
        self.key = key
        self.expected = expected
        self.actual = actual


class Compacted(StoreError):
    """Raised when a revision is asked for whose history has been dropped."""

    def __init__(self, revision: int, compacted: int) -> None:
        super().__init__(f"revision {revision} has been compacted, history starts after {compacted}")
        self.revision = revision
        self.compacted = compacted


class FutureRevision(StoreError):
    """Raised when a revision is asked for that has not been reached."""

    def __init__(self, revision: int, current: int) -> None:
        super().__init__(f"revision {revision} is in the future, the store is at {current}")
        self.revision = revision
        self.current = current


class Corrupt(StoreError):
    """Raised when a row does not match its checksum; says which, and how to repair."""


class StorageFull(StoreError):
    """Raised by write when the disk is full; reads and deletes go on."""


class Stopped(StoreError):
    """Raised by every call once the store has given up: closed, or the disk failed and what it holds is unsure."""


class Locked(StoreError):
    """Raised at open when another process has the database."""


Listener = Callable[[Sequence[Event]], None]
"""Called on the event loop after each commit, with its events in revision order; must not block or raise."""


class Store(Protocol):
    """Keys, bytes and revisions. All methods run on the event loop; none blocks it."""

    @property
    def revision(self) -> int:
        """The revision of the newest committed write."""
        ...

    @property
    def compacted(self) -> int:
        """The revision up to which history has been dropped."""
        ...

    async def get(self, key: str) -> Record | None:
        """The committed record under ``key``."""
        ...

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Page:
        """Records whose key begins with ``prefix``, in key order, from ``start`` (inclusive) on.

        :param limit: at most so many records, 0 for all
        :param revision: as of this revision, 0 for now
        :raises Compacted: history of that revision is gone
        :raises FutureRevision: not reached yet
        """
        ...

    async def write(self, key: str, expected: int, encode: Encode, *, transient: bool = False) -> Record:
        """Put bytes under ``key`` if it is at revision ``expected`` (0: does not exist); returns when durable.

        :param transient: keep no history of this key (node leases): only its current row is stored
        :raises WriteConflict: the key is at another revision
        :raises StorageFull: nothing was written
        """
        ...

    async def delete(self, key: str, expected: int, encode: Encode) -> Record:
        """Remove ``key`` if it is at revision ``expected``; the event carries ``encode(revision)``.

        :raises WriteConflict: the key is at another revision, or not there
        """
        ...

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with the events of every commit from now on; returns the way to stop that."""
        ...

    async def history(self, prefix: str, after: int, limit: int = 0) -> Sequence[Event]:
        """The events of keys under ``prefix`` with a revision above ``after``, oldest first.

        ``previous`` is filled in where history still has it. Transient keys have no history.

        :raises Compacted: events above ``after`` have been dropped
        """
        ...

    async def compact(self, revision: int) -> None:
        """Drop superseded records and deletions up to and including ``revision``, in small batches."""
        ...

    async def close(self) -> None:
        """Commit what waits, then let go of the files."""
        ...
