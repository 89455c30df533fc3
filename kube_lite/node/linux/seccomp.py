"""The default system call filter, as a classic BPF program built here.

Like Docker's default profile it refuses what a container has no business with: loading code into the kernel,
mounting, namespaces, keyrings, tracing of the machine, clocks, NUMA placement, handles that bypass paths. A call
may be refused unless the container was given the capability that the kernel asks for it. Refusals are EPERM;
``clone3``, whose flags a filter cannot see, and calls newer than this table are ENOSYS so that programs fall back.

The filter is a binary search over ranges of call numbers: some 8 comparisons a call. Every other architecture's
entry (32-bit ``int 0x80``, x32) is closed, since its numbers would go round the table.
"""

from __future__ import annotations

import errno
import functools
import struct

from kube_lite.node.linux import capabilities, syscalls

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL = 0x15
_JUMP_GREATER_EQUAL = 0x35
_JUMP_ANY_BIT = 0x45
_RETURN = 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARG0, _AT_ARG1 = 0, 4, 16, 24  # struct seccomp_data, low words

_NEWEST = 456
"""Calls above are ENOSYS (``futex_requeue`` of Linux 6.7 is the last one known here)."""

_NAMESPACE_FLAGS = 0x7E020000
"""All ``CLONE_NEW*`` that ``clone`` takes."""

_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
"""Linux, LINUX32, UNAME26, both, and the query."""

_ADMIN = ("SYS_ADMIN",)

REFUSED: tuple[tuple[str, int | None, int | None, tuple[str, ...]], ...] = (
    ("acct", 163, 89, ("SYS_PACCT",)),
    ("add_key", 248, 217, ()),
    ("bpf", 321, 280, ("SYS_ADMIN", "BPF")),
    ("clock_settime", 227, 112, ("SYS_TIME",)),
    ("create_module", 174, None, ()),
    ("delete_module", 176, 106, ("SYS_MODULE",)),
    ("epoll_ctl_old", 214, None, ()),
    ("epoll_wait_old", 215, None, ()),
    ("fanotify_init", 300, 262, _ADMIN),
    ("finit_module", 313, 273, ("SYS_MODULE",)),
    ("fsconfig", 431, 431, _ADMIN),
    ("fsmount", 432, 432, _ADMIN),
    ("fsopen", 430, 430, _ADMIN),
    ("fspick", 433, 433, _ADMIN),
    ("get_kernel_syms", 177, None, ()),
    ("get_mempolicy", 239, 236, ("SYS_NICE",)),
    ("init_module", 175, 105, ("SYS_MODULE",)),
    ("io_uring_enter", 426, 426, ()),
    ("io_uring_register", 427, 427, ()),
    ("io_uring_setup", 425, 425, ()),
    ("ioperm", 173, None, ("SYS_RAWIO",)),
    ("iopl", 172, None, ("SYS_RAWIO",)),
    ("kcmp", 312, 272, ("SYS_PTRACE",)),
    ("kexec_file_load", 320, 294, ("SYS_BOOT",)),
    ("kexec_load", 246, 104, ("SYS_BOOT",)),
    ("keyctl", 250, 219, ()),
    ("lookup_dcookie", 212, 18, _ADMIN),
    ("mbind", 237, 235, ("SYS_NICE",)),
    ("migrate_pages", 256, 238, ("SYS_NICE",)),
    ("mount", 165, 40, _ADMIN),
    ("mount_setattr", 442, 442, _ADMIN),
    ("move_mount", 429, 429, _ADMIN),
    ("move_pages", 279, 239, ("SYS_NICE",)),
    ("nfsservctl", 180, 42, ()),
    ("open_by_handle_at", 304, 265, ("DAC_READ_SEARCH",)),
    ("open_tree", 428, 428, _ADMIN),
    ("perf_event_open", 298, 241, ("SYS_ADMIN", "PERFMON")),
    ("pidfd_getfd", 438, 438, ("SYS_PTRACE",)),
    ("pivot_root", 155, 41, _ADMIN),
    ("process_madvise", 440, 440, ("SYS_PTRACE",)),
    ("query_module", 178, None, ()),
    ("quotactl", 179, 60, _ADMIN),
    ("quotactl_fd", 443, 443, _ADMIN),
    ("reboot", 169, 142, ("SYS_BOOT",)),
    ("request_key", 249, 218, ()),
    ("set_mempolicy", 238, 237, ("SYS_NICE",)),
    ("set_mempolicy_home_node", 450, 450, ("SYS_NICE",)),
    ("setdomainname", 171, 162, _ADMIN),
    ("sethostname", 170, 161, _ADMIN),
    ("setns", 308, 268, _ADMIN),
    ("settimeofday", 164, 170, ("SYS_TIME",)),
    ("swapoff", 168, 225, ()),
    ("swapon", 167, 224, ()),
    ("_sysctl", 156, None, ()),
    ("sysfs", 139, None, ()),
    ("syslog", 103, 116, ("SYS_ADMIN", "SYSLOG")),
    ("umount2", 166, 39, _ADMIN),
    ("unshare", 272, 97, _ADMIN),
    ("uselib", 134, None, ()),
    ("userfaultfd", 323, 282, ()),
    ("ustat", 136, None, ()),
    ("vhangup", 153, 58, ("SYS_TTY_CONFIG",)),
    ("vserver", 236, None, ()),
)
"""Name, number on x86_64, number on aarch64, capabilities of which any lifts the refusal."""

