"""The kernel calls that Python 3.11 does not offer, through ctypes; the only owner of ctypes here.

Each function is one call of the same name, raises :class:`OSError` with the kernel's errno, and takes file
descriptors where the kernel lets it, because descriptors cannot be swapped under us as paths can. Needs
Linux 5.12 (``mount_setattr``). Numbers are those of ``asm/unistd.h`` for x86_64 and aarch64.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal as signals
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC_HOLDING_GIL = ctypes.PyDLL(None, use_errno=True)
"""For ``clone3``: the child must wake up with the interpreter lock in its hands."""

MACHINE = os.uname().machine
_X86 = MACHINE == "x86_64"
_NR_PIVOT_ROOT = 155 if _X86 else 41
_NR_CAPSET = 126 if _X86 else 91
_NR_KEYCTL = 250 if _X86 else 219
_NR_BPF = 321 if _X86 else 280
_NR_SECCOMP = 317 if _X86 else 277
_NR_OPEN_TREE = 428
_NR_MOVE_MOUNT = 429
_NR_FSOPEN = 430
_NR_FSCONFIG = 431
_NR_FSMOUNT = 432
_NR_CLONE3 = 435
_NR_CLOSE_RANGE = 436
_NR_RT_SIGPROCMASK = 14 if _X86 else 135
_NR_RT_SIGACTION = 13 if _X86 else 134
_SIG_SETMASK = 2
_SIGNALS = 64
_SIGNAL_SET_BYTES = 8
_NR_OPENAT2 = 437
_NR_MOUNT_SETATTR = 442

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
_CLONE_PIDFD = 0x00001000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
_MNT_DETACH = 2

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
_MOUNT_ATTR_IDMAP = 0x00100000

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_IN_ROOT = 0x10

_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 0x4
_MOVE_MOUNT_T_EMPTY_PATH = 0x40
_FSCONFIG_SET_FLAG = 0
_FSCONFIG_SET_STRING = 1
_FSCONFIG_CMD_CREATE = 6

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4

_BPF_PROG_LOAD = 5
_BPF_PROG_ATTACH = 8
_BPF_PROG_TYPE_CGROUP_DEVICE = 15
_BPF_CGROUP_DEVICE = 6
_BPF_F_ALLOW_MULTI = 2
_BPF_ATTRIBUTES = 128

_SECCOMP_SET_MODE_FILTER = 1
_KEYCTL_JOIN_SESSION_KEYRING = 1
_CAPABILITY_VERSION_3 = 0x20080522


def _checked(result: int, what: str, path: str | None = None) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}", path)
    return result


def _syscall(what: str, number: int, *arguments: object) -> int:
    longs = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result: int = _LIBC.syscall(ctypes.c_long(number), *longs)
    return _checked(result, what)


def clone(flags: int) -> tuple[int, int]:
    """Fork the calling thread with ``CLONE_*`` flags.

    :returns: (pid, pidfd) in the parent, (0, -1) in the child
    """
    pidfd = ctypes.c_int(-1)
    sigchld = 17
    fields = (flags | _CLONE_PIDFD, ctypes.addressof(pidfd), 0, 0, sigchld, 0, 0, 0, 0, 0, 0)
    arguments = ctypes.create_string_buffer(struct.pack("11Q", *fields))
    result = _LIBC_HOLDING_GIL.syscall(ctypes.c_long(_NR_CLONE3), arguments, ctypes.c_long(88))
    return _checked(result, "clone3"), pidfd.value


def unshare(flags: int) -> None:
    """Leave the namespaces named by ``flags`` for new ones."""
    _checked(_LIBC.unshare(flags), "unshare")


def setns(fd: int, kinds: int = 0) -> None:
    """Enter the namespace ``fd`` (or, of the process behind a pidfd, those of ``kinds``)."""
    _checked(_LIBC.setns(fd, kinds), "setns")


def sethostname(name: str) -> None:
    """Set the UTS namespace's host name."""
    raw = name.encode()
    _checked(_LIBC.sethostname(raw, len(raw)), "sethostname")


