"""How a write becomes a row with a checksum, and a row a record again.

SQLite's own integrity check does not see a flipped bit inside a value, so every row carries a CRC-32 over all
that it says. Rows also name the revision they replace, so that a row which is missing shows as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

from kube_lite.store.current import FIRST_REVISION
from kube_lite.store.log import Loaded
from kube_lite.store.store import Corrupt, Event, Record

PUT, DELETION, TRANSIENT, TRANSIENT_DELETION = 0, 1, 2, 3
"""What a row tells. Of transient keys the log holds nothing but deletions, to know that history has a gap."""

LogRow = tuple[int, int, int, int, str, bytes]
"""revision, replaced revision (0: none), what it tells, checksum, key, value"""


def checksum(key: str, revision: int, replaced: int, tells: int, value: bytes) -> int:
    """CRC-32 (zlib's) over everything in a row."""
    head = f"{key}\0{revision}\0{replaced}\0{tells}\0".encode("utf-8", "surrogateescape")
    return crc32(value, crc32(head))


def log_row(event: Event, transient: bool) -> LogRow:
    """The log's row of an event (for a transient key: of its deletion)."""
    tells = (DELETION if event.deleted else PUT) + (TRANSIENT if transient else 0)
    replaced = event.previous.revision if event.previous is not None and not transient else 0
    revision, key, value = event.revision, event.key, event.value
    return revision, replaced, tells, checksum(key, revision, replaced, tells, value), key, value


def transient_row(event: Event) -> tuple[str, int, int, bytes]:
    """The only row of a transient key: key, revision, checksum, value."""
    return event.key, event.revision, checksum(event.key, event.revision, 0, TRANSIENT, event.value), event.value


def verified(path: str, table: str, row: LogRow) -> Record:
    """The record of a row. :raises Corrupt: the checksum does not fit"""
    revision, replaced, tells, expected, key, value = row
    try:
        if checksum(key, revision, replaced, tells, value) == expected:
            return Record(key, value, revision)
    except (TypeError, AttributeError, ValueError):
        pass  # a damaged row header can change a column's very type
    raise Corrupt(damage(path, f"the row of {key!r} at revision {revision} in table {table!r} is damaged"))


def damage(path: str, what: str) -> str:
    """The message of :class:`Corrupt`: what is wrong and what to do."""
    return (
        f"{path}: {what}. Nothing was changed. Put a backup in its place; "
        f"or salvage every whole row: python -m kube_lite.store.repair {path} {path}.new"
    )


def meta_checksum(name: str, value: int) -> int:
    """The checksum of a row of the meta table."""
    return crc32(f"{name}\0{value}".encode())


class Loader:
    """Makes a store's state of its rows, in the order of their revisions."""

    def __init__(self, path: str, meta: Mapping[str, int], problems: list[str] | None) -> None:
        self._path = path
        self._problems = problems
        self._compacted = meta.get("compacted", 0)
        self._reserved = meta.get("reserved", FIRST_REVISION)
        self._newest = FIRST_REVISION
        self._records: dict[str, Record] = {}
        self._transient: set[str] = set()
        self._unlogged: dict[str, int] = {}

    def refuse(self, what: str) -> None:
        """Note a damage, or stop at it if nobody notes them. :raises Corrupt: then"""
        if self._problems is None:
            raise Corrupt(damage(self._path, what))
        self._problems.append(what)

    def _verified(self, table: str, row: LogRow) -> Record | None:
        try:
            return verified(self._path, table, row)
        except Corrupt:
            if self._problems is None:
                raise
            self._problems.append(f"the row of {row[4]!r} at revision {row[0]} in table {table!r} is damaged")
            return None

    def log_row(self, row: LogRow) -> None:
        """Take in a row of the log, and see that the one it replaces was there."""
        record = self._verified("log", row)
        if record is None:
            return
        _, replaced, tells, _, key, _ = row
        self._newest = max(self._newest, record.revision)
        if tells == TRANSIENT_DELETION:
            self._unlogged[key] = record.revision
            return
        before = self._records.pop(key, None) if tells == DELETION else self._records.get(key)
        if record.revision > self._compacted and (before.revision if before else 0) != replaced:
            self.refuse(f"the row of {key!r} at revision {replaced} in table 'log' is missing")
        if tells == PUT:
            self._records[key] = record

    def transient_row(self, row: LogRow) -> None:
        """Take in the row of a transient key."""
        record = self._verified("transient", row)
        if record is not None:
            self._records[record.key] = record
            self._transient.add(record.key)
            self._unlogged[record.key] = record.revision
            self._newest = max(self._newest, record.revision)

    def loaded(self) -> Loaded:
        """The state, once all rows are in."""
        reached = max(self._newest, self._compacted)
        if reached > self._reserved:
            self.refuse(f"revision {reached} is above the reserved {self._reserved}")
        revision = max(reached, self._reserved)
        return Loaded(self._records, frozenset(self._transient), self._unlogged, revision, self._compacted)
