"""Linux capabilities: names, the default set of a container, and how a process is reduced to a set.

The default is Docker's without NET_RAW (spoofing on the pod network) and MKNOD (device nodes). Sets are bit
masks as in ``/proc/PID/status``.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_lite.node.linux import syscalls

_TEXT = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT "
    "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL "
    "SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
NAMES = tuple(_TEXT.split())
"""In the order of their numbers (``linux/capability.h``)."""

NUMBERS = {name: number for number, name in enumerate(NAMES)}
ALL = (1 << len(NAMES)) - 1


def bit(name: str) -> int:
    """The mask of one capability, named with or without ``CAP_``. :raises ValueError: no such capability"""
    short = name.upper().removeprefix("CAP_")
    if short not in NUMBERS:
        raise ValueError(f'unknown capability "{name}"')
    return 1 << NUMBERS[short]


def mask(names: Iterable[str]) -> int:
    """The union of the named capabilities; ``ALL`` names every one."""
    total = 0
    for name in names:
        total |= ALL if name.upper() in ("ALL", "CAP_ALL") else bit(name)
    return total


_DEFAULT_TEXT = "CHOWN DAC_OVERRIDE FSETID FOWNER SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL"
DEFAULT = mask((*_DEFAULT_TEXT.split(), "AUDIT_WRITE"))


def effective(add: Iterable[str], drop: Iterable[str], *, privileged: bool = False) -> int:
    """The set of a container.

    As upstream: ``ALL`` on either side changes the base the other side works on, and a capability named on both
    sides is kept (``drop: [ALL], add: [NET_BIND_SERVICE]`` leaves one).
    """
    if privileged:
        return ALL
    added, dropped = list(add), list(drop)
    adds_all = any(name.upper() in ("ALL", "CAP_ALL") for name in added)
    base = ALL if adds_all else DEFAULT
    kept = 0 if adds_all else mask(added)
    return (base & ~mask(dropped)) | kept


def limit_bounding(permitted: int) -> None:
    """Drop everything else from the bounding set, so that no exec brings it back."""
    for number in range(64):
        if not permitted >> number & 1 and syscalls.bounding_has(number):
            syscalls.drop_bounding(number)


def available(permitted: int) -> int:
    """The part of a set that this process may still have: its bounding set."""
    return sum(1 << number for number in range(64) if permitted >> number & 1 and syscalls.bounding_has(number))


def apply(permitted: int) -> None:
    """Make ``permitted`` (as far as it is available) the permitted and effective set; nothing is inherited."""
    syscalls.clear_ambient()
    syscalls.capset(permitted)
