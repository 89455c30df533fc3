"""Files that survive a crash, and pids that cannot be mistaken.

A record is replaced whole: written beside and renamed over, so that a reader finds the old one or the new one. It is
not synced: after a power cut no container runs any more, and an unreadable record is reported as such.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from typing import Any


def write_atomically(path: str, text: str, mode: int = 0o600) -> None:
    """Replace the file's content; a crash leaves the old or the new one. The directory must exist."""
    beside = f"{path}.{os.getpid()}.new"
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        data = text.encode()
        while data:
            data = data[os.write(fd, data) :]
    finally:
        os.close(fd)
    os.rename(beside, path)


def write_json(path: str, value: Mapping[str, Any]) -> None:
    """:func:`write_atomically` of a JSON object."""
    write_atomically(path, json.dumps(value, separators=(",", ":")))


def read_json(path: str) -> dict[str, Any] | None:
    """The JSON object in a file; None when it is missing, cut short or something else."""
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def boot_id() -> str:
    """Identifies this boot of the machine."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def start_ticks(pid: int) -> int:
    """When a process started, in clock ticks since boot (field 22 of ``/proc/PID/stat``); 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rsplit(b")", 1)[1].split()[19])
    except (OSError, IndexError, ValueError):
        return 0


def remove_tree(path: str) -> None:
    """Delete a directory with everything in it; a missing one is fine. Symbolic links are not followed."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)


def utc_text(nanoseconds: int) -> str:
    """``2026-01-01T00:00:00.000000000Z`` from nanoseconds since 1970."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09d}Z"


def utc_now() -> str:
    """The system clock as :func:`utc_text`; these processes live in real time."""
    return utc_text(time.time_ns())
