"""How a write becomes a row with a checksum, and a row a record again.

SQLite's own integrity check does not see a flipped bit inside a value, so every row carries a CRC-32 over all
that it says. Rows also name the revision they replace, so that a row which is missing shows as well.
"""

from __future__ import annotations

from zlib import crc32

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
        f"{path}: {what}. Nothing was changed. Restore a backup in its place; or, to keep all but the damaged rows, "
        f"copy the file and its -wal to safety and run: python -m kube_lite.store.repair {path}"
    )


def meta_checksum(name: str, value: int) -> int:
    """The checksum of a row of the meta table."""
    return crc32(f"{name}\0{value}".encode())
