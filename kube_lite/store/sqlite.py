"""The SQLite file: one connection, a write-ahead log, a sync per batch.

``log`` has a row per write, keyed by revision; the newest row of a key is its state, older ones are history.
``transient`` has one row per key that keeps no history. ``meta`` has the reserved revision and the compacted one.

SQLite before 3.51.3 can damage a WAL when two connections write or checkpoint at once
(sqlite.org/wal.html#walresetbug). Here one connection does both, and ``locking_mode=EXCLUSIVE`` keeps others out.
Checkpoints are asked for, not automatic: SQLite hides the errors of automatic ones.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import aiosqlite
import anyio
import msgspec
from msgspec.structs import replace

from kube_lite import clock
from kube_lite.store.current import prefix_end
from kube_lite.store.files import hold_space, make_file, make_private
from kube_lite.store.group_commit import GroupCommitStore
from kube_lite.store.log import Loaded, Write
from kube_lite.store.rows import (
    DELETION,
    PUT,
    TRANSIENT,
    Loader,
    damage,
    log_row,
    meta_checksum,
    transient_row,
    verified,
)
from kube_lite.store.store import Corrupt, Event, Locked, Stopped, StorageFull, StoreError

SCHEMA_VERSION = 1
"""``PRAGMA user_version`` of the files this code writes; it reads no other."""

APPLICATION_ID = 0x6B6C6974
"""``PRAGMA application_id``: "klit", so that file(1) and we know our own."""

BACKUP_JUMP = 1_000_000_000
"""How far numbering jumps in a backup: more writes than happen between a backup and its return."""

_LOAD_ROWS = 2_000
_COPY_ROWS = 1_000

_SCHEMA = f"""
CREATE TABLE log (revision INTEGER PRIMARY KEY, replaced INTEGER NOT NULL, tells INTEGER NOT NULL,
                  crc INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL);
CREATE TABLE transient (key TEXT PRIMARY KEY, revision INTEGER NOT NULL, crc INTEGER NOT NULL, value BLOB NOT NULL);
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL, crc INTEGER NOT NULL);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""

_ADD_LOG = "INSERT INTO log (revision, replaced, tells, crc, key, value) VALUES (?, ?, ?, ?, ?, ?)"
_PUT_TRANSIENT = (
    "INSERT INTO transient (key, revision, crc, value) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE "
    "SET revision = excluded.revision, crc = excluded.crc, value = excluded.value"
)
_DROP_TRANSIENT = "DELETE FROM transient WHERE key = ?"
_SET_META = "INSERT OR REPLACE INTO meta (name, value, crc) VALUES (?, ?, ?)"
_EVENTS = """
SELECT l.revision, l.replaced, l.tells, l.crc, l.key, l.value, p.revision, p.replaced, p.tells, p.crc, p.key, p.value
FROM log l LEFT JOIN log p ON p.revision = l.replaced AND l.replaced > 0
WHERE l.revision > ? AND l.revision <= ? AND l.tells < 2 AND l.key >= ? AND (? = '' OR l.key < ?)
ORDER BY l.revision LIMIT ?"""
_NTH = "SELECT revision FROM log WHERE revision > ? AND revision <= ? ORDER BY revision LIMIT 1 OFFSET ?"
_DROP_REPLACED = """DELETE FROM log WHERE revision IN
(SELECT replaced FROM log WHERE revision > ? AND revision <= ? AND replaced > 0)"""
_DROP_DELETIONS = f"DELETE FROM log WHERE revision > ? AND revision <= ? AND tells <> {PUT}"


class SqliteSettings(msgspec.Struct, frozen=True):
    """How the file is kept."""

    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    """NORMAL loses acknowledged writes at a power cut; it exists so that the power-cut test can prove it sees that."""
    page_bytes: int = 8_192
    """Page size of a new file: three objects of 2 KB to a page, where 4,096 takes one and wastes the rest."""
    checkpoint_bytes: int = 8 * 1024 * 1024
    """The write-ahead log is copied into the file when it may have grown by this much."""
    reserve_bytes: int = 16 * 1024 * 1024
    """Disk space held by a file beside, given up when the disk is full so that deletions still work."""
    vacuum_pages: int = 256
    """Pages given back in one go."""


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turn the driver's errors into the store's words."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_FULL":
            raise StorageFull(f"{path}: the disk is full") from error
        if name.startswith("SQLITE_BUSY"):
            raise Locked(
                f"{path} is in use by another kube-lite server. Stop that one, or give this one another data directory"
            ) from error
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise Corrupt(damage(path, f"the file is damaged ({error})")) from error
        raise Stopped(f"{path}: {error} ({name}); check the disk, then start again") from error


