"""A small world for controllers: a client, informers, chosen controllers, and a kubelet that obeys at once.

The kubelet assigns pods, makes them Running and Ready after ``start_delay`` seconds and removes them
``stop_delay`` seconds after their deletion was asked for. Pods with the label ``ready=false`` never get ready.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from kube_lite import clock
from kube_lite.client.informer import Informers
from kube_lite.controllers.base import Context, run_controllers
from kube_lite.controllers.settings import ControllerSettings
from kube_lite.errors import ApiError
from kube_lite.resources.meta import Obj
from tests.controllers.fake_client import FakeClient

NS = "default"


class World:
    """What a test holds."""

    def __init__(self, client: Any = None, start_delay: float = 1.0, stop_delay: float = 1.0) -> None:
        self.client: Any = client if client is not None else FakeClient()
        self.start_delay = start_delay
        self.stop_delay = stop_delay
        self.most_pods = 0
        self.fewest_ready = 10**9

    def objects(self, resource: str) -> list[Obj]:
        """All objects of a resource, by key."""
        found: list[Obj] = self.client.snapshot(resource)
        return sorted(found, key=lambda o: (o["metadata"].get("namespace", ""), o["metadata"]["name"]))

    def get(self, resource: str, name: str, namespace: str = NS) -> Obj:
        """One object, which must be there."""
        found = self.client.peek(resource, f"{namespace}/{name}" if namespace else name)
        assert found is not None, f"{resource} {name} is gone"
        return dict(found)

    def events(self) -> list[tuple[str, str, str]]:
        """``(kind, reason, message)`` of all events, in the order in which they were written."""
        found = sorted(self.client.snapshot("events"), key=lambda e: int(e["metadata"]["name"].rpartition(".")[2], 16))
        return [(e["involvedObject"]["kind"], e["reason"], e["message"]) for e in found]

    def pods(self) -> list[Obj]:
        """Pods that are not being deleted."""
        return [p for p in self.objects("pods") if "deletionTimestamp" not in p["metadata"]]

    def ready(self) -> int:
        """How many pods are ready."""
        return sum(is_ready(p) for p in self.pods())

    async def kubelet(self) -> None:
        """Play all nodes."""
        seen: dict[str, float] = {}
        while True:
            moment = clock.monotonic()
            for pod in self.objects("pods"):
                uid = pod["metadata"]["uid"]
                deleted = "deletionTimestamp" in pod["metadata"]
                since = seen.setdefault(uid + str(deleted), moment)
                try:
                    if deleted and moment - since >= self.stop_delay:
                        await self._remove(pod)
                    elif not deleted and moment - since >= self.start_delay and not pod["status"].get("conditions"):
                        await self._start(pod)
                except ApiError:
                    continue
            await anyio.sleep(0.5)

    async def _start(self, pod: Obj) -> None:
        meta = pod["metadata"]
        if not pod["spec"].get("nodeName"):
            await self.client.bind(meta["name"], meta["namespace"], "n1")
        ready = meta.get("labels", {}).get("ready") != "false"
        status = {"phase": "Running", "podIP": "10.0.0.1", "conditions": [ready_condition(ready)]}
        await self.client.patch("pods", meta["name"], {"status": status}, meta["namespace"], subresource="status")

    async def _remove(self, pod: Obj) -> None:
        meta = pod["metadata"]
        await self.client.delete("pods", meta["name"], meta["namespace"], grace_period_seconds=0)

    async def watch_bounds(self) -> None:
        """Note the most pods and the fewest ready ones that there ever were."""
        while True:
            self.most_pods = max(self.most_pods, len(self.pods()))
            self.fewest_ready = min(self.fewest_ready, self.ready())
            await anyio.sleep(0.05)


def is_ready(pod: Obj) -> bool:
    """Whether its Ready condition is True."""
    conditions = pod["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def ready_condition(ready: bool) -> Obj:
    """The Ready condition as of now."""
    return {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": clock.timestamp()}


@asynccontextmanager
async def running(
    world: World,
    names: Iterable[str],
    *,
    settings: ControllerSettings | None = None,
    kubelet: bool = True,
    **context: Any,
) -> AsyncIterator[Context]:
    """The named controllers at work in ``world``."""
    context.setdefault("client_for", lambda name: world.client)
    ctx = Context(
        informers=Informers(world.client),
        settings=settings or ControllerSettings(),
        **context,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_controllers, ctx, list(names))
        if kubelet:
            tasks.start_soon(world.kubelet)
        yield ctx
        tasks.cancel_scope.cancel()


def template(labels: dict[str, str], image: str = "img:1", **extra: Any) -> Obj:
    """A pod template."""
    return {"metadata": {"labels": labels, **extra}, "spec": {"containers": [{"name": "c", "image": image}]}}
