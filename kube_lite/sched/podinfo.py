"""What the scheduler works out once per pod: requests, host ports and the class of pods it is like.

Requests follow upstream's ``component-helpers/resource.PodRequests``: containers run together and add up, init
containers run one after the other beside the sidecars started before them, and the larger of the two counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from kube_lite.resources import quantity
from kube_lite.resources.kinds.pod.view import Container, Pod

Amounts = dict[str, int]
"""Resource name to amount: milli-CPU for ``cpu``, else whole units (bytes, devices)."""

GroupKey = tuple[str, str, bool, tuple[tuple[str, str], ...]]
"""Namespace, uid of the controlling workload, whether terminating, and labels: what pods are counted by."""

SPREAD_KINDS = frozenset({"ReplicaSet", "ReplicationController", "StatefulSet"})
"""Workloads whose pods are spread although they do not say so (upstream's default constraints)."""

DEFAULT_MILLI_CPU = 100
"""milli-CPU that a container naming no cpu request counts for in scores (upstream's util.DefaultMilliCPURequest)."""

DEFAULT_MEMORY = 200 * 1024 * 1024
"""Bytes that a container naming no memory request counts for in scores (upstream's util.DefaultMemoryRequest)."""


def amount(resource: str, text: str) -> int:
    """``text`` in the unit in which the scheduler counts ``resource``."""
    return quantity.milli(text) if resource == "cpu" else quantity.value(text)


def _amounts(texts: Mapping[str, str], defaults: Mapping[str, int]) -> Amounts:
    amounts = dict(defaults)
    for resource, text in texts.items():
        amounts[resource] = amount(resource, text)
    return amounts


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for resource, value in more.items():
        total[resource] = total.get(resource, 0) + value


def _raise_to(total: Amounts, other: Mapping[str, int]) -> None:
    for resource, value in other.items():
        if value > total.get(resource, 0):
            total[resource] = value


def pod_requests(pod: Pod, defaults: Mapping[str, int] | None = None) -> Amounts:
    """What ``pod`` asks of a node; ``defaults`` stand in for what a container does not name."""
    defaults = defaults or {}
    total: Amounts = {}
    for container in pod.spec.containers:
        _add(total, _amounts(container.resources.requests, defaults))
    sidecars: Amounts = {}
    initial: Amounts = {}
    for container in pod.spec.init_containers:
        wanted = _amounts(container.resources.requests, defaults)
        if container.restart_policy == "Always":
            _add(total, wanted)
            _add(sidecars, wanted)
            wanted = dict(sidecars)
        else:
            _add(wanted, sidecars)
        _raise_to(initial, wanted)
    _raise_to(total, initial)
    _add(total, _amounts(pod.spec.overhead, {}))
    return total


class HostPort(msgspec.Struct, frozen=True):
    """A port of the node itself; ``ip`` 0.0.0.0 stands for all its addresses."""

    ip: str
    protocol: str
    port: int


def host_ports(containers: Iterable[Container]) -> tuple[HostPort, ...]:
    """The node ports that ``containers`` occupy."""
    return tuple(
        HostPort(port.host_ip or "0.0.0.0", port.protocol or "TCP", port.host_port)
        for container in containers
        for port in container.ports
        if port.host_port
    )


def workload(pod: Pod) -> str:
    """The uid of the ReplicaSet, ReplicationController or StatefulSet that the pod belongs to, or ''."""
    owner = pod.metadata.controller
    return owner.uid if owner is not None and owner.kind in SPREAD_KINDS else ""


def _signature(pod: Pod) -> bytes:
    """Equal for pods that every plugin which looks at nodes alone treats alike."""
    spec = pod.spec
    containers = [(c.resources.requests, c.ports, c.image) for c in spec.containers]
    initial = [(c.resources.requests, c.ports, c.image, c.restart_policy) for c in spec.init_containers]
    return msgspec.json.encode(
        (
            spec.node_name,
            spec.node_selector,
            spec.affinity,
            spec.tolerations,
            spec.topology_spread_constraints,
            containers,
            initial,
            spec.overhead,
            workload(pod),
        )
    )


class PodInfo(msgspec.Struct, frozen=True, eq=False):
    """A pod and what was worked out about it."""

    pod: Pod
    requests: Amounts
    nonzero_cpu: int
    nonzero_memory: int
    ports: tuple[HostPort, ...]
    group: GroupKey
    signature: bytes

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return self.pod.metadata.key

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return self.pod.metadata.uid

    @property
    def workload(self) -> str:
        """The uid of the workload it belongs to, see :func:`workload`."""
        return self.group[1]

    @property
    def has_pod_affinity(self) -> bool:
        """Whether the pod wants to be near to, or away from, other pods."""
        affinity = self.pod.spec.affinity
        return affinity is not None and (affinity.pod_affinity is not None or affinity.pod_anti_affinity is not None)

    @property
    def priority(self) -> int:
        """Higher is scheduled first, and may preempt lower."""
        return self.pod.spec.priority


def pod_info(pod: Pod) -> PodInfo:
    """Work out ``pod``. :raises ValueError: a request is not a quantity"""
    nonzero = pod_requests(pod, {"cpu": DEFAULT_MILLI_CPU, "memory": DEFAULT_MEMORY})
    init_sidecars = [c for c in pod.spec.init_containers if c.restart_policy == "Always"]
    return PodInfo(
        pod=pod,
        requests=pod_requests(pod),
        nonzero_cpu=nonzero.get("cpu", 0),
        nonzero_memory=nonzero.get("memory", 0),
        ports=host_ports([*pod.spec.containers, *init_sidecars]),
        group=(pod.metadata.namespace, workload(pod), pod.terminating, tuple(sorted(pod.metadata.labels.items()))),
        signature=_signature(pod),
    )
