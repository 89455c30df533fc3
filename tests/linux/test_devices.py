"""Devices of a container: the table, and that the kernel holds it on either cgroup version."""

from __future__ import annotations

import pytest

from kube_lite.node.linux.devices import ALLOWED, Rule, program
from kube_lite.node.runtime import Security
from tests.linux.node import Node

_OPEN = """
import os, stat
for name, major, minor in (("kmsg", 1, 11), ("null", 1, 3), ("disk", 254, 0)):
    kind = stat.S_IFBLK if name == "disk" else stat.S_IFCHR
    os.mknod("/tmp/" + name, kind | 0o600, os.makedev(major, minor))
    try:
        os.close(os.open("/tmp/" + name, os.O_RDONLY))
        print(name, "opened")
    except PermissionError:
        print(name, "refused")
"""


def test_rules_are_written_as_a_v1_group_takes_them() -> None:
    assert [str(rule) for rule in (*ALLOWED[:3], ALLOWED[-1])] == ["c *:* m", "b *:* m", "c 1:3 rwm", "c 136:* rwm"]


def test_program_is_whole_instructions_and_ends_in_a_refusal() -> None:
    code = program((Rule("c", 1, 3, "rw"),))
    # six to load, type, major and minor, access in three, allow and exit, refuse and exit
    assert len(code) == (6 + 3 + 3 + 2 + 2) * 8
    assert code[-16:] == bytes.fromhex("b7000000000000009500000000000000")


@pytest.mark.anyio
@pytest.mark.root
async def test_nodes_of_forbidden_devices_cannot_be_opened_even_by_who_may_make_them(node: Node) -> None:
    ended = await node.python(_OPEN, security=Security(capabilities_add=["MKNOD"]))
    assert ended.output == "kmsg refused\nnull opened\ndisk refused\n"
    assert node.runtime.warnings == []
