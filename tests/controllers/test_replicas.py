"""ReplicaSet and ReplicationController: numbers, adoption, refusals, order of deletion, status."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.controllers.settings import ControllerSettings
from kube_lite.errors import Forbidden, ServiceUnavailable
from kube_lite.resources.meta import Obj
from tests.controllers.fake_client import FakeClient
from tests.controllers.world import NS, World, ready_condition, running, template

RS = "replicasets.apps"


def replica_set(name: str = "r", replicas: int = 2, **spec: Any) -> Obj:
    labels = {"app": name}
    return {
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template(labels), **spec},
    }


def test_the_number_of_pods_is_kept_and_the_status_says_so() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(RS, replica_set(replicas=3), NS)
        async with running(world, ["replicaset"]):
            await anyio.sleep(5)
            assert world.get(RS, "r")["status"] == {
                "replicas": 3,
                "fullyLabeledReplicas": 3,
                "readyReplicas": 3,
                "availableReplicas": 3,
                "observedGeneration": 1,
            }
            pod = world.pods()[0]
            assert pod["metadata"]["name"].startswith("r-")
            assert pod["metadata"]["generateName"] == "r-"
            assert pod["metadata"]["ownerReferences"] == [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": "r",
                    "uid": world.get(RS, "r")["metadata"]["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ]
            await world.client.delete("pods", pod["metadata"]["name"], NS)
            await anyio.sleep(0.1)
            await anyio.sleep(5)
            assert world.ready() == 3
            await world.client.patch(RS, "r", {"spec": {"replicas": 0}}, NS)
            await anyio.sleep(5)
            assert world.objects("pods") == []
            status = {"replicas": 0, "observedGeneration": 2}
            assert world.get(RS, "r")["status"] == status
            reasons = [reason for _, reason, _ in world.events()]
            assert (reasons.count("SuccessfulCreate"), reasons.count("SuccessfulDelete")) == (4, 3)
            assert ("ReplicaSet", "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}") in world.events()

    clock.run_virtual(main())


def test_reconciling_again_changes_nothing() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(RS, replica_set(), NS)
        async with running(world, ["replicaset"]):
            await anyio.sleep(5)
            writes = [write for write in world.client.writes if write[1] != "events"]
        async with running(world, ["replicaset"]):
            await anyio.sleep(60)
            assert [write for write in world.client.writes if write[1] != "events"] == writes

    clock.run_virtual(main())


def test_a_matching_orphan_is_adopted_and_a_relabelled_pod_is_released() -> None:
    async def main() -> None:
        world = World()
        orphan = {"metadata": {"name": "orphan", "labels": {"app": "r"}}, "spec": template({})["spec"]}
        await world.client.create("pods", orphan, NS)
        async with running(world, ["replicaset"]):
            await world.client.create(RS, replica_set(), NS)
            await anyio.sleep(5)
            assert len(world.pods()) == 2
            assert world.get("pods", "orphan")["metadata"]["ownerReferences"][0]["name"] == "r"
            await world.client.patch("pods", "orphan", {"metadata": {"labels": {"app": "free"}}}, NS)
            await anyio.sleep(5)
            assert "ownerReferences" not in world.get("pods", "orphan")["metadata"]
            assert len(world.pods()) == 3
            assert world.get(RS, "r")["status"]["readyReplicas"] == 2

    clock.run_virtual(main())


def test_pods_of_another_controller_are_left_alone() -> None:
    async def main() -> None:
        world = World()
        owner = {"apiVersion": "v1", "kind": "Other", "name": "o", "uid": "other", "controller": True}
        pod = {"metadata": {"name": "p", "labels": {"app": "r"}, "ownerReferences": [owner]}, "spec": {}}
        await world.client.create("pods", pod, NS)
        async with running(world, ["replicaset"]):
            await world.client.create(RS, replica_set(replicas=0), NS)
            await anyio.sleep(5)
            assert world.get("pods", "p")["metadata"]["ownerReferences"] == [owner]

    clock.run_virtual(main())


class Refusing(FakeClient):
    """Refuses pods above ``allowed`` as a quota does."""

    allowed = 1
    asked = 0

    async def create(self, resource: str, *args: Any, **kwargs: Any) -> bytes:
        if resource == "pods":
            self.asked += 1
            if len(self.objects.get("pods", {})) >= self.allowed:
                raise Forbidden('pods "r-x" is forbidden: exceeded quota: q')
        return await super().create(resource, *args, **kwargs)


def test_a_refusal_stops_the_batches_and_shows_until_it_is_gone() -> None:
    async def main() -> None:
        client = Refusing()
        world = World(client)
        await client.create(RS, replica_set(replicas=50), NS)
        async with running(world, ["replicaset"]):
            await anyio.sleep(0.004)
            assert client.asked < 10  # one is accepted, the next batch of two refused, and not 47 more tried
            await anyio.sleep(3)
            status = world.get(RS, "r")["status"]
            assert (status["replicas"], status["readyReplicas"]) == (1, 1)
            (condition,) = status["conditions"]
            assert condition.pop("lastTransitionTime")
            assert condition == {
                "type": "ReplicaFailure",
                "status": "True",
                "reason": "FailedCreate",
                "message": 'pods "r-x" is forbidden: exceeded quota: q',
            }
            message = 'Error creating: pods "r-x" is forbidden: exceeded quota: q'
            assert ("ReplicaSet", "FailedCreate", message) in world.events()
            client.allowed = 100
            await anyio.sleep(60)
            assert world.ready() == 50
            assert "conditions" not in world.get(RS, "r")["status"]

    clock.run_virtual(main())


def test_a_namespace_that_goes_away_is_no_failure() -> None:
    class Terminating(FakeClient):
        async def create(self, resource: str, *args: Any, **kwargs: Any) -> bytes:
            if resource == "pods":
                raise Forbidden("terminating", {"causes": [{"reason": "NamespaceTerminating"}]})
            return await super().create(resource, *args, **kwargs)

    async def main() -> None:
        world = World(Terminating())
        await world.client.create(RS, replica_set(), NS)
        async with running(world, ["replicaset"]):
            await anyio.sleep(30)
            assert world.get(RS, "r")["status"] == {"replicas": 0, "observedGeneration": 1}
            assert world.events() == []

    clock.run_virtual(main())


def test_pods_that_lose_least_go_first() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(RS, replica_set(replicas=0), NS)
        owner = world.get(RS, "r")["metadata"]["uid"]
        reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": owner, "controller": True}

        async def pod(name: str, node: str = "", ready: bool = True, phase: str = "Running", cost: str = "") -> None:
            annotations = {"controller.kubernetes.io/pod-deletion-cost": cost} if cost else {}
            meta = {"name": name, "labels": {"app": "r"}, "ownerReferences": [reference], "annotations": annotations}
            await world.client.create("pods", {"metadata": meta, "spec": {"nodeName": node}}, NS)
            status = {"phase": phase, "conditions": [ready_condition(ready)]}
            await world.client.patch("pods", name, {"status": status}, NS, subresource="status")

        await pod("old", "n1")
        await anyio.sleep(3600)
        await pod("cheap", "n2", cost="-5")
        await pod("dear", "n2", cost="7")
        await pod("pending", "n3", ready=False, phase="Pending")
        await pod("unassigned", ready=False, phase="Pending")
        await pod("unready", "n3", ready=False)
        await pod("doubled-a", "n4")
        await pod("doubled-b", "n4")
        await anyio.sleep(3600)
        await pod("young", "n5")
        gone = []
        async with running(world, ["replicaset"], kubelet=False):
            for left in range(8, 0, -1):
                before = {p["metadata"]["name"] for p in world.pods()}
                await world.client.patch(RS, "r", {"spec": {"replicas": left}}, NS)
                await anyio.sleep(1)
                gone += sorted(before - {p["metadata"]["name"] for p in world.pods()})
        assert gone == ["unassigned", "pending", "unready", "cheap", "doubled-a", "young", "doubled-b", "old"]

    clock.run_virtual(main())


@pytest.mark.parametrize("lag", [0.0, 2.0])
def test_a_cache_that_lags_causes_no_pod_too_many(lag: float) -> None:
    class Lagging(FakeClient):
        async def _events(self, resource: str, *args: Any) -> Any:
            async for batch in super()._events(resource, *args):
                await anyio.sleep(lag if resource == "pods" else 0.01)
                yield batch

    async def main() -> None:
        world = World(Lagging())
        await world.client.create(RS, replica_set(replicas=4), NS)
        async with running(world, ["replicaset"]):
            for number in range(20):
                await world.client.patch(RS, "r", {"metadata": {"annotations": {"n": str(number)}}}, NS)
                await anyio.sleep(0.1)
                assert len(world.pods()) <= 4
            await anyio.sleep(60)
            assert world.ready() == 4
            assert sum(verb == "create" and of == "pods" for verb, of, _ in world.client.writes) == 4

    clock.run_virtual(main())


def test_available_comes_min_ready_seconds_after_ready_without_any_event() -> None:
    async def main() -> None:
        world = World(start_delay=0)
        await world.client.create(RS, replica_set(replicas=1, minReadySeconds=100), NS)
        async with running(world, ["replicaset"]):
            await anyio.sleep(90)
            assert world.get(RS, "r")["status"].get("availableReplicas") is None
            await anyio.sleep(12)
            assert world.get(RS, "r")["status"]["availableReplicas"] == 1

    clock.run_virtual(main())


def test_a_set_that_is_being_deleted_creates_nothing() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(RS, replica_set(), NS)
        await world.client.delete(RS, "r", NS, propagation_policy="Foreground")
        async with running(world, ["replicaset"]):
            await anyio.sleep(30)
            assert world.objects("pods") == []

    clock.run_virtual(main())


def test_an_api_that_is_away_for_a_while_only_delays() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(RS, replica_set(), NS)
        async with running(world, ["replicaset"]):
            await anyio.sleep(5)
            world.client.broken = ServiceUnavailable("down")
            world.client.close_watches()
            await anyio.sleep(120)
            world.client.broken = None
            await world.client.patch(RS, "r", {"spec": {"replicas": 5}}, NS)
            await anyio.sleep(60)
            assert world.ready() == 5

    clock.run_virtual(main())


def test_a_burst_is_bounded() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(RS, replica_set(replicas=25), NS)
        async with running(world, ["replicaset"], settings=ControllerSettings(burst_replicas=10), kubelet=False):
            await anyio.sleep(30)
            assert len(world.pods()) == 25

    clock.run_virtual(main())


def test_a_replication_controller_keeps_its_pods() -> None:
    async def main() -> None:
        world = World()
        spec = {"replicas": 2, "selector": {"app": "c"}, "template": template({"app": "c"})}
        await world.client.create("replicationcontrollers", {"metadata": {"name": "c"}, "spec": spec}, NS)
        async with running(world, ["replicationcontroller"]):
            await anyio.sleep(5)
            status = world.get("replicationcontrollers", "c")["status"]
            assert status == {
                "replicas": 2,
                "fullyLabeledReplicas": 2,
                "readyReplicas": 2,
                "availableReplicas": 2,
                "observedGeneration": 1,
            }
            assert world.pods()[0]["metadata"]["ownerReferences"][0]["kind"] == "ReplicationController"

    clock.run_virtual(main())


def test_a_large_set_gathers_changes_instead_of_counting_all_pods_for_each() -> None:
    async def main() -> None:
        world = World(start_delay=0)
        await world.client.create(RS, replica_set(replicas=400), NS)
        async with running(world, ["replicaset"]):
            await anyio.sleep(20)
            assert world.get(RS, "r")["status"]["readyReplicas"] == 400
            patches = [write for write in world.client.writes if write[1] == f"{RS}/status"]
            assert len(patches) < 30

    clock.run_virtual(main())
