"""A reader of tar headers that trusts nothing: it only says what an archive claims to hold.

Formats: POSIX ustar and pax (POSIX.1-2008), GNU long names, old v7; numbers in octal or GNU base 256. Sparse
files are refused, as image builders write none. Every header has its checksum verified, every extension a size
limit, and the number of headers is bounded. Where the content goes is unpack.py's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

BLOCK = 512
MAX_PAX_BYTES = 1 << 20
"""The limit of Go's archive/tar, which all registries' clients use."""

MAX_NAME_BYTES = 4095
"""PATH_MAX without its terminating NUL: a longer path cannot be opened."""

MAX_HEADERS = 1_000_000
MAX_NUMBER = 1 << 62
_OCTAL = re.compile(rb"[0-7]*")


class ArchiveError(Exception):
    """An archive that is broken, or that no honest tool would have written."""


class Kind(Enum):
    """What an entry is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    FIFO = "fifo"
    DEVICE = "device"


_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.DEVICE,
    b"4": Kind.DEVICE,
    b"5": Kind.DIRECTORY,
    b"6": Kind.FIFO,
}


@dataclass(slots=True)
class Entry:
    """One member: names are bytes as written, ``size`` counts the content that follows (files only)."""

    name: bytes
    kind: Kind
    size: int = 0
    link: bytes = b""
    mode: int = 0
    uid: int = 0
    gid: int = 0
    mtime: float = 0.0
    xattrs: dict[bytes, bytes] = field(default_factory=dict)


