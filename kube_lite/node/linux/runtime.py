"""Real containers: the :class:`~kube_lite.node.runtime.NodeRuntime` of Linux.

This object is the part that can die: it turns specs into plans, makes cgroups and files, and asks the zygote, which
owns the processes. Whatever it knows is on disk (``layout.py``), so a new one finds every pod. Work on one pod is
sequential, under the pod's lock; pods are independent. Blocking file work runs in threads.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from kube_lite import clock
from kube_lite.node.keyring import Credential
from kube_lite.node.linux import layout, state
from kube_lite.node.linux import spec as specs
from kube_lite.node.linux.cgroups import PAUSE, Cgroups
from kube_lite.node.linux.namespaces import IDS
from kube_lite.node.linux.plan import ContainerPlan, Record, SandboxPlan
from kube_lite.node.linux.pod import Pod, container_plan, container_state, own_namespaces
from kube_lite.node.linux.zygote_client import ZygoteClient
from kube_lite.node.measures import Disk, Usage, disk_usage
from kube_lite.node.runtime import (
    ContainerSpec,
    ContainerState,
    ExecResult,
    ImageState,
    PodState,
    RuntimeFailure,
    SandboxSpec,
)

_LOG = logging.getLogger(__name__)

_KEPT_ATTEMPTS = 1
"""Ended containers kept of each name besides the newest, for ``logs --previous`` (upstream's default)."""

_REASONS = {"create": "CreateContainerError", "start": "RunContainerError", "sandbox": "FailedCreatePodSandBox"}


class LinuxRuntime:
    """Runs pods with namespaces and cgroups.

    :param data_dir: all state; not on overlayfs
    :param cgroup_root: the node's group at the top of each cgroup hierarchy
    """

    def __init__(
        self, data_dir: Path, *, images: specs.Images, network: specs.Network, cgroup_root: str = "kube-lite-node"
    ) -> None:
        self.on_change: Callable[[str], None] | None = None
        self._data = data_dir.absolute()
        self._images = images
        self._network = network
        self._cgroups = Cgroups(1, {}, cgroup_root)
        self._cgroup_root = cgroup_root
        self._zygote = ZygoteClient(self._data, self._exited, self._lost)
        self._pods: dict[str, Pod] = {}
        self._locks: dict[str, anyio.Lock] = {}
        self._id_bases: set[int] = set()
        self._ensured: dict[str, ImageState] = {}

    @property
    def warnings(self) -> list[str]:
        """What this machine does not offer: missing controllers, limits that could not be set."""
        return list(self._cgroups.warnings)

    async def start(self) -> None:
        """Connect to the zygote or start one, find the pods on disk, remove what was half made.

        :raises RuntimeFailure: the zygote does not start
        """
        await clock.run_in_thread(self._prepare)
        hello = await self._zygote.connect()
        running = set(hello["running"])
        for uid in await clock.run_in_thread(self._pods_on_disk):
            paths = layout.PodPaths(self._data, uid)
            found = await clock.run_in_thread(paths.load)
            if found is None:
                await self._destroy(uid, paths)
                continue
            pause = hello["pauses"].get(uid, 0)
            pod = Pod(found[0], paths, ip=found[1], ready=found[2], pause=pause, id_base=found[3])
            if found[0].share_process_namespace and not pod.pause:
                pod.ready = False
            self._pods[uid] = pod
            for record in await clock.run_in_thread(paths.records):
                pod.records[record["name"], record["attempt"]] = record
                if record["phase"] == "running" and record["id"] not in running:
                    self._mark_lost(pod, record)
        await clock.run_in_thread(self._remove_stray_cgroups)
        for warning in self._cgroups.warnings:
            _LOG.warning("%s", warning)

    def _prepare(self) -> None:
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._data.chmod(0o700)
        for name in ("pods", "logs", "rootfs"):
            (self._data / name).mkdir(mode=0o700, exist_ok=True)
        layout.make_base_layer(self._data / "base")
        self._cgroups = Cgroups.detect(self._cgroup_root)
        self._cgroups.create("")

    def _pods_on_disk(self) -> list[str]:
        return sorted(os.listdir(self._data / "pods"))

    def _remove_stray_cgroups(self) -> None:
        for path in self._cgroups.directories().values():
            for entry in list(os.scandir(path)) if os.path.isdir(path) else []:
                if entry.is_dir() and entry.name not in self._pods:
                    self._cgroups.remove(entry.name)

    async def close(self, keep_pods: bool) -> None:
        """Disconnect. With ``keep_pods`` containers run on, and the zygote ends with the last of them."""
        if keep_pods:
            await self._zygote.shutdown("idle")
            return
        try:
            async with anyio.create_task_group() as group:
                for uid in list(self._pods):
                    group.start_soon(self.remove_pod, uid)
        finally:
            with anyio.CancelScope(shield=True):
                await self._zygote.shutdown("now")
                await clock.run_in_thread(self._cgroups.remove, "")

    def _lock(self, pod_uid: str) -> anyio.Lock:
        return self._locks.setdefault(pod_uid, anyio.Lock())

    def _pod(self, pod_uid: str) -> Pod:
        pod = self._pods.get(pod_uid)
        if pod is None:
            raise RuntimeFailure("CreateContainerError", f"pod {pod_uid} has no sandbox")
        return pod

    # Events from the zygote

    def _exited(self, record: Any) -> None:
        pod = self._pods.get(record["pod_uid"])
        if pod is None or "phase" not in record:
            return
        pod.records[record["name"], record["attempt"]] = record
        if self.on_change is not None:
            self.on_change(record["pod_uid"])

    def _lost(self) -> None:
        for uid, pod in self._pods.items():
            lost = [record for record in pod.records.values() if record["phase"] == "running"]
            for record in lost:
                self._mark_lost(pod, record)
            if pod.pause:  # the shared pid namespace is gone with its first process
                pod.pause, pod.ready = 0, False
            if lost and self.on_change is not None:
                self.on_change(uid)

    def _mark_lost(self, pod: Pod, record: Record) -> None:
        """The container's parent is gone, so nobody knows how it ended; what of it still runs is ended."""
        pid = record.get("pid", 0)
        if record.get("boot_id") == state.boot_id() and pid and state.start_ticks(pid) == record.get("start_ticks"):
            os.kill(pid, signal.SIGKILL)
        record["phase"] = "unknown"
        record["pid"] = 0
        record["exit_code"] = 137
        record["reason"] = "ContainerStatusUnknown"
        record["message"] = "The container could not be located when the pod was terminated"
        record["finished_at"] = state.utc_now()
        state.write_json(str(pod.paths.record(record["name"], record["attempt"])), record)

    # NodeRuntime

    def images_in_use(self) -> list[str]:
        """Ids of the images that containers on disk were made from; these may not be removed."""
        return sorted({record["image_id"] for pod in self._pods.values() for record in pod.records.values()})

    async def ensure_image(self, image: str, policy: str, credentials: Sequence[Credential] = ()) -> ImageState:
        """See :class:`NodeRuntime`."""
        found = await self._images.ensure(image, policy, credentials)
        self._ensured[image] = found
        return found

    async def run_sandbox(self, spec: SandboxSpec) -> PodState:
        """See :class:`NodeRuntime`. A pod on the host's network has no address of its own: ``ip`` is empty."""
        layout.check_name(spec.pod_uid, "pod uid")
        layout.check_name(spec.name, "pod name")
        layout.check_name(spec.namespace, "namespace")
        async with self._lock(spec.pod_uid):
            pod = self._pods.get(spec.pod_uid)
            if pod is not None and pod.ready:
                return pod.state()
            paths = layout.PodPaths(self._data, spec.pod_uid)
            if pod is not None:  # the machine was booted, or the zygote lost, since it was made
                await self._disconnect(spec.pod_uid, paths)
            pod = pod or Pod(spec, paths)
            if not spec.host_users and not pod.id_base:
                pod.id_base = self._free_ids()
            try:
                await self._make_sandbox(pod)
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await self._destroy(spec.pod_uid, paths)
                if spec.pod_uid not in self._pods:
                    self._id_bases.discard(pod.id_base)
                raise
            self._pods[spec.pod_uid] = pod
            return pod.state()

    def _free_ids(self) -> int:
        """Where a range of ids begins that no other pod here has; no two pods share an id of the host."""
        used = {pod.id_base for pod in self._pods.values()} | self._id_bases
        found = next(base for base in range(IDS, 1 << 32, IDS) if base not in used)
        self._id_bases.add(found)
        return found

    async def _make_sandbox(self, pod: Pod) -> None:
        spec, paths = pod.spec, pod.paths
        await clock.run_in_thread(paths.make_directories)
        pause = spec.share_process_namespace and not spec.host_pid
        await clock.run_in_thread(partial(self._cgroups.create, spec.pod_uid, spec.resources, devices=False))
        groups = await clock.run_in_thread(self._cgroups.create, f"{spec.pod_uid}/{PAUSE}") if pause else {}
        plan = SandboxPlan(
            pod_uid=spec.pod_uid,
            hostname=spec.hostname,
            namespaces={kind: str(paths.pin(kind)) for kind in own_namespaces(spec)},
            shm=str(paths.shm),
            sysctls=dict(spec.sysctls),
            pause=pause,
            id_base=pod.id_base,
            cgroup_version=self._cgroups.version,
            cgroups=groups,
        )
        with anyio.CancelScope(shield=True):  # or it would be made after we have cleaned up
            pod.pause = (await self._ask({"op": "sandbox", "plan": plan})).get("pid", 0)
        if not spec.host_network:
            pod.ip = await self._network.attach(spec.pod_uid, str(paths.pin("net")), spec.host_ports)
        await clock.run_in_thread(self._write_files, pod)
        pod.ready = True

    def _write_files(self, pod: Pod) -> None:
        spec = pod.spec
        host = spec.host_network
        pod.paths.write_etc(
            {
                "hosts": Path("/etc/hosts").read_text() if host else specs.hosts_file(spec, pod.ip),
                "hostname": (os.uname().nodename if host else spec.hostname) + "\n",
                "resolv.conf": specs.resolv_conf(spec) or Path("/etc/resolv.conf").read_text(),
            }
        )
        pod.paths.save(spec, pod.ip, pod.id_base)

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        reply = await self._zygote.request(message)
        if "error" in reply:
            raise RuntimeFailure(_REASONS.get(reply.get("code", ""), "CreateContainerError"), reply["error"])
        return reply

    async def start_container(self, pod_uid: str, spec: ContainerSpec) -> ContainerState:
        """See :class:`NodeRuntime`. A program that cannot be executed leaves an ended attempt (128, StartError)."""
        layout.check_name(spec.name, "container name")
        async with self._lock(pod_uid):
            pod = self._pod(pod_uid)
            known = pod.records.get((spec.name, spec.attempt))
            if known is not None:
                return container_state(known)
            if not pod.ready:
                raise RuntimeFailure("CreateContainerError", f"the sandbox of pod {pod_uid} is not ready")
            image = self._ensured.get(spec.image) or await self.ensure_image(spec.image, "IfNotPresent")
            rootfs = await self._images.rootfs(image.image_id)
            plan = container_plan(pod, spec, rootfs, self._cgroups, self._data / "base")
            plan["image_ref"] = specs.image_reference(spec.image, image)
            with anyio.CancelScope(shield=True):  # a container that has been started must be known
                await clock.run_in_thread(self._prepare_container, pod, spec, plan)
                try:
                    record = (await self._ask({"op": "start", "plan": plan}))["record"]
                except RuntimeFailure:
                    group = f"{pod_uid}/{spec.name}.{spec.attempt}"
                    await clock.run_in_thread(self._cgroups.remove, group)
                    raise
            # The end may have been told already, when the program was short.
            final: Record = pod.records.setdefault((spec.name, spec.attempt), record)
            return container_state(final)

    def _prepare_container(self, pod: Pod, spec: ContainerSpec, plan: ContainerPlan) -> None:
        privileged = spec.security.privileged
        self._cgroups.create(f"{pod.spec.pod_uid}/{spec.name}.{spec.attempt}", spec.resources, devices=not privileged)
        old = sorted(attempt for name, attempt in pod.records if name == spec.name)
        for attempt in old[: len(old) - _KEPT_ATTEMPTS]:
            record = pod.records.pop((spec.name, attempt))
            state.remove_tree(str(pod.paths.container(spec.name, attempt)))
            pod.paths.record(spec.name, attempt).unlink(missing_ok=True)
            log = Path(record["log_path"])
            for path in log.parent.glob(log.name + "*"):
                path.unlink(missing_ok=True)

    async def stop_container(self, pod_uid: str, name: str, grace: float) -> None:
        """See :class:`NodeRuntime`; a container that does not run is fine."""
        pod = self._pods.get(pod_uid)
        record = pod.running(name) if pod is not None else None
        if pod is None or record is None:
            return
        await self._ask({"op": "stop", "id": record["id"], "grace": grace})

    async def remove_pod(self, pod_uid: str) -> None:
        """See :class:`NodeRuntime`; an unknown pod is fine."""
        async with self._lock(pod_uid):
            pod = self._pods.get(pod_uid)
            if pod is None:
                return
            async with anyio.create_task_group() as group:
                for name in {name for name, _ in pod.records}:
                    group.start_soon(self.stop_container, pod_uid, name, 0.0)
            await self._destroy(pod_uid, pod.paths)
            await clock.run_in_thread(state.remove_tree, str(pod.paths.logs(pod.spec)))
            self._id_bases.discard(pod.id_base)
            del self._pods[pod_uid]
        if not self._lock(pod_uid).statistics().tasks_waiting:
            del self._locks[pod_uid]

    async def _destroy(self, pod_uid: str, paths: layout.PodPaths) -> None:
        """Remove all traces of a sandbox without running containers, also of a half made one."""
        await self._disconnect(pod_uid, paths)
        await clock.run_in_thread(self._cgroups.remove, pod_uid)
        await clock.run_in_thread(state.remove_tree, str(paths.directory))

    async def _disconnect(self, pod_uid: str, paths: layout.PodPaths) -> None:
        """Undo network and namespaces."""
        await self._network.detach(pod_uid)
        pins = [str(paths.pin(kind)) for kind in ("net", "ipc", "uts", "user")] + [str(paths.shm)]
        await self._ask({"op": "release", "pod_uid": pod_uid, "pins": pins})

    async def exec(self, pod_uid: str, name: str, command: Sequence[str], timeout: float) -> ExecResult:
        """See :class:`NodeRuntime`. A command that cannot be executed is 127 or 126, with why on stderr.

        :raises RuntimeFailure: the container does not run
        """
        pod = self._pods.get(pod_uid)
        record = pod.running(name) if pod is not None else None
        if record is None:
            raise RuntimeFailure("ExecError", f"container {name} of pod {pod_uid} is not running")
        return await self._zygote.exec(record["id"], list(command), timeout)

    async def pods(self) -> list[PodState]:
        """See :class:`NodeRuntime`."""
        return [pod.state() for pod in self._pods.values()]

    async def stats(self, pod_uid: str, container: str = "") -> Usage:
        """What a pod, or one running container of it, uses now. :raises RuntimeFailure: there is none"""
        pod = self._pod(pod_uid)
        record = pod.running(container) if container else None
        if container and record is None:
            raise RuntimeFailure("StatsError", f"container {container} of pod {pod_uid} is not running")
        group = f"{pod_uid}/{container}.{record['attempt']}" if record is not None else pod_uid
        return self._cgroups.usage(group)

    async def written(self, pod_uid: str, container: str) -> Disk:
        """See :class:`~kube_lite.node.measures.Meter`."""
        pod = self._pods.get(pod_uid)
        tries = [attempt for name, attempt in pod.records if name == container] if pod is not None else []
        if pod is None or not tries:
            return Disk()
        return await clock.run_in_thread(disk_usage, pod.paths.container(container, max(tries)) / "upper")
