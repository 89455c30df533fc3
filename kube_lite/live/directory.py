"""The directory that a server or a node keeps everything in: its owner's alone."""

from __future__ import annotations

import logging
import os
from pathlib import Path

logger = logging.getLogger(__name__)


def prepare(path: Path, *below: str) -> None:
    """Make a data directory, and those ``below`` it; what this process writes from now on is for its owner alone.

    :raises OSError: it cannot be had; says what to do
    """
    os.umask(0o077)
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in below:
            (path / name).mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        why = "there is a file of this name" if isinstance(error, FileExistsError) else error.strerror
        raise OSError(f"--data-dir {path}: {why}; choose a directory that you may write to") from error


def check_owner(path: Path) -> None:
    """Warn of a directory of somebody else's. :raises OSError: it may not be written to; says what to do"""
    owner = path.stat().st_uid
    if owner not in (os.geteuid(), 0):
        logger.warning("--data-dir %s belongs to user id %d, who can change all that is kept in it", path, owner)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise OSError(f"--data-dir {path} belongs to user id {owner}; choose a directory that you may write to")
