"""Deployments with their ReplicaSets: rollouts, bounds, scaling, pausing, deadlines, history, crashes."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.errors import Forbidden
from kube_lite.resources.meta import Obj
from tests.controllers.fake_client import FakeClient
from tests.controllers.world import NS, World, running, template

DEPLOY = "deployments.apps"
RS = "replicasets.apps"
BOTH = ("deployment", "replicaset")


def deployment(replicas: int = 3, image: str = "img:1", **spec: Any) -> Obj:
    rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
    defaults = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "d"}},
        "template": template({"app": "d"}, image),
        "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    }
    return {"metadata": {"name": "d"}, "spec": {**defaults, **spec}}


def strategy(surge: int | str, unavailable: int | str) -> Obj:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


async def set_image(world: World, image: str, **spec: Any) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}, **spec}}
    await world.client.patch(DEPLOY, "d", patch, NS)


def conditions(world: World) -> list[Obj]:
    found = world.get(DEPLOY, "d")["status"].get("conditions", [])
    return [{k: v for k, v in c.items() if not k.startswith("last")} for c in found]


def condition(world: World, kind: str) -> Obj | None:
    return next((c for c in conditions(world) if c["type"] == kind), None)


def by_image(world: World) -> dict[str, Obj]:
    return {rs["spec"]["template"]["spec"]["containers"][0]["image"]: rs for rs in world.objects(RS)}


def test_a_new_deployment_ends_as_upstream_leaves_it() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(DEPLOY, deployment(replicas=1), NS)
        async with running(world, BOTH):
            await anyio.sleep(10)
            (rs,) = world.objects(RS)
            name, label = rs["metadata"]["name"], rs["metadata"]["labels"]["pod-template-hash"]
            assert name == f"d-{label}"
            found = world.get(DEPLOY, "d")
            assert found["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "1"}
            counts = {key: value for key, value in found["status"].items() if key != "conditions"}
            assert counts == {
                "observedGeneration": 1,
                "replicas": 1,
                "updatedReplicas": 1,
                "readyReplicas": 1,
                "availableReplicas": 1,
            }
            assert conditions(world) == [
                {
                    "type": "Available",
                    "status": "True",
                    "reason": "MinimumReplicasAvailable",
                    "message": "Deployment has minimum availability.",
                },
                {
                    "type": "Progressing",
                    "status": "True",
                    "reason": "NewReplicaSetAvailable",
                    "message": f'ReplicaSet "{name}" has successfully progressed.',
                },
            ]
            assert rs["metadata"]["annotations"] == {
                "deployment.kubernetes.io/desired-replicas": "1",
                "deployment.kubernetes.io/max-replicas": "2",
                "deployment.kubernetes.io/revision": "1",
            }
            assert rs["metadata"]["labels"] == {"app": "d", "pod-template-hash": label}
            assert rs["spec"]["selector"] == {"matchLabels": {"app": "d", "pod-template-hash": label}}
            assert rs["spec"]["template"]["metadata"]["labels"] == {"app": "d", "pod-template-hash": label}
            message = f"Scaled up replica set {name} to 1"
            assert ("Deployment", "ScalingReplicaSet", message) in world.events()

    clock.run_virtual(main())


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "most", "fewest"),
    [(3, "25%", "25%", 4, 3), (10, "25%", "25%", 13, 8), (2, 1, 0, 3, 2), (4, 0, 1, 4, 3), (5, "100%", 0, 10, 5)],
)
def test_a_rollout_keeps_its_bounds(
    replicas: int, surge: int | str, unavailable: int | str, most: int, fewest: int
) -> None:
    async def main() -> None:
        world = World(start_delay=2, stop_delay=3)
        await world.client.create(DEPLOY, deployment(replicas, strategy=strategy(surge, unavailable)), NS)
        async with running(world, BOTH):
            await anyio.sleep(30)
            assert world.ready() == replicas
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(world.watch_bounds)
                await set_image(world, "img:2")
                await anyio.sleep(120)
                tasks.cancel_scope.cancel()
            assert (world.most_pods, world.fewest_ready) == (most, fewest)
            sets = by_image(world)
            assert (sets["img:1"]["spec"]["replicas"], sets["img:2"]["spec"]["replicas"]) == (0, replicas)
            status = {"replicas": 0}
            assert {k: v for k, v in sets["img:1"]["status"].items() if k != "observedGeneration"} == status
            revision = "deployment.kubernetes.io/revision"
            assert world.get(DEPLOY, "d")["metadata"]["annotations"] == {revision: "2"}
            progressing = condition(world, "Progressing")
            assert progressing is not None
            assert progressing["reason"] == "NewReplicaSetAvailable"

    clock.run_virtual(main())


def test_a_rollout_that_cannot_go_on_keeps_the_old_pods() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(DEPLOY, deployment(2, strategy=strategy(1, 0)), NS)
        async with running(world, BOTH):
            await anyio.sleep(10)
            bad = {"metadata": {"labels": {"ready": "false"}}}
            await world.client.patch(DEPLOY, "d", {"spec": {"template": bad}}, NS)
            await anyio.sleep(30)
            status = world.get(DEPLOY, "d")["status"]
            counts = {k: v for k, v in status.items() if k.endswith("eplicas")}
            assert counts == {
                "replicas": 3,
                "updatedReplicas": 1,
                "readyReplicas": 2,
                "availableReplicas": 2,
                "unavailableReplicas": 1,
            }
            progressing = condition(world, "Progressing")
            assert progressing is not None
            assert (progressing["status"], progressing["reason"]) == ("True", "ReplicaSetUpdated")
            await anyio.sleep(700)
            new = next(rs for rs in world.objects(RS) if rs["metadata"]["labels"].get("ready"))
            assert condition(world, "Progressing") == {
                "type": "Progressing",
                "status": "False",
                "reason": "ProgressDeadlineExceeded",
                "message": f'ReplicaSet "{new["metadata"]["name"]}" has timed out progressing.',
            }

    clock.run_virtual(main())


def test_the_deadline_passes_without_any_event() -> None:
    async def main() -> None:
        world = World()
        spec = deployment(1, progressDeadlineSeconds=3)
        spec["spec"]["template"]["metadata"]["labels"]["ready"] = "false"
        await world.client.create(DEPLOY, spec, NS)
        async with running(world, BOTH):
            await anyio.sleep(10)
            assert [(c["type"], c["status"], c["reason"]) for c in conditions(world)] == [
                ("Available", "False", "MinimumReplicasUnavailable"),
                ("Progressing", "False", "ProgressDeadlineExceeded"),
            ]

    clock.run_virtual(main())


def test_pause_holds_the_rollout_and_resume_goes_on() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(DEPLOY, deployment(1), NS)
        async with running(world, BOTH):
            await anyio.sleep(10)
            await set_image(world, "img:2", paused=True)
            await anyio.sleep(10)
            assert len(world.objects(RS)) == 1
            paused = {
                "type": "Progressing",
                "status": "Unknown",
                "reason": "DeploymentPaused",
                "message": "Deployment is paused",
            }
            assert condition(world, "Progressing") == paused
            status = world.get(DEPLOY, "d")["status"]
            assert (status["observedGeneration"], status.get("updatedReplicas")) == (2, None)
            await world.client.patch(DEPLOY, "d", {"spec": {"replicas": 2}}, NS)
            await anyio.sleep(10)
            assert world.ready() == 2  # scaling is not a rollout
            await world.client.patch(DEPLOY, "d", {"spec": {"paused": None}}, NS)
            await anyio.sleep(20)
            assert by_image(world)["img:2"]["status"]["readyReplicas"] == 2
            progressing = condition(world, "Progressing")
            assert progressing is not None
            assert progressing["reason"] == "NewReplicaSetAvailable"

    clock.run_virtual(main())


def test_scaling_amid_a_rollout_is_spread_in_proportion() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(DEPLOY, deployment(10, strategy=strategy(3, 2)), NS)
        async with running(world, BOTH):
            await anyio.sleep(20)
            bad = {"metadata": {"labels": {"ready": "false"}}}
            await world.client.patch(DEPLOY, "d", {"spec": {"template": bad}}, NS)
            await anyio.sleep(20)
            sizes = sorted(rs["spec"]["replicas"] for rs in world.objects(RS))
            assert sizes == [5, 8]
            await world.client.patch(DEPLOY, "d", {"spec": {"replicas": 15}}, NS)
            await anyio.sleep(20)
            sizes = sorted(rs["spec"]["replicas"] for rs in world.objects(RS))
            assert sizes == [7, 11]  # the example of the documentation of proportional scaling

    clock.run_virtual(main())


def test_recreate_starts_nothing_new_before_the_last_old_pod_is_gone() -> None:
    async def main() -> None:
        world = World(stop_delay=7)
        await world.client.create(DEPLOY, deployment(2, strategy={"type": "Recreate"}), NS)
        async with running(world, BOTH):
            await anyio.sleep(10)
            await set_image(world, "img:2")
            await anyio.sleep(5)
            assert len(world.objects("pods")) == 2
            assert len(world.objects(RS)) == 1
            await anyio.sleep(15)
            assert by_image(world)["img:2"]["status"]["availableReplicas"] == 2
            assert by_image(world)["img:1"]["spec"]["replicas"] == 0

    clock.run_virtual(main())


def test_going_back_gives_the_old_replica_set_a_new_revision() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(DEPLOY, deployment(1), NS)
        async with running(world, BOTH):
            await anyio.sleep(10)
            await set_image(world, "img:2")
            await anyio.sleep(10)
            await set_image(world, "img:1")
            await anyio.sleep(10)
            assert len(world.objects(RS)) == 2
            annotations = by_image(world)["img:1"]["metadata"]["annotations"]
            assert annotations["deployment.kubernetes.io/revision"] == "3"
            assert annotations["deployment.kubernetes.io/revision-history"] == "1"
            assert world.get(DEPLOY, "d")["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"

    clock.run_virtual(main())


def test_history_is_kept_up_to_its_limit() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(DEPLOY, deployment(1, revisionHistoryLimit=2), NS)
        async with running(world, BOTH):
            for number in range(2, 7):
                await anyio.sleep(15)
                await set_image(world, f"img:{number}")
            await anyio.sleep(15)
            assert sorted(by_image(world)) == ["img:4", "img:5", "img:6"]

    clock.run_virtual(main())


def test_a_taken_name_is_met_with_another_hash() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(DEPLOY, deployment(1), NS)
        async with running(world, BOTH):
            await anyio.sleep(10)
            name = world.objects(RS)[0]["metadata"]["name"]
        stranger = {"metadata": {"name": name}, "spec": {"replicas": 0, "selector": {"matchLabels": {"x": "y"}}}}
        world = World()
        await world.client.create(RS, stranger, NS)
        await world.client.create(DEPLOY, deployment(1), NS)
        async with running(world, BOTH):
            await anyio.sleep(10)
            assert world.get(DEPLOY, "d")["status"]["collisionCount"] == 1
            assert world.ready() == 1

    clock.run_virtual(main())


def test_an_orphaned_replica_set_of_the_same_template_is_taken_in() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(DEPLOY, deployment(2), NS)
        async with running(world, BOTH):
            await anyio.sleep(10)
        (rs,) = world.objects(RS)
        await world.client.delete(DEPLOY, "d", NS)
        await world.client.patch(RS, rs["metadata"]["name"], {"metadata": {"ownerReferences": None}}, NS)
        await world.client.create(DEPLOY, deployment(2), NS)
        async with running(world, BOTH):
            await anyio.sleep(10)
            (adopted,) = world.objects(RS)
            assert adopted["metadata"]["uid"] == rs["metadata"]["uid"]
            assert adopted["metadata"]["ownerReferences"][0]["uid"] == world.get(DEPLOY, "d")["metadata"]["uid"]

    clock.run_virtual(main())


def test_refused_pods_show_as_replica_failure() -> None:
    class Refusing(FakeClient):
        async def create(self, resource: str, *args: Any, **kwargs: Any) -> bytes:
            if resource == "pods" and len(self.objects.get("pods", {})) >= 1:
                raise Forbidden('pods "d-x" is forbidden: exceeded quota: q')
            return await super().create(resource, *args, **kwargs)

    async def main() -> None:
        world = World(Refusing())
        await world.client.create(DEPLOY, deployment(2), NS)
        async with running(world, BOTH):
            await anyio.sleep(30)
            assert [(c["type"], c["status"], c["reason"]) for c in conditions(world)] == [
                ("Available", "False", "MinimumReplicasUnavailable"),
                ("ReplicaFailure", "True", "FailedCreate"),
                ("Progressing", "True", "ReplicaSetUpdated"),
            ]

    clock.run_virtual(main())


def test_reconciling_again_changes_nothing() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(DEPLOY, deployment(2), NS)
        async with running(world, BOTH):
            await anyio.sleep(10)
            await set_image(world, "img:2")
            await anyio.sleep(30)
            writes = [write for write in world.client.writes if write[1] != "events"]
        async with running(world, BOTH):
            await anyio.sleep(3600)
            assert [write for write in world.client.writes if write[1] != "events"] == writes

    clock.run_virtual(main())