_CHECKED = {
    "clone": (56, 220),
    "clone3": (435, 435),
    "ioctl": (16, 29),
    "personality": (135, 92),
    "socket": (41, 198),
}
_SOCKET_FAMILIES = (38, 40)  # AF_ALG, AF_VSOCK
_TERMINAL_INJECTIONS = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX

_Code = tuple[tuple[int, int, int, int], ...]


def _ret(action: int) -> _Code:
    return ((_RETURN, 0, 0, action),)


_PERMIT = _ret(_ALLOW)
_REFUSE = _ret(_ERRNO | errno.EPERM)
_ABSENT = _ret(_ERRNO | errno.ENOSYS)


def _arg_in(offset: int, values: tuple[int, ...], then: _Code, otherwise: _Code) -> _Code:
    """Compare an argument's low word with values; ``then`` and ``otherwise`` are single returns."""
    code: list[tuple[int, int, int, int]] = [(_LOAD, 0, 0, offset)]
    for index, value in enumerate(values):
        code.append((_JUMP_EQUAL, len(values) - index, 0, value))
    return (*code, *otherwise, *then)


def _ranges(machine: str, granted: int) -> list[tuple[int, _Code]]:
    """Where each stretch of call numbers with one outcome begins, in order."""
    column = 0 if machine == "x86_64" else 1
    outcome: dict[int, _Code] = {}
    for _, *numbers, lifting in REFUSED:
        number = numbers[column]
        if number is not None and not (isinstance(lifting, tuple) and granted & capabilities.mask(lifting)):
            assert isinstance(number, int)
            outcome[number] = _REFUSE
    at = {name: numbers[column] for name, numbers in _CHECKED.items()}
    if not granted & capabilities.bit("SYS_ADMIN"):
        outcome[at["clone"]] = (
            (_LOAD, 0, 0, _AT_ARG0),
            (_JUMP_ANY_BIT, 1, 0, _NAMESPACE_FLAGS),
            *_PERMIT,
            *_REFUSE,
        )
        outcome[at["clone3"]] = _ABSENT
    outcome[at["ioctl"]] = _arg_in(_AT_ARG1, _TERMINAL_INJECTIONS, _REFUSE, _PERMIT)
    outcome[at["personality"]] = _arg_in(_AT_ARG0, _PERSONALITIES, _PERMIT, _REFUSE)
    outcome[at["socket"]] = _arg_in(_AT_ARG0, _SOCKET_FAMILIES, _REFUSE, _PERMIT)
    starts: list[tuple[int, _Code]] = [(0, _PERMIT)]
    for number in range(_NEWEST + 1):
        code = outcome.get(number, _PERMIT)
        if code != starts[-1][1]:
            starts.append((number, code))
    starts.append((_NEWEST + 1, _ABSENT))
    return starts


def _search(ranges: list[tuple[int, _Code]]) -> _Code:
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    low, high = _search(ranges[:middle]), _search(ranges[middle:])
    assert len(low) < 256, "a BPF jump spans at most 255 instructions"
    return ((_JUMP_GREATER_EQUAL, len(low), 0, ranges[middle][0]), *low, *high)


@functools.cache
def program(granted: int, machine: str = syscalls.MACHINE) -> bytes:
    """The filter for a container with the capability set ``granted``, as packed ``struct sock_filter``.

    :raises KeyError: no table for this machine
    """
    code: _Code = (
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        *_REFUSE,
        (_LOAD, 0, 0, _AT_NUMBER),
        *_search(_ranges(machine, granted)),
    )
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)
