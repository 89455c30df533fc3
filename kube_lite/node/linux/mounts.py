"""What a container finds mounted besides its root: /proc, /sys, /dev, cgroups, and binds of host paths.

Everything here happens after ``pivot_root``, when no path leads to the host any more; sources were opened before as
detached mounts. Targets may be hostile (an image whose /dev is a link): they are opened with ``openat2`` so that no
link leaves the root or goes through /proc, and mounted on by descriptor, so that they cannot be swapped in between.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Mapping

from kube_lite.node.linux import syscalls
from kube_lite.node.linux.plan import MountPlan

_INSIDE = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_PROPAGATION = {
    "None": syscalls.MS_PRIVATE,
    "HostToContainer": syscalls.MS_SLAVE,
    "Bidirectional": syscalls.MS_SHARED,
}
_NO_EXEC = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV | syscalls.MOUNT_ATTR_NOEXEC

DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
"""Name in /dev, major, minor: what every container engine provides."""

_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}


def open_source(bind: MountPlan, user_namespace: int = -1) -> int:
    """A detached copy of the mount at ``bind["source"]``, with its flags set; made as a directory when missing.

    :param user_namespace: show owners as this user namespace has them. :raises OSError: the file system cannot
    """
    if not os.path.exists(bind["source"]):
        os.makedirs(bind["source"], mode=0o755, exist_ok=True)
    fd = syscalls.open_tree(bind["source"], recursive=True)
    flags = syscalls.MOUNT_ATTR_RDONLY if bind["read_only"] else 0
    syscalls.mount_setattr(fd, set_flags=flags, propagation=_PROPAGATION[bind["propagation"]], recursive=True)
    if user_namespace >= 0:
        shift_owners(fd, user_namespace, bind["source"])
    return fd


def shift_owners(mount_fd: int, user_namespace: int, path: str) -> None:
    """Show owners as a user namespace maps them. :raises OSError: the file system (of ``path``) cannot do that"""
    try:
        syscalls.mount_setattr(mount_fd, recursive=True, user_namespace=user_namespace)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        why = "its file system cannot be mounted into a user namespace (hostUsers: false)"
        raise OSError(error.errno, why, path) from None


def open_target(root_fd: int, path: str, *, directory: bool) -> int:
    """Open ``path`` inside the root to mount on it; what is missing is created (0755 directories, an empty file).

    :raises OSError: it exists with the wrong type, or a dangling link is in the way
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    with contextlib.suppress(FileNotFoundError):
        return syscalls.openat2(root_fd, "/".join(parts) or ".", os.O_PATH, 0, _INSIDE)
    for depth in range(1, len(parts) + 1):
        here = "/".join(parts[:depth])
        try:
            fd = syscalls.openat2(root_fd, here, os.O_PATH, 0, _INSIDE)
        except FileNotFoundError:
            parent = syscalls.openat2(root_fd, "/".join(parts[: depth - 1]) or ".", os.O_PATH, 0, _INSIDE)
            try:
                _create(parent, parts[depth - 1], directory or depth < len(parts))
            finally:
                os.close(parent)
            fd = syscalls.openat2(root_fd, here, os.O_PATH, 0, _INSIDE)
        if depth == len(parts):
            return fd
        os.close(fd)
    raise OSError(errno.ENOENT, "it vanished", path)


def _create(parent: int, name: str, directory: bool) -> None:
    if directory:
        os.mkdir(name, 0o755, dir_fd=parent)
        return
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=parent))


def _ordinary(root_fd: int, path: str) -> int:
    """A directory of the root that must not be a link: /proc, /sys, /dev."""
    try:
        resolve = _INSIDE | syscalls.RESOLVE_NO_SYMLINKS
        return syscalls.openat2(root_fd, path, os.O_PATH | os.O_DIRECTORY, 0, resolve)
    except FileNotFoundError:
        os.mkdir(path, 0o755, dir_fd=root_fd)
        return _ordinary(root_fd, path)
    except OSError as error:
        raise OSError(error.errno, f'"/{path}" must be an ordinary directory', path) from None


def _attach(mount_fd: int, target_fd: int) -> None:
    syscalls.move_mount(mount_fd, target_fd)
    os.close(mount_fd)
    os.close(target_fd)


