"""Limits as the kernel enforces them."""

from __future__ import annotations

import pytest

from kube_lite.node.linux.cgroups import Cgroups
from kube_lite.node.runtime import Resources, RuntimeFailure
from tests.linux.fakes import PYTHON
from tests.linux.node import Node

pytestmark = [pytest.mark.anyio, pytest.mark.root]

V2 = Cgroups.detect("kl").version == 2

_BUSY = """
import time
wall, cpu = time.monotonic(), time.process_time()
while time.monotonic() - wall < 1.0:
    pass
print((time.process_time() - cpu) / (time.monotonic() - wall))
"""
_HOG = "data = []\nwhile True: data.append(bytearray(1 << 20))"


async def test_cpu_quota_holds(node: Node) -> None:
    ended = await node.python(_BUSY, resources=Resources(cpu_quota=30_000))
    assert 0.05 < float(ended.output) < 0.45


async def test_memory_limit_kills_the_hog(node: Node) -> None:
    ended = await node.python(_HOG, resources=Resources(memory_limit=64 << 20))
    assert (ended.state.exit_code, ended.state.signal, ended.state.reason) == (137, 9, "OOMKilled")


async def test_killed_child_is_told(node: Node) -> None:
    """v2 kills the container as a whole (upstream's ``singleProcessOOMKill: false``), v1 only who asked for more."""
    script = f'"{PYTHON}" -I -c "{_HOG}"; echo survived'
    ended = await node.sh(script, resources=Resources(memory_limit=64 << 20))
    assert ended.state.reason == "OOMKilled"
    assert (ended.output.endswith("survived\n"), ended.state.exit_code) == ((False, 137) if V2 else (True, 0))


async def test_pids_limit_stops_a_fork_bomb(node: Node) -> None:
    script = """
import os
count = 0
try:
    while True:
        if os.fork() == 0:
            os.pause() if hasattr(os, "pause") else __import__("signal").pause()
        count += 1
except BlockingIOError:
    print(count)
"""
    ended = await node.python(script, resources=Resources(pids_limit=20))
    assert ended.output == "19\n"


async def test_pod_wide_limit_holds_over_its_containers(node: Node) -> None:
    ended = await node.python(_HOG, {"resources": Resources(memory_limit=64 << 20)})
    assert ended.state.exit_code == 137


async def test_container_reads_its_limits_from_its_cgroup(node: Node) -> None:
    script = (
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us"
        " /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max"
    )
    ended = await node.sh(script + " 2>/dev/null", resources=Resources(memory_limit=64 << 20, cpu_quota=50_000))
    assert ended.output.split()[:2] == [str(64 << 20), "50000"]


async def test_stats_count_what_runs(node: Node) -> None:
    uid = await node.pod()
    await node.start(uid, [PYTHON, "-I", "-c", "print('up', flush=True)\nwhile True: pass"])
    await node.logged(uid, "up")
    pod, container = await node.runtime.stats(uid), await node.runtime.stats(uid, "c")
    await node.runtime.remove_pod(uid)
    assert pod.pids == container.pids == 1
    assert container.cpu_nanoseconds > 0
    assert container.memory_bytes > 1 << 20


async def test_memory_limit_too_low_to_start_is_told(node: Node) -> None:
    with pytest.raises(RuntimeFailure, match=r"OOM-killed \(memory limit too low\?\)"):
        await node.run(["true"], resources=Resources(memory_limit=4096))
    assert (await node.run(["true"], resources=Resources(memory_limit=6 << 20))).state.exit_code == 0


async def test_what_a_container_writes_to_its_root_is_measured_and_its_volumes_are_not(node: Node) -> None:
    uid = await node.pod()
    script = "import os,time\nopen('/x','wb').write(os.urandom(3_000_000))\nprint('up', flush=True)\ntime.sleep(100)"
    await node.start(uid, [PYTHON, "-I", "-c", script])
    await node.logged(uid, "up")
    written = await node.runtime.written(uid, "c")
    assert 3_000_000 <= written.bytes < 3_200_000
    assert written.inodes >= 1
    assert (await node.runtime.written(uid, "none")).bytes == 0
    await node.runtime.remove_pod(uid)
    assert (await node.runtime.written(uid, "c")).bytes == 0
