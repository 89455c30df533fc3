"""EndpointSlices as both of their controllers handle them: found by Service, made under a name of the server's.

Each controller sees and writes only those that carry its name as their manager.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from kube_lite.client.protocol import Client
from kube_lite.controllers.base import Context
from kube_lite.controllers.expectations import Expectations
from kube_lite.controllers.ownership import controller_reference
from kube_lite.controllers.removal import delete_seen
from kube_lite.controllers.service_endpoints import ResolvedPort
from kube_lite.resources.meta import Obj, ObjectView

RESOURCE = "endpointslices.discovery.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"

Ports = tuple[ResolvedPort, ...]


class StoredSlice(ObjectView, frozen=True):
    """An EndpointSlice, its contents as JSON: they are compared and written, not read."""

    address_type: str = "IPv4"
    stored_endpoints: list[dict[str, Any]] | None = msgspec.field(default=None, name="endpoints")
    ports: list[dict[str, Any]] | None = None

    @property
    def endpoints(self) -> list[dict[str, Any]]:
        """The backends; none are printed as null."""
        return self.stored_endpoints or []


class _StoredPort(msgspec.Struct, rename="camel"):
    name: str = ""
    protocol: str = "TCP"
    port: int = 0
    app_protocol: str | None = None


def ports_of(stored: StoredSlice) -> Ports:
    """The ports of a slice, to be compared."""
    found = [msgspec.convert(port, _StoredPort) for port in stored.ports or ()]
    return tuple(ResolvedPort(port.name, port.protocol, port.port, port.app_protocol) for port in found)


def ports_as_json(ports: Ports) -> list[Obj]:
    """The ports as a slice has them."""
    return [port.as_json() for port in ports]


def service_of(stored: StoredSlice) -> Collection[str]:
    """The key of the Service that a slice belongs to."""
    name = stored.metadata.labels.get(SERVICE_NAME)
    return (f"{stored.metadata.namespace}/{name}",) if name else ()


class ManagedSlices:
    """The slices of one manager; those it creates are expected until ``cache`` shows them.

    :param owner_kind: of what a slice is made from and goes with
    """

    def __init__(self, ctx: Context, client: Client, manager: str, owner_kind: str) -> None:
        self._client = client
        self._owner_kind = owner_kind
        self.expectations = Expectations(ctx.settings.expectation_timeout)
        self.cache = ctx.informers.get(RESOURCE, StoredSlice, label_selector=f"{MANAGED_BY}={manager}")
        self.cache.add_index("service", service_of)
        self.cache.on_change(self._observe)

    def _observe(self, old: StoredSlice | None, new: StoredSlice | None) -> None:
        if old is None and new is not None:
            for key in service_of(new):
                self.expectations.created(key)

    def of(self, key: str) -> list[StoredSlice]:
        """The slices of a Service, by name."""
        return sorted(self.cache.by_index("service", key), key=lambda stored: stored.metadata.name)

    async def create(
        self,
        owner: ObjectView,
        address_type: str,
        ports: Ports,
        endpoints: Sequence[Obj],
        labels: Mapping[str, str],
        annotations: Mapping[str, str],
    ) -> None:
        """Make a slice that is expected already; after a failure nothing is expected any more."""
        obj = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "generateName": f"{owner.metadata.name}-",
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [controller_reference(owner, "v1", self._owner_kind)],
            },
            "addressType": address_type,
            "endpoints": endpoints,
            "ports": ports_as_json(ports),
        }
        try:
            await self._client.create(RESOURCE, obj, owner.metadata.namespace)
        except BaseException:
            self.expectations.forget(owner.metadata.key)
            raise

    async def patch(self, stored: StoredSlice, patch: Obj) -> None:
        """Change a slice. :raises Conflict: it changed since it was seen, where the patch says when that was"""
        await self._client.patch(RESOURCE, stored.metadata.name, patch, stored.metadata.namespace)

    async def delete(self, stored: StoredSlice) -> None:
        """Take a slice away."""
        await delete_seen(self._client, RESOURCE, stored.metadata)
