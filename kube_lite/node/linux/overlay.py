"""A container's root: read-only image layers under a writable one, joined by overlayfs.

``DIRECTORY/upper`` takes what the container writes, ``work`` is overlayfs's own. It is mounted on one directory for
all, since each container does so in a mount namespace of its own. A start has a fresh upper layer that is never
mounted again, so it is ``volatile``: nothing is synced when the container ends.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from kube_lite.node.linux import mounts, syscalls

TERMINATION_LOG = "termination-log"
"""The file, in a container's directory, in which it may say why it ended."""


def prepare(directory: str) -> None:
    """Make the directories of one container start; the root of a container is 0755 as in an image."""
    os.makedirs(directory, mode=0o700)
    mask = os.umask(0)  # one call each instead of two: these are a good part of a start on a busy disk
    try:
        for name in ("upper", "work"):
            os.mkdir(os.path.join(directory, name), 0o755)
        message = os.path.join(directory, TERMINATION_LOG)
        os.close(os.open(message, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    finally:
        os.umask(mask)


def _shifted(directory: str, layers: Sequence[str], user_namespace: int) -> list[str]:
    """The layers once more, as the user namespace sees their owners (overlayfs itself cannot be idmapped)."""
    found = []
    for number, layer in enumerate(layers):
        path = os.path.join(directory, "lower", str(number))
        os.makedirs(path, exist_ok=True)
        mount_fd = syscalls.open_tree(layer)
        mounts.shift_owners(mount_fd, user_namespace, layer)
        target = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        syscalls.move_mount(mount_fd, target)
        os.close(mount_fd)
        os.close(target)
        found.append(path)
    return found


def mount_root(
    directory: str, layers: Sequence[str], mount_point: str, user_namespace: int = -1, id_base: int = 0
) -> None:
    """Mount the overlay on ``mount_point``; ``layers`` are the lower directories, top first.

    :param user_namespace: a descriptor of the container's own, whose root is the host's ``id_base``
    :raises OSError: EINVAL when the directory is itself on overlayfs, which cannot carry an upper layer
    """
    upper, work = os.path.join(directory, "upper"), os.path.join(directory, "work")
    if user_namespace >= 0:
        layers = _shifted(directory, layers, user_namespace)
        for path in (upper, work):
            os.chown(path, id_base, id_base)
    target = os.open(mount_point, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        options: list[tuple[str, str | None]] = [("lowerdir+", layer) for layer in layers]
        options += [("upperdir", upper), ("workdir", work), ("volatile", None)]
        try:
            mount_fd = syscalls.new_filesystem("overlay", options)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            _mount_classic(mount_point, upper, work, layers)
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
