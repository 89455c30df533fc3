"""Files that change all at once, as upstream's AtomicWriter: a directory per version and one symlink to it.

``DIR/..data`` points to ``DIR/..TIMESTAMP``; each visible file is a symlink ``DIR/name -> ..data/name``. A new
version is written beside the old one and ``..data`` is replaced by a rename, so that a reader sees either the
old files or the new ones.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import msgspec

from kube_lite import clock

DATA = "..data"


class Payload(msgspec.Struct, frozen=True):
    """One file: its content, permission bits and owner (None: the executor's own)."""

    content: bytes
    mode: int = 0o644
    user: int | None = None


class InvalidPath(ValueError):
    """Raised for a path that would lead out of the volume."""


def _checked(path: str) -> PurePosixPath:
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or path.startswith(".."):
        raise InvalidPath(f"invalid path {path!r}: must be relative and without '..'")
    return pure


def _matches(current: Path, files: Mapping[str, Payload]) -> bool:
    if not current.is_dir():
        return False
    present = {str(p.relative_to(current)) for p in current.rglob("*") if not p.is_dir()}
    if present != set(files):
        return False
    return all(
        (current / name).read_bytes() == payload.content and (current / name).stat().st_mode & 0o7777 == payload.mode
        for name, payload in files.items()
    )


def write(directory: Path, files: Mapping[str, Payload], group: int | None = None) -> bool:
    """Make ``directory`` hold exactly ``files``; whether anything changed. Blocking.

    :param group: group that owns the files and may read them (fsGroup), None for the executor's own
    :raises InvalidPath: a file name leads out of the directory
    """
    checked = {str(_checked(name)): payload for name, payload in files.items()}
    if group is not None:
        checked = {n: Payload(p.content, p.mode | ((p.mode & 0o400) >> 3), p.user) for n, p in checked.items()}
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    link = directory / DATA
    old = directory / os.readlink(link) if link.is_symlink() else None
    if old is not None and _matches(old, checked):
        return False
    version = directory / clock.now().strftime("..%Y_%m_%d_%H_%M_%S.%f")
    serial = 0
    while version.exists():
        serial += 1
        version = version.with_name(f"{version.name.partition('-')[0]}-{serial}")
    version.mkdir(mode=0o755)
    version.chmod(0o755)
    for name, payload in checked.items():
        _write_file(version / name, payload, group)
    for path in version.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)  # whatever the executor's umask is
    staged = directory / "..data_tmp"
    staged.unlink(missing_ok=True)
    staged.symlink_to(version.name)
    staged.rename(link)
    _link_names(directory, {PurePosixPath(name).parts[0] for name in checked})
    if old is not None and old != version:
        shutil.rmtree(old, ignore_errors=True)
    return True


def _write_file(path: Path, payload: Payload, group: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(payload.content)
        os.fchmod(file.fileno(), payload.mode)
        if os.geteuid() == 0 and (group is not None or payload.user is not None):
            os.fchown(file.fileno(), -1 if payload.user is None else payload.user, -1 if group is None else group)


def _link_names(directory: Path, names: set[str]) -> None:
    """Visible symlinks for exactly ``names``."""
    for entry in directory.iterdir():
        if entry.is_symlink() and entry.name != DATA and entry.name not in names:
            entry.unlink()
    for name in names:
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")