class Stream(Protocol):
    """Where archive bytes come from."""

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes, fewer only at the end. :raises ArchiveError: compressed data are broken"""
        ...


def _number(raw: bytes, what: str) -> int:
    if raw[0] & 0x80:
        if raw[0] == 0xFF:
            raise ArchiveError(f"negative {what}")
        value = int.from_bytes(bytes([raw[0] & 0x7F]) + raw[1:], "big")
    else:
        text = raw.partition(b"\0")[0].strip(b" ")
        if _OCTAL.fullmatch(text) is None:
            raise ArchiveError(f"malformed {what} {text[:20]!r}")
        value = int(text or b"0", 8)
    if value > MAX_NUMBER:
        raise ArchiveError(f"{what} out of range")
    return value


def _pax_records(data: bytes) -> dict[bytes, bytes]:
    """The records ``LENGTH KEY=VALUE\\n`` of a pax header; the last of a key holds."""
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 20)
        digits = data[position:space] if space > 0 else b""
        if not digits.isdigit():
            raise ArchiveError("malformed pax header")
        end = position + int(digits)
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if end > len(data) or end <= space + 1 or data[end - 1 : end] != b"\n" or not equals or not key:
            raise ArchiveError("malformed pax header")
        records[key] = value
        position = end
    return records


def _decimal(raw: bytes, what: str) -> int:
    if not raw.isdigit() or len(raw) > 19 or int(raw) > MAX_NUMBER:
        raise ArchiveError(f"malformed pax {what} {raw[:30]!r}")
    return int(raw)


class TarReader:
    """Iterates over the entries of a stream; :meth:`content` gives the current file's bytes.

    :param max_headers: a bound on entries and extension headers together
    """

    def __init__(self, stream: Stream, max_headers: int = MAX_HEADERS) -> None:
        self._stream = stream
        self._max_headers = max_headers
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Entry]:
        headers = 0
        pax: dict[bytes, bytes] = {}
        long_name: bytes | None = None
        long_link: bytes | None = None
        while (block := self._next_header()) is not None:
            headers += 1
            if headers > self._max_headers:
                raise ArchiveError(f"more than {self._max_headers} headers")
            flag, size = block[156:157], _number(block[124:136], "size")
            if flag == b"x":
                pax |= _pax_records(self._extension(size))
            elif flag == b"g":
                self._extension(size)
            elif flag == b"L":
                long_name = self._extension(size).rstrip(b"\0")
            elif flag == b"K":
                long_link = self._extension(size).rstrip(b"\0")
            else:
                entry = self._entry(block, flag, size, pax, long_name, long_link)
                pax, long_name, long_link = {}, None, None
                yield entry
                self._skip(self._left + self._padding)

    def content(self, chunk: int = 1 << 20) -> Iterator[bytes]:
        """The current file's bytes in pieces of at most ``chunk``. :raises ArchiveError: the archive ends before"""
        while self._left:
            data = self._stream.read(min(self._left, chunk))
            if not data:
                raise ArchiveError("unexpected end of archive")
            self._left -= len(data)
            yield data

    def _next_header(self) -> bytes | None:
        block = self._stream.read(BLOCK)
        if not block or not any(block):
            return None
        if len(block) < BLOCK:
            raise ArchiveError("unexpected end of archive")
        claimed = _number(block[148:156], "checksum")
        unsigned = sum(block) - sum(block[148:156]) + 8 * 0x20
        if claimed != unsigned:  # some old tools summed signed bytes
            signed = unsigned - 256 * sum(byte > 127 for byte in block[:148] + block[156:])
            if claimed != signed:
                raise ArchiveError("header checksum mismatch")
        return block

    def _extension(self, size: int) -> bytes:
        if size > MAX_PAX_BYTES:
            raise ArchiveError(f"extension header of {size} bytes")
        data = self._stream.read(size)
        if len(data) < size:
            raise ArchiveError("unexpected end of archive")
        self._skip(-size % BLOCK)
        return data

    def _skip(self, size: int) -> None:
        while size:
            data = self._stream.read(min(size, 1 << 20))
            if not data:
                raise ArchiveError("unexpected end of archive")
            size -= len(data)

    def _entry(
        self,
        block: bytes,
        flag: bytes,
        size: int,
        pax: dict[bytes, bytes],
        long_name: bytes | None,
        long_link: bytes | None,
    ) -> Entry:
        kind = _KINDS.get(flag)
        if kind is None or any(key.startswith(b"GNU.sparse.") for key in pax):
            raise ArchiveError("sparse files are not supported" if flag in b"0S" else f"unknown entry type {flag!r}")
        name = block[0:100].partition(b"\0")[0]
        if block[257:263] == b"ustar\0" and block[345]:
            name = block[345:500].partition(b"\0")[0] + b"/" + name
        name = pax.get(b"path", long_name if long_name is not None else name)
        link = pax.get(b"linkpath", long_link if long_link is not None else block[157:257].partition(b"\0")[0])
        if b"size" in pax:
            size = _decimal(pax[b"size"], "size")
        if kind is Kind.FILE and flag != b"7" and name.endswith(b"/"):
            kind = Kind.DIRECTORY  # as v7 tar wrote them
        for text in (name, link):
            if b"\0" in text or len(text) > MAX_NAME_BYTES:
                raise ArchiveError("name too long, or with a NUL byte")
        if not name or (not link and kind in (Kind.SYMLINK, Kind.HARDLINK)):
            raise ArchiveError("empty name")
        if kind not in (Kind.FILE, Kind.DIRECTORY):
            size = 0
        self._left, self._padding = size, -size % BLOCK
        return Entry(
            name,
            kind,
            size,
            link,
            _number(block[100:108], "mode") & 0o7777,
            _owner(pax.get(b"uid"), block[108:116], "uid"),
            _owner(pax.get(b"gid"), block[116:124], "gid"),
            _time(pax.get(b"mtime"), block[136:148]),
            {key[len(b"SCHILY.xattr.") :]: value for key, value in pax.items() if key.startswith(b"SCHILY.xattr.")},
        )


def _owner(override: bytes | None, raw: bytes, what: str) -> int:
    value = _number(raw, what) if override is None else _decimal(override, what)
    if value >= 0xFFFFFFFF:  # the last one means "no change" to chown(2)
        raise ArchiveError(f"{what} out of range")
    return value


def _time(override: bytes | None, raw: bytes) -> float:
    """Modification time in seconds; what the file systems cannot hold becomes the epoch."""
    if override is not None:
        try:
            value = float(override)
        except ValueError as error:
            raise ArchiveError(f"malformed pax mtime {override[:30]!r}") from error
    else:
        value = 0.0 if raw[0] & 0x80 else float(_number(raw, "mtime"))
    return value if 0 <= value < 2**33 else 0.0
