"""A power cut, replayed: what the disk would hold if everything not yet synced were lost, or partly written.

strace records the writes and syncs of a store in their order, and the acknowledgements among them. For every
moment just before a sync returned, :func:`cuts` says what the disk may hold then: what was synced, and of the
rest nothing, some, all, in another order, or torn at a sector. The store is opened on that, and everything
acknowledged up to that moment must be there.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
"""A sector is written whole or not at all (the smallest size in use)."""

TRACED = (
    "openat,creat,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,sync_file_range,ftruncate,truncate,"
    "fallocate,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mmap,copy_file_range,sendfile"
)

_CALL = re.compile(r"^(\d+) +(\w+)\((.*)$", re.DOTALL)
_PATH = re.compile(r"^\d+<([^>]*)>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True)
class Change:
    """Bytes written to a file, or (``data`` None) its new length, or (``offset`` -1) its removal, not yet synced."""

    path: str
    offset: int
    data: bytes | None


@dataclass
class Disk:
    """What is on the platter, and what is on its way there."""

    files: dict[str, bytearray] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    """Files whose directory entry was synced; others are gone after a cut."""
    waiting: list[Change] = field(default_factory=list)

    def sync(self, path: str, upto: int) -> None:
        """A sync of a file, or of the directory, that covers the first ``upto`` changes waiting."""
        if path in self.files:
            for change in self.waiting[:upto]:
                if change.path == path and change.offset >= 0:
                    apply(self.files, change)
            kept = [c for c in self.waiting[:upto] if c.path != path or c.offset < 0]
        else:
            for change in self.waiting[:upto]:
                if change.offset < 0:
                    self.files.pop(change.path, None)
            kept = [c for c in self.waiting[:upto] if c.offset >= 0]
            self.named.update(self.files)
        self.waiting = kept + self.waiting[upto:]


def apply(files: dict[str, bytearray], change: Change) -> None:
    """Let a change reach the platter."""
    if change.offset < 0:
        files.pop(change.path, None)
        return
    content = files.get(change.path)
    if content is None:
        return
    if change.data is None:
        del content[change.offset :]
        content.extend(bytes(change.offset - len(content)))
    else:
        content.extend(bytes(max(0, change.offset - len(content))))
        content[change.offset : change.offset + len(change.data)] = change.data


@dataclass(frozen=True)
class Cut:
    """What may be found after a power cut, and what had been acknowledged by then."""

    name: str
    files: dict[str, bytes]
    told: bytes


@dataclass
class Recording:
    """The calls of one run, in their order, and where they went."""

    lines: list[tuple[str, str, str]]
    """Process, call, and arguments; ``sync done`` marks the return of a sync."""
    directory: str
    acks: str


def record(directory: Path, rounds: int, synchronous: str) -> Recording:
    """Run the crash test's writers over a new store under strace."""
    acks, trace = directory / "acks", directory / "trace"
    state = directory / "data"
    command = ["strace", "-f", "-y", "-xx", "-s", "1000000", "--seccomp-bpf", "-e", f"trace={TRACED}", "-o", str(trace)]
    command += [sys.executable, "-m", "tests.store.crash", "write"]
    command += [str(state / "state.db"), str(acks), str(rounds), synchronous]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return Recording(list(_calls(trace.read_text())), str(state), str(acks))


def _calls(trace: str) -> Iterator[tuple[str, str, str]]:
    """Calls as they began; a sync also as it ended, since only then it is done."""
    for line in trace.splitlines():
        resumed = re.match(r"^(\d+) +<\.\.\. (\w+) resumed>.*= (-?\d+)", line)
        if resumed:
            process, name, result = resumed.groups()
            if name in ("fsync", "fdatasync"):
                yield process, "sync done", result
            elif name == "openat" and (found := re.search(r"= \d+<([^>]*)>", line)):
                yield process, "opened", found[1]
            continue
        call = _CALL.match(line)
        if call is None:
            continue
        process, name, arguments = call.groups()
        yield process, name, arguments
        if name in ("fsync", "fdatasync") and "<unfinished" not in arguments:
            yield process, "sync done", arguments.rpartition("= ")[2]
        elif name == "openat" and (found := re.search(r"= \d+<([^>]*)>", arguments)):
            yield process, "opened", found[1]


