"""The SQLite file: who may read it, what happens when it is damaged, locked, full or failing."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from kube_lite.store.group_commit import RESERVATION, GroupCommitStore
from kube_lite.store.repair import repair
from kube_lite.store.sqlite import BACKUP_JUMP, SqliteLog, SqliteSettings, open_sqlite
from kube_lite.store.store import Compacted, Corrupt, Locked, Record, StoreError

FAST = SqliteSettings(synchronous="NORMAL", reserve_bytes=0)


def value(text: str) -> Callable[[int], bytes]:
    return lambda revision: f"{text}@{revision}".encode()


def use(path: Path, work: Callable[[GroupCommitStore], Awaitable[None]], settings: SqliteSettings = FAST) -> None:
    async def main() -> None:
        async with open_sqlite(path, settings) as store:
            await work(store)

    asyncio.run(main())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "state.db"


async def write_three(store: GroupCommitStore) -> None:
    first = await store.write("/a", 0, value("a"))
    await store.write("/b", 0, value("b"))
    await store.write("/a", first.revision, value("a"))
    await store.write("/lease", 0, value("lease"), transient=True)


@contextmanager
def edited(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection:
        yield connection
        connection.commit()


def test_nobody_else_may_read_the_files(path: Path) -> None:
    async def work(store: GroupCommitStore) -> None:
        await store.write("/a", 0, value("a"))
        modes = {each.name: oct(each.stat().st_mode & 0o777) for each in path.parent.iterdir()}
        assert modes == {"state.db": "0o600", "state.db-wal": "0o600", "state.db-reserve": "0o600"}
        assert path.parent.stat().st_mode & 0o777 == 0o700

    before = os.umask(0)
    try:
        use(path, work, SqliteSettings(reserve_bytes=4096))
    finally:
        os.umask(before)


def test_a_second_opener_is_turned_away_at_once(path: Path) -> None:
    async def work(store: GroupCommitStore) -> None:
        with pytest.raises(Locked, match="another kube-lite server"):
            async with open_sqlite(path, FAST):
                pass
        script = f"import sqlite3; sqlite3.connect({str(path)!r}, timeout=0).execute('select * from meta').fetchall()"
        other = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script], capture_output=True, text=True)
        assert "locked" in other.stderr
        await store.write("/a", 0, value("a"))

    use(path, work)


def test_state_revision_and_history_outlive_a_restart(path: Path) -> None:
    revisions: list[int] = []

    async def second(store: GroupCommitStore) -> None:
        assert store.revision == 5
        assert [record.key for record in (await store.list("")).records] == ["/a", "/b", "/lease"]
        assert [event.revision for event in await store.history("/a", 0)] == [2, 4]
        lease = await store.get("/lease")
        assert lease is not None
        revisions.append((await store.write("/lease", lease.revision, value("again"))).revision)
        revisions.append((await store.delete("/lease", revisions[-1], value("gone"))).revision)

    async def third(store: GroupCommitStore) -> None:
        assert await store.get("/lease") is None
        with pytest.raises(Compacted):  # its deletion is known, its renewals are not
            await store.history("/lease", 4)
        revisions.append((await store.write("/c", 0, value("c"))).revision)

    use(path, write_three)
    use(path, second)
    use(path, third)
    assert revisions == [6, 7, 8]


def test_numbering_goes_on_behind_the_reservation_after_a_crash(path: Path, tmp_path: Path) -> None:
    crashed = tmp_path / "crashed"

    async def work(store: GroupCommitStore) -> None:
        await write_three(store)
        shutil.copytree(path.parent, crashed)

    async def after(store: GroupCommitStore) -> None:
        assert store.revision >= 1 + RESERVATION
        assert [record.key for record in (await store.list("")).records] == ["/a", "/b", "/lease"]
        assert [event.revision for event in await store.history("/a", 1)] == [2, 4]

    use(path, work)
    use(crashed / "state.db", after)


def test_a_file_from_a_newer_version_is_left_alone(path: Path) -> None:
    use(path, write_three)
    with edited(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreError, match="schema version 2, this kube-lite reads version 1"):
        use(path, write_three)


def test_a_foreign_file_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with edited(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StoreError, match="another data directory"):
        use(path, write_three)
    path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(Corrupt):
        use(path, write_three)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("UPDATE log SET value = 'b@4' WHERE revision = 3", "'/b' at revision 3"),
        ("UPDATE log SET key = '/c' WHERE revision = 3", "'/c' at revision 3"),
        ("UPDATE log SET revision = 9 WHERE revision = 3", "'/b' at revision 9"),
        ("UPDATE log SET tells = 1 WHERE revision = 3", "'/b' at revision 3"),
        ("UPDATE log SET value = NULL WHERE 0; UPDATE log SET value = 7 WHERE revision = 3", "'/b' at revision 3"),
        ("DELETE FROM log WHERE revision = 2", "'/a' at revision 2 in table 'log' is missing"),
        ("UPDATE transient SET value = 'x'", "'/lease' at revision 5 in table 'transient'"),
        ("UPDATE meta SET value = 3 WHERE name = 'reserved'", "'reserved' in table 'meta'"),
    ],
)
def test_a_damaged_row_stops_the_start_and_is_named(path: Path, damage: str, named: str) -> None:
    use(path, write_three)
    with edited(path) as connection:
        connection.executescript(damage)
    with pytest.raises(Corrupt, match=named) as raised:
        use(path, write_three)
    assert "kube_lite.store.repair" in str(raised.value)


def test_every_flipped_bit_of_a_stored_value_is_found(path: Path) -> None:
    use(path, write_three)
    content = bytearray(path.read_bytes())
    at = content.index(b"b@3")
    for bit in range(24):
        flipped = bytearray(content)
        flipped[at + bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(Corrupt):
            use(path, write_three)


def test_damage_is_found_while_the_store_is_open(path: Path) -> None:
    async def work(store: GroupCommitStore) -> None:
        await write_three(store)
        await store.verify()
        log = store._log
        assert isinstance(log, SqliteLog)
        await log._database.execute("UPDATE log SET value = 'x' WHERE revision = 3")
        await log._database.commit()
        with pytest.raises(Corrupt, match="revision 3"):
            await store.verify()

    use(path, work)


def test_salvage_keeps_every_whole_row_and_says_what_it_left_out(path: Path, tmp_path: Path) -> None:
    use(path, write_three)
    with edited(path) as connection:
        connection.execute("UPDATE log SET value = 'x' WHERE revision IN (3, 4)")
    problems = asyncio.run(repair(str(path), str(tmp_path / "new.db")))
    assert len(problems) == 2

    async def look(store: GroupCommitStore) -> None:
        records = (await store.list("")).records
        assert records == (Record("/a", b"a@2", 2), Record("/lease", b"lease@5", 5))

    use(tmp_path / "new.db", look)


def test_a_backup_is_whole_and_taken_for_a_new_past(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "backup.db"

    async def work(store: GroupCommitStore) -> None:
        await write_three(store)
        await store.backup(str(copy))
        with pytest.raises(FileExistsError):
            await store.backup(str(copy))
        await store.write("/later", 0, value("later"))

    async def look(store: GroupCommitStore) -> None:
        assert store.revision == 5 + BACKUP_JUMP
        assert [record.value for record in (await store.list("")).records] == [b"a@4", b"b@3", b"lease@5"]
        with pytest.raises(Compacted):  # a watcher of the old store must list anew
            await store.history("/a", 6)
        lease = await store.get("/lease")
        assert lease is not None
        await store.write("/lease", lease.revision, value("again"))
        assert list(await store.history("/a", store.compacted)) == []

    use(path, work)
    use(copy, look)
    assert copy.stat().st_mode & 0o777 == 0o600


def size(path: Path) -> int:
    return path.stat().st_size


def test_space_is_given_back_and_the_log_stays_small(path: Path) -> None:
    settings = SqliteSettings(synchronous="NORMAL", reserve_bytes=0, checkpoint_bytes=256 * 1024, vacuum_pages=16)

    async def work(store: GroupCommitStore) -> None:
        record = await store.write("/a", 0, lambda revision: b"x" * 20_000)
        for _ in range(400):
            record = await store.write("/a", record.revision, lambda revision: b"x" * 20_000)
        grown = size(path)
        await store.compact(store.revision)
        assert size(path) < grown / 4
        assert size(Path(f"{path}-wal")) < 8 * 256 * 1024

    use(path, work, settings)


INJECTED = """
import asyncio, sys
from kube_lite.store.sqlite import SqliteSettings, open_sqlite
from kube_lite.store.store import StorageFull, Stopped

