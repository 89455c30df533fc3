"""Reads container logs in the CRI format: ``TIME stdout|stderr F|P text``, one line of output a line.

``P`` marks a line that goes on in the next one. Rotated files stand beside the current one as ``PATH.*``, their
names in the order of their age, compressed ones ending in ``.gz``. Following polls for growth: a log that a
program writes is looked at twenty times a second, and the reader ends once the container has ended and all it
wrote has been read.
"""

from __future__ import annotations

import glob
import gzip
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import anyio
import msgspec

from kube_lite import clock

POLL = 0.05
"""Seconds between looks at a followed log."""

CHUNK = 64 * 1024
"""Bytes read at once, and at most held of a line."""

MESSAGE_LINES = 80
MESSAGE_BYTES = 2048
"""How much of a log stands in for a termination message (upstream)."""


class LogOptions(msgspec.Struct, frozen=True):
    """As ``PodLogOptions``; ``since`` is a moment, ``limit_bytes`` None for all, ``tail`` None for all lines."""

    follow: bool = False
    tail: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit_bytes: int | None = None


def options_from(params: dict[str, str]) -> LogOptions:
    """Options from query parameters, numbers and booleans as text. :raises ValueError: one cannot be read"""
    since: datetime | None = None
    if params.get("sinceSeconds"):
        since = clock.now() - timedelta(seconds=int(params["sinceSeconds"]))
    elif params.get("sinceTime"):
        since = clock.parse_timestamp(params["sinceTime"])
    return LogOptions(
        follow=params.get("follow", "") in ("true", "1"),
        tail=int(params["tailLines"]) if params.get("tailLines") else None,
        since=since,
        timestamps=params.get("timestamps", "") in ("true", "1"),
        limit_bytes=int(params["limitBytes"]) if params.get("limitBytes") else None,
    )


class LogLine(msgspec.Struct, frozen=True):
    """One record: its time as text, and its bytes with the newline, unless it goes on in the next record."""

    time: bytes
    text: bytes

    @property
    def moment(self) -> datetime:
        """When it was written, to the microsecond."""
        head, _, rest = self.time.decode("ascii").partition(".")
        fraction = "".join(c for c in rest if c.isdigit())[:6]
        zone = "+00:00" if rest.endswith("Z") or head.endswith("Z") else rest[-6:]
        return datetime.fromisoformat(f"{head.rstrip('Z')}.{fraction or '0'}{zone}")


def parse(line: bytes) -> LogLine | None:
    """The record in a raw line with its newline; None when it is not one."""
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    text = parts[3] if len(parts) > 3 else b""
    partial = b"P" in parts[2].split(b":")
    return LogLine(parts[0], text if partial else text + b"\n")


def files_of(path: str) -> list[str]:
    """The rotated files of a log, oldest first, then the log itself where it exists."""
    rotated = sorted(p for p in glob.glob(glob.escape(path) + ".*") if not p.endswith(".tmp"))
    return [*rotated, path] if os.path.exists(path) else rotated


def _open(path: str) -> BinaryIO:
    if path.endswith(".gz"):
        return gzip.open(path, "rb")  # type: ignore[return-value]  # a GzipFile reads like any file
    return open(path, "rb")


def _selected(path: str, options: LogOptions) -> tuple[list[LogLine] | Iterator[LogLine], int, int]:
    """The records that exist now, and the inode and offset where following goes on."""
    inode = offset = 0
    files = files_of(path)

    def records() -> Iterator[LogLine]:
        nonlocal inode, offset
        for name in files:
            with _open(name) as file:
                if name == path:
                    inode = os.fstat(file.fileno()).st_ino
                for raw in file:
                    if name == path:
                        if not raw.endswith(b"\n"):
                            break  # still being written
                        offset += len(raw)
                    record = parse(raw)
                    if record is not None and (options.since is None or record.moment >= options.since):
                        yield record

    if options.tail is None:
        return list(records()), inode, offset
    kept: deque[LogLine] = deque()
    lines = 0
    for record in records():
        kept.append(record)
        lines += record.text.endswith(b"\n")
        while lines > options.tail:
            lines -= kept.popleft().text.endswith(b"\n")
        while kept and lines == options.tail and options.tail == 0:
            kept.popleft()
    return list(kept), inode, offset


