"""NodeResourcesFit: a pod's requests must fit, and the emptiest node is liked best (LeastAllocated)."""

from __future__ import annotations

from typing import Any

import numpy as np

from kube_lite.sched.framework import MAX_NODE_SCORE, ClusterEvent, EventKind, Plugin, Refusal
from kube_lite.sched.nodes import CPU, MEMORY, PODS, Ints, Mask, NodeTable, Rows
from kube_lite.sched.podinfo import PodInfo, amount


def _share_left(nodes: NodeTable, column: int, wanted: int, rows: Rows) -> tuple[Ints, Mask]:
    """What part of a resource, in hundredths, the pod would leave free; and which nodes have it at all."""
    allocatable = nodes.allocatable(column)[rows]
    free = np.maximum(allocatable - nodes.nonzero(column)[rows] - wanted, 0)
    return free * MAX_NODE_SCORE // np.maximum(allocatable, 1), allocatable > 0


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
        cpu, has_cpu = _share_left(nodes, CPU, info.nonzero_cpu, rows)
        memory, has_memory = _share_left(nodes, MEMORY, info.nonzero_memory, rows)
        both: Ints = (cpu + memory) >> (has_cpu & has_memory)
        return both

    def hint(self, event: ClusterEvent, info: PodInfo) -> bool:
        """A node that is large enough by itself, or a pod that gave something back."""
        if event.node is None:
            return True
        allocatable = event.node.status.allocatable
        return all(amount(name, allocatable.get(name, "0")) >= value for name, value in info.requests.items())


PLUGIN = NodeResourcesFit