async def main():
    async with open_sqlite(sys.argv[1], SqliteSettings(reserve_bytes=0)) as store:
        done = 0
        for number in range(12):
            try:
                await store.write(f"/{number}", 0, lambda revision: b"x")
                done += 1
            except StorageFull:
                print("full", number, len((await store.list("")).records) == done)
            except Stopped as error:
                print("stopped", number, error)
                try:
                    await store.get("/0")
                except Stopped:
                    print("and says so")
try:
    asyncio.run(main())
except BaseExceptionGroup as group:
    print([type(error).__name__ for error in group.exceptions])
"""


def inject(path: Path, fault: str) -> str:
    """What a process prints whose system calls fail as told."""
    assert shutil.which("strace"), "strace injects the faults: apt-get install strace"
    command = ["strace", "-f", "-o", "/dev/null", "-e", f"inject={fault}", sys.executable, "-c", INJECTED, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_failed_sync_stops_the_store_and_loses_nothing_acknowledged(path: Path) -> None:
    said = inject(path, "fdatasync:error=EIO:when=16")
    assert said.count("and says so") >= 1
    assert said.splitlines()[-1] == "['Stopped']"
    failed = int(said.split()[1])

    async def look(store: GroupCommitStore) -> None:
        keys = {record.key for record in (await store.list("")).records}
        assert {f"/{number}" for number in range(failed)} <= keys

    use(path, look)


def test_a_disk_full_for_a_moment_refuses_writes_and_heals(path: Path) -> None:
    said = inject(path, "pwrite64:error=ENOSPC:when=40..44")
    assert "full" in said
    assert "Stopped" not in said
    assert "False" not in said


FILLING = """
import asyncio, os, sys
from kube_lite.store.compaction import HistorySettings, compact_regularly
from kube_lite.store.sqlite import SqliteSettings, open_sqlite
from kube_lite.store.store import StorageFull

