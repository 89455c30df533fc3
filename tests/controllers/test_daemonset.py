"""DaemonSets: one pod on each node that fits, rolled on node by node."""

from __future__ import annotations

import json
from typing import Any

import anyio
import msgspec
import pytest

from kube_lite import clock
from kube_lite.controllers.daemonset import target_of
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import Obj
from tests.controllers.world import NS, World, running, template

DS = "daemonsets.apps"


def daemon_set(image: str = "img:1", pod: Obj | None = None, **spec: Any) -> Obj:
    body = template({"a": "1"}, image)
    body["spec"] |= pod or {}
    return {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "1"}}, "template": body, **spec}}


class Nodes(World):
    """A world whose kubelet runs each pod on the node it is meant for."""

    async def _start(self, pod: Obj) -> None:
        meta = pod["metadata"]
        node = target_of(msgspec.convert(pod, Pod))
        if not pod["spec"].get("nodeName"):
            await self.client.bind(meta["name"], meta["namespace"], node)
        await super()._start({**pod, "spec": {**pod["spec"], "nodeName": node}})

    def placed(self) -> list[str]:
        return sorted(pod["spec"].get("nodeName", "?") for pod in self.pods())


async def world_of(count: int, **kwargs: Any) -> Nodes:
    world = Nodes(**kwargs)
    for number in range(count):
        labels = {"disk": "ssd" if number % 2 else "hdd"}
        await world.client.create("nodes", {"metadata": {"name": f"n{number}", "labels": labels}, "spec": {}})
    return world


def test_every_node_gets_one_pod_and_new_nodes_too() -> None:
    async def main() -> None:
        world = await world_of(3)
        await world.client.create(DS, daemon_set(), NS)
        async with running(world, ["daemonset"]):
            await anyio.sleep(5)
            assert world.placed() == ["n0", "n1", "n2"]
            status = world.get(DS, "d")["status"]
            assert status == {
                "currentNumberScheduled": 3,
                "numberMisscheduled": 0,
                "desiredNumberScheduled": 3,
                "numberReady": 3,
                "observedGeneration": 1,
                "updatedNumberScheduled": 3,
                "numberAvailable": 3,
            }
            keys = {t["key"].partition("/")[2] for t in world.pods()[0]["spec"]["tolerations"]}
            pressures = {"disk-pressure", "memory-pressure", "pid-pressure"}
            assert keys == {"not-ready", "unreachable", "unschedulable"} | pressures
            await world.client.create("nodes", {"metadata": {"name": "n9"}})
            await world.client.delete("pods", world.pods()[0]["metadata"]["name"], NS)
            await anyio.sleep(8)
            assert world.placed() == ["n0", "n1", "n2", "n9"]
            writes = [write for write in world.client.writes if write[1] != "events"]
            await anyio.sleep(600)
            assert [write for write in world.client.writes if write[1] != "events"] == writes

    clock.run_virtual(main())


def test_only_nodes_that_fit() -> None:
    async def main() -> None:
        world = await world_of(4)
        taint = {"key": "k", "effect": "NoSchedule"}
        await world.client.patch("nodes", "n1", {"spec": {"taints": [taint]}})
        await world.client.create(DS, daemon_set(pod={"nodeSelector": {"disk": "ssd"}}), NS)
        async with running(world, ["daemonset"]):
            await anyio.sleep(5)
            assert world.placed() == ["n3"]
            await world.client.patch("nodes", "n1", {"spec": {"taints": None}})
            await anyio.sleep(5)
            assert world.placed() == ["n1", "n3"]
            await world.client.patch("nodes", "n1", {"spec": {"taints": [taint]}})
            await world.client.patch("nodes", "n3", {"metadata": {"labels": {"disk": "hdd"}}})
            await anyio.sleep(5)
            assert world.placed() == ["n1"]  # NoSchedule lets it stay, a changed label does not
            status = world.get(DS, "d")["status"]
            assert (status["desiredNumberScheduled"], status["numberMisscheduled"]) == (0, 1)

    clock.run_virtual(main())


def test_a_pod_meant_for_a_node_that_went_is_taken_back() -> None:
    async def main() -> None:
        world = await world_of(2)
        await world.client.create(DS, daemon_set(), NS)
        async with running(world, ["daemonset"], kubelet=False):
            await anyio.sleep(2)
            await world.client.delete("nodes", "n0")
            await anyio.sleep(2)
            assert len(world.pods()) == 1

    clock.run_virtual(main())


def test_no_matching_node_is_said_in_zeros() -> None:
    async def main() -> None:
        world = await world_of(2)
        await world.client.create(DS, daemon_set(pod={"nodeSelector": {"nope": "1"}}), NS)
        async with running(world, ["daemonset"]):
            await anyio.sleep(2)
            assert world.get(DS, "d")["status"] == {
                "currentNumberScheduled": 0,
                "numberMisscheduled": 0,
                "desiredNumberScheduled": 0,
                "numberReady": 0,
                "observedGeneration": 1,
            }

    clock.run_virtual(main())


@pytest.mark.parametrize(
    ("rolling", "most", "fewest"),
    [
        ({"maxUnavailable": 1}, 5, 4),
        ({"maxUnavailable": "50%"}, 5, 2),
        ({"maxSurge": 2, "maxUnavailable": 0}, 7, 5),
    ],
)
def test_a_new_template_goes_round_within_its_bounds(rolling: Obj, most: int, fewest: int) -> None:
    async def main() -> None:
        world = await world_of(5, start_delay=2)
        strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
        await world.client.create(DS, daemon_set(updateStrategy=strategy), NS)
        async with running(world, ["daemonset"]), anyio.create_task_group() as tasks:
            await anyio.sleep(10)
            tasks.start_soon(world.watch_bounds)
            patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "img:2"}]}}}}
            await world.client.patch(DS, "d", patch, NS)
            await anyio.sleep(90)
            assert {p["spec"]["containers"][0]["image"] for p in world.pods()} == {"img:2"}
            assert world.placed() == ["n0", "n1", "n2", "n3", "n4"]
            assert (world.most_pods, world.fewest_ready) == (most, fewest)
            assert world.get(DS, "d")["status"]["updatedNumberScheduled"] == 5
            revisions = {r["revision"] for r in world.objects("controllerrevisions.apps")}
            assert revisions == {1, 2}
            tasks.cancel_scope.cancel()

    clock.run_virtual(main())


def test_a_revision_spells_its_template_in_order() -> None:
    """Clients find the present revision by comparing its data with their own encoding, byte by byte."""

    async def main() -> None:
        world = await world_of(1)
        containers = [{"name": "c", "image": "i", "args": ["z", "a"]}]
        await world.client.create(DS, daemon_set(pod={"tolerations": [], "containers": containers}), NS)
        async with running(world, ["daemonset"]):
            await anyio.sleep(5)
            data = world.objects("controllerrevisions.apps")[0]["data"]
            assert json.dumps(data) == json.dumps(data, sort_keys=True)
            assert data["spec"]["template"]["$patch"] == "replace"

    clock.run_virtual(main())
