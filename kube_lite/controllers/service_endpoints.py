"""Which pods stand behind a Service, and how: shared by EndpointSlice and Endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from kube_lite import clock
from kube_lite.client.informer import Informer
from kube_lite.controllers.pods import ready_since
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import Obj, ObjectMeta
from kube_lite.resources.views import Service, ServicePort

HEADLESS_LABEL = "service.kubernetes.io/headless"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
"""Annotation: when the change happened that this object's newest revision follows."""

NONE = "None"


class ResolvedPort(msgspec.Struct, frozen=True):
    """A Service's port as one pod has it."""

    name: str
    protocol: str
    port: int
    app_protocol: str | None = None

    def as_json(self) -> Obj:
        """As in a slice or a subset."""
        entry: Obj = {"name": self.name, "protocol": self.protocol, "port": self.port}
        return {**entry, "appProtocol": self.app_protocol} if self.app_protocol else entry


def is_headless(service: Service) -> bool:
    """Whether the Service has no address of its own."""
    return service.spec.cluster_ip == NONE or (not service.spec.cluster_ip and not service.spec.cluster_ips)


def is_managed(service: Service) -> bool:
    """Whether endpoints are kept for the Service; without a selector its owner keeps them."""
    return service.spec.type != "ExternalName" and bool(service.spec.selector)


def services_of(services: Informer[Service], pod: Pod) -> list[str]:
    """Keys of the Services that select the pod."""
    labels = pod.metadata.labels.items()
    found = services.list(pod.metadata.namespace)
    return [s.metadata.key for s in found if s.spec.selector and s.spec.selector.items() <= labels]


def selected(pods: Informer[Pod], service: Service) -> list[Pod]:
    """The pods that the Service selects, by name; endpoints or not."""
    wanted = service.spec.selector.items()
    found = [pod for pod in pods.list(service.metadata.namespace) if wanted <= pod.metadata.labels.items()]
    return sorted(found, key=lambda pod: pod.metadata.name)


def may_be_endpoint(pod: Pod, *, terminating: bool) -> bool:
    """Whether a pod has an address to be reached at."""
    return not pod.finished and bool(addresses(pod)) and (terminating or not pod.terminating)


def addresses(pod: Pod) -> list[str]:
    """All addresses of the pod."""
    return [entry.ip for entry in pod.status.pod_ips] or ([pod.status.pod_ip] if pod.status.pod_ip else [])


def family(address: str) -> str:
    """``IPv4`` or ``IPv6``."""
    return "IPv6" if ":" in address else "IPv4"


def families(service: Service) -> list[str]:
    """The families that the Service serves."""
    if service.spec.ip_families:
        return list(service.spec.ip_families)
    own = [ip for ip in service.spec.cluster_ips or [service.spec.cluster_ip] if ip and ip != NONE]
    return [family(ip) for ip in own] or ["IPv4"]


def resolve_ports(service: Service, pod: Pod) -> tuple[ResolvedPort, ...]:
    """The Service's ports on this pod; a named port that the pod lacks is left out."""
    found = ((port, _target(port, pod)) for port in service.spec.ports)
    return tuple(
        ResolvedPort(port.name, port.protocol, number, port.app_protocol)
        for port, number in found
        if number is not None
    )


def _target(port: ServicePort, pod: Pod) -> int | None:
    if isinstance(port.target_port, int):
        return port.target_port or port.port
    sidecars = [c for c in pod.spec.init_containers if c.restart_policy == "Always"]
    for container in [*pod.spec.containers, *sidecars]:
        for declared in container.ports:
            if declared.name == port.target_port and declared.protocol == port.protocol:
                return declared.container_port
    return None


def hostname(service: Service, pod: Pod) -> str:
    """The pod's name below the Service, '' for none."""
    return pod.spec.hostname if pod.spec.subdomain == service.metadata.name else ""


def target(pod: Pod) -> Obj:
    """A reference to the pod behind an endpoint."""
    meta = pod.metadata
    return {"kind": "Pod", "namespace": meta.namespace, "name": meta.name, "uid": meta.uid}


def trigger_time(service: Service, pods: Sequence[Pod]) -> str:
    """When the newest change that endpoints reflect happened, RFC 3339: a pod's readiness, or the Service itself."""
    created = service.metadata.creation_timestamp
    moments = [clock.parse_timestamp(created)] if created else []
    moments += [since for pod in pods if (since := ready_since(pod)) is not None]
    return clock.timestamp(max(moments)) if moments else ""


def kept_labels(current: ObjectMeta, wanted: dict[str, str]) -> dict[str, str | None]:
    """A patch that makes the labels exactly ``wanted``."""
    gone: Iterable[str] = current.labels.keys() - wanted.keys()
    return {**wanted, **dict.fromkeys(sorted(gone), None)}
