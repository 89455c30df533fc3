"""Images from a file: ``docker save`` archives and OCI layouts, as a tar (compressed or not) or a directory.

An archive is indexed once, by member name; content is then read from where it lies. Nothing is extracted, so no
name in it can lead anywhere. Sources: OCI image-layout 1.1 (``index.json``, ``blobs/``), Docker image
specification 1.2 (``manifest.json``); recent Dockers write both, and then the latter has the names.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from kube_lite.node.linux.images.layers import MAX_UNPACKED_BYTES, LayerStream
from kube_lite.node.linux.images.manifest import (
    MAX_DOCUMENT_BYTES,
    Descriptor,
    ImageDocument,
    Manifest,
    ManifestError,
    parse,
    parse_config,
)
from kube_lite.node.linux.images.tar import ArchiveError, Kind, TarReader
from kube_lite.node.linux.syscalls import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, openat2

_MAX_MEMBERS = 100_000
_MAX_LINKS = 40


class Source(Protocol):
    """Where the archive's members are."""

    def open(self, name: str) -> IO[bytes]:
        """A member's content. :raises ArchiveError: there is no such file"""
        ...


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """An image in an archive: its configuration, its layers' member names (lowest first), and its names."""

    document: ImageDocument
    layers: Sequence[str]
    names: Sequence[str]
    digest: str


class _Part(io.RawIOBase):
    """A range of a file as a file."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._file = path.open("rb")
        self._start, self._size, self._position = start, size, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; never before the range's start."""
        base = (0, self._position, self._size)[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read at most to the range's end."""
        room = min(len(buffer), max(0, self._size - self._position))
        self._file.seek(self._start + self._position)
        data = self._file.read(room)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class TarSource:
    """The members of a plain tar file."""

    def __init__(self, path: Path) -> None:
        """Index it. :raises ArchiveError: broken, or more than 100,000 members"""
        self._path = path
        self._files: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        with path.open("rb") as file:
            for entry in TarReader(file, _MAX_MEMBERS):
                name = _inside(os.fsdecode(entry.name))
                if entry.kind is Kind.FILE:
                    self._files[name] = (file.tell(), entry.size)
                elif entry.kind is Kind.SYMLINK:
                    self._links[name] = _inside(posixpath.join(posixpath.dirname(name), os.fsdecode(entry.link)))
                elif entry.kind is Kind.HARDLINK:
                    self._links[name] = _inside(os.fsdecode(entry.link))

    def open(self, name: str) -> IO[bytes]:
        """A member's content, links followed. :raises ArchiveError: there is no such file"""
        found = _inside(name)
        for _ in range(_MAX_LINKS):
            if found not in self._links:
                break
            found = self._links[found]
        if found not in self._files:
            raise ArchiveError(f"the archive has no {name!r}")
        return io.BufferedReader(_Part(self._path, *self._files[found]), 1 << 16)


class DirectorySource:
    """The files of a directory, links resolved as if it were the root."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, name: str) -> IO[bytes]:
        """A file's content. :raises ArchiveError: there is no such file"""
        root = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fd = openat2(root, os.fsencode(name), os.O_RDONLY, resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
        except OSError as error:
            raise ArchiveError(f"the directory has no {name!r}: {error.strerror}") from error
        finally:
            os.close(root)
        return os.fdopen(fd, "rb")


def _inside(name: str) -> str:
    return posixpath.normpath("/" + name).lstrip("/")


@contextlib.contextmanager
def opened(path: Path, scratch: Path) -> Iterator[Source]:
    """The archive at ``path``; ``scratch`` is a file name to decompress into, if need be.

    :raises ArchiveError: it is no archive
    :raises OSError: it cannot be read
    """
    if path.is_dir():
        yield DirectorySource(path)
        return
    with path.open("rb") as file:
        magic = file.read(4)
    if magic[:2] != b"\x1f\x8b" and magic != b"\x28\xb5\x2f\xfd":
        yield TarSource(path)
        return
    try:
        with path.open("rb") as packed, scratch.open("xb") as plain:
            stream = LayerStream(packed, MAX_UNPACKED_BYTES)
            while data := stream.read(1 << 20):
                plain.write(data)
        yield TarSource(scratch)
    finally:
        scratch.unlink(missing_ok=True)


def _small(source: Source, name: str) -> bytes:
    with source.open(name) as file:
        raw = file.read(MAX_DOCUMENT_BYTES + 1)
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise ManifestError(f"{name} is larger than {MAX_DOCUMENT_BYTES} bytes")
    return raw


def images(source: Source) -> list[ArchivedImage]:
    """What an archive holds for this machine. :raises ArchiveError, ManifestError: neither format, or broken"""
    try:
        raw = _small(source, "manifest.json")
    except ArchiveError:
        return _from_layout(source)
    return _from_docker(source, raw)


def _from_docker(source: Source, raw: bytes) -> list[ArchivedImage]:
    result = []
    entries = _json(raw)
    for entry in entries if isinstance(entries, list) else []:
        config, layers, tags = (entry.get(key) for key in ("Config", "Layers", "RepoTags"))
        if not isinstance(config, str) or not isinstance(layers, list) or not all(isinstance(x, str) for x in layers):
            raise ManifestError("malformed manifest.json")
        document = parse_config(_small(source, config))
        names = [tag for tag in tags or [] if isinstance(tag, str)] if isinstance(tags, list) else []
        result.append(_checked(ArchivedImage(document, tuple(layers), tuple(names), "")))
    return result


def _from_layout(source: Source) -> list[ArchivedImage]:
    index = _json(_small(source, "index.json"))
    entries = index.get("manifests") if isinstance(index, dict) else None
    if not isinstance(entries, list):
        raise ManifestError("neither manifest.json nor index.json with manifests")
    result = []
    for entry in entries:
        # An index of one entry has no choice of platform to make, whatever it says.
        described = parse(json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
        digest = described.digest if isinstance(described, Descriptor) else ""
        for _ in range(3):
            if isinstance(described, Manifest):
                break
            described = parse(_verified(source, described))
        if isinstance(described, Descriptor):
            raise ManifestError("indexes nested too deeply")
        document = parse_config(_verified(source, described.config))
        layers = tuple(_blob(layer.digest) for layer in described.layers)
        result.append(_checked(ArchivedImage(document, layers, tuple(_annotated(entry)), digest)))
    return result


def _annotated(entry: dict[str, Any]) -> Iterator[str]:
    """The full name that containerd or others noted; a bare tag (``latest``) names nothing by itself."""
    notes = entry.get("annotations")
    for key in ("io.containerd.image.name", "org.opencontainers.image.ref.name"):
        name = notes.get(key) if isinstance(notes, dict) else None
        if isinstance(name, str) and ("/" in name or ":" in name):
            yield name
            return


def _checked(image: ArchivedImage) -> ArchivedImage:
    if len(image.layers) != len(image.document.diff_ids):
        raise ManifestError(f"{len(image.layers)} layers, but {len(image.document.diff_ids)} diff ids")
    return image


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"not JSON: {error}") from error


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _verified(source: Source, descriptor: Descriptor) -> bytes:
    raw = _small(source, _blob(descriptor.digest))
    algorithm, _, wanted = descriptor.digest.partition(":")
    if len(raw) != descriptor.size or hashlib.new(algorithm, raw).hexdigest() != wanted:
        raise ManifestError(f"{descriptor.digest} is not what its descriptor says")
    return raw
