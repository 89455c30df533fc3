"""NodeUnschedulable: cordoned nodes take only pods that tolerate it."""

from __future__ import annotations

from typing import Any

from kube_lite.sched.framework import SKIP, ClusterEvent, EventKind, Plugin, Refusal
from kube_lite.sched.nodes import NodeTable, Rows
from kube_lite.sched.plugins.taint_toleration import NO_SCHEDULE, tolerates
from kube_lite.sched.podinfo import PodInfo

TAINT = ("node.kubernetes.io/unschedulable", "", NO_SCHEDULE)
"""The taint that ``spec.unschedulable`` stands for."""


class NodeUnschedulable(Plugin):
    """Refuses nodes with ``spec.unschedulable``."""

    name = "NodeUnschedulable"
    wakes_on = frozenset({EventKind.NODE_ADD, EventKind.NODE_TAINT, EventKind.TARGET_UPDATE})

    def pre_filter(self, info: PodInfo, nodes: NodeTable) -> Any:
        """SKIP when no node is cordoned, or the pod does not mind."""
        if not nodes.unschedulable.any() or tolerates(info.pod.spec.tolerations, TAINT):
            return SKIP
        return None

    def filter(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        """The cordoned nodes."""
        return [Refusal(nodes.unschedulable[rows], "node(s) were unschedulable", unresolvable=True)]

    def hint(self, event: ClusterEvent, info: PodInfo) -> bool:
        """A node that is open now."""
        return event.node is None or not event.node.spec.unschedulable


PLUGIN = NodeUnschedulable
