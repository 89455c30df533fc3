"""EndpointSlices: the addresses behind each Service, at most a hundred to a slice.

Slices that exist are changed as little as possible: endpoints stay in the slice they are in, new ones fill slices
with room, and a slice is written only when it differs. Upstream: ``k8s.io/endpointslice``.
"""

from __future__ import annotations

from kube_lite.controllers.base import Context, Controller, Requeue, batch_delay
from kube_lite.controllers.endpointslices import (
    MANAGED_BY,
    SERVICE_NAME,
    ManagedSlices,
    Ports,
    StoredSlice,
    ports_as_json,
    ports_of,
    service_of,
)
from kube_lite.controllers.service_endpoints import (
    HEADLESS_LABEL,
    TRIGGER_TIME,
    addresses,
    families,
    family,
    hostname,
    is_headless,
    is_managed,
    kept_labels,
    may_be_endpoint,
    resolve_ports,
    selected,
    services_of,
    target,
    trigger_time,
)
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import Obj
from kube_lite.resources.views import Node, Service

NAMES = ("endpointslice", "endpointslice-controller")

MANAGER = "endpointslice-controller.k8s.io"
ZONE = "topology.kubernetes.io/zone"

NODE_RETRY = 1.0
"""Seconds until a pod is looked at again whose node is not known yet."""


