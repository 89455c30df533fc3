"""Taint-based eviction: pods leave a node with NoExecute taints when their toleration has run out.

The time runs from when the taint was added, which stands in the taint, so a restart neither shortens nor
lengthens it. Upstream: ``pkg/controller/tainteviction``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from kube_lite import clock
from kube_lite.client.events import NORMAL
from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.controllers.node_taints import NO_EXECUTE
from kube_lite.errors import NotFound
from kube_lite.resources.kinds.pod.view import Pod, Toleration
from kube_lite.resources.meta import Obj
from kube_lite.resources.views import Node, Taint

NAMES = ("taint-eviction-controller", "tainteviction")


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether a toleration stands a taint (upstream: ``ToleratesTaint``)."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or (bool(toleration.key) and toleration.value == taint.value)


def execute_taints(node: Node) -> list[Taint]:
    """The taints that drive pods off."""
    return [taint for taint in node.spec.taints if taint.effect == NO_EXECUTE]


class TaintEvictionController(Controller):
    """Deletes pods whose time on a tainted node is up; keys are pods."""

    name = "taint-eviction-controller"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self.workers = ctx.settings.workers
        self._client = ctx.client_for("node-controller")
        self._recorder = ctx.recorder("taint-controller")
        self._first_seen: dict[tuple[str, str, str], float] = {}
        self._scheduled: set[str] = set()
        self._nodes = self.reads(ctx.informers.get("nodes", Node))
        self._pods = ctx.informers.get("pods", Pod)
        self._pods.add_index("node", lambda pod: (pod.spec.node_name,) if pod.spec.node_name else ())
        self.source(self._pods, self._on_tainted)
        self._nodes.on_change(self._node_changed)

    def _on_tainted(self, pod: Pod) -> Iterable[str]:
        """Pods elsewhere are no business of this controller, unless one was about to go."""
        node = self._nodes.get(pod.spec.node_name) if pod.spec.node_name else None
        key = pod.metadata.key
        return (key,) if key in self._scheduled or (node is not None and execute_taints(node)) else ()

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        before = execute_taints(old) if old is not None else []
        after = execute_taints(new) if new is not None else []
        if before == after:
            return
        node = new or old
        if node is None:
            return
        name = node.metadata.name
        for taint in before:
            if taint not in after:
                self._first_seen.pop((name, taint.key, taint.value), None)
        for taint in after:
            self._first_seen.setdefault((name, taint.key, taint.value), clock.now().timestamp())
        for pod in self._pods.by_index("node", name):
            self.queue.add(pod.metadata.key)

    async def reconcile(self, key: str) -> Requeue | None:
        """Delete the pod if its time is up, else come back when it is."""
        pod = self._pods.get(key)
        node = self._nodes.get(pod.spec.node_name) if pod is not None and pod.spec.node_name else None
        if pod is None or pod.terminating or pod.finished:
            self._scheduled.discard(key)
            return None
        wait = self._time_left(pod, node) if node is not None else math.inf
        if wait == math.inf:
            if key in self._scheduled:
                self._scheduled.discard(key)
                self._recorder.event(pod, NORMAL, "TaintManagerEviction", f"Cancelling deletion of Pod {key}")
            return None
        self._scheduled.add(key)
        if wait > 0:
            return Requeue(wait)
        await self._evict(pod)
        self._scheduled.discard(key)
        return None

    def _time_left(self, pod: Pod, node: Node) -> float:
        """Seconds until the pod must go: 0 now, infinite never."""
        left = math.inf
        now = clock.now().timestamp()
        for taint in execute_taints(node):
            fitting = [toleration for toleration in pod.spec.tolerations if tolerates(toleration, taint)]
            if not fitting:
                return 0.0
            limits = [t.toleration_seconds for t in fitting if t.toleration_seconds is not None]
            if limits:
                left = min(left, self._added(node, taint) + max(0, min(limits)) - now)
        return max(0.0, left)

    def _added(self, node: Node, taint: Taint) -> float:
        """When the taint was added; when it was first seen, if it does not say."""
        if taint.time_added:
            return clock.parse_timestamp(taint.time_added).timestamp()
        return self._first_seen.get((node.metadata.name, taint.key, taint.value), clock.now().timestamp())

    async def _evict(self, pod: Pod) -> None:
        meta = pod.metadata
        self._recorder.event(pod, NORMAL, "TaintManagerEviction", f"Marking for deletion Pod {meta.key}")
        try:
            await self._tell(pod)
            await self._client.delete("pods", meta.name, meta.namespace, uid=meta.uid)
        except NotFound:
            return

    async def _tell(self, pod: Pod) -> None:
        """Say in the pod's status why it goes."""
        if pod.condition("DisruptionTarget") is not None:
            return
        condition: Obj = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": clock.timestamp(),
        }
        operation: Obj = {"op": "add", "path": "/status/conditions/-", "value": condition}
        if not pod.status.conditions:
            operation = {"op": "add", "path": "/status/conditions", "value": [condition]}
        # naming the revision makes a change in between a conflict
        test = {"op": "replace", "path": "/metadata/resourceVersion", "value": pod.metadata.resource_version}
        await self._client.patch(
            "pods",
            pod.metadata.name,
            [test, operation],
            pod.metadata.namespace,
            content_type="application/json-patch+json",
            subresource="status",
        )


def build(ctx: Context) -> Controller:
    """The controller."""
    return TaintEvictionController(ctx)
