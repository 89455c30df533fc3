"""Layers on disk: each unpacked once, named by the digest of its uncompressed archive (its diff id).

``layers/<first 32 hex digits>/fs`` is the tree (short, as mount options are), ``layer.json`` beside it says what it
is. A layer is built in a workspace, made durable by one syncfs, and renamed into place: it is there whole or not
at all. A workspace is locked by its process; one whose lock is free was left by a crash, and is swept.
Unpacking happens in worker threads, from a file whose own digest was verified before.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import secrets
import zlib
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import anyio

from kube_lite.node.linux.images.stacking import Patch
from kube_lite.node.linux.images.tar import ArchiveError, TarReader
from kube_lite.node.linux.images.unpack import Unpacker, remove_tree
from kube_lite.node.linux.syscalls import syncfs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = logging.getLogger(__name__)

MAX_UNPACKED_BYTES = 64 << 30
"""Of one layer: far above any honest one, below what would surprise a disk's owner most."""

_CHUNK = 1 << 20
_ZSTD_WINDOW = 128 << 20
"""The largest window that zstd itself accepts without being told otherwise (ZSTD_WINDOWLOG_LIMIT_DEFAULT)."""


class LayerStream:
    """Decompresses what ``source`` holds (gzip, zstd or nothing, by its first bytes) and hashes the result.

    Never more than about 1 MiB is decompressed at once, whatever the ratio.
    """

    def __init__(self, source: IO[bytes], max_bytes: int) -> None:
        self._chunks = _decompressed(source)
        self._hash = hashlib.sha256()
        self._buffer = b""
        self._position = 0
        self._left = max_bytes

    def _more(self) -> bool:
        try:
            self._buffer = next(self._chunks, b"")
        except zlib.error as error:
            raise ArchiveError(f"broken gzip data: {error}") from error
        self._position = 0
        self._left -= len(self._buffer)
        if self._left < 0:
            raise ArchiveError("the uncompressed archive is too large")
        self._hash.update(self._buffer)
        return bool(self._buffer)

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes, fewer only at the end. :raises ArchiveError: the compressed data are broken"""
        end = self._position + size
        if end <= len(self._buffer):
            data = self._buffer[self._position : end]
            self._position = end
            return data
        parts = [self._buffer[self._position :]]
        missing = size - len(parts[0])
        self._position = len(self._buffer)
        while missing and self._more():
            parts.append(self._buffer[:missing])
            self._position = len(parts[-1])
            missing -= self._position
        return b"".join(parts)

    def finish(self) -> str:
        """Read to the end and return the digest of the whole archive."""
        while self._more():
            pass
        return f"sha256:{self._hash.hexdigest()}"


def _decompressed(source: IO[bytes]) -> Iterator[bytes]:
    magic = source.read(4)
    source.seek(-len(magic), os.SEEK_CUR)
    if magic[:2] == b"\x1f\x8b":
        yield from _gunzipped(source)
    elif magic == b"\x28\xb5\x2f\xfd" or (magic[1:] == b"\x2a\x4d\x18" and 0x50 <= magic[0] <= 0x5F):
        yield from _unzstandarded(source)
    else:
        while data := source.read(_CHUNK):
            yield data


def _gunzipped(source: IO[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    while data := source.read(1 << 17):
        while data:
            piece = member.decompress(data, _CHUNK)
            if piece:
                yield piece
            if member.eof:
                data = member.unused_data
                if not data.strip(b"\0"):  # padding after the last member
                    data = b""
                    continue
                member = zlib.decompressobj(wbits=31)
            else:
                data = member.unconsumed_tail
    while not member.eof and (piece := member.decompress(b"", _CHUNK)):
        yield piece
    if not member.eof:
        raise ArchiveError("truncated gzip data")


def _unzstandarded(source: IO[bytes]) -> Iterator[bytes]:
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    try:
        with decompressor.stream_reader(source, read_across_frames=True, closefd=False) as reader:
            while data := reader.read(_CHUNK):
                yield data
    except zstandard.ZstdError as error:
        raise ArchiveError(f"broken zstd data: {error}") from error


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that is present. ``path`` is absolute; ``size`` counts the bytes of its files."""

    diff_id: str
    path: str
    size: int
    opaque_root: bool = False
    implied: Sequence[str] = ()


class Workspace:
    """A directory for one process's unfinished work, on the file system of the layers."""

    def __init__(self, parent: Path) -> None:
        """Make it, and sweep those that crashed processes left."""
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep(parent)
        self.path = parent / secrets.token_hex(8)
        self._lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.path.mkdir(mode=0o700)

    @staticmethod
    def _sweep(parent: Path) -> None:
        for lock in parent.glob("*.lock"):
            fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            else:
                delete_directory(lock.with_suffix(""))
                lock.unlink(missing_ok=True)
            finally:
                os.close(fd)

    def fresh(self) -> Path:
        """A name in the workspace that is not taken."""
        return self.path / secrets.token_hex(8)

    def close(self) -> None:
        """Remove it and what it holds."""
        delete_directory(self.path)
        Path(f"{self.path}.lock").unlink(missing_ok=True)
        os.close(self._lock)


