"""NodeName: a pod that names its node goes nowhere else."""

from __future__ import annotations

from typing import Any

from kube_lite.sched.framework import SKIP, EventKind, Plugin, Refusal
from kube_lite.sched.nodes import NodeTable, Rows, rows_mask
from kube_lite.sched.podinfo import PodInfo


class NodeName(Plugin):
    """Refuses every node but the one in ``spec.nodeName``."""

    name = "NodeName"
    wakes_on = frozenset({EventKind.NODE_ADD})

    def pre_filter(self, info: PodInfo, nodes: NodeTable) -> Any:
        """SKIP unless the pod names a node."""
        return None if info.pod.spec.node_name else SKIP

    def filter(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        """Every other node."""
        row = nodes.rows.get(info.pod.spec.node_name)
        named = rows_mask(nodes.size, [] if row is None else [row])
        return [Refusal(~named[rows], "node(s) didn't match the requested node name", unresolvable=True)]


PLUGIN = NodeName