class LogReader:
    """Reads one container's log.

    :param path: the current log file
    :param ended: whether the container has ended and its log is complete
    """

    def __init__(self, path: str, options: LogOptions, ended: Callable[[], bool]) -> None:
        self._path = path
        self._options = options
        self._ended = ended
        self._left = options.limit_bytes
        self._line_start = True

    def _render(self, record: LogLine, whole: bool) -> bytes:
        return record.time + b" " + record.text if self._options.timestamps and whole else record.text

    def _join(self, records: list[LogLine]) -> bytes:
        """The records' bytes; a time stands only at the beginning of a line."""
        out = []
        for record in records:
            out.append(self._render(record, self._line_start))
            self._line_start = record.text.endswith(b"\n")
        data = b"".join(out)
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        return data

    async def read(self) -> AsyncIterator[bytes]:
        """The log, in chunks; with ``follow`` until the container has ended."""
        records, inode, offset = await clock.run_in_thread(_selected, self._path, self._options)
        batch: list[LogLine] = []
        size = 0
        for record in records:
            batch.append(record)
            size += len(record.text)
            if size >= CHUNK:
                yield self._join(batch)
                batch, size = [], 0
                if self._left == 0:
                    return
        if batch:
            yield self._join(batch)
        if not self._options.follow:
            return
        async for chunk in self._follow(inode, offset):
            if self._left == 0:
                return
            yield self._join(chunk)

    async def _follow(self, inode: int, offset: int) -> AsyncIterator[list[LogLine]]:
        tail = _Tail(self._path, inode, offset)
        try:
            while self._left != 0:
                last = self._ended()  # asked before reading: what was written until then is read below
                if chunk := tail.read():
                    yield chunk
                elif last:
                    return
                else:
                    await anyio.sleep(POLL)
        finally:
            tail.close()


class _Tail:
    """A growing file, across its rotation."""

    def __init__(self, path: str, inode: int, offset: int) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        if inode and (name := self._find(inode)):
            self._file = open(name, "rb")  # noqa: SIM115  # closed by close()
            self._file.seek(offset)

    def _find(self, inode: int) -> str | None:
        return next((p for p in files_of(self._path) if os.stat(p).st_ino == inode), None)

    def read(self) -> list[LogLine]:
        """The records that are new, up to a chunk; goes on to the next file when this one was rotated away."""
        if self._file is None:
            if not os.path.exists(self._path):
                return []
            self._file = open(self._path, "rb")  # noqa: SIM115  # closed by close()
        data = self._file.read(CHUNK)
        if not data:
            self._reopen()
            return []
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        return [record for line in lines if (record := parse(line)) is not None]

    def _reopen(self) -> None:
        """Take up the current file, if this is no longer it and has nothing more."""
        assert self._file is not None
        try:
            current = os.stat(self._path).st_ino
        except FileNotFoundError:
            return
        if current != os.fstat(self._file.fileno()).st_ino and not self._file.read(1):
            self._file.close()
            self._file = None
            self._rest = b""

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


def tail_text(path: str) -> str:
    """The end of a log, for a termination message: at most 80 lines and 2048 bytes."""
    try:
        size = Path(path).stat().st_size
        with open(path, "rb") as file:
            file.seek(max(0, size - 4 * MESSAGE_BYTES))
            raw = file.read()
    except OSError:
        return ""
    records = [record for line in raw.split(b"\n") if (record := parse(line)) is not None]
    text = b"".join(record.text for record in records[-MESSAGE_LINES:])[-MESSAGE_BYTES:]
    return text.decode("utf-8", "replace")
