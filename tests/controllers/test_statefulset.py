"""StatefulSets: one pod of each number, in order; revisions, partitions, claims and what becomes of them."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.resources.meta import Obj
from tests.controllers.test_crashes import Dying
from tests.controllers.world import NS, World, is_ready, running, template

STS = "statefulsets.apps"
PVC = "persistentvolumeclaims"


def stateful_set(replicas: int = 3, image: str = "img:1", claims: tuple[str, ...] = (), **spec: Any) -> Obj:
    templates = [{"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"]}} for name in claims]
    body = {
        "replicas": replicas,
        "serviceName": "svc",
        "selector": {"matchLabels": {"a": "1"}},
        "template": template({"a": "1"}, image),
        "volumeClaimTemplates": templates,
        **spec,
    }
    return {"metadata": {"name": "w"}, "spec": body}


class Stage(World):
    """A world that notes which pods ran when, and never lets two instances of one name run."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alive: dict[str, str] = {}
        self.started: list[str] = []
        self.stopped: list[str] = []

    async def _start(self, pod: Obj) -> None:
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        assert self.alive.get(name, uid) == uid, f"two pods of the name {name} run"
        self.alive[name] = uid
        self.started.append(name)
        await super()._start(pod)

    async def _remove(self, pod: Obj) -> None:
        name = pod["metadata"]["name"]
        if self.alive.get(name) == pod["metadata"]["uid"]:
            del self.alive[name]
            self.stopped.append(name)
        await super()._remove(pod)

    def images(self) -> list[str]:
        return [pod["spec"]["containers"][0]["image"] for pod in self.objects("pods")]

    def names(self) -> list[str]:
        return [pod["metadata"]["name"] for pod in self.objects("pods")]

    async def change(self, **spec: Any) -> None:
        await self.client.patch(STS, "w", {"spec": spec}, NS)

    async def set_image(self, image: str) -> None:
        await self.change(template=template({"a": "1"}, image))


def status(world: World) -> Obj:
    found: Obj = world.get(STS, "w")["status"]
    return found


def test_pods_start_in_order_and_stop_in_reverse() -> None:
    async def main() -> None:
        world = Stage(start_delay=2)
        await world.client.create(STS, stateful_set(), NS)
        async with running(world, ["statefulset"]):
            await anyio.sleep(2)
            assert world.names() == ["w-0"]
            await anyio.sleep(15)
            assert world.started == ["w-0", "w-1", "w-2"]
            revision = status(world)["currentRevision"]
            assert status(world) == {
                "observedGeneration": 1,
                "replicas": 3,
                "readyReplicas": 3,
                "currentReplicas": 3,
                "updatedReplicas": 3,
                "availableReplicas": 3,
                "currentRevision": revision,
                "updateRevision": revision,
                "collisionCount": 0,
            }
            pod = world.get("pods", "w-1")
            assert pod["metadata"]["generateName"] == "w-"
            assert pod["metadata"]["labels"] == {
                "a": "1",
                "statefulset.kubernetes.io/pod-name": "w-1",
                "apps.kubernetes.io/pod-index": "1",
                "controller-revision-hash": revision,
            }
            assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("w-1", "svc")
            await world.change(replicas=0)
            await anyio.sleep(15)
            assert world.stopped == ["w-2", "w-1", "w-0"]
            assert status(world)["replicas"] == 0
            writes = [write for write in world.client.writes if write[1] != "events"]
            await anyio.sleep(600)
            assert [write for write in world.client.writes if write[1] != "events"] == writes
        created = [message for _, reason, message in world.events() if reason == "SuccessfulCreate"]
        assert created[0] == "create Pod w-0 in StatefulSet w successful"

    clock.run_virtual(main())


def test_available_pods_are_counted_where_ready_ones_must_wait() -> None:
    async def main() -> None:
        world = Stage(start_delay=2)
        await world.client.create(STS, stateful_set(1, minReadySeconds=20), NS)
        async with running(world, ["statefulset"]):
            for wait, counted in ((10, (1, 0)), (20, (1, 1))):
                await anyio.sleep(wait)
                assert (status(world)["readyReplicas"], status(world)["availableReplicas"]) == counted

    clock.run_virtual(main())


def test_parallel_pods_wait_for_nobody() -> None:
    async def main() -> None:
        world = Stage(start_delay=5)
        await world.client.create(STS, stateful_set(podManagementPolicy="Parallel", ordinals={"start": 5}), NS)
        async with running(world, ["statefulset"]):
            await anyio.sleep(1)
            assert world.names() == ["w-5", "w-6", "w-7"]
            await anyio.sleep(9)
            await world.change(replicas=1)
            await anyio.sleep(0.5)
            assert [pod["metadata"]["name"] for pod in world.pods()] == ["w-5"]

    clock.run_virtual(main())


