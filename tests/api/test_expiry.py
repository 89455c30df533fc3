"""Events go an hour after they were last written."""

from __future__ import annotations

import json
from typing import Any

import anyio

from kube_lite import clock
from kube_lite.api.local import LocalClient
from tests.plane import admin, started_plane


def event(name: str) -> dict[str, Any]:
    involved = {"kind": "Pod", "namespace": "default", "name": "p"}
    return {"metadata": {"name": name}, "involvedObject": involved, "reason": "Tested", "type": "Normal"}


async def names(client: LocalClient, resource: str = "events") -> list[str]:
    found = await client.list(resource, "default")
    return [json.loads(item)["metadata"]["name"] for item in found.items]


def test_an_event_goes_an_hour_after_its_last_write() -> None:
    async def main() -> None:
        plane = await started_plane()
        client = admin(plane)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(plane.run)
            for name in ("a", "b"):
                await client.create("events", event(name), "default")
            await client.create("configmaps", {"metadata": {"name": "c"}}, "default")
            await anyio.sleep(3000)
            await client.patch("events", "b", {"count": 2}, "default")
            assert await names(client) == ["a", "b"]
            async with client.watch("events", "default") as batches:
                await anyio.sleep(1000)
                told = [event async for batch in _first(batches) for event in batch]
            assert [change.type for change in told] == ["ADDED", "ADDED", "DELETED"]
            assert await names(client) == ["b"]
            await anyio.sleep(3600)
            assert await names(client) == await names(client, "events.v1.events.k8s.io") == []
            assert await names(client, "configmaps") == ["c"]
            tasks.cancel_scope.cancel()

    clock.run_virtual(main())


async def _first(batches: Any) -> Any:
    """The batches that are ready: what is there, and what has happened."""
    for _ in range(2):
        yield await anext(batches)
