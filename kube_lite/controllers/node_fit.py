"""On which nodes a daemon's pod belongs: node selector, required node affinity and taints, nothing of resources."""

from __future__ import annotations

from kube_lite.controllers.node_taints import NO_EXECUTE, NO_SCHEDULE
from kube_lite.controllers.tainteviction import tolerates
from kube_lite.resources.kinds.pod.view import PodSpec, Toleration
from kube_lite.resources.node_selection import selects
from kube_lite.resources.views import Node

DAEMON_TOLERATIONS: tuple[tuple[str, str], ...] = (
    ("node.kubernetes.io/not-ready", NO_EXECUTE),
    ("node.kubernetes.io/unreachable", NO_EXECUTE),
    ("node.kubernetes.io/disk-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/memory-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/pid-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/unschedulable", NO_SCHEDULE),
)
"""What every daemon's pod stands: it is there to serve a node in trouble too."""

NETWORK_TOLERATION = ("node.kubernetes.io/network-unavailable", NO_SCHEDULE)
"""Added for pods on the node's own network, which may be what sets the network up."""


def daemon_tolerations(spec: PodSpec) -> list[Toleration]:
    """The tolerations that a daemon's pod gets besides its own."""
    pairs = [*DAEMON_TOLERATIONS, *([NETWORK_TOLERATION] if spec.host_network else [])]
    return [Toleration(key=key, operator="Exists", effect=effect) for key, effect in pairs]


def belongs(spec: PodSpec, node: Node) -> tuple[bool, bool]:
    """Whether a pod of this kind should be started on the node, and whether one there may stay."""
    if spec.node_name and spec.node_name != node.metadata.name:
        return False, False
    if not selects(spec, node.metadata.name, node.metadata.labels):
        return False, False
    tolerations = [*spec.tolerations, *daemon_tolerations(spec)]
    refused = {t.effect for t in node.spec.taints if not any(tolerates(toleration, t) for toleration in tolerations)}
    return not refused & {NO_EXECUTE, NO_SCHEDULE}, NO_EXECUTE not in refused
