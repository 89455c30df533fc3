"""The store in memory, for tests and for simulated clusters: the protocol in full, deterministic, no threads.

A write is committed the moment it is decided. History is the list of past events; a past state is found by
undoing, from the present, the events after it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import anyio.lowlevel

from kube_lite.store.current import Current
from kube_lite.store.store import (
    Compacted,
    Encode,
    Event,
    FutureRevision,
    Listener,
    Page,
    Record,
    Stopped,
    WriteConflict,
)


class MemoryStore:
    """Keys, bytes and revisions that end with the process."""

    def __init__(self) -> None:
        self._current = Current()
        self._compacted = 0
        self._log: list[Event] = []
        self._log_revisions: list[int] = []
        self._logged = 0
        self._closed = False

    @property
    def revision(self) -> int:
        """The revision of the newest committed write."""
        return self._current.revision

    @property
    def compacted(self) -> int:
        """The revision up to which history has been dropped."""
        return self._compacted

    @property
    def full(self) -> bool:
        """Never: there is no disk."""
        return False

    @property
    def logged(self) -> int:
        """How many events have entered the history since the store was opened."""
        return self._logged

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
        if revision < self._compacted:
            raise Compacted(revision, self._compacted)
        past: dict[str, Record | None] = {}
        for event in self._log[bisect_right(self._log_revisions, revision) :]:
            past.setdefault(event.key, event.previous)
        return self._current.past_page(prefix, start, limit, revision, past)

    async def write(self, key: str, expected: int, encode: Encode, *, transient: bool = False) -> Record:
        """Put bytes under ``key``; see :meth:`Store.write`."""
        await anyio.lowlevel.checkpoint()
        event = self._decide(key, expected, encode, deleted=False)
        self._commit(event, transient if event.previous is None else key in self._current.transient)
        return Record(key, event.value, event.revision)

    async def delete(self, key: str, expected: int, encode: Encode) -> Record:
        """Remove ``key``; see :meth:`Store.delete`."""
        await anyio.lowlevel.checkpoint()
        if expected == 0:
            raise WriteConflict(key, expected, self._current.records.get(key))
        event = self._decide(key, expected, encode, deleted=True)
        self._commit(event, key in self._current.transient)
        return Record(key, event.value, event.revision)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` after each commit; returns the way to stop that."""
        return self._current.subscribe(listener)

    async def history(self, prefix: str, after: int, limit: int = 0) -> Sequence[Event]:
        """Events under ``prefix`` above ``after``, oldest first; see :meth:`Store.history`."""
        self._check_open()
        if after < self._compacted:
            raise Compacted(after, self._compacted)
        if self._current.history_gap(prefix, after):
            raise Compacted(after, self.revision)
        found = []
        for event in self._log[bisect_right(self._log_revisions, after) :]:
            if event.key.startswith(prefix):
                found.append(event)
                if len(found) == limit:
                    break
        return found

    async def compact(self, revision: int) -> None:
        """Drop history up to and including ``revision``. :raises FutureRevision: not reached yet"""
        self._check_open()
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)
        if revision > self._compacted:
            self._compacted = revision
            cut = bisect_right(self._log_revisions, revision)
            del self._log[:cut], self._log_revisions[:cut]
            self._current.forget_gaps(revision)

    async def verify(self) -> None:
        """Memory has no checksums to compare."""
        self._check_open()

    async def close(self) -> None:
        """Refuse everything from now on."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise Stopped("the store is closed")

    def _decide(self, key: str, expected: int, encode: Encode, *, deleted: bool) -> Event:
        self._check_open()
        actual = self._current.records.get(key)
        if (actual.revision if actual else 0) != expected:
            raise WriteConflict(key, expected, actual)
        revision = self._current.revision + 1
        return Event(key, encode(revision), revision, deleted, actual)

    def _commit(self, event: Event, transient: bool) -> None:
        if not transient:
            self._log.append(event)
            self._log_revisions.append(event.revision)
            self._logged += 1
        self._current.apply((event,), (event.revision,) if transient else ())
