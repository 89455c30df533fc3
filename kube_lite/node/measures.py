"""What pods and containers use: the words for it, and the seam to whoever can measure it.

Sizes are bytes, CPU time nanoseconds since the group began. Nothing is measured unless somebody asks.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of a group use; zeros for what its controllers do not tell."""

    cpu_nanoseconds: int
    memory_bytes: int
    pids: int
    """Processes and threads."""
    inactive_file_bytes: int = 0
    """Of the memory: cached files that nobody has used for long, which the kernel would give back first."""
    rss_bytes: int = 0
    page_faults: int = 0
    major_page_faults: int = 0
    cache_bytes: int = 0
    """Of the memory: cached files."""
    periods: int = 0
    """Of its CPU quota, in which it wanted to run."""
    throttled_periods: int = 0
    throttled_nanoseconds: int = 0
    """How long it was kept from running by its quota."""

    @property
    def working_set_bytes(self) -> int:
        """The memory that cannot be taken without harm (cAdvisor's definition)."""
        return max(0, self.memory_bytes - self.inactive_file_bytes)


@dataclass(frozen=True, slots=True)
class Disk:
    """Space on disk, and how many files and directories take it."""

    bytes: int = 0
    inodes: int = 0

    def __add__(self, other: Disk) -> Disk:
        return Disk(self.bytes + other.bytes, self.inodes + other.inodes)


class Meter(Protocol):
    """Measures what runs on this node."""

    async def stats(self, pod_uid: str, container: str = "") -> Usage:
        """What a pod, or one running container of it, uses now. :raises RuntimeFailure: it does not run"""
        ...

    async def written(self, pod_uid: str, container: str) -> Disk:
        """What a container has written to its own root, that is, the writable layer of its newest start."""
        ...


def disk_usage(root: Path) -> Disk:
    """What is below a directory, in blocks on disk; a file with several names counts once."""
    total, inodes = 0, 0
    seen: set[tuple[int, int]] = set()
    for directory, _, names in os.walk(root):  # does not follow links, which may lead anywhere
        for name in (".", *names):
            try:
                found = os.lstat(os.path.join(directory, name))
            except OSError:
                continue  # removed meanwhile
            if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
                if (found.st_dev, found.st_ino) in seen:
                    continue
                seen.add((found.st_dev, found.st_ino))
            total += found.st_blocks * 512
            inodes += 1
    return Disk(total, inodes)


def log_usage(log_path: str) -> Disk:
    """What the logs of a container take, rotated ones and those of earlier starts too.

    :param log_path: of one of its starts, '' for a container without a log
    """
    directory = os.path.dirname(log_path)
    return disk_usage(Path(directory)) if directory else Disk()
