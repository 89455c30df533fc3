"""Pods that nobody else removes: those of nodes that are gone, those deleted before they were ever placed, and
finished ones above a threshold (upstream: ``pkg/controller/podgc``).
"""

from __future__ import annotations

from functools import partial

from kube_lite import clock
from kube_lite.controllers.base import Context, Controller, Requeue, outcomes
from kube_lite.errors import ApiError, NotFound
from kube_lite.resources.kinds.pod.view import Pod, PodCondition
from kube_lite.resources.meta import Obj
from kube_lite.resources.views import Node

NAMES = ("podgc", "pod-garbage-collector-controller")

_ALL = "all pods"

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
"""Taint by which an administrator says that a node is off for certain."""


class PodGarbageCollector(Controller):
    """Looks at all pods each period; its one key stands for all of them."""

    name = "podgc"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self.workers = 1
        self._settings = ctx.settings
        self._client = ctx.client_for("pod-garbage-collector")
        self._nodes = self.reads(ctx.informers.get("nodes", Node))
        self._pods = self.reads(ctx.informers.get("pods", Pod))
        self._missing_since: dict[str, float] = {}
        self.queue.add(_ALL)

    async def reconcile(self, key: str) -> Requeue | None:
        """One look at all pods."""
        pods = self._pods.list()
        lost = await self._lost_nodes(pods)
        calls = [partial(self._remove, pod, lost) for pod in self._surplus(pods) + self._stuck(pods)]
        calls += [partial(self._remove, pod, lost) for pod in pods if pod.spec.node_name in lost]
        for result in await outcomes(calls):
            if isinstance(result, ApiError):
                raise result
        return Requeue(self._settings.pod_gc_period)

    def _surplus(self, pods: list[Pod]) -> list[Pod]:
        """Finished pods above the threshold: evicted ones first, then the oldest."""
        threshold = self._settings.terminated_pod_gc_threshold
        finished = [pod for pod in pods if pod.finished]
        if not threshold or len(finished) <= threshold:
            return []
        finished.sort(
            key=lambda pod: (pod.status.reason != "Evicted", pod.metadata.creation_timestamp or "", pod.metadata.key)
        )
        return finished[: len(finished) - threshold]

    def _stuck(self, pods: list[Pod]) -> list[Pod]:
        """Pods being deleted that no node will ever finish: never placed, or on a node that is off."""
        found = []
        for pod in pods:
            if not pod.terminating:
                continue
            node = self._nodes.get(pod.spec.node_name) if pod.spec.node_name else None
            if not pod.spec.node_name or (node is not None and _is_out_of_service(node)):
                found.append(pod)
        return found

    async def _lost_nodes(self, pods: list[Pod]) -> set[str]:
        """Names of nodes with pods that have been missing for the quarantine and, asked live, are."""
        missing = {pod.spec.node_name for pod in pods if pod.spec.node_name}
        missing = {name for name in missing if self._nodes.get(name) is None}
        now = clock.monotonic()
        self._missing_since = {name: self._missing_since.get(name, now) for name in sorted(missing)}
        lost = set()
        for name, since in self._missing_since.items():
            if now - since >= self._settings.orphan_quarantine:
                try:
                    await self._client.get("nodes", name)
                except NotFound:
                    lost.add(name)
        return lost

    async def _remove(self, pod: Pod, lost: set[str]) -> None:
        meta = pod.metadata
        try:
            if not pod.finished:
                await self._fail(pod, pod.spec.node_name in lost)
            await self._client.delete("pods", meta.name, meta.namespace, grace_period_seconds=0, uid=meta.uid)
        except NotFound:
            return

    async def _fail(self, pod: Pod, orphaned: bool) -> None:
        """A pod that goes without having finished has failed; its owner reads that in the status."""
        status: Obj = {"phase": "Failed"}
        if orphaned:
            disruption = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "DeletionByPodGC",
                "message": "PodGC: node no longer exists",
                "lastTransitionTime": clock.timestamp(),
            }
            others = [_condition_as_json(c) for c in pod.status.conditions if c.type != "DisruptionTarget"]
            status["conditions"] = [*others, disruption]
        patch = {"metadata": {"uid": pod.metadata.uid}, "status": status}
        await self._client.patch("pods", pod.metadata.name, patch, pod.metadata.namespace, subresource="status")


def _is_out_of_service(node: Node) -> bool:
    ready = node.condition("Ready")
    off = any(taint.key == OUT_OF_SERVICE for taint in node.spec.taints)
    return off and (ready is None or ready.status != "True")


def _condition_as_json(condition: PodCondition) -> Obj:
    fields = {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": condition.last_transition_time,
        "lastProbeTime": condition.last_probe_time,
    }
    return {key: value for key, value in fields.items() if value}


def build(ctx: Context) -> Controller:
    """The controller."""
    return PodGarbageCollector(ctx)
