"""Parts of /proc and /sys that a container must not read or write: Docker's default lists."""

from __future__ import annotations

import os
import stat

from kube_lite.node.linux import syscalls

MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def apply() -> None:
    """Cover the masked paths and make the others read-only; to be called inside the new root."""
    for path in READ_ONLY:
        _bind(path, path, syscalls.MOUNT_ATTR_RDONLY)
    covered = ""
    for path in MASKED:
        try:
            target = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue  # this kernel does not have it
        if not stat.S_ISDIR(os.fstat(target).st_mode):
            mount_fd = syscalls.open_tree("/dev/null")
        elif covered:
            mount_fd = syscalls.open_tree(covered)
        else:
            covered = path
            mount_fd = syscalls.new_filesystem("tmpfs", [("size", "0"), ("mode", "555")], syscalls.MOUNT_ATTR_RDONLY)
        syscalls.move_mount(mount_fd, target)
        os.close(mount_fd)
        os.close(target)


def _bind(source: str, target: str, attributes: int) -> None:
    try:
        mount_fd = syscalls.open_tree(source, recursive=True)
    except FileNotFoundError:
        return  # this kernel does not have it
    syscalls.mount_setattr(mount_fd, set_flags=attributes, recursive=True)
    target_fd = os.open(target, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
    syscalls.move_mount(mount_fd, target_fd)
    os.close(mount_fd)
    os.close(target_fd)
