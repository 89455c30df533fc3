"""The committed state that both stores keep in memory: what stands under each key now.

The watch cache holds every current object's bytes anyway; this index shares those very byte strings, so that
compare-and-swap, reads and pages cost no trip to the disk. Only committed writes are applied here.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Mapping, Sequence

from kube_lite.store.store import Event, Listener, Page, Record

FIRST_REVISION = 1
"""The revision of an empty store. Not 0: clients read resourceVersion "0" as "anything will do"."""

_SETTLE_ONE_BY_ONE = 64
"""Up to so many new keys are put into the sorted list singly (a memmove each), more by one sort."""


def prefix_end(prefix: str) -> str:
    """The smallest string above everything that begins with ``prefix``; "" when there is none."""
    stem = prefix.rstrip("\U0010ffff")
    return stem[:-1] + chr(ord(stem[-1]) + 1) if stem else ""


class SortedKeys:
    """The keys of a mapping in order, brought up to date only when somebody asks for a range."""

    __slots__ = ("_keys", "_mapping", "_touched")

    def __init__(self, mapping: Collection[str]) -> None:
        self._mapping = mapping
        self._keys: list[str] = sorted(mapping)
        self._touched: dict[str, bool] = {}
        """Keys that have come or gone since, and whether they are in the list; what came and went is not kept."""

    def came(self, key: str) -> None:
        """``key`` has entered the mapping."""
        if self._touched.pop(key, None) is None:
            self._touched[key] = False

    def went(self, key: str) -> None:
        """``key`` has left the mapping."""
        if self._touched.pop(key, None) is None:
            self._touched[key] = True

    def span(self, prefix: str, start: str = "") -> tuple[list[str], int, int]:
        """The sorted keys, and where those with ``prefix`` from ``start`` on begin and end. Read it at once."""
        if self._touched:
            self._settle()
        keys = self._keys
        low = bisect_left(keys, max(prefix, start))
        end = prefix_end(prefix)
        high = bisect_left(keys, end) if end else len(keys)
        return keys, low, max(low, high)

    def _settle(self) -> None:
        keys, mapping = self._keys, self._mapping
        if len(self._touched) > _SETTLE_ONE_BY_ONE:
            kept = [key for key in keys if key in mapping and key not in self._touched]
            kept.extend(key for key in self._touched if key in mapping)
            kept.sort()
            self._keys = kept
        else:
            for key in self._touched:
                at = bisect_left(keys, key)
                listed = at < len(keys) and keys[at] == key
                if key in mapping and not listed:
                    insort(keys, key)
                elif listed and key not in mapping:
                    del keys[at]
        self._touched.clear()


class Current:
    """Committed records by key, the newest revision, and who wants to hear of commits."""

    def __init__(self, revision: int = FIRST_REVISION) -> None:
        self.records: dict[str, Record] = {}
        self.revision = revision
        self.transient: set[str] = set()
        """Keys that are there as transient ones (settled when a key is created)."""
        self._unlogged: dict[str, int] = {}
        """Transient keys, gone ones too, and the revision of the last change that no history tells."""
        self._keys = SortedKeys(self.records)
        self._listeners: list[Listener] = []

    def load(self, records: Mapping[str, Record], transient: Collection[str], unlogged: Mapping[str, int]) -> None:
        """Begin with this (at open, before anybody listens).

        :param unlogged: revisions of the last changes of transient keys, gone ones too
        """
        self.records = dict(records)
        self.transient = set(transient)
        self._unlogged = dict(unlogged)
        self._keys = SortedKeys(self.records)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` after each commit; returns the way to stop that."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def apply(self, events: Sequence[Event], unlogged: Collection[int] = ()) -> None:
        """Take over what was committed, in revision order, then tell the listeners.

        :param unlogged: the revisions among them that are writes of transient keys
        """
        records = self.records
        for event in events:
            key = event.key
            if event.deleted:
                del records[key]
                self._keys.went(key)
                self.transient.discard(key)
            else:
                if key not in records:
                    self._keys.came(key)
                records[key] = Record(key, event.value, event.revision)
            if event.revision in unlogged:
                self._unlogged[key] = event.revision
                if not event.deleted:
                    self.transient.add(key)
        self.revision = events[-1].revision
        for listener in tuple(self._listeners):
            listener(events)

    def history_gap(self, prefix: str, after: int) -> bool:
        """Whether a transient key under ``prefix`` changed after that revision, which no history tells."""
        return any(revision > after and key.startswith(prefix) for key, revision in self._unlogged.items())

    def forget_gaps(self, compacted: int) -> None:
        """Drop what :meth:`history_gap` need not know, since history is gone up to ``compacted`` anyway."""
        for key in [key for key, revision in self._unlogged.items() if revision <= compacted]:
            del self._unlogged[key]

    def page(self, prefix: str, start: str, limit: int) -> Page:
        """A page of what stands there now."""
        keys, low, high = self._keys.span(prefix, start)
        cut = min(high, low + limit) if limit else high
        records = self.records
        return Page(tuple([records[key] for key in keys[low:cut]]), self.revision, high - cut)

    def past_page(self, prefix: str, start: str, limit: int, revision: int, past: Mapping[str, Record | None]) -> Page:
        """A page as of ``revision``: ``past`` says what stood then under the keys changed since (None: nothing)."""
        keys, low, high = self._keys.span(prefix, start)
        names = set(keys[low:high]).union(key for key in past if key.startswith(prefix) and key >= start)
        found = [record for key in sorted(names) if (record := past.get(key, self.records.get(key)))]
        cut = min(len(found), limit) if limit else len(found)
        return Page(tuple(found[:cut]), revision, len(found) - cut)
