"""A container's root: read-only image layers under a writable one, joined by overlayfs.

``DIRECTORY/upper`` takes what the container writes, ``work`` is overlayfs's own, ``rootfs`` is where it is mounted,
in the container's mount namespace only. A start has a fresh upper layer that is never mounted again, so it is
``volatile``: nothing is synced when the container ends.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from kube_lite.node.linux import syscalls

_SUBDIRECTORIES = ("upper", "work", "rootfs")


def prepare(directory: str) -> None:
    """Make the directories of one container start; the root of a container is 0755 as in an image."""
    os.makedirs(directory, mode=0o700)
    for name in _SUBDIRECTORIES:
        os.mkdir(os.path.join(directory, name))
    os.chmod(os.path.join(directory, "upper"), 0o755)


def mount_root(directory: str, layers: Sequence[str]) -> None:
    """Mount the overlay on ``DIRECTORY/rootfs``; ``layers`` are the lower directories, top first.

    :raises OSError: EINVAL when the directory is itself on overlayfs, which cannot carry an upper layer
    """
    upper, work = os.path.join(directory, "upper"), os.path.join(directory, "work")
    target = os.open(os.path.join(directory, "rootfs"), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        options: list[tuple[str, str | None]] = [("lowerdir+", layer) for layer in layers]
        options += [("upperdir", upper), ("workdir", work), ("volatile", None)]
        try:
            mount_fd = syscalls.new_filesystem("overlay", options)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            _mount_classic(os.path.join(directory, "rootfs"), upper, work, layers)
            return
        syscalls.move_mount(mount_fd, target)
        os.close(mount_fd)
    finally:
        os.close(target)


def _mount_classic(target: str, upper: str, work: str, layers: Sequence[str]) -> None:
    """For kernels before 6.8, which do not know ``lowerdir+``: one string, short names through descriptors."""
    fds = [os.open(layer, os.O_PATH | os.O_DIRECTORY) for layer in layers]
    try:
        lower = ":".join(f"/proc/self/fd/{fd}" for fd in fds)
        syscalls.mount("overlay", target, "overlay", 0, f"lowerdir={lower},upperdir={upper},workdir={work},volatile")
    finally:
        for fd in fds:
            os.close(fd)
