"""Nodes: silence, taints, eviction and its brakes, address ranges, pods of nodes that are gone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.controllers.settings import ControllerSettings
from kube_lite.resources.meta import Obj
from tests.controllers.world import NS, World, is_ready, ready_condition, running

LEASES = "leases.coordination.k8s.io"
LIFE = ("nodelifecycle", "taint-eviction-controller")
UNREACHABLE = "node.kubernetes.io/unreachable"
SILENT_TYPES = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


REPORTED = {"nodeInfo": {"operatingSystem": "linux"}}
"""What a kubelet says of its machine, as far as controllers look."""


async def add_nodes(world: World, count: int, **labels: str) -> list[str]:
    names = [f"n{number:03}" for number in range(count)]
    for name in names:
        await world.client.create("nodes", {"metadata": {"name": name, "labels": labels}})
        conditions = [{**ready_condition(kind == "Ready"), "type": kind} for kind in SILENT_TYPES]
        state = {"conditions": conditions, **REPORTED}
        await world.client.patch("nodes", name, {"status": state}, subresource="status")
        await world.client.create(LEASES, {"metadata": {"name": name}, "spec": {}}, "kube-node-lease")
    return names


async def beat(world: World, alive: Iterable[str]) -> None:
    """Renew the leases of the nodes that are alive, every ten seconds; ``alive`` may change."""
    while True:
        for name in list(alive):
            patch = {"spec": {"renewTime": clock.timestamp_micro()}}
            await world.client.patch(LEASES, name, patch, "kube-node-lease")
        await anyio.sleep(10)


async def add_pod(world: World, name: str, node: str, seconds: int | None = None, **meta: Any) -> None:
    tolerations = []
    if seconds is not None:
        tolerations = [{"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}]
    spec = {"nodeName": node, "tolerations": tolerations, "containers": []}
    await world.client.create("pods", {"metadata": {"name": name, **meta}, "spec": spec}, NS)
    conditions = [{"type": "Initialized", "status": "True"}, ready_condition(True)]
    status = {"phase": "Running", "conditions": conditions}
    await world.client.patch("pods", name, {"status": status}, NS, subresource="status")


def taints(world: World, node: str) -> list[tuple[str, str]]:
    found: list[Obj] = (
        world.get("nodes", node, "")["spec"].get("taints", []) if world.get("nodes", node, "").get("spec") else []
    )
    return [(t["key"].partition("/")[2], t["effect"]) for t in found]


def tainted(world: World) -> int:
    return sum(("unreachable", "NoExecute") in taints(world, n["metadata"]["name"]) for n in world.objects("nodes"))


def node_condition(world: World, node: str, kind: str = "Ready") -> Obj:
    found: Obj = next(c for c in world.get("nodes", node, "")["status"]["conditions"] if c["type"] == kind)
    return found


def test_a_silent_node_is_found_out_and_loses_its_pods_as_each_tolerates() -> None:
    async def main() -> None:
        world = World()
        names = await add_nodes(world, 3)
        alive = set(names)
        await add_pod(world, "patient", "n000", 300)
        await add_pod(world, "hasty", "n000", 4)
        await add_pod(world, "fearless", "n000")
        await world.client.patch("pods", "fearless", {"spec": {"tolerations": [{"operator": "Exists"}]}}, NS)
        await add_pod(world, "elsewhere", "n001", 4)
        async with running(world, LIFE, kubelet=False), anyio.create_task_group() as tasks:
            tasks.start_soon(beat, world, alive)
            await anyio.sleep(35)  # the last beat of the dead node is at 30
            alive.discard("n000")
            await anyio.sleep(44)
            assert taints(world, "n000") == []
            await anyio.sleep(7)
            for kind in SILENT_TYPES:
                condition = node_condition(world, "n000", kind)
                text = "Kubelet stopped posting node status."
                shown = (condition["status"], condition["reason"], condition["message"])
                assert shown == ("Unknown", "NodeStatusUnknown", text)
            assert taints(world, "n000") == [("unreachable", "NoSchedule"), ("unreachable", "NoExecute")]
            assert all(t["timeAdded"] for t in world.get("nodes", "n000", "")["spec"]["taints"])
            assert not is_ready(world.get("pods", "patient"))
            assert is_ready(world.get("pods", "elsewhere"))
            await anyio.sleep(5)
            assert [p["metadata"]["name"] for p in world.pods()] == ["elsewhere", "fearless", "patient"]
            await anyio.sleep(290)
            assert len(world.pods()) == 3
            await anyio.sleep(10)
            assert [p["metadata"]["name"] for p in world.pods()] == ["elsewhere", "fearless"]
            gone = world.get("pods", "patient")
            assert gone["status"]["conditions"][-1]["reason"] == "DeletionByTaintManager"
            assert ("Pod", "NodeNotReady", "Node is not ready") in world.events()
            assert ("Node", "NodeNotReady", "Node n000 status is now: NodeNotReady") in world.events()
            marking = "Marking for deletion Pod default/patient"
            assert ("Pod", "TaintManagerEviction", marking) in world.events()
            tasks.cancel_scope.cancel()

    clock.run_virtual(main())


def test_a_node_that_speaks_again_keeps_its_pods() -> None:
    async def main() -> None:
        world = World()
        names = await add_nodes(world, 3)
        alive = set(names)
        await add_pod(world, "p", "n000", 300)
        async with running(world, LIFE, kubelet=False), anyio.create_task_group() as tasks:
            tasks.start_soon(beat, world, alive)
            await anyio.sleep(15)
            alive.discard("n000")
            await anyio.sleep(100)
            assert tainted(world) == 1
            alive.add("n000")
            heartbeat = {**ready_condition(True), "lastHeartbeatTime": clock.timestamp()}
            patch = {"status": {"conditions": [heartbeat]}}
            await world.client.patch("nodes", "n000", patch, subresource="status")
            await anyio.sleep(5)
            assert taints(world, "n000") == []
            await anyio.sleep(400)
            assert len(world.pods()) == 1
            message = "Cancelling deletion of Pod default/p"
            assert ("Pod", "TaintManagerEviction", message) in world.events()
            tasks.cancel_scope.cancel()

    clock.run_virtual(main())


@pytest.mark.parametrize(("count", "dead"), [(1, 1), (3, 3), (10, 10)])
def test_nobody_is_evicted_when_every_node_is_gone(count: int, dead: int) -> None:
    async def main() -> None:
        world = World()
        names = await add_nodes(world, count)
        await add_pod(world, "p", "n000", 10)
        async with running(world, LIFE, kubelet=False):
            await anyio.sleep(1000)
            assert node_condition(world, names[0])["status"] == "Unknown"
            assert taints(world, names[0]) == [("unreachable", "NoSchedule")]
            assert len(world.pods()) == 1

    clock.run_virtual(main())


def test_few_failed_nodes_are_emptied_one_each_ten_seconds() -> None:
    async def main() -> None:
        world = World()
        names = await add_nodes(world, 20)
        alive = set(names)
        async with running(world, LIFE, kubelet=False), anyio.create_task_group() as tasks:
            tasks.start_soon(beat, world, alive)
            await anyio.sleep(15)
            alive -= set(names[:8])
            await anyio.sleep(52)
            counts = []
            for _ in range(8):
                counts.append(tainted(world))
                await anyio.sleep(10)
            assert counts == [1, 2, 3, 4, 5, 6, 7, 8]
            tasks.cancel_scope.cancel()

    clock.run_virtual(main())


def test_a_zone_that_mostly_fails_is_not_emptied_and_a_large_one_slowly() -> None:
    async def main(count: int, dead: int) -> int:
        world = World()
        names = await add_nodes(world, count)
        alive = set(names)
        async with running(world, LIFE, kubelet=False), anyio.create_task_group() as tasks:
            tasks.start_soon(beat, world, alive)
            await anyio.sleep(15)
            alive -= set(names[:dead])
            await anyio.sleep(50 + 300)
            tasks.cancel_scope.cancel()
        return tainted(world)

    assert clock.run_virtual(main(10, 6)) == 0
    assert clock.run_virtual(main(60, 40)) == 4  # one at first, then one each 100 s
    assert clock.run_virtual(main(10, 5)) == 5  # below 55 %: the normal rate


def test_after_a_full_outage_nodes_get_their_grace_period_again() -> None:
    async def main() -> None:
        world = World()
        names = await add_nodes(world, 3)
        alive = set(names)
        async with running(world, LIFE, kubelet=False), anyio.create_task_group() as tasks:
            tasks.start_soon(beat, world, alive)
            await anyio.sleep(15)
            alive.clear()
            await anyio.sleep(200)
            assert tainted(world) == 0
            alive.add("n000")
            status = {"status": {"conditions": [{**ready_condition(True), "lastHeartbeatTime": clock.timestamp()}]}}
            await world.client.patch("nodes", "n000", status, subresource="status")
            await anyio.sleep(45)
            assert tainted(world) == 0
            await anyio.sleep(30)
            assert tainted(world) == 2
            tasks.cancel_scope.cancel()

    clock.run_virtual(main())


def test_a_restarted_controller_takes_no_taint_away_and_hurries_nothing() -> None:
    async def main() -> None:
        world = World()
        names = await add_nodes(world, 3)
        alive = set(names)
        await add_pod(world, "p", "n000", 300)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(beat, world, alive)
            async with running(world, LIFE, kubelet=False):
                await anyio.sleep(15)
                alive.discard("n000")
                await anyio.sleep(60)
                assert tainted(world) == 1
                since = clock.monotonic()
            world.client.writes.clear()
            async with running(world, LIFE, kubelet=False):
                await anyio.sleep(200)
                assert [w for w in world.client.writes if w[1].startswith("nodes")] == []
                await anyio.sleep(since + 280 - clock.monotonic())
                assert len(world.pods()) == 1
                await anyio.sleep(22)
                assert world.pods() == []
            tasks.cancel_scope.cancel()

    clock.run_virtual(main())


def test_conditions_and_cordons_become_taints() -> None:
    async def main() -> None:
        world = World()
        names = await add_nodes(world, 3)
        foreign = {"key": "gold", "value": "x", "effect": "NoSchedule"}
        await world.client.patch("nodes", "n000", {"spec": {"taints": [foreign]}})
        async with running(world, LIFE, kubelet=False), anyio.create_task_group() as tasks:
            tasks.start_soon(beat, world, set(names))
            await world.client.patch("nodes", "n000", {"spec": {"unschedulable": True}})
            await anyio.sleep(1)
            assert taints(world, "n000") == [("", "NoSchedule"), ("unschedulable", "NoSchedule")]
            conditions = [ready_condition(True), {"type": "MemoryPressure", "status": "True"}]
            await world.client.patch("nodes", "n000", {"status": {"conditions": conditions}}, subresource="status")
            await world.client.patch("nodes", "n000", {"spec": {"unschedulable": False}})
            await anyio.sleep(1)
            assert taints(world, "n000") == [("", "NoSchedule"), ("memory-pressure", "NoSchedule")]
            tasks.cancel_scope.cancel()

    clock.run_virtual(main())


def test_each_node_gets_the_lowest_free_range() -> None:
    async def main() -> None:
        world = World()
        await add_nodes(world, 3)
        async with running(world, ["nodeipam"], kubelet=False):
            await anyio.sleep(1)
            ranges = [n["spec"]["podCIDR"] for n in world.objects("nodes")]
            assert ranges == ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]
            assert world.get("nodes", "n001", "")["spec"]["podCIDRs"] == ["10.244.1.0/24"]
            await world.client.delete("nodes", "n001")
            await anyio.sleep(1)
        async with running(world, ["nodeipam"], kubelet=False):
            await world.client.create("nodes", {"metadata": {"name": "x"}})
            await anyio.sleep(1)
            assert "podCIDR" not in world.get("nodes", "x", "").get("spec", {})
            await world.client.patch("nodes", "x", {"status": REPORTED}, subresource="status")
            await anyio.sleep(1)
            assert world.get("nodes", "x", "")["spec"]["podCIDR"] == "10.244.1.0/24"
        small = ControllerSettings(cluster_cidr="10.0.0.0/22", node_cidr_mask_size=24)
        world = World()
        await add_nodes(world, 6)
        async with running(world, ["nodeipam"], kubelet=False, settings=small):
            await anyio.sleep(1)
            assert sum("podCIDR" in n.get("spec", {}) for n in world.objects("nodes")) == 4
            assert ("Node", "CIDRNotAvailable", "Node n004 status is now: CIDRNotAvailable") in world.events()
            await world.client.delete("nodes", "n000")
            await anyio.sleep(60)
            assert world.get("nodes", "n004", "")["spec"]["podCIDR"] == "10.0.0.0/24"

    clock.run_virtual(main())


def test_pods_of_a_node_that_is_gone_are_removed_after_the_quarantine() -> None:
    async def main() -> None:
        world = World()
        await add_nodes(world, 1)
        await add_pod(world, "here", "n000")
        await add_pod(world, "lost", "ghost", finalizers=["a.io/keep"])
        await world.client.create("pods", {"metadata": {"name": "unplaced", "finalizers": ["a.io/x"]}, "spec": {}}, NS)
        async with running(world, ["podgc"], kubelet=False):
            await anyio.sleep(35)
            assert world.get("pods", "lost")["status"]["phase"] == "Running"
            await anyio.sleep(30)
            lost = world.get("pods", "lost")
            assert (lost["status"]["phase"], lost["metadata"]["deletionGracePeriodSeconds"]) == ("Failed", 0)
            assert lost["status"]["conditions"][-1]["message"] == "PodGC: node no longer exists"
            assert "deletionTimestamp" not in world.get("pods", "here")["metadata"]
            assert "deletionTimestamp" not in world.get("pods", "unplaced")["metadata"]

    clock.run_virtual(main())


def test_finished_pods_above_the_threshold_go_oldest_first() -> None:
    async def main() -> None:
        world = World()
        await add_nodes(world, 1)
        for number in range(5):
            await add_pod(world, f"p{number}", "n000")
            status = {"status": {"phase": "Succeeded"}}
            await world.client.patch("pods", f"p{number}", status, NS, subresource="status")
            await anyio.sleep(2)
        await add_pod(world, "running", "n000")
        settings = ControllerSettings(terminated_pod_gc_threshold=3)
        async with running(world, ["podgc"], kubelet=False, settings=settings):
            await anyio.sleep(30)
            assert [p["metadata"]["name"] for p in world.pods()] == ["p2", "p3", "p4", "running"]

    clock.run_virtual(main())
