"""Which images are here, and by which names: one small JSON file and each image's configuration as it came.

Several processes share it (the node, ``kube-lite image``): changes are made under a file lock and by renaming, so
a reader sees the former state or the new one. A second lock keeps the collector away while anybody pulls.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kube_lite.node.linux.images.manifest import ImageDocument, parse_config


@dataclass(slots=True)
class Record:
    """An image: its layers' diff ids (lowest first), bytes, and names with the manifest digest each stood for.

    ``readers`` are fingerprints of the credentials it was pulled with; none: every pod may use it.
    """

    layers: list[str]
    size: int
    names: dict[str, str] = field(default_factory=dict)
    readers: list[str] = field(default_factory=list)


class Catalog:
    """The images below ``directory``. Methods block for well under a millisecond, :meth:`changing` aside."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._index = directory / "images.json"
        self._configs = directory / "configs"
        self._configs.mkdir(parents=True, exist_ok=True, mode=0o700)

    def read(self) -> dict[str, Record]:
        """All images by id."""
        try:
            raw = json.loads(self._index.read_bytes())
        except FileNotFoundError:
            return {}
        return {image_id: Record(**record) for image_id, record in raw.items()}

    def find(self, name: str) -> str | None:
        """The id of the image with that complete name, or that very id."""
        records = self.read()
        if name in records:
            return name
        return next((image_id for image_id, record in records.items() if name in record.names), None)

    @contextlib.contextmanager
    def changing(self) -> Iterator[dict[str, Record]]:
        """Change the yielded images; written at the end, unless the block raises."""
        with self.locked("index.lock", fcntl.LOCK_EX):
            records = self.read()
            yield records
            text = json.dumps({image_id: asdict(record) for image_id, record in records.items()}, indent=1)
            _replace(self._index, text.encode())

    @contextlib.contextmanager
    def locked(self, name: str, kind: int) -> Iterator[None]:
        """Hold one of the directory's locks. :raises BlockingIOError: ``kind`` has LOCK_NB, and somebody holds it"""
        fd = os.open(self._directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, kind)
            yield
        finally:
            os.close(fd)

    def config(self, image_id: str) -> ImageDocument:
        """An image's configuration. :raises FileNotFoundError: there is no such image"""
        return parse_config((self._configs / f"{image_id.partition(':')[2]}.json").read_bytes())

    def keep_config(self, document: ImageDocument) -> None:
        """Store a configuration, durably."""
        _replace(self._configs / f"{document.image_id.partition(':')[2]}.json", document.raw)

    def configs(self) -> set[str]:
        """The ids of all stored configurations."""
        return {f"sha256:{path.stem}" for path in self._configs.glob("*.json")}

    def forget_config(self, image_id: str) -> None:
        """Remove a configuration that no image has any more."""
        (self._configs / f"{image_id.partition(':')[2]}.json").unlink(missing_ok=True)


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    fresh.rename(path)
