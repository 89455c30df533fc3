"""NodeResourcesFit: a pod's requests must fit, and the emptiest node is liked best (LeastAllocated)."""

from __future__ import annotations

from typing import Any

import numpy as np

from kube_lite.sched.framework import MAX_NODE_SCORE, ClusterEvent, EventKind, Plugin, Refusal
from kube_lite.sched.nodes import CPU, MEMORY, PODS, Ints, NodeTable, Rows
from kube_lite.sched.podinfo import PodInfo, amount


class NodeResourcesFit(Plugin):
    """Refuses nodes with too little of a resource left, or too many pods."""

    name = "NodeResourcesFit"
    wakes_on = frozenset({EventKind.NODE_ADD, EventKind.NODE_ALLOCATABLE, EventKind.POD_DELETE, EventKind.POD_UPDATE})

    def pre_filter(self, info: PodInfo, nodes: NodeTable) -> Any:
        """The pod's requests as (column, amount, reason), in the order in which they are told."""
        wanted = [(PODS, 1, "Too many pods")]
        wanted += [
            (nodes.resource(name), value, f"Insufficient {name}")
            for name, value in info.requests.items()
            if value > 0 and name != "pods"
        ]
        return wanted

    def filter(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        """Nodes where a request is more than what is left; each lacking resource is a reason of its own."""
        refusals = []
        for column, value, reason in state:
            allocatable = nodes.allocatable(column)[rows]
            short = allocatable - nodes.requested(column)[rows] < value
            if short.any():
                never = short & (allocatable < value) & (column != PODS)
                if never.any():
                    refusals.append(Refusal(never, reason, unresolvable=True))
                refusals.append(Refusal(short & ~never, reason))
        return refusals

    def score(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        """The share of cpu and memory left free, averaged; integer arithmetic as upstream's."""
        total = np.zeros_like(nodes.nonzero(CPU)[rows])
        weights = np.zeros_like(total)
        for column, value in ((CPU, info.nonzero_cpu), (MEMORY, info.nonzero_memory)):
            allocatable = nodes.allocatable(column)[rows]
            free = np.maximum(allocatable - nodes.nonzero(column)[rows] - value, 0)
            total += free * MAX_NODE_SCORE // np.maximum(allocatable, 1)
            weights += allocatable > 0
        scores: Ints = total // np.maximum(weights, 1)
        return scores

    def hint(self, event: ClusterEvent, info: PodInfo) -> bool:
        """A node that is large enough by itself, or a pod that gave something back."""
        if event.node is None:
            return True
        allocatable = event.node.status.allocatable
        return all(amount(name, allocatable.get(name, "0")) >= value for name, value in info.requests.items())


PLUGIN = NodeResourcesFit
