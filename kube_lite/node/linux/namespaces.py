"""A pod's namespaces: made by a short-lived child, kept by bind mounts ("pins") and not by a pause process.

A pid namespace ends with its first process and cannot be pinned; only a pod that shares it gets a pause process.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import socket
import struct
from collections.abc import Sequence

from kube_lite.node.linux import capabilities, init, syscalls
from kube_lite.node.linux.plan import SandboxPlan

IDS = 65536
"""Ids of a user namespace (upstream's length); pods get ranges that begin at multiples of it."""

_FLAGS = {
    "net": syscalls.CLONE_NEWNET,
    "ipc": syscalls.CLONE_NEWIPC,
    "uts": syscalls.CLONE_NEWUTS,
    "user": syscalls.CLONE_NEWUSER,
}
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1

DEFAULT_SYSCTLS = {
    # containerd's defaults: without NET_RAW and root, `ping` and port 80 still work.
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": "0 2147483647",
}


def make_sandbox(plan: SandboxPlan) -> None:
    """Unshare, configure and pin; runs in a child of the zygote that then ends. :raises OSError: and nothing else"""
    kinds = [kind for kind in _FLAGS if kind in plan["namespaces"]]
    if plan["id_base"]:
        _make_below_user_namespace(plan, kinds)
    else:
        _configure(plan, kinds)
        _pin(plan, kinds, "self")
    options = "mode=1777,size=64m"
    syscalls.mount("shm", plan["shm"], "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC, options)


def _pin(plan: SandboxPlan, kinds: Sequence[str], process: int | str) -> None:
    for kind in kinds:
        pin = plan["namespaces"][kind]
        os.close(os.open(pin, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        syscalls.mount(f"/proc/{process}/ns/{kind}", pin, "", syscalls.MS_BIND)


def _make_below_user_namespace(plan: SandboxPlan, kinds: Sequence[str]) -> None:
    """Make a user namespace and, owned by it, the others: a child lives in them until we, who may, have pinned them."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            ours.close()
            syscalls.unshare(syscalls.CLONE_NEWUSER)
            theirs.send(b"map")
            theirs.recv(1)
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            _configure(plan, [kind for kind in kinds if kind != "user"])
            theirs.send(b"done")
            theirs.recv(1)
        except OSError as error:
            theirs.send(str(error).encode() or b"failed")
        finally:
            os._exit(0)
    theirs.close()
    try:
        _expect(ours, b"map")
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{child}/{name}", "w", encoding="ascii") as file:
                file.write(f"0 {plan['id_base']} {IDS}\n")
        ours.send(b"1")
        _expect(ours, b"done")
        _pin(plan, kinds, child)
    finally:
        ours.close()
        os.waitpid(child, 0)


def _expect(channel: socket.socket, wanted: bytes) -> None:
    heard = channel.recv(4096)
    if heard != wanted:
        raise OSError(errno.EPERM, f"user namespace: {heard.decode(errors='replace') or 'its first process ended'}")


def _configure(plan: SandboxPlan, kinds: Sequence[str]) -> None:
    """Unshare and set up; the caller is root where the namespaces belong to. :raises OSError:"""
    flags = 0
    for kind in kinds:
        flags |= _FLAGS[kind]
    syscalls.unshare(flags)
    if "uts" in kinds:
        syscalls.sethostname(plan["hostname"])
    if "net" in kinds:
        _loopback_up()
    for name, value in (DEFAULT_SYSCTLS if "net" in kinds else {}).items():
        with contextlib.suppress(OSError):  # a kernel without it
            _write_sysctl(name, value)
    for name, value in plan["sysctls"].items():
        _write_sysctl(name, value)


def run_pause(plan: SandboxPlan, status_fd: int) -> None:
    """The first process of a shared pid namespace: reaps orphans until it is killed. Does not return."""
    init.join_cgroups(plan["cgroup_version"], plan["cgroups"])
    for kind in _FLAGS:  # a user namespace last: with it the power to enter the others is given up
        if kind in plan["namespaces"]:
            fd = os.open(plan["namespaces"][kind], os.O_RDONLY | os.O_CLOEXEC)
            syscalls.setns(fd, _FLAGS[kind])
            os.close(fd)
    if plan["id_base"]:
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    syscalls.set_parent_death_signal(signal.SIGKILL)
    os.chdir("/")
    os.write(status_fd, b"{}")
    syscalls.close_range(0)
    capabilities.apply(0)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            signal.sigwait([signal.SIGCHLD])


def release(pin: str) -> None:
    """Unmount a pin, however often it is mounted, and remove its file; a missing one is fine."""
    while True:
        try:
            syscalls.umount(pin)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):
                break
            raise
    with contextlib.suppress(FileNotFoundError, IsADirectoryError):
        os.unlink(pin)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def _write_sysctl(name: str, value: str) -> None:
    """Set a sysctl of the namespaces this process is in. :raises OSError: unknown, or not a valid value"""
    path = "/proc/sys/" + name.replace(".", "/")
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    except OSError as error:
        raise OSError(error.errno, f"sysctl {name}={value}: {error.strerror}", path) from None
    finally:
        os.close(fd)