class SqliteLog:
    """The :class:`~kube_lite.store.group_commit.Log` in an SQLite file."""

    def __init__(self, path: str, settings: SqliteSettings, database: aiosqlite.Connection) -> None:
        self._path = path
        self._settings = settings
        self._database = database
        self._lock = anyio.Lock()
        """Held over each transaction: the one connection has but one."""
        self._unchecked_bytes = 0

    @classmethod
    async def open(cls, path: str | Path, settings: SqliteSettings) -> SqliteLog:
        """Open the file, or make it (0600, its directory 0700).

        :raises Locked: another process has it
        :raises StoreError: it is not ours, or from a newer version
        """
        path = str(path)
        await clock.run_in_thread(make_file, path)
        with _translated(path):
            database = await aiosqlite.connect(path, timeout=0, cached_statements=32)
        log = cls(path, settings, database)
        try:
            with _translated(path):
                await log._prepare()
            await log.regain_reserve()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await database.close()
            raise
        return log

    async def _prepare(self) -> None:
        database = self._database
        database.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        # Before the first access, so that the WAL's index lives on the heap and no second process gets in.
        await self._pragma("locking_mode = EXCLUSIVE")
        version = await self._pragma("user_version")
        tables = await database.execute_fetchall("SELECT count(*) FROM sqlite_master")
        is_new = version == 0 and next(iter(tables))[0] == 0
        if is_new:
            await self._pragma(f"page_size = {self._settings.page_bytes}")
            await self._pragma("auto_vacuum = INCREMENTAL")
        elif version != SCHEMA_VERSION or await self._pragma("application_id") != APPLICATION_ID:
            raise StoreError(
                f"{self._path}: schema version {version}, this kube-lite reads version {SCHEMA_VERSION}. "
                "Use the kube-lite that wrote it, or another data directory"
            )
        if await self._pragma("journal_mode = WAL") != "wal":
            raise StoreError(f"{self._path}: this file system does not allow SQLite's write-ahead log")
        await self._pragma(f"synchronous = {self._settings.synchronous}")
        await self._pragma("wal_autocheckpoint = 0")
        await self._pragma(f"journal_size_limit = {2 * self._settings.checkpoint_bytes}")
        if is_new:
            await database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        else:  # take the write lock once, or a server that has only read so far would let us in
            await database.executescript("BEGIN IMMEDIATE; COMMIT;")
        if await self._pragma("locking_mode") != "exclusive":
            raise StoreError(f"{self._path}: SQLite does not lock this file for one process")

    async def _pragma(self, text: str) -> Any:
        rows = list(await self._database.execute_fetchall(f"PRAGMA {text}"))
        return rows[0][0] if rows else None

    async def load(self, problems: list[str] | None = None) -> Loaded:
        """Read and verify everything.

        :param problems: leave damaged rows out and note them here, instead of refusing them
        :raises Corrupt: naming the damaged row
        """
        with _translated(self._path):
            loader = Loader(self._path, await self._meta(problems), problems)
            findings = await self._pragma("quick_check(1)")
            if findings != "ok":
                loader.refuse(f"the file's structure is damaged ({findings})")
            sql = "SELECT revision, replaced, tells, crc, key, value FROM log ORDER BY revision"
            async with aclosing(self._rows(sql)) as rows:  # closed also where a row is refused: before the file is
                async for row in rows:
                    loader.log_row(row)
            sql = f"SELECT revision, 0, {TRANSIENT}, crc, key, value FROM transient"
            async with aclosing(self._rows(sql)) as rows:
                async for row in rows:
                    loader.transient_row(row)
            return loader.loaded()

    async def _meta(self, problems: list[str] | None = None) -> dict[str, int]:
        meta: dict[str, int] = {}
        for name, value, crc in await self._database.execute_fetchall("SELECT name, value, crc FROM meta"):
            if meta_checksum(name, value) == crc:
                meta[name] = value
            elif problems is None:
                raise Corrupt(damage(self._path, f"the row of {name!r} in table 'meta' is damaged"))
            else:
                problems.append(f"the row of {name!r} in table 'meta' is damaged")
        return meta

    async def _rows(self, sql: str) -> AsyncGenerator[Any, None]:
        async with self._database.execute(sql) as cursor:
            while rows := await cursor.fetchmany(_LOAD_ROWS):
                for row in rows:
                    yield row

    async def append(self, writes: Sequence[Write], reserve: int) -> None:
        """One transaction and its sync; see :meth:`Log.append`."""
        log_rows, puts, drops = _rows_of(writes)
        async with self._transaction() as database:
            if log_rows:
                await database.executemany(_ADD_LOG, log_rows)
            if puts:
                await database.executemany(_PUT_TRANSIENT, puts)
            if drops:
                await database.executemany(_DROP_TRANSIENT, drops)
            if reserve:
                await database.execute(_SET_META, ("reserved", reserve, meta_checksum("reserved", reserve)))
        # Every write dirties a page at most, and the pages of its value.
        self._unchecked_bytes += sum(self._settings.page_bytes + len(write.event.value) for write in writes)

    async def events(self, prefix: str, after: int, upto: int, limit: int) -> list[Event]:
        """A stretch of history; see :meth:`Log.events`."""
        end = prefix_end(prefix)
        async with self._lock:
            with _translated(self._path):
                rows = await self._database.execute_fetchall(_EVENTS, (after, upto, prefix, end, end, limit))
        events = []
        for row in rows:
            found = verified(self._path, "log", tuple(row[:6]))
            previous = verified(self._path, "log", tuple(row[6:])) if row[6] is not None else None
            events.append(Event(found.key, found.value, found.revision, row[2] == DELETION, previous))
        return events

    async def nth_event(self, after: int, upto: int, n: int) -> int:
        """How far a compaction step goes; see :meth:`Log.nth_event`."""
        async with self._lock:
            with _translated(self._path):
                rows = list(await self._database.execute_fetchall(_NTH, (after, upto, n - 1)))
        return rows[0][0] if rows else upto

    async def compact(self, after: int, upto: int) -> None:
        """One compaction step; see :meth:`Log.compact`."""
        async with self._transaction() as database:
            replaced = await database.execute(_DROP_REPLACED, (after, upto))
            deletions = await database.execute(_DROP_DELETIONS, (after, upto))
            await database.execute(_SET_META, ("compacted", upto, meta_checksum("compacted", upto)))
        self._unchecked_bytes += (1 + replaced.rowcount + deletions.rowcount) * self._settings.page_bytes
        await self.checkpoint()

    async def tidy(self, shrink: bool = False) -> None:
        """Copy the log into the file when due, and give pages back while more than a quarter is free; see ``Log``."""
        if shrink:
            async with self._lock:
                with _translated(self._path):
                    await self._pragma("wal_checkpoint(TRUNCATE)")
                self._unchecked_bytes = 0
        await self.checkpoint()
        while True:
            async with self._lock:
                with _translated(self._path):
                    free, pages = await self._pragma("freelist_count"), await self._pragma("page_count")
                    if free < 4 * self._settings.vacuum_pages or free * 4 < pages:
                        return
                    await self._database.execute_fetchall(f"PRAGMA incremental_vacuum({self._settings.vacuum_pages})")
            self._unchecked_bytes += 2 * self._settings.vacuum_pages * self._settings.page_bytes
            await self.checkpoint()

    async def checkpoint(self) -> None:
        """Copy the write-ahead log into the file, if it may have grown enough."""
        if self._unchecked_bytes < self._settings.checkpoint_bytes:
            return
        async with self._lock:
            with _translated(self._path):
                await self._pragma("wal_checkpoint(PASSIVE)")
            self._unchecked_bytes = 0

    async def verify(self) -> None:
        """Read every row and compare its checksum. :raises Corrupt: naming the row"""
        after: int | str = -1
        for table, key, sql in (
            ("log", 0, "SELECT revision, replaced, tells, crc, key, value FROM log WHERE revision > ? ORDER BY 1"),
            (
                "transient",
                4,
                f"SELECT revision, 0, {TRANSIENT}, crc, key, value FROM transient WHERE key > ? ORDER BY 5",
            ),
        ):
            after = -1 if table == "log" else ""
            while True:
                async with self._lock:
                    with _translated(self._path):
                        rows = list(await self._database.execute_fetchall(f"{sql} LIMIT 500", (after,)))
                for row in rows:
                    verified(self._path, table, tuple(row))
                if len(rows) < 500:
                    break
                after = rows[-1][key]
        await self._meta()

    async def release_reserve(self) -> None:
        """Remove the file that holds the reserve."""
        await clock.run_in_thread(lambda: Path(self._path + "-reserve").unlink(missing_ok=True))

    async def regain_reserve(self) -> bool:
        """Make the reserve again if twice as much is free."""
        return await clock.run_in_thread(hold_space, self._path + "-reserve", self._settings.reserve_bytes)

    async def write_copy(self, path: str, loaded: Loaded) -> None:
        """Make a file of that, with history gone and numbering far ahead; see :meth:`GroupCommitStore.backup`."""
        await clock.run_in_thread(make_private, path)
        copy = await SqliteLog.open(path, replace(self._settings, reserve_bytes=0))
        revision = loaded.revision
        try:
            records = iter(loaded.records.values())
            while chunk := list(islice(records, _COPY_ROWS)):
                events = [Event(record.key, record.value, record.revision, False, None) for record in chunk]
                await copy.append([Write(event, event.key in loaded.transient) for event in events], 0)
                await copy.checkpoint()
            revision += BACKUP_JUMP
            async with copy._transaction() as database:
                await database.execute(_SET_META, ("compacted", revision, meta_checksum("compacted", revision)))
        finally:
            with anyio.CancelScope(shield=True):
                await copy.close(revision)

    async def close(self, revision: int) -> None:
        """Note where numbering goes on and close; after a failure just close."""
        try:
            if revision:
                async with self._transaction() as database:
                    await database.execute(_SET_META, ("reserved", revision, meta_checksum("reserved", revision)))
        except StorageFull:
            pass  # numbering then goes on behind the reservation, as after a crash
        finally:
            await self._database.close()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        """What is done inside becomes durable at its end, or not at all."""
        async with self._lock:
            with _translated(self._path):
                try:
                    yield self._database
                    await self._database.commit()
                except BaseException:
                    if self._database.in_transaction:
                        with anyio.CancelScope(shield=True):
                            await self._database.rollback()
                    raise


