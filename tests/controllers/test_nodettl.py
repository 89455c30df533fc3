"""The annotation that tells nodes how long to keep what they read."""

from __future__ import annotations

import anyio
import pytest

from kube_lite import clock
from kube_lite.controllers.nodettl import ANNOTATION, seconds_for
from tests.controllers.world import World, running


@pytest.mark.parametrize(("nodes", "seconds"), [(1, 0), (100, 0), (101, 15), (1000, 30), (2000, 60), (5000, 300)])
def test_larger_clusters_keep_longer(nodes: int, seconds: int) -> None:
    assert seconds_for(nodes) == seconds


def test_every_node_has_it_and_all_change_when_the_cluster_grows() -> None:
    async def main() -> None:
        world = World()
        await world.client.create("nodes", {"metadata": {"name": "first"}})
        async with running(world, ["ttl"], kubelet=False):
            await anyio.sleep(1)
            assert world.get("nodes", "first", "")["metadata"]["annotations"] == {ANNOTATION: "0"}
            for number in range(100):
                await world.client.create("nodes", {"metadata": {"name": f"n{number}"}})
            await anyio.sleep(1)
            assert {n["metadata"]["annotations"][ANNOTATION] for n in world.objects("nodes")} == {"15"}

    clock.run_virtual(main())
