"""Mounts for volumes that live in memory; implements the executor's ``Mounter``."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from kube_lite.node.linux import syscalls

_ESCAPED = re.compile(r"\\([0-7]{3})")
"""Space, tab, newline and backslash in mountinfo, as octal numbers (proc(5))."""


class TmpfsMounter:
    """tmpfs below one directory, in the executor's own mount namespace, where the zygote finds it too.

    :param root: everything mounted is below it
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def mount(self, path: Path, size: int | None) -> None:
        """Mount a tmpfs of at most ``size`` bytes; nothing happens when one is there. :raises OSError:"""
        path.mkdir(parents=True, exist_ok=True)
        if not os.path.ismount(path):
            options = "mode=0777" + (f",size={size}" if size is not None else "")
            syscalls.mount("tmpfs", str(path), "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, options)

    def unmount(self, path: Path) -> None:
        """Unmount it, if it is a mount; what is in it is gone with its last user."""
        if os.path.ismount(path):
            syscalls.umount(str(path))

    def unmount_all(self) -> None:
        """Unmount everything below the root."""
        prefix = f"{os.path.realpath(self._root)}/"
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            found = [_ESCAPED.sub(lambda match: chr(int(match[1], 8)), line.split()[4]) for line in file]
        for path in sorted((path for path in found if path.startswith(prefix)), reverse=True):
            with contextlib.suppress(OSError):  # somebody else was faster
                syscalls.umount(path)