def _rows_of(writes: Sequence[Write]) -> tuple[list[Any], list[Any], list[tuple[str]]]:
    """What a batch does to the tables: log rows, transient rows, transient keys to remove.

    Of a transient key only the last write counts, and its removal comes after all others' rows.
    """
    log_rows: list[Any] = []
    puts: dict[str, Any] = {}
    drops: dict[str, None] = {}
    for write in writes:
        event = write.event
        if not write.transient:
            log_rows.append(log_row(event, False))
        elif event.deleted:
            log_rows.append(log_row(event, True))
            puts.pop(event.key, None)
            drops[event.key] = None
        else:
            puts[event.key] = transient_row(event)
            drops.pop(event.key, None)
    return log_rows, list(puts.values()), [(key,) for key in drops]


@asynccontextmanager
async def open_sqlite(path: str | Path, settings: SqliteSettings | None = None) -> AsyncIterator[GroupCommitStore]:
    """The store in the file at ``path``, for the length of the ``async with``.

    :raises Locked: another process has the file
    :raises Corrupt: a row does not fit its checksum; nothing is served or changed
    :raises ExceptionGroup: holding a Stopped, when the disk fails while the store is open
    """
    log = await SqliteLog.open(path, settings or SqliteSettings())
    try:
        store = GroupCommitStore(log, await log.load())
        await store.reserve()
    except BaseException:
        with anyio.CancelScope(shield=True):
            await log.close(0)
        raise
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.run)
        try:
            yield store
        finally:
            with anyio.CancelScope(shield=True):
                await store.close()