def mount(source: str, target: str, fstype: str, flags: int, data: str = "") -> None:
    """The classic ``mount(2)``."""
    result = _LIBC.mount(
        source.encode(), os.fsencode(target), fstype.encode() or None, ctypes.c_ulong(flags), data.encode() or None
    )
    _checked(result, f"mount {fstype or source}", target)


def umount(target: str) -> None:
    """Unmount: detached at once, and freed when unused."""
    _checked(_LIBC.umount2(os.fsencode(target), _MNT_DETACH), "umount", target)


def pivot_root_here() -> None:
    """Make the current directory the root and drop the old one (``pivot_root(".", ".")``, see its manual)."""
    _syscall("pivot_root", _NR_PIVOT_ROOT, b".", b".")
    umount(".")
    os.chdir("/")


def open_tree(path: str, *, recursive: bool = False) -> int:
    """A descriptor for a detached copy of the mount at ``path``, or of all that is mounted below it too."""
    flags = _OPEN_TREE_CLOEXEC | _OPEN_TREE_CLONE | (_AT_RECURSIVE if recursive else 0)
    try:
        return _syscall("open_tree", _NR_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags)
    except OSError as error:
        error.filename = path
        raise


def move_mount(mount_fd: int, target_fd: int) -> None:
    """Attach a detached mount on the file or directory open as ``target_fd``."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    _syscall("move_mount", _NR_MOVE_MOUNT, mount_fd, b"", target_fd, b"", flags)


def mount_setattr(
    mount_fd: int,
    *,
    set_flags: int = 0,
    propagation: int = 0,
    recursive: bool = False,
    user_namespace: int = -1,
) -> None:
    """Set ``MOUNT_ATTR_*`` flags and propagation (``MS_PRIVATE``...) of an open mount.

    :param user_namespace: show owners as this user namespace maps them (an idmapped mount); EINVAL where the file
        system cannot
    """
    if user_namespace >= 0:
        set_flags |= _MOUNT_ATTR_IDMAP
    attributes = ctypes.create_string_buffer(struct.pack("4Q", set_flags, 0, propagation, max(user_namespace, 0)))
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    _syscall("mount_setattr", _NR_MOUNT_SETATTR, mount_fd, b"", flags, attributes, 32)


def new_filesystem(fstype: str, options: list[tuple[str, str | None]], attributes: int = 0) -> int:
    """A detached mount of a new ``fstype`` file system; an option without a value is a flag.

    Options go one by one, so that a long list of layers is not cut at a page as ``mount(2)`` does.
    """
    context = _syscall("fsopen " + fstype, _NR_FSOPEN, fstype.encode(), 1)
    try:
        for key, value in [("source", fstype), *options]:
            command = _FSCONFIG_SET_FLAG if value is None else _FSCONFIG_SET_STRING
            raw = None if value is None else os.fsencode(value)
            _syscall(f"fsconfig {fstype} {key}", _NR_FSCONFIG, context, command, key.encode(), raw, 0)
        _syscall(f"fsconfig {fstype}", _NR_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        return _syscall("fsmount " + fstype, _NR_FSMOUNT, context, 1, attributes)
    finally:
        os.close(context)


def openat2(dir_fd: int, path: str | bytes, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """``openat2(2)``: an open whose symbolic links cannot leave ``dir_fd`` when ``resolve`` says so."""
    how = ctypes.create_string_buffer(struct.pack("3Q", flags | os.O_CLOEXEC, mode, resolve))
    while True:
        try:
            return _syscall("openat2", _NR_OPENAT2, dir_fd, os.fsencode(path), how, 24)
        except OSError as error:
            if error.errno == errno.EAGAIN:  # a rename raced with the walk; the kernel asks to try again
                continue
            raise OSError(error.errno, os.strerror(error.errno or 0), path) from None


def syncfs(fd: int) -> None:
    """Write everything of the file system that holds ``fd`` to disk."""
    _checked(_LIBC.syncfs(fd), "syncfs")


def close_range(first: int, last: int = 0x7FFFFFFF) -> None:
    """Close all descriptors from ``first`` to ``last``."""
    if first <= last:
        _syscall("close_range", _NR_CLOSE_RANGE, first, last, 0)


def reset_signals() -> None:
    """Default handling and no mask for every signal, with the two that glibc keeps for itself (32 and 33).

    Its own functions leave these two alone, but GNU make passes them on ignored, and an ignored signal survives exec.
    """
    default = (ctypes.c_uint64 * 4)()  # struct kernel_sigaction: handler SIG_DFL, no flags, no restorer, no mask
    for number in range(1, _SIGNALS + 1):
        if number not in (signals.SIGKILL, signals.SIGSTOP):
            _syscall("rt_sigaction", _NR_RT_SIGACTION, number, ctypes.addressof(default), 0, _SIGNAL_SET_BYTES)
    mask = ctypes.c_uint64(0)
    _syscall("rt_sigprocmask", _NR_RT_SIGPROCMASK, _SIG_SETMASK, ctypes.addressof(mask), 0, _SIGNAL_SET_BYTES)


def set_parent_death_signal(signal: int) -> None:
    """Have the kernel send ``signal`` to this process when its parent ends."""
    _checked(_LIBC.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal), 0, 0, 0), "prctl PDEATHSIG")


def set_dumpable(dumpable: bool) -> None:
    """Whether others may look into this process's memory, root and descriptors (ptrace access)."""
    _checked(_LIBC.prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(int(dumpable)), 0, 0, 0), "prctl DUMPABLE")