def _unhex(text: str) -> str:
    return bytes.fromhex(text.replace("\\x", "")).decode() if text.startswith("\\x") else text


class Player:
    """Goes through a recording and says what every power cut would leave."""

    def __init__(self, recording: Recording, seed: int) -> None:
        self.disk = Disk()
        self.told = bytearray()
        self._recording = recording
        self._choice = random.Random(seed)
        self._syncing: dict[str, tuple[str, int]] = {}

    def cuts(self) -> Iterator[Cut]:
        """Every state that a cut just before a sync returned may leave (all, none and some of what waits)."""
        number = 0
        for process, name, arguments in self._recording.lines:
            if name == "sync done":
                if process in self._syncing:
                    number += 1
                    yield from self._variants(number)
                    self._finish(process, arguments)
            else:
                self._play(process, name, arguments)
        yield from self._variants(number + 1)

    def _play(self, process: str, name: str, arguments: str) -> None:
        if name == "opened":
            path = _unhex(arguments)
            if self._ours(path):
                self.disk.files.setdefault(path, bytearray())
            return
        if name == "openat":
            return
        if name.startswith("unlink"):
            path = _unhex(_TEXT.findall(arguments)[-1])
            if self._ours(path) and path in self.disk.files:
                self.disk.waiting.append(Change(path, -1, None))
            return
        found = _PATH.match(arguments)
        path = _unhex(found[1]) if found else ""
        if path == self._recording.acks:
            self.told += bytes.fromhex(_TEXT.findall(arguments)[0].replace("\\x", ""))
        elif name in ("fsync", "fdatasync"):
            if path.startswith(self._recording.directory):
                self._syncing[process] = (path, len(self.disk.waiting))
        elif self._ours(path):
            self._change(name, path, arguments)

    def _change(self, name: str, path: str, arguments: str) -> None:
        if name == "pwrite64":
            data = bytes.fromhex(_TEXT.findall(arguments)[0].replace("\\x", ""))
            offset = int(re.findall(r'", \d+, (\d+)', arguments)[0])
            self.disk.waiting.append(Change(path, offset, data))
        elif name == "ftruncate":
            self.disk.waiting.append(Change(path, int(re.findall(r">, (\d+)", arguments)[0]), None))
        else:
            raise AssertionError(f"the replay does not know {name} on {path}")

    def _finish(self, process: str, result: str) -> None:
        path, upto = self._syncing.pop(process)
        if not result.startswith("0"):
            raise AssertionError("a sync failed")
        self.disk.sync(path, upto)

    def _ours(self, path: str) -> bool:
        return path.startswith(self._recording.directory + "/")

    def _variants(self, number: int) -> Iterator[Cut]:
        waiting, choice = self.disk.waiting, self._choice
        yield self._cut(f"{number} none", [])
        if waiting:
            yield self._cut(f"{number} all", waiting)
            some = [change for change in waiting if choice.random() < 0.5]
            choice.shuffle(some)
            yield self._cut(f"{number} some, reordered", some)
            yield self._cut(f"{number} torn", [self._torn(change) for change in waiting])

    def _torn(self, change: Change) -> Change:
        """The change with only some of its sectors written (one run of them, from the front or from the back)."""
        if not change.data or self._choice.random() < 0.5:
            return change
        cut = SECTOR * self._choice.randrange(0, len(change.data) // SECTOR + 1)
        if self._choice.random() < 0.5:
            return Change(change.path, change.offset, change.data[:cut])
        return Change(change.path, change.offset + cut, change.data[cut:])

    def _cut(self, name: str, reached: list[Change]) -> Cut:
        files = {path: bytearray(content) for path, content in self.disk.files.items()}
        for change in reached:
            apply(files, change)
        lost = set() if reached else set(files) - self.disk.named
        return Cut(name, {p: bytes(c) for p, c in files.items() if p not in lost}, bytes(self.told))


def restore(cut: Cut, directory: str, target: Path) -> Path:
    """Lay out what the cut left under ``target``; the path of the database there."""
    target.mkdir()
    for path, content in cut.files.items():
        (target / os.path.relpath(path, directory)).write_bytes(content)
    return target / "state.db"
