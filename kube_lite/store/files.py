"""Files that nobody else may read, and room held on the disk."""

from __future__ import annotations

import os
from pathlib import Path


def make_file(path: str) -> None:
    """Make the directory and an empty file nobody else may read, and make both last."""
    directory = Path(path).parent
    if not directory.exists():
        directory.mkdir(mode=0o700, parents=True)
    if not os.path.exists(path):
        make_private(path)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_private(path: str) -> None:
    """Make an empty file (0600). :raises FileExistsError: it is there"""
    # Never open a database that exists: closing any descriptor of it would drop SQLite's own locks.
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def hold_space(path: str, size: int) -> bool:
    """Allocate a file of that size, if there is; whether it is there."""
    if not size:
        return True
    try:
        if os.path.exists(path) and os.path.getsize(path) >= size:
            return True
        space = os.statvfs(os.path.dirname(path) or ".")
        if space.f_bavail * space.f_frsize < 2 * size:
            return False
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)
    except OSError:
        Path(path).unlink(missing_ok=True)
        return False
    return True
