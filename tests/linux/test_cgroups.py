"""Cgroup files and values, against trees of plain files: both versions, wherever the test runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from kube_lite.node.linux.cgroups import Cgroups, oom_kills, parse_mountinfo, weight_of
from kube_lite.node.measures import Usage
from kube_lite.node.runtime import Resources

_V1 = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / {v2} rw,relatime - cgroup2 cgroup2 rw
"""


def _v2(top: Path, controllers: str) -> str:
    (top / "cgroup.controllers").write_text(controllers)
    (top / "cgroup.subtree_control").write_text("")
    return _V1.format(v2=top)


class _Tree:
    """A fake cgroup2: new groups get their files, as the kernel would make them."""

    def __init__(self, top: Path, groups: list[str]) -> None:
        for group in groups:
            directory = top / group
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "cgroup.controllers").write_text("cpu memory pids")
            for name in ("cgroup.subtree_control", "cpu.weight", "cpu.max", "memory.max", "memory.swap.max"):
                (directory / name).write_text("")
            for name in ("memory.oom.group", "pids.max"):
                (directory / name).write_text("")


def test_hierarchies_are_found_by_their_controllers() -> None:
    v1, v2 = parse_mountinfo(_V1.format(v2="/sys/fs/cgroup/unified"))
    assert v1 == {"cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct", "memory": "/sys/fs/cgroup/memory"}
    assert v2 == "/sys/fs/cgroup/unified"


def test_nearly_empty_v2_beside_v1_means_v1(tmp_path: Path) -> None:
    found = Cgroups.detect("kl", _v2(tmp_path, "hugetlb"))
    assert found.version == 1
    assert found.directories("pod")["memory"] == "/sys/fs/cgroup/memory/kl/pod"
    assert "cgroup controller pids is not available" in found.warnings


def test_v2_limits_and_delegation(tmp_path: Path) -> None:
    mountinfo = _v2(tmp_path, "cpuset cpu io memory pids")
    _Tree(tmp_path, ["kl", "kl/pod", "kl/pod/c.0"])
    found = Cgroups.detect("kl", mountinfo)
    assert found.version == 2
    limits = Resources(cpu_shares=1024, cpu_quota=30_000, memory_limit=1 << 26, pids_limit=100)
    directories = found.create("pod/c.0", limits, devices=False)
    assert directories == {"": str(tmp_path / "kl/pod/c.0")}
    group = tmp_path / "kl/pod/c.0"
    values = {name: (group / name).read_text() for name in ("cpu.weight", "cpu.max", "memory.max", "pids.max")}
    assert values == {"cpu.weight": "100", "cpu.max": "30000 100000", "memory.max": str(1 << 26), "pids.max": "100"}
    assert (group / "memory.oom.group").read_text() == "1"
    for parent in (tmp_path, tmp_path / "kl", tmp_path / "kl/pod"):
        assert (parent / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert (group / "cgroup.subtree_control").read_text() == ""
    assert found.warnings == []


def test_v2_usage_and_oom_kills(tmp_path: Path) -> None:
    found = Cgroups.detect("kl", _v2(tmp_path, "cpu memory pids"))
    group = tmp_path / "kl/pod"
    group.mkdir(parents=True)
    (group / "cpu.stat").write_text("usage_usec 1500\nnr_periods 9\nnr_throttled 4\nthrottled_usec 70\n")
    (group / "memory.stat").write_text("anon 1000\nfile 3000\ninactive_file 2000\npgfault 8\npgmajfault 1\n")
    (group / "memory.current").write_text("4096\n")
    (group / "pids.current").write_text("3\n")
    (group / "memory.events").write_text("low 0\nhigh 0\nmax 5\noom 1\noom_kill 2\n")
    usage = found.usage("pod")
    assert usage == Usage(1_500_000, 4096, 3, 2000, 1000, 8, 1, 3000, 9, 4, 70_000)
    assert usage.working_set_bytes == 2096
    assert oom_kills(2, {"": str(group)}) == 2


def test_v1_usage_counts_what_is_below_too(tmp_path: Path) -> None:
    found = Cgroups(1, {"cpu": f"{tmp_path}/cpu", "cpuacct": f"{tmp_path}/acct", "memory": f"{tmp_path}/memory"}, "kl")
    for name, text in {
        "acct/kl/pod/cpuacct.usage": "1500000\n",
        "cpu/kl/pod/cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_time 70000\n",
        "memory/kl/pod/memory.usage_in_bytes": "4096\n",
        "memory/kl/pod/memory.stat": "cache 1\nrss 2\ntotal_cache 3000\ntotal_rss 1000\ntotal_inactive_file 2000\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert found.usage("pod") == Usage(1_500_000, 4096, 0, 2000, 1000, 0, 0, 3000, 9, 4, 70_000)


def test_v1_oom_kills(tmp_path: Path) -> None:
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert oom_kills(1, {"cpu": "/nowhere", "memory": str(tmp_path)}) == 1


def test_limit_that_cannot_be_set_is_a_warning(tmp_path: Path) -> None:
    found = Cgroups.detect("kl", _v2(tmp_path, "cpu memory pids"))
    found.create("pod", Resources(pids_limit=5))
    assert any("pids.max: cannot set 5" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("shares", "weight"),
    [(0, 1), (2, 1), (3, 2), (102, 17), (1024, 100), (2048, 174), (262_144, 10_000), (999_999, 10_000)],
)
def test_shares_become_weights(shares: int, weight: int) -> None:
    assert weight_of(shares) == weight
