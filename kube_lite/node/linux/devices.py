"""Which devices a container may use, as one table: written to a v1 group, or compiled to a program for a v2 group.

cgroup v1 has a devices controller with a list of rules. v2 has none: a BPF program of the type
``BPF_PROG_TYPE_CGROUP_DEVICE`` attached to the group decides each access (``linux/bpf.h``, ``struct
bpf_cgroup_dev_ctx``), and is freed with the group. Without either, a container that was given CAP_MKNOD could open
the host's disks.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from kube_lite.node.linux import syscalls

_BLOCK, _CHARACTER = 1, 2
_MKNOD, _READ, _WRITE = 1, 2, 4

_LDX_WORD, _MOV_REG, _AND, _SHIFT_RIGHT = 0x61, 0xBC, 0x54, 0x74
_JUMP_NOT_EQUAL, _MOV, _EXIT = 0x55, 0xB7, 0x95


@dataclass(frozen=True, slots=True)
class Rule:
    """What is allowed: ``b`` or ``c``, numbers (None for all), and any of ``rwm`` (m is mknod)."""

    kind: str
    major: int | None
    minor: int | None
    access: str

    def __str__(self) -> str:
        numbers = ":".join("*" if number is None else str(number) for number in (self.major, self.minor))
        return f"{self.kind} {numbers} {self.access}"


ALLOWED = (
    # What Docker allows; `m` on all, since CAP_MKNOD is what forbids making nodes.
    Rule("c", None, None, "m"),
    Rule("b", None, None, "m"),
    Rule("c", 1, 3, "rwm"),
    Rule("c", 1, 5, "rwm"),
    Rule("c", 1, 7, "rwm"),
    Rule("c", 1, 8, "rwm"),
    Rule("c", 1, 9, "rwm"),
    Rule("c", 5, 0, "rwm"),
    Rule("c", 5, 1, "rwm"),
    Rule("c", 5, 2, "rwm"),
    Rule("c", 136, None, "rwm"),
)


def _instruction(code: int, destination: int, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("<BBhi", code, source << 4 | destination, offset, value)


def program(rules: tuple[Rule, ...] = ALLOWED) -> bytes:
    """The BPF program that returns 1 for what a rule allows, and 0 for the rest.

    Registers: 1 the context, 2 the type, 3 the access, 4 and 5 major and minor.
    """
    parts = [
        _instruction(_LDX_WORD, 2, 1, 0),
        _instruction(_MOV_REG, 3, 2),
        _instruction(_AND, 2, value=0xFFFF),
        _instruction(_SHIFT_RIGHT, 3, value=16),
        _instruction(_LDX_WORD, 4, 1, 4),
        _instruction(_LDX_WORD, 5, 1, 8),
    ]
    for rule in rules:
        allowed = sum(bit for letter, bit in (("m", _MKNOD), ("r", _READ), ("w", _WRITE)) if letter in rule.access)
        wanted = [(2, _BLOCK if rule.kind == "b" else _CHARACTER)]
        wanted += [(4, rule.major)] if rule.major is not None else []
        wanted += [(5, rule.minor)] if rule.minor is not None else []
        body = [_instruction(_MOV_REG, 0, 3), _instruction(_AND, 0, value=~allowed & 7)]
        wanted.append((0, 0))
        checks = []
        for number, (register, value) in enumerate(wanted):
            # Over the checks that follow, the two of the access before the last one, and the two that allow.
            over = len(wanted) - number - 1 + (2 if number < len(wanted) - 1 else 0) + 2
            checks.append(_instruction(_JUMP_NOT_EQUAL, register, offset=over, value=value))
        parts += [*checks[:-1], *body, checks[-1], _instruction(_MOV, 0, value=1), _instruction(_EXIT, 0)]
    return b"".join([*parts, _instruction(_MOV, 0, value=0), _instruction(_EXIT, 0)])


def restrict(directory: str) -> None:
    """Allow the processes of a v2 group the devices of :data:`ALLOWED` only. :raises OSError: the kernel refuses"""
    group = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syscalls.attach_device_program(group, program())
    finally:
        os.close(group)
