"""The controllers may die before or after any write; whoever takes over ends where an undisturbed run ends.

Every write boundary is tried, not a sample of them. A process that dies gets no answer: the write is made or not,
and nothing more is heard of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.resources.meta import Obj
from tests.controllers.test_deployment import BOTH, DEPLOY, RS, deployment, set_image, strategy
from tests.controllers.world import NS, World, is_ready, running

WRITES = ("create", "update", "patch", "delete", "delete_collection")


class Dying:
    """A client whose process dies at its ``at``-th write."""

    def __init__(self, client: Any, at: int, made: bool) -> None:
        self._client = client
        self._at = at
        self._made = made
        self.count = 0
        self.died = anyio.Event()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return self._counted(method) if name in WRITES else method

    def _counted(self, method: Callable[..., Awaitable[bytes]]) -> Callable[..., Awaitable[bytes]]:
        async def call(resource: str, *args: Any, **kwargs: Any) -> bytes:
            if resource == "events":
                return await method(resource, *args, **kwargs)
            self.count += 1
            if self.died.is_set() or self.count == self._at:
                if self._made and not self.died.is_set():
                    await method(resource, *args, **kwargs)
                self.died.set()
                await anyio.sleep_forever()
            return await method(resource, *args, **kwargs)

        return call


async def story(world: World) -> None:
    """What the user does."""
    await world.client.create(DEPLOY, deployment(2, strategy=strategy(1, 0)), NS)
    await anyio.sleep(8)
    await set_image(world, "img:2")
    await anyio.sleep(20)
    await world.client.patch(DEPLOY, "d", {"spec": {"replicas": 3}}, NS)
    await anyio.sleep(20)


def end_state(world: World) -> dict[str, Any]:
    """Everything but times, generated names and revisions of objects."""

    def status(obj: Obj) -> Obj:
        kept = {k: v for k, v in obj["status"].items() if k not in ("conditions", "observedGeneration")}
        found = [(c["type"], c["status"], c["reason"]) for c in obj["status"].get("conditions", [])]
        return {**kept, "conditions": sorted(found)}

    (found,) = world.objects(DEPLOY)
    return {
        "deployment": (found["metadata"]["annotations"], status(found)),
        "sets": [
            (rs["metadata"]["name"], rs["metadata"]["annotations"], rs["spec"], status(rs)) for rs in world.objects(RS)
        ],
        "pods": [(p["metadata"]["labels"], p["spec"]["containers"], is_ready(p)) for p in world.objects("pods")],
    }


async def run(at: int, made: bool) -> tuple[dict[str, Any], int, bool]:
    """The story with a death at write ``at``; the end state, the writes counted, whether bounds were kept."""
    world = World()
    dying = Dying(world.client, at, made)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.watch_bounds)

        async def control() -> None:
            async with running(world, BOTH, client_for=lambda name: dying, kubelet=False):
                await dying.died.wait()
            async with running(world, BOTH, kubelet=False):
                await anyio.sleep_forever()

        tasks.start_soon(world.kubelet)
        tasks.start_soon(control)
        await story(world)
        tasks.cancel_scope.cancel()
    return end_state(world), dying.count, world.most_pods <= 4


def test_a_death_at_any_write_changes_nothing_about_the_end() -> None:
    undisturbed, writes, _ = clock.run_virtual(run(0, False))
    assert writes > 20
    for at in range(1, writes + 1):
        for made in (False, True):
            end, _, bounded = clock.run_virtual(run(at, made))
            assert end == undisturbed, f"death {'after' if made else 'before'} write {at} of {writes}"
            assert bounded, f"more pods than replicas and surge, death at write {at}"


@pytest.mark.parametrize("gap", [1, 2, 5])
def test_dying_again_and_again_still_gets_there(gap: int) -> None:
    """A process that dies at every ``gap``-th write makes progress all the same."""

    async def main() -> None:
        world = World()

        async def control() -> None:
            while True:
                dying = Dying(world.client, gap, True)
                async with running(world, BOTH, client_for=lambda name, d=dying: d, kubelet=False):
                    await dying.died.wait()
                await anyio.sleep(0.1)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.kubelet)
            tasks.start_soon(control)
            await story(world)
            await anyio.sleep(30)
            tasks.cancel_scope.cancel()
        assert end_state(world) == undisturbed

    undisturbed, _, _ = clock.run_virtual(run(0, False))
    clock.run_virtual(main())