def set_no_new_privileges() -> None:
    """From now on no exec gains privileges (setuid bits and file capabilities are ignored)."""
    _checked(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0), "prctl NO_NEW_PRIVS")


def bounding_has(capability: int) -> bool:
    """Whether the capability is in the bounding set; False too when the kernel does not know it."""
    return bool(_LIBC.prctl(_PR_CAPBSET_READ, ctypes.c_ulong(capability), 0, 0, 0) == 1)


def drop_bounding(capability: int) -> None:
    """Remove one capability from the bounding set."""
    _checked(_LIBC.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0), "prctl CAPBSET_DROP")


def clear_ambient() -> None:
    """Empty the ambient capability set."""
    result = _LIBC.prctl(_PR_CAP_AMBIENT, ctypes.c_ulong(_PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    _checked(result, "prctl CAP_AMBIENT")


def capset(permitted: int) -> None:
    """Set permitted and effective to the bit mask ``permitted``, and the inheritable set to nothing."""
    header = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION_3, 0))
    low, high = permitted & 0xFFFFFFFF, permitted >> 32
    data = ctypes.create_string_buffer(struct.pack("6I", low, low, 0, high, high, 0))
    _syscall("capset", _NR_CAPSET, header, data)


def load_seccomp(program: bytes) -> None:
    """Install a classic BPF program (packed ``struct sock_filter``) as this process's seccomp filter."""
    code = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code)))
    _syscall("seccomp", _NR_SECCOMP, _SECCOMP_SET_MODE_FILTER, 0, header)


def new_session_keyring() -> None:
    """Leave the session keyring inherited from the host for an empty one; nothing happens without keyrings."""
    try:
        _syscall("keyctl", _NR_KEYCTL, _KEYCTL_JOIN_SESSION_KEYRING, None)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM, errno.EDQUOT):
            raise


def attach_device_program(cgroup_fd: int, program: bytes) -> None:
    """Let a BPF program decide which devices the processes of a cgroup (v2) may use."""
    code, license_text = ctypes.create_string_buffer(program), ctypes.create_string_buffer(b"Apache-2.0")
    load = struct.pack(
        "<IIQQ",
        _BPF_PROG_TYPE_CGROUP_DEVICE,
        len(program) // 8,
        ctypes.addressof(code),
        ctypes.addressof(license_text),
    )
    attributes = ctypes.create_string_buffer(load, _BPF_ATTRIBUTES)
    fd = _syscall("bpf", _NR_BPF, _BPF_PROG_LOAD, attributes, _BPF_ATTRIBUTES)
    try:
        attach = struct.pack("<IIII", cgroup_fd, fd, _BPF_CGROUP_DEVICE, _BPF_F_ALLOW_MULTI)
        attributes = ctypes.create_string_buffer(attach, _BPF_ATTRIBUTES)
        _syscall("bpf", _NR_BPF, _BPF_PROG_ATTACH, attributes, _BPF_ATTRIBUTES)
    finally:
        os.close(fd)