async def fill(store):
    records = []
    try:
        while True:
            records.append(await store.write(f"/{len(records)}", 0, lambda revision: b"x" * 50_000))
    except StorageFull:
        print("full")
    return records
"""


def on_small_disk(
    tmp_path: Path, script: str, mebibytes: int, filler_bytes: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a script whose argument is a directory with so much room, less a file ``filler`` in it."""
    disk, program = tmp_path / "small", tmp_path / "run.py"
    disk.mkdir()
    program.write_text(FILLING + script)
    # A mount namespace of its own, so that the mount ends with the process and nobody else sees it.
    shell = (
        f"mount -t tmpfs -o size={mebibytes}m kl-store {disk} && head -c {filler_bytes} /dev/zero > {disk}/filler "
        f"&& exec {sys.executable} {program} {disk}"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = ["unshare", "--mount", "sh", "-c", shell]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


FULL_DISK = """
async def main():
    directory = sys.argv[1]
    async with open_sqlite(directory + "/state.db", SqliteSettings(reserve_bytes=1024 * 1024)) as store:
        lease = await store.write("/lease", 0, lambda revision: b"l", transient=True)
        records = await fill(store)
        assert len((await store.list("/")).records) == len(records) + 1
        lease = await store.write("/lease", lease.revision, lambda revision: b"m")
        for record in records[:20]:
            await store.delete(record.key, record.revision, lambda revision: b"gone")
        print("deleted")
        try:
            await store.write("/more", 0, lambda revision: b"x")
        except StorageFull:
            print("still full")
        os.unlink(directory + "/filler")
        await asyncio.sleep(1.1)
        await store.write("/more", 0, lambda revision: b"x")
        print("healed", store.full)
asyncio.run(main())
"""


@pytest.mark.root
def test_on_a_full_disk_deletions_and_leases_go_on_until_there_is_room(tmp_path: Path) -> None:
    done = on_small_disk(tmp_path, FULL_DISK, 16, filler_bytes=6_000_000)
    assert not done.stderr, done.stderr
    assert done.stdout.splitlines() == ["full", "deleted", "still full", "healed False"]


ROOM_BY_DELETING = """
async def main():
    settings = SqliteSettings(reserve_bytes=8 * 1024 * 1024, checkpoint_bytes=1024 * 1024)
    async with open_sqlite(sys.argv[1] + "/state.db", settings) as store:
        records = await fill(store)
        for record in records[10:]:
            await store.delete(record.key, record.revision, lambda revision: b"gone")
        compacting = asyncio.create_task(compact_regularly(store, HistorySettings(interval_seconds=0.2)))
        for _ in range(50):
            await asyncio.sleep(0.2)
            try:
                await store.write("/more", 0, lambda revision: b"x")
                break
            except StorageFull:
                pass
        print("healed", store.full, len((await store.list("/")).records))
        compacting.cancel()
asyncio.run(main())
"""


@pytest.mark.root
def test_deleting_objects_makes_room_on_a_full_disk(tmp_path: Path) -> None:
    done = on_small_disk(tmp_path, ROOM_BY_DELETING, 48)
    assert done.stdout.splitlines() == ["full", "healed False 11"], done.stderr


def test_one_connection_writes_and_checkpoints() -> None:
    # SQLite before 3.51.3 can damage the WAL when two do. The module connects in one place, to one connection.
    text = (Path(__file__).parents[2] / "kube_lite" / "store" / "sqlite.py").read_text()
    assert text.count("aiosqlite.connect(") == 1
    assert "sqlite3.connect(" not in text
    assert "locking_mode = EXCLUSIVE" in text


def test_a_store_that_is_not_read_at_all_frees_the_file_when_opening_fails(path: Path) -> None:
    use(path, write_three)
    with edited(path) as connection:
        connection.execute("UPDATE log SET value = 'x' WHERE revision = 3")
    with pytest.raises(Corrupt):
        use(path, write_three)
    with edited(path) as connection:
        connection.execute("PRAGMA user_version")
