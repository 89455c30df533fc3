"""Control groups of pods and containers, on v1 hierarchies or v2, behind one class.

Groups are ``ROOT/POD_UID/CONTAINER`` in each hierarchy used; ``ROOT`` is the node's own name, at the top, and
nothing above it is ever written to. Which version is found by looking at what is mounted: v2 where its root offers
memory and pids, else v1. A controller that is missing is one warning: a limit that cannot be enforced must not
keep a pod from running.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kube_lite.node.linux import devices as device_rules
from kube_lite.node.measures import Usage

if TYPE_CHECKING:
    from kube_lite.node.runtime import Resources

PERIOD = 100_000
"""Microseconds over which a CPU quota counts (upstream's ``--cpu-cfs-quota-period``)."""

_V1_WANTED = ("cpu", "cpuacct", "memory", "pids", "devices")
_V2_WANTED = ("cpu", "memory", "pids")

PAUSE = "pause"
"""Group, below a pod's, of the process that holds its shared pid namespace. It needs one of its own: on v2 a group
that hands controllers down may hold no process. No container's group is named so, as those end in their attempt."""


def weight_of(shares: int) -> int:
    """cgroup v1 ``cpu.shares`` (2 to 262144) as v2 ``cpu.weight`` (1 to 10000).

    The map of the OCI runtimes since runc 1.3.2 and crun 1.23, through (2, 1), (1024, 100) and (262144, 10000): a
    container that requests a whole CPU weighs as much as any group with the kernel's default.
    """
    if shares <= 2:
        return 1
    if shares >= 262_144:
        return 10_000
    power = math.log2(shares)
    return math.ceil(10 ** ((power * power + 125 * power) / 612 - 7 / 34))


def parse_mountinfo(text: str) -> tuple[dict[str, str], str]:
    """Mounted v1 hierarchies (their controllers, comma-separated, to path), and where v2 is, or an empty string."""
    v1: dict[str, str] = {}
    v2 = ""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, tail = before.split(), after.split()
        if len(fields) < 5 or len(tail) < 3:
            continue
        if tail[0] == "cgroup2":
            v2 = v2 or fields[4]
        elif tail[0] == "cgroup":
            known = [option for option in tail[2].split(",") if option in (*_V1_WANTED, "cpuset", "blkio")]
            if known:
                v1.setdefault(",".join(known), fields[4])
    return v1, v2


def _write(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def _number(path: str, key: str = "") -> int:
    for line in _read(path).splitlines():
        words = line.split()
        if not key:
            return int(words[0]) if words and words[0].isdigit() else 0
        if len(words) == 2 and words[0] == key and words[1].isdigit():
            return int(words[1])
    return 0


def _numbers(path: str) -> dict[str, int]:
    words = (line.split() for line in _read(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in words if len(pair) == 2 and pair[1].isdigit()}


@dataclass
class Cgroups:
    """The groups of one node.

    :param version: 1 or 2
    :param mounts: hierarchies to use: controllers to mount point (v2: the empty string to its root)
    :param root: the node's group, a relative path
    """

    version: int
    mounts: Mapping[str, str]
    root: str
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def detect(cls, root: str, mountinfo: str | None = None) -> Cgroups:
        """Choose by what is mounted (``mountinfo`` as in /proc/self/mountinfo)."""
        v1, v2 = parse_mountinfo(_read("/proc/self/mountinfo") if mountinfo is None else mountinfo)
        offered = _read(os.path.join(v2, "cgroup.controllers")).split() if v2 else []
        if "memory" in offered and "pids" in offered:
            return cls(2, {"": v2}, root)
        used = {names: path for names, path in v1.items() if set(names.split(",")) & set(_V1_WANTED)}
        found = cls(1, used, root)
        have = {name for names in used for name in names.split(",")}
        found.warnings += [f"cgroup controller {name} is not available" for name in _V1_WANTED if name not in have]
        return found

    def directories(self, group: str = "") -> dict[str, str]:
        """The directories of a group (``POD`` or ``POD/CONTAINER``): one for v2, one per hierarchy for v1."""
        return {
            names: os.path.join(path, self.root, group) if group else os.path.join(path, self.root)
            for names, path in self.mounts.items()
        }

    def _directory(self, controller: str, group: str) -> str | None:
        for names, path in self.directories(group).items():
            if self.version == 2 or controller in names.split(","):
                return path
        return None

    def create(self, group: str, resources: Resources | None = None, *, devices: bool = True) -> dict[str, str]:
        """Make a group with its limits, and its parents; returns its directories.

        :param devices: restrict devices to the standard ones; only where ``resources`` are given
        """
        if self.version == 2:
            self._delegate(group)
        directories = self.directories(group)
        for path in directories.values():
            os.makedirs(path, exist_ok=True)
        if resources is not None:
            for controller, name, value in self._settings(resources):
                directory = self._directory(controller, group)
                if directory is not None:
                    self._set(os.path.join(directory, name), value)
        if devices and resources is not None:
            self._restrict_devices(group)
        return directories

    def _restrict_devices(self, group: str) -> None:
        if self.version == 2:
            directory = self.directories(group)[""]
            try:
                device_rules.restrict(directory)
            except OSError as error:
                self._warn(f"{directory}: cannot restrict devices: {error.strerror}")
        elif (restricted := self._directory("devices", group)) is not None:
            self._set(os.path.join(restricted, "devices.deny"), "a")
            for rule in device_rules.ALLOWED:
                self._set(os.path.join(restricted, "devices.allow"), str(rule))

    def _delegate(self, group: str) -> None:
        """v2: children get a controller only when each group above hands it down."""
        top = self.mounts[""]
        parts = os.path.join(self.root, group).rstrip("/").split("/")
        offered = _read(os.path.join(top, "cgroup.controllers")).split()
        for depth in range(len(parts)):
            directory = os.path.join(top, *parts[:depth])
            os.makedirs(directory, exist_ok=True)
            control = os.path.join(directory, "cgroup.subtree_control")
            missing = [c for c in _V2_WANTED if c in offered and c not in _read(control).split()]
            if not missing:
                continue
            value = " ".join("+" + c for c in missing)
            try:
                _write(control, value)
            except OSError as error:
                if depth == 0 and error.errno == errno.EBUSY:
                    self._vacate(directory)
                self._set(control, value)

    def _vacate(self, top: str) -> None:
        """Move every process of the group at the top of a cgroup namespace into a group below it.

        Inside a container the top of what we see is no root: as long as it holds processes it may hand down no
        controllers (the kernel's "no internal processes" rule).
        """
        below = os.path.join(top, f"{self.root}.init")
        os.makedirs(below, exist_ok=True)
        for word in _read(os.path.join(top, "cgroup.procs")).split():
            with contextlib.suppress(OSError):  # it has ended, or belongs to the kernel
                _write(os.path.join(below, "cgroup.procs"), word)

    def _settings(self, resources: Resources) -> Iterator[tuple[str, str, str]]:
        quota, memory, pids = resources.cpu_quota, resources.memory_limit, resources.pids_limit
        if self.version == 2:
            yield "cpu", "cpu.weight", str(weight_of(resources.cpu_shares))
            if quota is not None:
                yield "cpu", "cpu.max", f"{quota} {PERIOD}"
            if memory is not None:
                yield "memory", "memory.max", str(memory)
                yield "memory", "memory.swap.max", "0"
                yield "memory", "memory.oom.group", "1"
        else:
            yield "cpu", "cpu.shares", str(resources.cpu_shares)
            if quota is not None:
                yield "cpu", "cpu.cfs_period_us", str(PERIOD)
                yield "cpu", "cpu.cfs_quota_us", str(quota)
            if memory is not None:
                yield "memory", "memory.limit_in_bytes", str(memory)
        if pids is not None:
            yield "pids", "pids.max", str(pids)

    def _set(self, path: str, value: str) -> None:
        try:
            _write(path, value)
        except OSError as error:
            self._warn(f"{path}: cannot set {value}: {error.strerror}")

    def _warn(self, warning: str) -> None:
        if len(self.warnings) < 100:
            self.warnings.append(warning)

    def remove(self, group: str, patience: float = 2.0) -> None:
        """Kill what is left in a group and those below, and delete them. :raises OSError: it stays busy"""
        deadline = time.monotonic() + patience  # noqa: TID251  # the kernel lets go in real time
        for path in self.directories(group).values():
            while os.path.isdir(path):
                try:
                    self._remove_tree(path)
                except OSError as error:
                    late = time.monotonic() > deadline  # noqa: TID251
                    if error.errno not in (errno.EBUSY, errno.ENOTEMPTY) or late:
                        raise
                    time.sleep(0.002)  # noqa: TID251

    def _remove_tree(self, path: str) -> None:
        with os.scandir(path) as entries:
            children = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        for child in children:
            self._remove_tree(child)
        kill_all(path)
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(path)

    def usage(self, group: str) -> Usage:
        """What a group uses now; zeros for what its controllers do not tell."""
        v2 = self.version == 2
        memory = self._directory("memory", group)
        told = _numbers(f"{memory}/memory.stat") if memory is not None else {}
        below = "" if v2 else "total_"  # v1 tells a group's own pages apart from those of the groups below it
        cpu = self._directory("cpuacct", group)
        bandwidth = self._directory("cpu", group)
        quota = _numbers(f"{bandwidth}/cpu.stat") if bandwidth is not None else {}
        return Usage(
            _number(f"{cpu}/cpu.stat", "usage_usec") * 1000 if v2 else _number(f"{cpu}/cpuacct.usage"),
            _number(f"{memory}/memory.current" if v2 else f"{memory}/memory.usage_in_bytes"),
            _number(f"{self._directory('pids', group)}/pids.current"),
            told.get(f"{below}inactive_file", 0),
            told.get("anon" if v2 else "total_rss", 0),
            told.get(f"{below}pgfault", 0),
            told.get(f"{below}pgmajfault", 0),
            told.get("file" if v2 else "total_cache", 0),
            quota.get("nr_periods", 0),
            quota.get("nr_throttled", 0),
            quota.get("throttled_usec", 0) * 1000 if v2 else quota.get("throttled_time", 0),
        )


def oom_kills(version: int, directories: Mapping[str, str]) -> int:
    """How many processes of a group the kernel killed for want of memory."""
    for names, path in directories.items():
        if version == 2:
            return _number(f"{path}/memory.events", "oom_kill")
        if "memory" in names.split(","):
            return _number(f"{path}/memory.oom_control", "oom_kill")
    return 0


def leaf_of(version: int, directory: str, pid: int) -> str:
    """The group that one more process of a container goes to: the container's own, or that of its first process.

    A privileged container may have divided its group (v2), which then takes no process any more.
    """
    if version != 2 or not _read(f"{directory}/cgroup.subtree_control").strip():
        return directory
    own = "/".join(directory.split("/")[-2:])  # pod and container, which name the group in any namespace
    _, found, below = _read(f"/proc/{pid}/cgroup").strip().partition(own)
    return directory + below if found else directory


def kill_all(directory: str) -> None:
    """SIGKILL every process of one group: at once on v2, and on v1 each that is seen."""
    try:
        _write(f"{directory}/cgroup.kill", "1")
    except OSError:
        for word in _read(f"{directory}/cgroup.procs").split():
            if word != "0":  # a process of a pid namespace that we do not see
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(word), signal.SIGKILL)
