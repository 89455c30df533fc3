"""NodeResourcesBalancedAllocation: nodes whose cpu and memory fill up evenly are liked best."""

from __future__ import annotations

from typing import Any

import numpy as np

from kube_lite.sched.framework import MAX_NODE_SCORE, SKIP, Plugin
from kube_lite.sched.nodes import CPU, MEMORY, Ints, Mask, NodeTable, Rows
from kube_lite.sched.podinfo import PodInfo


class NodeResourcesBalancedAllocation(Plugin):
    """Scores by how close the used shares of cpu and memory would be to each other."""

    name = "NodeResourcesBalancedAllocation"

    def pre_score(self, info: PodInfo, nodes: NodeTable, feasible: Mask) -> Any:
        """SKIP for pods that ask for neither, or they would all go to one node."""
        return None if info.requests.get("cpu") or info.requests.get("memory") else SKIP

    def score(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> Ints:
        """(1 - standard deviation of the two shares) x 100; with two shares that is half their difference."""
        shares = []
        for name, column in (("cpu", CPU), ("memory", MEMORY)):
            allocatable = nodes.allocatable(column)[rows]
            used = nodes.requested(column)[rows] + info.requests.get(name, 0)
            shares.append((np.minimum(used / np.maximum(allocatable, 1), 1.0), allocatable > 0))
        (cpu, has_cpu), (memory, has_memory) = shares
        deviation = np.where(has_cpu & has_memory, np.abs(cpu - memory) / 2, 0.0)
        scores: Ints = ((1 - deviation) * MAX_NODE_SCORE).astype(np.int64)
        return scores


PLUGIN = NodeResourcesBalancedAllocation
