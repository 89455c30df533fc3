"""Endpoints written by hand, for a Service without a selector, as the EndpointSlices that its readers want.

All addresses of one family that have the same ports are one slice; it belongs to the Endpoints and goes with them
(upstream: ``pkg/controller/endpointslicemirroring``). Unlike upstream, the slices go too when the Service gets a
selector, for from then on its own say where it leads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kube_lite.client.events import WARNING
from kube_lite.controllers.base import Context, Controller, Requeue
from kube_lite.controllers.endpoints import StoredEndpoints
from kube_lite.controllers.endpointslices import (
    MANAGED_BY,
    SERVICE_NAME,
    ManagedSlices,
    Ports,
    StoredSlice,
    ports_of,
    service_of,
)
from kube_lite.controllers.service_endpoints import TRIGGER_TIME, ResolvedPort, family, kept_labels
from kube_lite.resources.meta import Obj
from kube_lite.resources.views import Service

NAMES = ("endpointslicemirroring", "endpointslicemirroring-controller")

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
"""Label: ``true`` on Endpoints that are not to be mirrored."""
LEADER = "control-plane.alpha.kubernetes.io/leader"
"""Annotation of Endpoints that only hold a lock."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_TOO_MANY = "A max of {} addresses can be mirrored to EndpointSlices per Endpoints subset. {} addresses were skipped"

Content = dict[tuple[str, Ports], list[Obj]]
"""Endpoints by address type and ports."""


class EndpointSliceMirroringController(Controller):
    """Keeps the slices of Endpoints that are not ours."""

    name = "endpointslicemirroring"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self.workers = ctx.settings.workers
        self._limit = ctx.settings.max_mirrored_endpoints
        self._recorder = ctx.recorder("endpointslicemirroring-controller")
        self._services = self.source(ctx.informers.get("services", Service))
        self._endpoints = self.source(ctx.informers.get("endpoints", StoredEndpoints), self._key_of)
        self._slices = ManagedSlices(ctx, ctx.client_for("endpointslicemirroring-controller"), MANAGER, "Endpoints")
        self._expectations = self._slices.expectations
        self.source(self._slices.cache, service_of)

    def _key_of(self, endpoints: StoredEndpoints) -> Iterable[str]:
        """Nothing for those of a Service with a selector, which change with its pods."""
        service = self._services.get(endpoints.metadata.key)
        return () if service is not None and service.spec.selector else (endpoints.metadata.key,)

    async def reconcile(self, key: str) -> Requeue | None:
        """Make the slices say what the Endpoints say."""
        service, endpoints = self._services.get(key), self._endpoints.get(key)
        slices = self._slices.of(key)
        if service is None or service.spec.selector or endpoints is None or not _is_mirrored(endpoints):
            self._expectations.forget(key)
            for stored in slices:
                await self._slices.delete(stored)
            return None
        if not self._expectations.satisfied(key):
            return Requeue(self._expectations.remaining(key))
        wanted = self._content(endpoints)
        left: list[StoredSlice] = []
        for stored in slices:
            content = wanted.pop((stored.address_type, ports_of(stored)), None)
            if content is None:
                left.append(stored)
            else:
                await self._write(endpoints, stored, content)
        if wanted:
            self._expectations.expect_more_creations(key, len(wanted))
        for (address_type, ports), content in wanted.items():
            labels, annotations = _labels(endpoints), _annotations(endpoints)
            await self._slices.create(endpoints, address_type, ports, content, labels, annotations)
        # the last ones to go, so that the Service leads somewhere at every moment
        for stored in left:
            await self._slices.delete(stored)
        return None

    def _content(self, endpoints: StoredEndpoints) -> Content:
        found: Content = {}
        skipped = 0
        for subset in endpoints.subsets:
            ports = _ports(subset.get("ports") or ())
            both = [(address, True) for address in subset.get("addresses") or ()]
            both += [(address, False) for address in subset.get("notReadyAddresses") or ()]
            skipped += max(0, len(both) - self._limit)
            for address, ready in both[: self._limit]:
                same = found.setdefault((family(address["ip"]), ports), [])
                endpoint = _endpoint(address, ready)
                if endpoint not in same:
                    same.append(endpoint)
        if skipped:
            text = _TOO_MANY.format(self._limit, skipped)
            self._recorder.event(endpoints, WARNING, "TooManyAddressesToMirror", text)
        return found

    async def _write(self, endpoints: StoredEndpoints, stored: StoredSlice, content: list[Obj]) -> None:
        meta, labels, annotations = stored.metadata, _labels(endpoints), _annotations(endpoints)
        if stored.endpoints == content and meta.labels == labels and meta.annotations == annotations:
            return
        metadata: Obj = {
            "resourceVersion": meta.resource_version,
            "labels": kept_labels(meta, labels),
            "annotations": {**dict.fromkeys(meta.annotations), **annotations},
        }
        await self._slices.patch(stored, {"metadata": metadata, "endpoints": content})


def _is_mirrored(endpoints: StoredEndpoints) -> bool:
    meta = endpoints.metadata
    return meta.deletion_timestamp is None and meta.labels.get(SKIP) != "true" and LEADER not in meta.annotations


def _labels(endpoints: StoredEndpoints) -> dict[str, str]:
    return {**endpoints.metadata.labels, SERVICE_NAME: endpoints.metadata.name, MANAGED_BY: MANAGER}


def _annotations(endpoints: StoredEndpoints) -> dict[str, str]:
    kept = endpoints.metadata.annotations.items()
    return {name: value for name, value in kept if name not in (TRIGGER_TIME, LAST_APPLIED)}


def _ports(ports: Sequence[Obj]) -> Ports:
    return tuple(
        ResolvedPort(port.get("name", ""), port.get("protocol", "TCP"), port["port"], port.get("appProtocol"))
        for port in ports
    )


def _endpoint(address: Obj, ready: bool) -> Obj:
    endpoint: Obj = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    endpoint.update({name: address[name] for name in ("hostname", "nodeName", "targetRef") if address.get(name)})
    return endpoint


def build(ctx: Context) -> Controller:
    """The controller."""
    return EndpointSliceMirroringController(ctx)