def mount_proc_and_sys(root_fd: int, *, privileged: bool) -> None:
    """A fresh /proc of this pid namespace, and /sys, read-only unless privileged."""
    _attach(syscalls.new_filesystem("proc", [], _NO_EXEC), _ordinary(root_fd, "proc"))
    read_only = 0 if privileged else syscalls.MOUNT_ATTR_RDONLY
    _attach(syscalls.new_filesystem("sysfs", [], _NO_EXEC | read_only), _ordinary(root_fd, "sys"))


def mount_cgroups(version: int, hierarchies: Iterable[str], *, privileged: bool) -> None:
    """The container's own part of each cgroup hierarchy under /sys/fs/cgroup, read-only unless privileged.

    Only hierarchies in which the container has a group of its own: of others its cgroup namespace is the root.
    """
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    read_only = 0 if privileged else syscalls.MS_RDONLY
    if version == 2:
        syscalls.mount("cgroup", "/sys/fs/cgroup", "cgroup2", flags | read_only)
        return
    syscalls.mount("tmpfs", "/sys/fs/cgroup", "tmpfs", flags, "mode=755,size=64k")
    for name in hierarchies:
        target = "/sys/fs/cgroup/" + name
        os.mkdir(target, 0o755)
        syscalls.mount("cgroup", target, "cgroup", flags | read_only, name)
        if "," in name:
            for part in name.split(","):
                os.symlink(name, "/sys/fs/cgroup/" + part)
    if read_only:
        syscalls.mount("", "/sys/fs/cgroup", "", flags | read_only | 32 | syscalls.MS_BIND)


def host_devices() -> dict[str, tuple[int, int]]:
    """Character and block devices in the host's /dev, for privileged containers: name to (mode, device)."""
    found = {}
    with os.scandir("/dev") as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
                found[entry.name] = (status.st_mode, status.st_rdev)
    return found


def mount_dev(root_fd: int, shm_fd: int, extra: Mapping[str, tuple[int, int]], id_base: int = 0) -> None:
    """/dev on a small tmpfs with the usual nodes and links, a pts instance of its own, mqueue and the pod's shm.

    :param id_base: the host's id for the container's root
    """
    _attach(
        syscalls.new_filesystem("tmpfs", [("mode", "755"), ("size", "65536k")], syscalls.MOUNT_ATTR_NOSUID),
        _ordinary(root_fd, "dev"),
    )
    dev = os.open("/dev", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for name, (mode, device) in extra.items():
        if name not in _LINKS:
            os.mknod(name, mode, device, dir_fd=dev)
    for name, (major, minor) in DEVICES.items():
        if name not in extra:
            os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(major, minor), dir_fd=dev)
            os.chmod(name, 0o666, dir_fd=dev)
    for name, target in _LINKS.items():
        os.symlink(target, name, dir_fd=dev)
    pts = [("newinstance", None), ("ptmxmode", "0666"), ("mode", "0620"), ("gid", str(id_base + 5))]
    no_exec = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NOEXEC
    for name, mount_fd in (
        ("pts", syscalls.new_filesystem("devpts", pts, no_exec)),
        ("mqueue", syscalls.new_filesystem("mqueue", [], _NO_EXEC)),
        ("shm", shm_fd),
    ):
        os.mkdir(name, 0o755, dir_fd=dev)
        _attach(mount_fd, os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dev))
    if id_base:
        for name in (".", *_LINKS):
            os.chown(name, id_base, id_base, dir_fd=dev, follow_symlinks=False)
    os.close(dev)


def attach_binds(root_fd: int, binds: Iterable[MountPlan], sources: Iterable[int]) -> None:
    """Mount the sources, opened in the same order, on their targets. :raises OSError: a target under /proc"""
    for bind, source in zip(binds, sources, strict=True):
        target = open_target(root_fd, bind["target"], directory=stat.S_ISDIR(os.fstat(source).st_mode))
        real = os.readlink(f"/proc/self/fd/{target}")
        if real == "/":
            raise OSError(errno.EINVAL, "cannot mount on the root", bind["target"])
        if real == "/proc" or real.startswith("/proc/"):
            raise OSError(
                errno.EINVAL, f'"{bind["target"]}" cannot be mounted because it is inside /proc', bind["target"]
            )
        _attach(source, target)
