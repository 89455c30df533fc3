"""The real API as the world of a test: an administrator's client with the few extras that a world asks for."""

from __future__ import annotations

from typing import Any

from kube_lite.api.plane import Plane
from kube_lite.resources.meta import Obj
from tests.plane import admin, started_plane

WRITES = ("create", "update", "patch", "delete")


class RealClient:
    """A LocalClient that notes its writes and shows what is stored."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.writes: list[tuple[str, str, str]] = []
        self._client = admin(plane)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def snapshot(self, resource: str) -> list[Obj]:
        """All objects of a resource."""
        return list(self.plane.storage.select(resource))

    def peek(self, resource: str, key: str) -> Obj | None:
        """One object."""
        namespace, _, name = key.rpartition("/")
        return self.plane.storage.lookup(resource, namespace, name)

    async def bind(self, name: str, namespace: str, node: str) -> None:
        """What a scheduler does."""
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        await self._client.create("pods", binding, namespace, name=name, subresource="binding")


async def real_client() -> RealClient:
    """A client of a fresh API."""
    return RealClient(await started_plane())
