"""Writers that are killed, and the check of what they leave behind.

A writer process tells each revision it was handed and each write that was acknowledged through a pipe, which
outlives it. :class:`Witness` collects that over many lives of one store, and :meth:`Witness.check` compares it
with what the store holds afterwards. Every value says its key and revision and is as long as these two make it, so
half a write shows.

``python -m tests.store.crash kill DIRECTORY KILLS SEED`` kills writers and prints a report as JSON;
``python -m tests.store.crash write PATH ACKS ROUNDS SYNCHRONOUS`` writes for the power-cut test.
Both write through any object with the store's ``write`` and ``delete``.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import anyio

from kube_lite.store.sqlite import SqliteSettings, open_sqlite
from kube_lite.store.store import Encode, Event, Record, Store, WriteConflict

WRITERS = 64
SHARED = "/shared/counter-"
TRANSIENT = "/transient/"
COMPACT_BEHIND = 300
"""Compaction stays so far behind that every write below was acknowledged and told."""


class Target(Protocol):
    """What is written to."""

    async def write(self, key: str, expected: int, encode: Encode, *, transient: bool = False) -> Record:
        """As :meth:`Store.write`."""
        ...

    async def delete(self, key: str, expected: int, encode: Encode) -> Record:
        """As :meth:`Store.delete`."""
        ...


def body(key: str, revision: int) -> bytes:
    """The value that a write of that key at that revision must have."""
    return f"{key}|{revision}|".encode() + bytes([65 + revision % 26]) * (revision * 37 % 2_500) + b"."


class Teller:
    """Tells the pipe what was handed out and acknowledged, a line each."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def encode(self, key: str) -> Encode:
        """An encoder that tells which revision it was handed."""

        def encode(revision: int) -> bytes:
            os.write(self._descriptor, b"H %d\n" % revision)
            return body(key, revision)

        return encode

    def acknowledged(self, record: Record, what: Literal["put", "gone"]) -> None:
        """Tell a write that has returned."""
        os.write(self._descriptor, f"A {record.revision} {record.key} {what}\n".encode())


async def keep_writing(target: Target, teller: Teller, name: str, seed: str, rounds: int) -> None:
    """One writer: creates, updates and deletes keys of its own, renews a transient one, contends for shared ones."""
    choice = random.Random(seed)
    own: dict[str, int] = {}
    shared: dict[str, int] = {}
    for _ in range(rounds):
        draw = choice.random()
        if draw < 0.15:
            key, known = f"{TRANSIENT}{name}", own
        elif draw < 0.3:
            key, known = f"{SHARED}{choice.randrange(4)}", shared
        else:
            key, known = f"/own/{name}/{choice.randrange(6)}", own
        expected = known.get(key, 0)
        try:
            if expected and known is own and draw > 0.8:
                gone = await target.delete(key, expected, teller.encode(key))
                teller.acknowledged(gone, "gone")
                del own[key]
            else:
                transient = key.startswith(TRANSIENT)
                record = await target.write(key, expected, teller.encode(key), transient=transient)
                teller.acknowledged(record, "put")
                known[key] = record.revision
        except WriteConflict as conflict:
            known[key] = conflict.actual.revision if conflict.actual else 0


async def write_all(store: Store, teller: Teller, life: str, rounds: int) -> None:
    """All writers at once, and compaction."""
    async with anyio.create_task_group() as tasks:
        for number in range(WRITERS):
            tasks.start_soon(keep_writing, store, teller, f"{life}-{number}", f"{life}/{number}", rounds)
        for _ in range(rounds):
            await anyio.sleep(0.02)
            await store.compact(max(0, store.revision - COMPACT_BEHIND))


@dataclass
class Found:
    """What a store holds."""

    records: dict[str, Record]
    events: Sequence[Event]
    revision: int
    compacted: int


async def look(store: Store) -> Found:
    """Everything in a store that nobody writes to."""
    page = await store.list("")
    events: list[Event] = []
    for prefix in ("/own/", SHARED):
        events += await store.history(prefix, store.compacted)
    return Found({record.key: record for record in page.records}, events, store.revision, store.compacted)


