"""A pod in the executor's memory, and the plan of each of its containers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from kube_lite import clock
from kube_lite.node.linux import layout
from kube_lite.node.linux import spec as specs
from kube_lite.node.linux.cgroups import Cgroups
from kube_lite.node.linux.overlay import TERMINATION_LOG
from kube_lite.node.linux.plan import ContainerPlan, MountPlan, Record
from kube_lite.node.runtime import ContainerPhase, ContainerSpec, ContainerState, Mount, PodState, SandboxSpec

_HOST_SHM = "/dev/shm"


def own_namespaces(spec: SandboxSpec) -> list[str]:
    """The namespaces that a pod has for itself; on the host's network it has the host's name too."""
    own = ([] if spec.host_network else ["net", "uts"]) + ([] if spec.host_ipc else ["ipc"])
    return own if spec.host_users else [*own, "user"]


@dataclass
class Pod:
    """A pod as the executor knows it: what was asked, what was made, and the record of each attempt."""

    spec: SandboxSpec
    paths: layout.PodPaths
    ip: str = ""
    ready: bool = False
    pause: int = 0
    id_base: int = 0
    """The host's id for the root of the pod's user namespace; 0 when it has none."""
    records: dict[tuple[str, int], Record] = field(default_factory=dict)

    def running(self, name: str) -> Record | None:
        """The attempt of a container that runs."""
        return next((r for (n, _), r in self.records.items() if n == name and r["phase"] == "running"), None)

    def state(self) -> PodState:
        """As the agent sees it."""
        records = sorted(self.records.values(), key=lambda r: (r["name"], r["attempt"]))
        containers = [container_state(record) for record in records]
        return PodState(self.spec.pod_uid, self.spec.name, self.spec.namespace, self.ip, containers)


def _moment(text: str) -> datetime | None:
    # Nanoseconds are cut to the microseconds that Python has.
    return clock.parse_timestamp(text[:26] + "Z") if text else None


def container_state(record: Record) -> ContainerState:
    """A record as the agent sees it."""
    return ContainerState(
        name=record["name"],
        attempt=record["attempt"],
        phase=ContainerPhase(record["phase"]),
        container_id=record["id"],
        image=record["image"],
        image_id=record.get("image_ref") or record["image_id"],
        pid=record.get("pid", 0),
        created_at=_moment(record.get("created_at", "")),
        started_at=_moment(record.get("started_at", "")),
        finished_at=_moment(record.get("finished_at", "")),
        exit_code=record.get("exit_code", 0),
        signal=record.get("signal", 0),
        reason=record.get("reason", ""),
        message=record.get("message", ""),
        log_path=record["log_path"],
    )


def container_plan(
    pod: Pod, spec: ContainerSpec, rootfs: specs.Rootfs, cgroups: Cgroups, base_layer: Path
) -> ContainerPlan:
    """All that the zygote needs to start a container. :raises RuntimeFailure: the spec cannot be met"""
    pod_spec, paths = pod.spec, pod.paths
    directory = paths.container(spec.name, spec.attempt)
    namespaces = {kind: str(paths.pin(kind)) for kind in own_namespaces(pod_spec)}
    if pod.pause:
        namespaces["pid"] = f"/proc/{pod.pause}/ns/pid"
    group = f"{pod_spec.pod_uid}/{spec.name}.{spec.attempt}"
    identity = f"{pod_spec.pod_uid}/{spec.name}/{spec.attempt}"
    return ContainerPlan(
        id=hashlib.sha256(identity.encode()).hexdigest(),
        pod_uid=pod_spec.pod_uid,
        name=spec.name,
        attempt=spec.attempt,
        image=spec.image,
        image_id=rootfs.image_id,
        image_ref=rootfs.image_id,
        directory=str(directory),
        mount_point=str(paths.data / "rootfs"),
        record=str(paths.record(spec.name, spec.attempt)),
        log_path=str(paths.logs(pod_spec) / spec.name / f"{spec.attempt}.log"),
        layers=[str(base_layer), *rootfs.layers],
        mounts=_mounts(pod, spec, rootfs, directory),
        shm=_HOST_SHM if pod_spec.host_ipc else str(paths.shm),
        namespaces=namespaces,
        host_pid=pod_spec.host_pid,
        id_base=pod.id_base,
        cgroup_version=cgroups.version,
        cgroups=cgroups.directories(group),
        process=specs.process_plan(pod_spec, spec, rootfs.config),
        privileged=spec.security.privileged,
        read_only_root=spec.security.read_only_root,
        stdin=spec.stdin,
        stop_signal=specs.signal_number(rootfs.config.stop_signal),
    )


def _mounts(pod: Pod, spec: ContainerSpec, rootfs: specs.Rootfs, directory: Path) -> list[MountPlan]:
    """The image's binds, the pod's files, the termination message, then the volumes, outer ones first."""
    own = [
        Mount(str(pod.paths.etc(name)), f"/etc/{name}", spec.security.read_only_root)
        for name in ("hosts", "hostname", "resolv.conf")
    ]
    if spec.termination_message_path:
        own.append(Mount(str(directory / TERMINATION_LOG), spec.termination_message_path))
    volumes = sorted(spec.mounts, key=lambda mount: len(Path(mount.container_path).parts))
    taken = {"/" + mount.container_path.strip("/") for mount in volumes}
    kept = [mount for mount in own if mount.container_path not in taken]
    image = [specs.mount_plan(mount, read_only=True) for mount in rootfs.binds]
    return image + [specs.mount_plan(mount) for mount in (*kept, *volumes)]
