"""One look at everything that runs here: what node, pods and containers use, for whoever renders it.

A rate needs two looks: it is known from the second on, over the time since the look before. Nothing is looked at
while nobody asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from kube_lite import clock
from kube_lite.node import machine
from kube_lite.node.context import NodeContext
from kube_lite.node.measures import Disk, Meter, Usage, log_usage
from kube_lite.node.runtime import ContainerPhase, ContainerState, RuntimeFailure
from kube_lite.node.worker import PodWorker
from kube_lite.resources.kinds.pod.view import Pod

DISK_SECONDS = 10.0
"""How long a measurement of files is good for: they are counted one by one."""
SHORTEST = 1.0
"""Seconds that must lie between two looks for a rate; within them the rate told before is told again."""
_NOTHING = Usage(0, 0, 0)


class Rated(msgspec.Struct, frozen=True):
    """Usage, and nanoseconds of CPU a second; None at the first look."""

    usage: Usage = _NOTHING
    nano_cores: int | None = None


class ContainerSample(msgspec.Struct, frozen=True):
    """A running container."""

    state: ContainerState
    used: Rated
    layer: Disk
    logs: Disk


class PodSample(msgspec.Struct, frozen=True):
    """A pod with containers that run."""

    pod: Pod
    started: datetime | None
    used: Rated
    containers: Sequence[ContainerSample]
    interfaces: Sequence[machine.Interface] = ()
    volumes: Mapping[str, Disk] = msgspec.field(default_factory=dict)


class Sample(msgspec.Struct, frozen=True):
    """All of it, at one moment."""

    time: datetime
    node: Rated
    memory_total: int
    interfaces: Sequence[machine.Interface]
    disk: machine.Space
    image_bytes: int
    pods: Sequence[PodSample]


class _PodDisk(msgspec.Struct, frozen=True):
    """What a pod's files take, and when that was so on the monotonic clock; layers and logs by container."""

    time: float
    layers: Mapping[str, Disk] = msgspec.field(default_factory=dict)
    logs: Mapping[str, Disk] = msgspec.field(default_factory=dict)
    volumes: Mapping[str, Disk] = msgspec.field(default_factory=dict)


_EMPTY = Disk()


def running(worker: PodWorker) -> list[ContainerState]:
    """The containers of a pod that run, by name."""
    latest = worker.view.latest()
    return [state for _, state in sorted(latest.items()) if state.phase is ContainerPhase.RUNNING]


class Sampler:
    """Takes samples of one node."""

    def __init__(self, node: NodeContext, meter: Meter) -> None:
        self._node = node
        self._meter = meter
        self._seen: dict[tuple[str, str], tuple[float, int, int | None]] = {}
        """By pod and container, '' for all of it: when it was measured, its CPU time, and the rate that was told."""
        self._disks: dict[str, _PodDisk] = {}
        """By pod: what was last measured of its files."""

    async def take(self, workers: Sequence[PodWorker], images: int = 0, *, disks: bool = True) -> Sample:
        """Look at everything.

        :param images: bytes that images take
        :param disks: whether to measure files too, which takes a while where there are many
        """
        now = clock.now()
        pods = [await self._pod(worker, disks) for worker in workers if running(worker)]
        present = {"", *(pod.pod.metadata.uid for pod in pods)}
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] in present}
        self._disks = {uid: disk for uid, disk in self._disks.items() if uid in present}
        used, memory, interfaces, space = await clock.run_in_thread(self._machine)
        return Sample(now, self._rated("", "", used), memory, interfaces, space, images, pods)

    def _machine(self) -> tuple[Usage, int, list[machine.Interface], machine.Space]:
        memory = machine.memory().get("MemTotal", 0)
        space = machine.space(self._node.settings.data_dir)
        return machine.usage(), memory, machine.interfaces("/proc/net/dev"), space

    async def _pod(self, worker: PodWorker, disks: bool) -> PodSample:
        uid = worker.pod.metadata.uid
        states = running(worker)
        disk = await self._disk(worker, states) if disks else _PodDisk(0.0)
        found = [
            ContainerSample(
                state,
                self._rated(uid, state.name, await self._used(uid, state.name)),
                disk.layers.get(state.name, _EMPTY),
                disk.logs.get(state.name, _EMPTY),
            )
            for state in states
        ]
        whole = self._rated(uid, "", await self._used(uid))
        own = not worker.pod.spec.host_network
        network = machine.interfaces(f"/proc/{states[0].pid}/net/dev") if own else []
        return PodSample(worker.pod, worker.view.start_time, whole, found, network, disk.volumes)

    async def _disk(self, worker: PodWorker, states: Sequence[ContainerState]) -> _PodDisk:
        uid, now = worker.pod.metadata.uid, clock.monotonic()
        known = self._disks.get(uid)
        if known is not None and now - known.time < DISK_SECONDS:
            return known
        fresh = _PodDisk(
            now,
            {state.name: await self._meter.written(uid, state.name) for state in states},
            {state.name: await clock.run_in_thread(log_usage, state.log_path) for state in states},
            await self._node.volumes.measure(worker.pod),
        )
        self._disks[uid] = fresh
        return fresh

    async def _used(self, uid: str, container: str = "") -> Usage:
        try:
            return await self._meter.stats(uid, container)
        except RuntimeFailure:
            return _NOTHING  # it has ended meanwhile

    def _rated(self, pod: str, container: str, usage: Usage) -> Rated:
        key = (pod, container)
        now, last = clock.monotonic(), self._seen.get(key)
        if last is not None and now - last[0] < SHORTEST:
            return Rated(usage, last[2])
        rate = None
        if last is not None and usage.cpu_nanoseconds >= last[1]:
            rate = int((usage.cpu_nanoseconds - last[1]) / (now - last[0]))
        self._seen[key] = now, usage.cpu_nanoseconds, rate
        return Rated(usage, rate)