@dataclass
class Witness:
    """What all lives of a store have told."""

    acknowledged: dict[int, tuple[str, str]] = field(default_factory=dict)
    newest_handed: int = 0
    removed: dict[str, int] = field(default_factory=dict)
    """Keys and the revision of their last deletion that a check has seen, acknowledged or not."""
    problems: list[str] = field(default_factory=list)

    def hear(self, told: bytes) -> None:
        """Take in what one life has told; a last line cut off by the kill does not count."""
        oldest_before = self.newest_handed
        for line in told.split(b"\n")[:-1]:
            kind, revision_text, *rest = line.decode().split(" ")
            revision = int(revision_text)
            if kind == "H":
                if revision <= oldest_before:
                    self.problems.append(f"revision {revision} was handed out again")
                self.newest_handed = max(self.newest_handed, revision)
            elif revision in self.acknowledged:
                self.problems.append(f"revision {revision} was acknowledged twice")
            else:
                self.acknowledged[revision] = (rest[0], rest[1])

    def check(self, found: Found) -> None:
        """Compare; what does not fit is added to ``problems``."""
        complain = self.problems.append
        history = {event.revision: event for event in found.events}
        last: dict[str, Event] = {}
        for event in sorted(found.events, key=lambda event: event.revision):
            last[event.key] = event
            if event.value != body(event.key, event.revision):
                complain(f"event {event.revision} of {event.key} is not what was written")
        for key, record in found.records.items():
            if record.value != body(key, record.revision):
                complain(f"{key} at {record.revision} is not what was written")
        for key, event in last.items():
            standing = found.records.get(key)
            if (standing is None) != event.deleted or (standing and standing.revision != event.revision):
                complain(f"{key}: history ends with {event.revision}, the state is {standing and standing.revision}")
        for revision, (key, what) in self.acknowledged.items():
            logged = not key.startswith(TRANSIENT) and revision > found.compacted
            if logged and (revision not in history or history[revision].key != key):
                complain(f"acknowledged {what} of {key} at {revision} is not in history")
        self._check_state(found)

    def _check_state(self, found: Found) -> None:
        newest: dict[str, tuple[int, str]] = {}
        for revision in sorted(self.acknowledged):
            key, what = self.acknowledged[revision]
            newest[key] = (revision, what)
        self.removed.update((event.key, event.revision) for event in found.events if event.deleted)
        for key, (revision, what) in newest.items():
            standing = found.records.get(key)
            if standing is None and what == "put" and self.removed.get(key, 0) < revision:
                self.problems.append(f"acknowledged put of {key} at {revision} is lost")
            if standing is not None and (
                standing.revision < revision or (what, standing.revision) == ("gone", revision)
            ):
                self.problems.append(f"{key} went back from {revision} ({what}) to {standing.revision}")
        if newest and found.revision < max(revision for revision, _ in newest.values()):
            self.problems.append(f"the store's revision went back to {found.revision}")


def _live(path: Path, descriptor: int, life: str) -> None:
    async def main() -> None:
        async with open_sqlite(path, SqliteSettings(reserve_bytes=0, checkpoint_bytes=1024 * 1024)) as store:
            await write_all(store, Teller(descriptor), life, 10_000)

    asyncio.run(main())


def one_life(work: Callable[[int], None], seconds: float) -> bytes:
    """Run ``work(pipe)`` in a process of its own, SIGKILL it after so long; what it told."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with suppress(BaseException):
            work(writing)
        os._exit(1)
    os.close(writing)
    told = bytearray()
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([reading], [], [], left)[0]:
            told += (chunk := os.read(reading, 1 << 16))
            if not chunk:
                break
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    while chunk := os.read(reading, 1 << 16):
        told += chunk
    os.close(reading)
    if not os.WIFSIGNALED(status):
        raise AssertionError("the writer ended by itself")
    return bytes(told)


def campaign(directory: Path, kills: int, seed: int) -> dict[str, object]:
    """Kill writers ``kills`` times; a new store every 25, checked after each."""
    choice = random.Random(seed)
    problems: list[str] = []
    acknowledged = productive = 0
    longest = 0.2
    """Seconds of the longest life; more where a busy machine hardly lets a writer begin in that time."""
    for first in range(0, kills, 25):
        path = directory / f"from-{first}" / "state.db"
        witness = Witness()
        productive_before = productive
        for life in range(first, min(kills, first + 25)):
            told = one_life(partial(_live, path, life=str(life)), choice.uniform(0.0, longest))
            productive += b"\nA " in told
            witness.hear(told)
            # After each: the next life compacts, and then an unacknowledged deletion could not be told from a loss.
            asyncio.run(_check_at(path, witness))
        problems += witness.problems
        acknowledged += len(witness.acknowledged)
        if productive - productive_before < 10:
            longest *= 2
    return {"kills": kills, "acknowledged": acknowledged, "productive": productive, "problems": problems[:20]}


async def _check_at(path: Path, witness: Witness) -> None:
    async with open_sqlite(path, SqliteSettings(reserve_bytes=0)) as store:
        witness.check(await look(store))


async def write_for_recording(path: Path, acks: Path, rounds: int, synchronous: Literal["FULL", "NORMAL"]) -> None:
    """Write a while with small checkpoints, telling a file, for the recorder around this process."""
    descriptor = os.open(acks, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    options = SqliteSettings(synchronous=synchronous, reserve_bytes=0, checkpoint_bytes=512 * 1024)
    async with open_sqlite(path, options) as store:
        await write_all(store, Teller(descriptor), "recorded", rounds)


def main(arguments: list[str]) -> None:
    """See the module."""
    if arguments[0] == "kill":
        print(json.dumps(campaign(Path(arguments[1]), int(arguments[2]), int(arguments[3]))))
    else:
        path, acks, rounds, synchronous = arguments[1:]
        mode: Literal["FULL", "NORMAL"] = "NORMAL" if synchronous == "NORMAL" else "FULL"
        asyncio.run(write_for_recording(Path(path), Path(acks), int(rounds), mode))


if __name__ == "__main__":
    main(sys.argv[1:])