def test_a_broken_pod_holds_up_those_after_it() -> None:
    async def main() -> None:
        world = Stage()
        body = stateful_set(2)
        body["spec"]["template"]["metadata"]["labels"]["ready"] = "false"
        await world.client.create(STS, body, NS)
        async with running(world, ["statefulset"]):
            await anyio.sleep(30)
            assert world.names() == ["w-0"]

    clock.run_virtual(main())


def test_a_new_template_goes_from_the_last_pod_down_to_the_partition() -> None:
    async def main() -> None:
        world = Stage()
        await world.client.create(STS, stateful_set(), NS)
        async with running(world, ["statefulset"]):
            await anyio.sleep(15)
            first = status(world)["currentRevision"]
            await world.change(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
            await world.set_image("img:2")
            await anyio.sleep(15)
            assert world.images() == ["img:1", "img:1", "img:2"]
            second = status(world)["updateRevision"]
            found = status(world)
            assert (found["currentRevision"], found["currentReplicas"], found["updatedReplicas"]) == (first, 2, 1)
            await world.client.delete("pods", "w-0", NS)
            await anyio.sleep(10)
            assert world.images() == ["img:1", "img:1", "img:2"]  # below the partition the former template holds
            world.stopped.clear()
            await world.change(updateStrategy={"rollingUpdate": {"partition": 0}})
            await anyio.sleep(30)
            assert world.stopped == ["w-1", "w-0"]
            assert (status(world)["currentRevision"], status(world)["currentReplicas"]) == (second, 3)
            revisions = {r["metadata"]["name"]: r["revision"] for r in world.objects("controllerrevisions.apps")}
            assert revisions == {first: 1, second: 2}
            await world.set_image("img:1")  # what kubectl rollout undo does
            await anyio.sleep(40)
            assert status(world)["currentRevision"] == first
            assert {r["revision"] for r in world.objects("controllerrevisions.apps")} == {2, 3}

    clock.run_virtual(main())


def test_on_delete_changes_only_what_somebody_deletes() -> None:
    async def main() -> None:
        world = Stage()
        await world.client.create(STS, stateful_set(2, updateStrategy={"type": "OnDelete"}), NS)
        async with running(world, ["statefulset"]):
            await anyio.sleep(10)
            await world.set_image("img:2")
            await anyio.sleep(20)
            assert world.images() == ["img:1", "img:1"]
            await world.client.delete("pods", "w-1", NS)
            await anyio.sleep(10)
            assert world.images() == ["img:1", "img:2"]

    clock.run_virtual(main())


def test_max_unavailable_takes_several_down_at_once() -> None:
    async def main() -> None:
        world = Stage(start_delay=4)
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0, "maxUnavailable": 2}}
        body = stateful_set(5, updateStrategy=strategy, podManagementPolicy="Parallel")
        await world.client.create(STS, body, NS)
        async with running(world, ["statefulset"]), anyio.create_task_group() as tasks:
            await anyio.sleep(10)
            tasks.start_soon(world.watch_bounds)
            await world.set_image("img:2")
            await anyio.sleep(60)
            assert (set(world.images()), world.fewest_ready) == ({"img:2"}, 3)
            tasks.cancel_scope.cancel()

    clock.run_virtual(main())


def test_old_revisions_go_beyond_the_limit() -> None:
    async def main() -> None:
        world = Stage()
        body = stateful_set(1, revisionHistoryLimit=1)
        body["metadata"]["annotations"] = {"kubernetes.io/change-cause": "why"}
        await world.client.create(STS, body, NS)
        async with running(world, ["statefulset"]):
            for number in range(2, 6):
                await anyio.sleep(10)
                await world.set_image(f"img:{number}")
            await anyio.sleep(10)
            revisions = world.objects("controllerrevisions.apps")
            assert sorted(r["revision"] for r in revisions) == [4, 5]
            assert revisions[0]["metadata"]["annotations"] == {"kubernetes.io/change-cause": "why"}

    clock.run_virtual(main())


def test_a_failed_pod_is_made_anew() -> None:
    async def main() -> None:
        world = Stage()
        await world.client.create(STS, stateful_set(1), NS)
        async with running(world, ["statefulset"]):
            await anyio.sleep(5)
            uid = world.get("pods", "w-0")["metadata"]["uid"]
            await world.client.patch("pods", "w-0", {"status": {"phase": "Failed"}}, NS, subresource="status")
            await anyio.sleep(8)
            assert world.get("pods", "w-0")["metadata"]["uid"] != uid
            assert ("StatefulSet", "RecreatingFailedPod") in [event[:2] for event in world.events()]

    clock.run_virtual(main())


