"""Watches Services, EndpointSlices and Nodes, and tells the network what should be.

Only Services that changed are worked out anew; changes that come within a moment of each other are applied
together, as one whole state. An endpoint counts when it is ready; a Service with none that is ready uses those
that still serve while they terminate (upstream's kube-proxy).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import anyio
from msgspec.structs import replace

from kube_lite.client.informer import Informer
from kube_lite.node import relay
from kube_lite.node.environment import service_variables
from kube_lite.node.proxy import PodNetwork, ServiceProxy, ServiceSpec
from kube_lite.node.relay import ApiRelay
from kube_lite.node.runtime import RuntimeFailure
from kube_lite.node.settings import NodeSettings
from kube_lite.resources.meta import dig
from kube_lite.resources.views import Endpoint, EndpointSlice, Node, Service

log = logging.getLogger(__name__)

SERVICE_LABEL = "kubernetes.io/service-name"

LEFT_ALONE = ("service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless")
"""Labels of Services that are for another proxy, or for none, whatever their values (upstream's kube-proxy)."""

AFFINITY_SECONDS = 10800
"""Default timeout of ClientIP affinity (upstream)."""

RETRY, RETRY_MAX = 1.0, 60.0
"""Seconds before what the network refused is tried again; for routes they double each time that nothing changed."""


def service_of(piece: EndpointSlice) -> str:
    """The key of the Service that a slice belongs to."""
    return f"{piece.metadata.namespace}/{piece.metadata.labels.get(SERVICE_LABEL, '')}"


def _usable(endpoint: Endpoint) -> tuple[bool, bool]:
    """Whether it is ready, and whether it at least serves while it terminates."""
    conditions = endpoint.conditions
    ready = conditions.ready is not False
    return ready, bool(conditions.terminating) and conditions.serving is not False


def endpoints_of(slices: Iterable[EndpointSlice], port_name: str, node: str = "") -> tuple[tuple[str, int], ...]:
    """Addresses and ports behind a Service port, sorted.

    :param node: only endpoints on this node, '' for all
    """
    ready: set[tuple[str, int]] = set()
    ending: set[tuple[str, int]] = set()
    for piece in slices:
        ports = [p.port for p in piece.ports if (p.name or "") == port_name and p.port]
        if piece.address_type != "IPv4":
            continue
        for endpoint in piece.endpoints:
            if not endpoint.addresses or (node and endpoint.node_name != node):
                continue
            is_ready, is_ending = _usable(endpoint)
            found = {(endpoint.addresses[0], port) for port in ports}
            if is_ready:
                ready |= found
            elif is_ending:
                ending |= found
    return tuple(sorted(ready or ending))


def specs_of(service: Service, slices: Iterable[EndpointSlice], node: str) -> dict[str, ServiceSpec]:
    """What the proxy should do for one Service, by ``namespace/name:port-name``."""
    spec = service.spec
    if spec.type == "ExternalName" or not spec.cluster_ip or spec.cluster_ip == "None" or ":" in spec.cluster_ip:
        return {}
    if any(label in service.metadata.labels for label in LEFT_ALONE):
        return {}
    pieces = list(slices)
    affinity = 0
    if spec.session_affinity == "ClientIP":
        configured = dig(spec.session_affinity_config, "clientIP", "timeoutSeconds", default=AFFINITY_SECONDS)
        affinity = int(configured)
    found: dict[str, ServiceSpec] = {}
    local = node if spec.internal_traffic_policy == "Local" else ""
    for port in spec.ports:
        endpoints = endpoints_of(pieces, port.name, local)
        key = f"{service.metadata.key}:{port.name}"
        found[key] = ServiceSpec(spec.cluster_ip, port.port, port.protocol, endpoints, port.node_port, affinity)
        for address in spec.external_ips:
            found[f"{key}@{address}"] = ServiceSpec(address, port.port, port.protocol, endpoints, 0, affinity)
    return found


class _Dirty:
    """Keys that changed, and a task waiting for them. Bounded by the number of distinct keys."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._event = anyio.Event()

    def add(self, key: str) -> None:
        self._keys.add(key)
        self._event.set()

    async def wait(self) -> None:
        """Return when something has changed."""
        await self._event.wait()

    async def take(self, delay: float) -> set[str]:
        """What changed, after waiting ``delay`` seconds for what follows."""
        await self._event.wait()
        await anyio.sleep(delay)
        keys, self._keys, self._event = self._keys, set(), anyio.Event()
        return keys


class Services:
    """Keeps a :class:`ServiceProxy` up to date, and knows the variables that pods get of Services."""

    def __init__(
        self,
        settings: NodeSettings,
        services: Informer[Service],
        slices: Informer[EndpointSlice],
        proxy: ServiceProxy | None,
        relay: ApiRelay | None = None,
    ) -> None:
        self._relay = relay
        self._settings = settings
        self._services = services
        self._slices = slices
        self._proxy = proxy
        self._specs: dict[str, dict[str, ServiceSpec]] = {}
        self._dirty = _Dirty()
        slices.add_index("service", lambda piece: (service_of(piece),))

    def variables(self, namespace: str) -> Mapping[str, str]:
        """The variables of the Services of ``namespace``; for '' those of ``default/kubernetes``."""
        if namespace:
            return service_variables(self._services.list(namespace))
        master = self._services.get("default/kubernetes")
        return service_variables([master] if master else [])

    async def run(self) -> None:
        """Apply changes until cancelled."""
        if self._proxy is None:
            await anyio.sleep_forever()
            return
        await self._services.wait_synced()
        await self._slices.wait_synced()
        self._services.on_change(self._service_changed)
        self._slices.on_change(self._slice_changed)
        self._dirty.add("")  # so that an empty cluster clears what an earlier executor left
        while True:
            keys = await self._dirty.take(self._settings.services_delay)
            for key in keys:
                service = self._services.get(key)
                if service is None:
                    self._specs.pop(key, None)
                else:
                    self._specs[key] = self._specs_of(service)
            wanted = {name: spec for specs in self._specs.values() for name, spec in specs.items()}
            try:
                await self._proxy.sync(wanted)
            except Exception:
                log.exception("services were not applied; again in %g s", RETRY)
                await anyio.sleep(RETRY)
                self._dirty.add("")

    def _specs_of(self, service: Service) -> dict[str, ServiceSpec]:
        found = specs_of(service, self._slices.by_index("service", service.metadata.key), self._settings.name)
        if service.metadata.key != relay.SERVICE or self._relay is None or self._relay.endpoint is None:
            return found
        there = (self._relay.endpoint,)
        return {key: spec if spec.endpoints else replace(spec, endpoints=there) for key, spec in found.items()}

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        for service in (old, new):
            if service is not None:
                self._dirty.add(service.metadata.key)

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for piece in (old, new):
            if piece is not None:
                self._dirty.add(service_of(piece))


def routes_of(nodes: Iterable[Node], own: str) -> dict[str, str]:
    """Pod networks of other nodes, each with the node's address."""
    found: dict[str, str] = {}
    for node in nodes:
        if node.metadata.name == own or not node.spec.pod_cidr:
            continue
        address = next((a.address for a in node.status.addresses if a.type == "InternalIP"), "")
        if address:
            found[node.spec.pod_cidr] = address
    return found


class Routes:
    """Tells the network where the pods of other nodes are."""

    def __init__(self, settings: NodeSettings, nodes: Informer[Node], network: PodNetwork) -> None:
        self._settings = settings
        self._nodes = nodes
        self._network = network
        self._dirty = _Dirty()
        self._applied: dict[str, str] | None = None

    async def run(self) -> None:
        """Apply changes until cancelled."""
        await self._nodes.wait_synced()
        self._nodes.on_change(lambda old, new: self._dirty.add(""))
        self._dirty.add("")
        tried, delay = self._applied, RETRY
        while True:
            await self._dirty.take(self._settings.services_delay)
            wanted = routes_of(self._nodes.list(), self._settings.name)
            if wanted == self._applied:
                continue
            delay = min(2 * delay, RETRY_MAX) if wanted == tried else RETRY
            try:
                await self._network.set_routes(wanted)
                self._applied = wanted
            except RuntimeFailure as error:
                log.warning("%s; again in %g s", error.message, delay)
                self._applied, tried = None, wanted
                with anyio.move_on_after(delay):
                    await self._dirty.wait()
                self._dirty.add("")
