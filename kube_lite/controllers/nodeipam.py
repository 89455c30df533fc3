"""Node address ranges: each node gets a piece of the cluster's range for its pods, in ``spec.podCIDR``.

What is taken is read from the nodes themselves, so nothing is lost in a restart; the lowest free piece is next
(upstream: ``pkg/controller/nodeipam``, range allocator). A Node object that no kubelet ever reported for has no
pods to give addresses to, so it takes nothing from the range.
"""

from __future__ import annotations

import ipaddress

from kube_lite.client.events import NORMAL
from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.resources.views import Node

NAMES = ("nodeipam", "node-ipam-controller")

FULL_RETRY = 30.0
"""Seconds until a node is tried again that found no free piece."""


class NodeIPAMController(Controller):
    """Hands out pieces, one node at a time."""

    name = "nodeipam"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self.workers = 1  # two workers could hand out the same piece
        self._range = ipaddress.ip_network(ctx.settings.cluster_cidr)
        self._prefix = ctx.settings.node_cidr_mask_size
        self._client = ctx.client_for("node-controller")
        self._recorder = ctx.recorder("cidrAllocator")
        self._nodes = self.source(ctx.informers.get("nodes", Node))
        self._handed_out: dict[str, str] = {}
        self._nodes.on_change(self._observe)

    def _observe(self, old: Node | None, new: Node | None) -> None:
        """A piece stays reserved until its node shows it, or has gone."""
        node = new or old
        if node is not None and (new is None or new.spec.pod_cidr):
            self._handed_out.pop(node.metadata.uid, None)

    def _next_free(self) -> str | None:
        taken = {cidr for node in self._nodes.list() for cidr in (node.spec.pod_cidr, *node.spec.pod_cidrs) if cidr}
        taken.update(self._handed_out.values())
        return next((str(n) for n in self._range.subnets(new_prefix=self._prefix) if str(n) not in taken), None)

    async def reconcile(self, key: str) -> Requeue | None:
        """Give the node a piece, unless it has one, or no kubelet has said yet that it runs pods there."""
        node = self._nodes.get(key)
        if node is None or node.spec.pod_cidr or not node.status.node_info.operating_system:
            return None
        uid = node.metadata.uid
        cidr = self._handed_out.get(uid) or self._next_free()
        if cidr is None:
            message = f"Node {key} status is now: CIDRNotAvailable"
            self._recorder.event(node, NORMAL, "CIDRNotAvailable", message)
            return Requeue(FULL_RETRY)
        self._handed_out[uid] = cidr
        patch = {"metadata": {"uid": uid}, "spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}
        await self._client.patch("nodes", key, patch)
        return None


def build(ctx: Context) -> Controller:
    """The controller."""
    return NodeIPAMController(ctx)
