"""Evicts pods that take more of the node's disk than they may; looked at every ten seconds, as upstream.

Three limits count, in this order: an emptyDir's ``sizeLimit``; the pod's ``ephemeral-storage``, which is that of its
containers together; and each container's own. A container takes what it writes to its own root and to its log; a pod
that and its emptyDir and ConfigMap volumes. What is counted is the space on disk, not the length of files. A volume
in memory needs no watching: it cannot grow beyond its size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from kube_lite import clock
from kube_lite.node.context import NodeContext
from kube_lite.node.measures import Disk, log_usage
from kube_lite.node.runtime import ContainerPhase
from kube_lite.node.status import PodView, Verdict
from kube_lite.resources import quantity
from kube_lite.resources.kinds.pod.view import Container, Pod
from kube_lite.resources.pod_resources import pod_limits

EVICTED = "Evicted"
GRACE = 1.0
"""Seconds that the containers of a pod which takes too much get, whatever it asks for (upstream)."""
STORAGE = "ephemeral-storage"


class UsageWatch:
    """Looks at the disk that one pod takes; what it finds becomes ``view.verdict``.

    :param pod: gives the newest version of the pod
    """

    def __init__(self, node: NodeContext, view: PodView, pod: Callable[[], Pod]) -> None:
        self._node = node
        self._view = view
        self._pod = pod
        spec = pod().spec
        self._volumes = {
            str(volume["name"]): str(volume["emptyDir"]["sizeLimit"])
            for volume in spec.volumes
            if (volume.get("emptyDir") or {}).get("sizeLimit") and volume["emptyDir"].get("medium") != "Memory"
        }
        self._containers = {
            c.name: c.resources.limits[STORAGE] for c in spec.containers if STORAGE in c.resources.limits
        }
        containers = {"containers": _limits(spec.containers), "initContainers": _limits(spec.init_containers)}
        self._whole = pod_limits(containers, overhead=False).get(STORAGE)
        self._next: datetime = clock.now() + timedelta(seconds=node.settings.usage_period)

    def due(self) -> float | None:
        """Seconds until the next look, 0 for now, None for never."""
        limited = self._volumes or (self._whole is not None and self._node.meter is not None)
        if not limited or self._view.verdict is not None or self._view.finished:
            return None
        return max(0.0, (self._next - clock.now()).total_seconds())

    async def look(self) -> None:
        """Give the pod up if it takes too much."""
        self._next = clock.now() + timedelta(seconds=self._node.settings.usage_period)
        pod = self._pod()
        message = await self._over_volumes(pod) or await self._over_storage(pod)
        if message:
            self._node.event(pod, "Warning", EVICTED, message)
            self._view.verdict = Verdict(EVICTED, message, GRACE)

    async def _over_volumes(self, pod: Pod) -> str:
        for name, limit in self._volumes.items():
            allowed = quantity.value(limit)
            if allowed > 0 and await self._node.volumes.used(pod, name) > allowed:
                return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
        return ""

    async def _over_storage(self, pod: Pod) -> str:
        if self._whole is None or self._node.meter is None:
            return ""
        taken: dict[str, int] = {}
        running = [(n, s) for n, s in self._view.latest().items() if s.phase is ContainerPhase.RUNNING]
        for name, state in running:  # what has ended does not count, as upstream
            written = await self._node.meter.written(pod.metadata.uid, name)
            taken[name] = written.bytes + (await clock.run_in_thread(log_usage, state.log_path)).bytes
        volumes = ephemeral(pod, await self._node.volumes.measure(pod))
        if sum(taken.values()) + volumes.bytes > self._whole.value:
            return f"Pod ephemeral local storage usage exceeds the total limit of containers {self._whole}. "
        for name, limit in self._containers.items():
            if taken.get(name, 0) > quantity.value(limit):
                return f'Container {name} exceeded its local ephemeral storage limit "{quantity.canonical(limit)}". '
        return ""


def ephemeral(pod: Pod, volumes: Mapping[str, Disk]) -> Disk:
    """What a pod's volumes take of the node's disk: those that upstream counts, which are emptyDir and ConfigMap."""
    counted = [
        str(volume["name"])
        for volume in pod.spec.volumes
        if "configMap" in volume or ("emptyDir" in volume and (volume["emptyDir"] or {}).get("medium") != "Memory")
    ]
    return sum((volumes[name] for name in counted if name in volumes), Disk())


def _limits(containers: list[Container]) -> list[dict[str, Any]]:
    return [{"restartPolicy": c.restart_policy, "resources": {"limits": c.resources.limits}} for c in containers]
