"""Whether a pod that was bound to this node can run here: upstream's kubelet asks so too, whoever bound the pod.

The scheduler never offers what does not fit, but a pod may name its node itself, or two schedulers may be at work.
A pod that is refused fails for good, with the reason and message that the kubelet gives; nothing of it is started.
Taints are left to the taint controller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from kube_lite.node.status import Verdict
from kube_lite.resources import quantity
from kube_lite.resources.kinds.pod.view import Container, Pod
from kube_lite.resources.node_selection import selects
from kube_lite.resources.pod_resources import pod_requests

AFFINITY = "NodeAffinity"

SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
"""What a pod may set in its own namespaces (upstream's safe set)."""

_FIRST = ("cpu", "memory", "ephemeral-storage")
_EVERY_ADDRESS = "0.0.0.0"

Port = tuple[str, int, str]
"""Protocol, number and address of a port of the node."""


def requests(pod: Pod) -> dict[str, int]:
    """What a pod asks of its node: milli-CPU, bytes, or whole units."""

    def containers(which: Iterable[Container]) -> list[dict[str, object]]:
        return [{"resources": {"requests": c.resources.requests}, "restartPolicy": c.restart_policy} for c in which]

    spec = {
        "containers": containers(pod.spec.containers),
        "initContainers": containers(pod.spec.init_containers),
        "overhead": pod.spec.overhead,
    }
    return {name: amount.milli if name == "cpu" else amount.value for name, amount in pod_requests(spec).items()}


def _ports(pod: Pod) -> Iterator[Port]:
    for container in (*pod.spec.containers, *(c for c in pod.spec.init_containers if c.restart_policy == "Always")):
        for port in container.ports:
            if port.host_port:
                yield port.protocol or "TCP", port.host_port, port.host_ip or _EVERY_ADDRESS


def _collide(one: Port, other: Port) -> bool:
    return one[:2] == other[:2] and (one[2] == other[2] or _EVERY_ADDRESS in (one[2], other[2]))


def _predicate(name: str, why: str) -> Verdict:
    return Verdict(name, f"Predicate {name} failed: {why}")


def _resources(pod: Pod, others: list[Pod], allocatable: Mapping[str, str]) -> Verdict | None:
    """The first resource that there is not enough of; devices that the node does not know are not asked for."""
    places = quantity.value(allocatable["pods"]) if "pods" in allocatable else None
    if places is not None and len(others) + 1 > places:
        return _insufficient("pods", 1, len(others), places)
    wanted = requests(pod)
    taken = [requests(other) for other in others]
    for name in sorted(wanted, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)):
        if not wanted[name] or name not in allocatable:
            continue
        capacity = quantity.milli(allocatable[name]) if name == "cpu" else quantity.value(allocatable[name])
        used = sum(amounts.get(name, 0) for amounts in taken)
        if wanted[name] > capacity - used:
            return _insufficient(name, wanted[name], used, capacity)
    return None


def _insufficient(name: str, wanted: int, used: int, capacity: int) -> Verdict:
    text = f"Node didn't have enough resource: {name}, requested: {wanted}, used: {used}, capacity: {capacity}"
    return Verdict(f"OutOf{name}", text)


def _sysctls(pod: Pod) -> Verdict | None:
    for setting in (pod.spec.security_context or {}).get("sysctls") or ():
        name = str(setting.get("name", "")).replace("/", ".")
        if name not in SAFE_SYSCTLS:
            return Verdict("SysctlForbidden", f'forbidden sysctl: "{name}" not allowlisted')
        if name.startswith("net.") and pod.spec.host_network:
            return Verdict("SysctlForbidden", f'forbidden sysctl: "{name}" not allowed with host net enabled')
        if name.startswith("kernel.") and pod.spec.host_ipc:
            return Verdict("SysctlForbidden", f'forbidden sysctl: "{name}" not allowed with host ipc enabled')
    return None


def allowed_on(pod: Pod, name: str, labels: Mapping[str, str]) -> Verdict | None:
    """Why the pod's selector or affinity does not allow this node; None when it does."""
    if selects(pod.spec, name, labels):
        return None
    return _predicate(AFFINITY, "node(s) didn't match Pod's node affinity/selector")


def refusal(
    pod: Pod, others: Iterable[Pod], name: str, labels: Mapping[str, str], allocatable: Mapping[str, str]
) -> Verdict | None:
    """Why the pod cannot run here, the first reason in upstream's order; None when it can.

    :param others: the pods that were admitted before and have not ended
    :param labels: those of the node
    :param allocatable: what the node has for pods
    """
    others = list(others)
    if (verdict := _sysctls(pod) or _resources(pod, others, allocatable) or allowed_on(pod, name, labels)) is not None:
        return verdict
    taken = [port for other in others for port in _ports(other)]
    if any(_collide(one, other) for one in _ports(pod) for other in taken):
        return _predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports")
    return None
