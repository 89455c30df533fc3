"""Running a story against an API of its own, in virtual time, and the objects the stories write."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from kube_lite import clock
from kube_lite.api.local import LocalClient
from kube_lite.api.plane import Plane
from tests.plane import admin, started_plane

Json = dict[str, Any]
WITHOUT = ("ServiceAccount",)
"""No controllers run here, so no namespace has an account."""


def play(
    story: Callable[[LocalClient], Awaitable[None]],
    *,
    disabled: Collection[str] = WITHOUT,
    prepare: Callable[[Plane], None] | None = None,
) -> None:
    """Run ``story`` as an administrator."""

    async def main() -> None:
        plane = await started_plane(disabled=disabled)
        if prepare is not None:
            prepare(plane)
        await story(admin(plane))

    clock.run_virtual(main())


def pod(name: str, *, spec: Json | None = None, **resources: Json) -> Json:
    """A pod with one container."""
    container: Json = {"name": "c", "image": "i:1", "resources": resources}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **(spec or {})}}


async def made(client: LocalClient, resource: str, obj: Json, namespace: str = "default") -> Json:
    """Create and decode."""
    answer: Json = json.loads(await client.create(resource, obj, namespace))
    return answer


async def read(client: LocalClient, resource: str, name: str, namespace: str = "default") -> Json:
    """Get and decode."""
    answer: Json = json.loads(await client.get(resource, name, namespace))
    return answer
