"""NodePorts: two pods cannot have the same port of a node."""

from __future__ import annotations

from typing import Any

from kube_lite.sched.framework import SKIP, ClusterEvent, EventKind, Plugin, Refusal
from kube_lite.sched.nodes import NodeTable, Rows, rows_mask
from kube_lite.sched.podinfo import HostPort, PodInfo, host_ports

ANY = "0.0.0.0"


def _conflict(one: HostPort, other: HostPort) -> bool:
    same = (one.protocol, one.port) == (other.protocol, other.port)
    return same and (one.ip == other.ip or ANY in (one.ip, other.ip))


class NodePorts(Plugin):
    """Refuses nodes on which a wanted host port is taken; 0.0.0.0 collides with every address."""

    name = "NodePorts"
    wakes_on = frozenset({EventKind.NODE_ADD, EventKind.POD_DELETE})

    def pre_filter(self, info: PodInfo, nodes: NodeTable) -> Any:
        """SKIP for pods without host ports."""
        return None if info.ports else SKIP

    def filter(self, state: Any, info: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]:
        """Nodes where one of the ports is held."""
        taken = rows_mask(nodes.size, [])
        for port in info.ports:
            for ip, holders in nodes.ports.get((port.protocol, port.port), {}).items():
                if ip == port.ip or ANY in (ip, port.ip):
                    taken[list(holders)] = True
        return [Refusal(taken[rows], "node(s) didn't have free ports for the requested pod ports")]

    def hint(self, event: ClusterEvent, info: PodInfo) -> bool:
        """A new node, or a pod gone that held one of the ports."""
        if event.pod is None:
            return True
        held = host_ports(event.pod.spec.containers)
        return any(_conflict(one, other) for one in held for other in info.ports)


PLUGIN = NodePorts