class EndpointSliceController(Controller):
    """Keeps the slices of Services that have a selector."""

    name = "endpointslice"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self._sizes: dict[str, int] = {}
        self.workers = ctx.settings.workers
        self._limit = ctx.settings.max_endpoints_per_slice
        self._services = self.source(ctx.informers.get("services", Service))
        self._slices = ManagedSlices(ctx, ctx.client_for("endpointslice-controller"), MANAGER, "Service")
        self._expectations = self._slices.expectations
        self.source(self._slices.cache, service_of)
        self._pods = self.source(
            ctx.informers.get("pods", Pod), lambda pod: services_of(self._services, pod), self._delay
        )
        self._nodes = self.reads(ctx.informers.get("nodes", Node))

    def _delay(self, key: str) -> float:
        return batch_delay(self._sizes.get(key, 0))

    async def reconcile(self, key: str) -> Requeue | None:
        """Make the slices of the Service say what its pods are."""
        service = self._services.get(key)
        slices = self._slices.of(key)
        if service is None or not is_managed(service):
            self._expectations.forget(key)
            self._sizes.pop(key, None)
            if service is not None and service.spec.type == "ExternalName":
                for stored in slices:
                    await self._slices.delete(stored)
            return None
        if not self._expectations.satisfied(key):
            return Requeue(self._expectations.remaining(key))
        pods = [pod for pod in selected(self._pods, service) if may_be_endpoint(pod, terminating=True)]
        self._sizes[key] = len(pods)
        known = [pod for pod in pods if not pod.spec.node_name or self._nodes.get(pod.spec.node_name) is not None]
        served = families(service)
        trigger = trigger_time(service, known)
        for stored in slices:
            if stored.address_type not in served:
                await self._slices.delete(stored)
        for address_type in served:
            mine = [s for s in slices if s.address_type == address_type and s.metadata.deletion_timestamp is None]
            await self._reconcile_family(service, address_type, known, mine, trigger)
        return Requeue(NODE_RETRY) if len(known) < len(pods) else None

    async def _reconcile_family(
        self, service: Service, address_type: str, pods: list[Pod], slices: list[StoredSlice], trigger: str
    ) -> None:
        desired: dict[Ports, dict[str, Obj]] = {}
        for pod in pods:
            endpoint = self._endpoint(service, pod, address_type)
            if endpoint is not None:
                ports = resolve_ports(service, pod)
                desired.setdefault(ports, {})[pod.metadata.uid] = endpoint
        groups: dict[Ports, list[StoredSlice]] = {ports: [] for ports in desired}
        spare: list[StoredSlice] = []
        for stored in slices:
            groups.get(ports_of(stored), spare).append(stored)
        if not desired:
            await self._placeholder(service, address_type, spare, trigger)
            return
        for ports, endpoints in desired.items():
            await self._reconcile_ports(service, address_type, ports, endpoints, groups[ports], spare, trigger)
        # the last ones to go, so that a Service is at no moment without slices
        for stored in spare:
            await self._slices.delete(stored)

    async def _reconcile_ports(
        self,
        service: Service,
        address_type: str,
        ports: Ports,
        endpoints: dict[str, Obj],
        slices: list[StoredSlice],
        spare: list[StoredSlice],
        trigger: str,
    ) -> None:
        """Spread the endpoints that have the same ports over slices, using up ``spare`` ones before making new."""
        left = dict(endpoints)
        contents: list[tuple[StoredSlice, list[Obj]]] = []
        for stored in slices:
            uids = [(e.get("targetRef") or {}).get("uid", "") for e in stored.endpoints]
            contents.append((stored, [left.pop(uid) for uid in uids if uid in left][: self._limit]))
        waiting = list(left.values())
        # slices that must be written anyway are filled first, then those with room
        for changed in (True, False):
            for stored, content in contents:
                if (content != stored.endpoints) == changed:
                    room = self._limit - len(content)
                    content.extend(waiting[:room])
                    waiting = waiting[room:]
        while waiting and spare:
            contents.append((spare.pop(0), waiting[: self._limit]))
            waiting = waiting[self._limit :]
        creations = [waiting[at : at + self._limit] for at in range(0, len(waiting), self._limit)]
        if creations:
            self._expectations.expect_more_creations(service.metadata.key, len(creations))
        for content in creations:
            await self._create(service, address_type, ports, content, trigger)
        for stored, content in contents:
            if content:
                await self._write(service, stored, ports, content, trigger)
            else:
                await self._slices.delete(stored)

    def _endpoint(self, service: Service, pod: Pod, address_type: str) -> Obj | None:
        own = [ip for ip in addresses(pod) if family(ip) == address_type]
        if not own:
            return None
        conditions = {
            "ready": service.spec.publish_not_ready_addresses or (pod.ready and not pod.terminating),
            "serving": pod.ready,
            "terminating": pod.terminating,
        }
        endpoint: Obj = {"addresses": own[:1], "conditions": conditions, "targetRef": target(pod)}
        if name := hostname(service, pod):
            endpoint["hostname"] = name
        if pod.spec.node_name:
            endpoint["nodeName"] = pod.spec.node_name
            node = self._nodes.get(pod.spec.node_name)
            if node is not None and (zone := node.metadata.labels.get(ZONE)):
                endpoint["zone"] = zone
        return endpoint

    async def _placeholder(self, service: Service, address_type: str, slices: list[StoredSlice], trigger: str) -> None:
        """A Service without endpoints has one empty slice, so that its readers know it was looked at."""
        keep = next((s for s in slices if not s.endpoints and not s.ports), None)
        if keep is None:
            self._expectations.expect_more_creations(service.metadata.key, 1)
            await self._create(service, address_type, (), [], trigger)
        else:
            await self._write(service, keep, (), [], trigger)
        for stored in slices:
            if stored is not keep:
                await self._slices.delete(stored)

    def _labels(self, service: Service) -> dict[str, str]:
        reserved = (SERVICE_NAME, MANAGED_BY, HEADLESS_LABEL)
        labels = {key: value for key, value in service.metadata.labels.items() if key not in reserved}
        if is_headless(service):
            labels[HEADLESS_LABEL] = ""
        return {**labels, SERVICE_NAME: service.metadata.name, MANAGED_BY: MANAGER}

    async def _create(
        self, service: Service, address_type: str, ports: Ports, endpoints: list[Obj], trigger: str
    ) -> None:
        annotations = {TRIGGER_TIME: trigger} if trigger else {}
        await self._slices.create(service, address_type, ports, endpoints, self._labels(service), annotations)

    async def _write(
        self, service: Service, stored: StoredSlice, ports: Ports, endpoints: list[Obj], trigger: str
    ) -> None:
        labels = self._labels(service)
        if stored.endpoints == endpoints and ports_of(stored) == ports and stored.metadata.labels == labels:
            return
        metadata: Obj = {
            "resourceVersion": stored.metadata.resource_version,
            "labels": kept_labels(stored.metadata, labels),
            "annotations": {TRIGGER_TIME: trigger or None},
        }
        patch = {"metadata": metadata, "endpoints": endpoints, "ports": ports_as_json(ports)}
        await self._slices.patch(stored, patch)


def build(ctx: Context) -> Controller:
    """The controller."""
    return EndpointSliceController(ctx)