def delete_directory(path: Path) -> None:
    """Delete a directory and all below it, if it is there. :raises OSError: the disk refuses"""
    try:
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        remove_tree(parent, os.fsencode(path.name))
    except FileNotFoundError:
        return
    finally:
        os.close(parent)


class LayerStore:
    """The layers below ``directory``. Methods block: call them in threads, :meth:`exclusive` aside."""

    def __init__(self, directory: Path, workspace: Workspace, max_bytes: int = MAX_UNPACKED_BYTES) -> None:
        self._directory = directory
        self._workspace = workspace
        self._max_bytes = max_bytes
        self._locks: dict[str, tuple[anyio.Lock, int]] = {}
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _place(self, diff_id: str) -> Path:
        return self._directory / diff_id.partition(":")[2][:32]

    @asynccontextmanager
    async def exclusive(self, diff_id: str) -> AsyncIterator[None]:
        """Only one task at a time works on one layer; the next finds it present."""
        lock, users = self._locks.get(diff_id, (anyio.Lock(), 0))
        self._locks[diff_id] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(diff_id)
            if users > 1:
                self._locks[diff_id] = (lock, users - 1)

    def get(self, diff_id: str) -> Layer | None:
        """The layer if it is present."""
        place = self._place(diff_id)
        try:
            record = json.loads((place / "layer.json").read_bytes())
        except FileNotFoundError:
            return None
        if record["diff_id"] != diff_id:
            raise ArchiveError(f"layer {diff_id} clashes with {record['diff_id']}")
        return Layer(diff_id, str(place / "fs"), record["size"], record["opaque_root"], tuple(record["implied"]))

    def add(self, diff_id: str, source: IO[bytes]) -> Layer:
        """Unpack a layer from its (compressed) archive, unless it is present.

        :raises ArchiveError: it is hostile, broken, or not the one that ``diff_id`` names
        :raises OSError: the disk is full, or refuses
        """
        present = self.get(diff_id)
        if present is not None:
            return present
        building = self._workspace.fresh()
        tree = building / "fs"
        tree.mkdir(parents=True)
        tree.chmod(0o755)
        try:
            stream = LayerStream(source, 2 * self._max_bytes)
            with Unpacker(str(tree), self._max_bytes) as unpacker:
                result = unpacker.unpack(TarReader(stream))
            found = stream.finish()
            if found != diff_id:
                raise ArchiveError(f"uncompressed digest is {found}, expected {diff_id}")
            if result.skipped:
                log.warning("layer %s: device files left out: %s", diff_id, ", ".join(result.skipped))
            self._publish(building, Layer(diff_id, "", result.size, result.opaque_root, result.implied))
        finally:
            delete_directory(building)
        layer = self.get(diff_id)
        if layer is None:
            raise FileNotFoundError(f"layer {diff_id} vanished")
        return layer

    def _publish(self, building: Path, layer: Layer) -> None:
        """Make a layer's directory durable and visible."""
        record = asdict(layer)
        del record["path"]
        (building / "layer.json").write_text(json.dumps(record))
        fd = os.open(building, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syncfs(fd)
        finally:
            os.close(fd)
        try:
            building.rename(self._place(layer.diff_id))
        except OSError:
            if self.get(layer.diff_id) is None:  # else another process was faster
                raise

    def stack(self, diff_ids: Sequence[str]) -> list[str]:
        """The layers to mount for an image, lowest first: its own, and the patches that they need (stacking.py).

        :raises ArchiveError, OSError: a layer is missing, or a patch cannot be built
        """
        result: list[str] = []
        paths: list[str] = []
        for diff_id in diff_ids:
            layer = self.get(diff_id)
            if layer is None:
                raise ArchiveError(f"layer {diff_id} is missing")
            result.append(diff_id)
            if layer.implied and paths:
                patch = self._patch(result, layer, paths)
                if patch is not None:
                    result.append(patch.diff_id)
                    paths.insert(0, layer.path)
                    layer = patch
            paths.insert(0, layer.path)
        return result

    def _patch(self, chain: Sequence[str], layer: Layer, below: Sequence[str]) -> Layer | None:
        """What must lie on ``layer``; the name is made of all that it depends on."""
        name = "sha256:" + hashlib.sha256("\0".join(("patch", *chain)).encode()).hexdigest()
        present = self.get(name)
        if present is not None:
            return present
        building = self._workspace.fresh()
        tree = building / "fs"
        tree.mkdir(parents=True)
        tree.chmod(0o755)
        try:
            if not Patch(str(tree), layer.path, layer.implied, below).build():
                return None
            self._publish(building, Layer(name, "", 0))
        finally:
            delete_directory(building)
        return self.get(name)

    def present(self) -> set[str]:
        """The diff ids of all layers."""
        return {json.loads(path.read_bytes())["diff_id"] for path in self._directory.glob("*/layer.json")}

    def remove(self, diff_id: str) -> int:
        """Delete a layer; returns the bytes that its files held."""
        layer = self.get(diff_id)
        if layer is None:
            return 0
        doomed = self._workspace.fresh()
        self._place(diff_id).rename(doomed)  # first out of sight, so that no half of it is ever found
        delete_directory(doomed)
        return layer.size
