"""How long nodes may keep what they read, by the size of the cluster: annotation ``node.alpha.kubernetes.io/ttl``.

Upstream: ``pkg/controller/ttl``.
"""

from __future__ import annotations

from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.resources.views import Node

NAMES = ("ttl", "ttl-controller")

ANNOTATION = "node.alpha.kubernetes.io/ttl"

STEPS = ((100, 0), (500, 15), (1000, 30), (2000, 60))
"""Nodes up to which, and the seconds then; above the last step 300."""

LARGEST = 300


def seconds_for(nodes: int) -> int:
    """Seconds that secrets and config maps may be kept in a cluster of so many nodes."""
    return next((seconds for limit, seconds in STEPS if nodes <= limit), LARGEST)


class NodeTTLController(Controller):
    """Keeps the annotation of every node."""

    name = "ttl"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._client = ctx.client_for("ttl-controller")
        self._seconds = 0
        self._nodes = ctx.informers.get("nodes", Node)
        self.source(self._nodes)
        self._nodes.on_change(self._count)

    def _count(self, old: Node | None, new: Node | None) -> None:
        seconds = seconds_for(len(self._nodes.list()))
        if seconds != self._seconds:
            self._seconds = seconds
            for node in self._nodes.list():
                self.queue.add(node.metadata.name)

    async def reconcile(self, key: str) -> Requeue | None:
        """Write the annotation if it differs."""
        node = self._nodes.get(key)
        wanted = str(seconds_for(len(self._nodes.list())))
        if node is None or node.metadata.annotations.get(ANNOTATION) == wanted:
            return None
        patch = {"metadata": {"uid": node.metadata.uid, "annotations": {ANNOTATION: wanted}}}
        await self._client.patch("nodes", key, patch)
        return None


def build(ctx: Context) -> Controller:
    """The controller."""
    return NodeTTLController(ctx)