def test_an_orphan_of_the_right_name_is_adopted() -> None:
    async def main() -> None:
        world = Stage()
        for name in ("w-0", "x-1"):
            await world.client.create("pods", {"metadata": {"name": name, "labels": {"a": "1"}}, "spec": {}}, NS)
        async with running(world, ["statefulset"]):
            await world.client.create(STS, stateful_set(1, updateStrategy={"type": "OnDelete"}), NS)
            await anyio.sleep(5)
            adopted = world.get("pods", "w-0")["metadata"]
            assert adopted["ownerReferences"][0]["name"] == "w"
            assert adopted["labels"]["apps.kubernetes.io/pod-index"] == "0"
            assert "ownerReferences" not in world.get("pods", "x-1")["metadata"]

    clock.run_virtual(main())


def test_claims_are_made_once_and_found_again() -> None:
    async def main() -> None:
        world = Stage()
        await world.client.create(STS, stateful_set(2, claims=("data",)), NS)
        async with running(world, ["statefulset"]):
            await anyio.sleep(10)
            assert [claim["metadata"]["name"] for claim in world.objects(PVC)] == ["data-w-0", "data-w-1"]
            assert world.objects(PVC)[0]["metadata"]["labels"] == {"a": "1"}
            volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data-w-1"}}
            assert world.get("pods", "w-1")["spec"]["volumes"] == [volume]
            uid = world.get(PVC, "data-w-1")["metadata"]["uid"]
            await world.change(replicas=1)
            await anyio.sleep(5)
            await world.change(replicas=2)
            await anyio.sleep(10)
            assert world.get(PVC, "data-w-1")["metadata"]["uid"] == uid
            assert "ownerReferences" not in world.get(PVC, "data-w-1")["metadata"]

    clock.run_virtual(main())


@pytest.mark.parametrize(
    ("scaled", "deleted", "staying", "leaving"),
    [
        ("Retain", "Retain", "", ""),
        ("Delete", "Retain", "", "Pod"),
        ("Retain", "Delete", "StatefulSet", "StatefulSet"),
        ("Delete", "Delete", "StatefulSet", "Pod"),
    ],
)
def test_claims_belong_to_whom_they_go_with(scaled: str, deleted: str, staying: str, leaving: str) -> None:
    def owner(world: Stage, name: str) -> str:
        references = world.get(PVC, name)["metadata"].get("ownerReferences") or [{"kind": ""}]
        return str(references[0]["kind"])

    async def main() -> None:
        world = Stage()
        policy = {"whenScaled": scaled, "whenDeleted": deleted}
        body = stateful_set(2, claims=("data",), persistentVolumeClaimRetentionPolicy=policy)
        await world.client.create(STS, body, NS)
        async with running(world, ["statefulset"]):
            await anyio.sleep(10)
            assert owner(world, "data-w-1") == staying
            await world.change(replicas=1)
            await anyio.sleep(5)
            assert (owner(world, "data-w-0"), owner(world, "data-w-1")) == (staying, leaving)
            if leaving == "Pod":
                # until the former claim is gone the pod must not come back to it
                await world.change(replicas=2)
                await anyio.sleep(10)
                assert world.names() == ["w-0"]
                await world.client.delete(PVC, "data-w-1", NS)
                await anyio.sleep(60)
                assert world.names() == ["w-0", "w-1"]

    clock.run_virtual(main())


async def _story(world: Stage) -> None:
    await world.client.create(STS, stateful_set(2, claims=("data",)), NS)
    await anyio.sleep(10)
    await world.set_image("img:2")
    await anyio.sleep(20)
    await world.change(replicas=1)
    await anyio.sleep(10)


async def _run(at: int, made: bool) -> tuple[Any, int]:
    """The story with a death at write ``at``: the end, and the number of writes."""
    world = Stage()
    dying = Dying(world.client, at, made)

    async def control() -> None:
        async with running(world, ["statefulset"], client_for=lambda name: dying, kubelet=False):
            await dying.died.wait()
        async with running(world, ["statefulset"], kubelet=False):
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.kubelet)
        tasks.start_soon(control)
        await _story(world)
        tasks.cancel_scope.cancel()
    pods = [(p["metadata"]["name"], p["metadata"]["labels"], is_ready(p)) for p in world.objects("pods")]
    claims = [claim["metadata"]["name"] for claim in world.objects(PVC)]
    revisions = [(r["metadata"]["name"], r["revision"]) for r in world.objects("controllerrevisions.apps")]
    return (pods, claims, revisions, world.started, world.stopped, status(world)), dying.count


def test_a_death_at_any_write_never_lets_two_pods_of_one_name_run() -> None:
    """``Stage`` watches the names; order and end are those of an undisturbed run."""
    undisturbed, writes = clock.run_virtual(_run(0, False))
    assert undisturbed[3:5] == (["w-0", "w-1", "w-1", "w-0"], ["w-1", "w-0", "w-1"])
    for at in range(1, writes + 1):
        for made in (False, True):
            assert clock.run_virtual(_run(at, made))[0] == undisturbed, (at, made)
