"""cgroup v2 as the kernel has it. Machines with v1 skip these; ``make test-cgroup2`` runs them in a virtual machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from kube_lite.node.linux.cgroups import PAUSE, Cgroups
from kube_lite.node.runtime import Resources, Security
from tests.linux.fakes import PYTHON
from tests.linux.node import LIMIT, Node

TOP = Path("/sys/fs/cgroup")
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.root,
    pytest.mark.skipif(
        Cgroups.detect("kl").version != 2, reason="cgroup v1 here: make test-cgroup2 has its own kernel"
    ),
]

_HOG = "data = []\nwhile True: data.append(bytearray(1 << 20))"


def _group(node: Node, *parts: str) -> Path:
    return TOP.joinpath(node.cgroup_root, *parts)


def _read(directory: Path, *names: str) -> list[str]:
    return [(directory / name).read_text().strip() for name in names]


async def test_limits_are_in_the_kernel_at_every_level(node: Node) -> None:
    limits = Resources(cpu_shares=1024, cpu_quota=50_000, memory_limit=64 << 20, pids_limit=100)
    uid = await node.pod(resources=Resources(cpu_shares=512, memory_limit=128 << 20, pids_limit=None))
    state = await node.start(uid, ["sleep", "1000"], resources=limits)
    pod, container = _group(node, uid), _group(node, uid, "c.0")
    names = ("cpu.weight", "cpu.max", "memory.max", "memory.swap.max", "memory.oom.group", "pids.max")
    have_swap = (container / "memory.swap.max").exists()
    assert have_swap
    assert _read(container, *names) == ["100", "50000 100000", str(64 << 20), "0", "1", "100"]
    assert _read(pod, "cpu.weight", "memory.max", "pids.max") == ["59", str(128 << 20), "max"]
    for group in (TOP, _group(node), pod):
        assert {"cpu", "memory", "pids"} <= set(_read(group, "cgroup.subtree_control")[0].split())
    assert _read(pod, "cgroup.procs") == [""], "a group that hands controllers down holds no process"
    assert _read(container, "cgroup.procs") == [str(state.pid)]
    assert node.runtime.warnings == []
    await node.runtime.remove_pod(uid)
    assert not pod.exists()


async def test_limits_hold_beside_a_shared_pid_namespace(node: Node) -> None:
    uid = await node.pod(share_process_namespace=True, resources=Resources(memory_limit=64 << 20))
    await node.start(uid, [PYTHON, "-I", "-c", _HOG], resources=Resources(memory_limit=32 << 20))
    ended = await node.ended(uid)
    assert (ended.state.exit_code, ended.state.reason) == (137, "OOMKilled")
    assert len(_read(_group(node, uid, PAUSE), "cgroup.procs")[0].split()) == 1
    await node.start(
        uid, ["sh", "-c", "cat /sys/fs/cgroup/memory.max"], attempt=1, resources=Resources(memory_limit=1 << 25)
    )
    assert (await node.ended(uid)).output == f"{1 << 25}\n"
    assert node.runtime.warnings == []
    await node.runtime.remove_pod(uid)
    assert not _group(node, uid).exists()


async def test_the_limit_of_the_pod_is_told_of_the_container_it_killed(node: Node) -> None:
    ended = await node.python(_HOG, {"resources": Resources(memory_limit=64 << 20)})
    assert (ended.state.exit_code, ended.state.reason) == (137, "OOMKilled")


async def test_a_fork_bomb_ends_with_its_container(node: Node) -> None:
    script = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    uid = await node.pod()
    await node.start(uid, [PYTHON, "-I", "-c", script], resources=Resources(pids_limit=50))
    group = _group(node, uid, "c.0")
    with anyio.fail_after(LIMIT):
        while _read(group, "pids.events") == ["max 0"]:  # noqa: ASYNC110  # a file has no event
            await anyio.sleep(0.05)
    assert int(_read(group, "pids.current")[0]) <= 50
    await node.runtime.stop_container(uid, "c", 0)
    assert (await node.state(uid)).exit_code == 137
    await node.runtime.remove_pod(uid)
    assert not _group(node, uid).exists()


async def test_commands_run_within_the_limits_of_the_container(node: Node) -> None:
    uid = await node.pod()
    await node.start(uid, ["sleep", "1000"], resources=Resources(pids_limit=77))
    result = await node.runtime.exec(uid, "c", ["sh", "-c", "cat /proc/self/cgroup /sys/fs/cgroup/pids.max"], LIMIT)
    assert result.stdout == b"0::/\n77\n"
    await node.runtime.remove_pod(uid)


async def test_a_privileged_container_may_divide_its_own_group(node: Node) -> None:
    script = (
        "mkdir /sys/fs/cgroup/below && echo 0 > /sys/fs/cgroup/below/cgroup.procs"
        " && echo +pids > /sys/fs/cgroup/cgroup.subtree_control && cat /proc/self/cgroup; sleep 1000"
    )
    uid = await node.pod()
    await node.start(uid, ["sh", "-c", script], security=Security(privileged=True))
    await node.logged(uid, "0::/below")
    result = await node.runtime.exec(uid, "c", ["cat", "/proc/self/cgroup"], LIMIT)
    assert (result.exit_code, result.stdout) == (0, b"0::/below\n"), result.stderr
    await node.runtime.remove_pod(uid)
    assert not _group(node, uid).exists()


_OCCUPIED = """
import os, subprocess, sys
from kube_lite.node.linux import syscalls
from kube_lite.node.linux.cgroups import Cgroups
from kube_lite.node.runtime import Resources
outer, view = sys.argv[1:]
os.mkdir(outer)
with open(outer + "/cgroup.procs", "w") as file:
    file.write("0")
syscalls.unshare(syscalls.CLONE_NEWCGROUP | syscalls.CLONE_NEWNS)
syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
syscalls.mount("cgroup2", view, "cgroup2", 0)
mountinfo = "".join(line for line in open("/proc/self/mountinfo") if view in line)
found = Cgroups.detect("node", mountinfo)
found.create("pod/c.0", Resources(memory_limit=1 << 26), devices=False)
print(found.version, found.warnings, open(view + "/node/pod/c.0/memory.max").read().strip())
found.remove("")
print(sorted(name for name in os.listdir(view) if os.path.isdir(view + "/" + name)))
"""


def test_a_node_inside_a_container_makes_room_at_the_top_of_its_namespace(tmp_path: Path) -> None:
    outer = TOP / f"kl-occupied-{os.getpid()}"
    (TOP / "cgroup.subtree_control").write_text("+cpu +memory +pids")
    (tmp_path / "view").mkdir()
    command = [sys.executable, "-c", _OCCUPIED, str(outer), str(tmp_path / "view")]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    finally:
        for directory, _, _ in sorted(os.walk(outer), reverse=True):
            os.rmdir(directory)
    assert done.stdout == f"2 [] {1 << 26}\n['node.init']\n", done.stderr
