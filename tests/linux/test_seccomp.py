"""The filter program, run by an interpreter of the few instructions it uses."""

from __future__ import annotations

import errno
import struct

import pytest

from kube_lite.node.linux import capabilities, seccomp

_ALLOW = 0x7FFF0000
_EPERM = 0x00050000 | errno.EPERM
_ENOSYS = 0x00050000 | errno.ENOSYS
_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def run(machine: str, number: int, *arguments: int, granted: int = capabilities.DEFAULT, arch: int = 0) -> int:
    """The filter's verdict on one call."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, arch or _ARCH[machine], 0, *padded)
    code = list(struct.iter_unpack("<HBBI", seccomp.program(granted, machine)))
    at, value = 0, 0
    while True:
        operation, true, false, operand = code[at]
        at += 1
        if operation == 0x20:
            (value,) = struct.unpack_from("<I", data, operand)
        elif operation == 0x06:
            return int(operand)
        else:
            holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[operation]
            at += true if holds else false


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_refused_call_is_refused_and_its_neighbours_are_not(machine: str) -> None:
    column = 1 if machine == "x86_64" else 2
    refused = {row[column] for row in seccomp.REFUSED} - {None}
    checked = {numbers[column - 1] for numbers in seccomp._CHECKED.values()}
    for number in range(457):
        if number in refused:
            assert run(machine, number) == _EPERM, number
        elif number not in checked:
            assert run(machine, number) == _ALLOW, number
    assert run(machine, 457) == _ENOSYS


def test_foreign_architectures_and_x32_are_closed() -> None:
    assert run("x86_64", 3, arch=0x40000003) == _EPERM
    assert run("x86_64", 0x40000000 | 39) == _ENOSYS
    assert run("aarch64", 63, arch=0xC000003E) == _EPERM


@pytest.mark.parametrize(("machine", "clone"), [("x86_64", 56), ("aarch64", 220)])
def test_clone_makes_threads_and_processes_but_no_namespaces(machine: str, clone: int) -> None:
    assert run(machine, clone, 0x3D0F00) == _ALLOW
    assert run(machine, clone, 17) == _ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert run(machine, clone, flag | 17) == _EPERM
    assert run(machine, 435) == _ENOSYS


def test_arguments_decide() -> None:
    assert [run("x86_64", 135, value) for value in (0, 0x20008, 0xFFFFFFFF)] == [_ALLOW] * 3
    assert run("x86_64", 135, 0x40000) == _EPERM
    assert run("x86_64", 41, 2) == _ALLOW
    assert [run("x86_64", 41, family) for family in (38, 40)] == [_EPERM] * 2
    assert run("x86_64", 16, 0, 0x5401) == _ALLOW
    assert [run("x86_64", 16, 0, request) for request in (0x5412, 0x541C)] == [_EPERM] * 2


def test_capability_lifts_what_it_stands_for() -> None:
    admin = capabilities.DEFAULT | capabilities.bit("SYS_ADMIN")
    assert run("x86_64", 165, granted=admin) == _ALLOW
    assert run("x86_64", 56, 0x10000000, granted=admin) == _ALLOW
    assert run("x86_64", 435, granted=admin) == _ALLOW
    assert run("x86_64", 250, granted=admin) == _EPERM


def test_filter_is_short() -> None:
    assert len(seccomp.program(capabilities.DEFAULT, "x86_64")) // 8 < 200
