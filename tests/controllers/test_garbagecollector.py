"""Garbage collection: background, foreground, orphan, wrong uids, several owners, and what it must not do."""

from __future__ import annotations

from typing import Any

import anyio
from msgspec.structs import replace

from kube_lite import clock
from kube_lite.controllers.base import ServedResource
from kube_lite.controllers.garbagecollector import PATIENCE
from kube_lite.errors import ServiceUnavailable
from kube_lite.resources.meta import Obj
from tests.controllers.fake_client import CLUSTER_SCOPED, KINDS, FakeClient
from tests.controllers.world import NS, World, running

CM = "configmaps"


def resources() -> list[ServedResource]:
    return [ServedResource(name, kind, version, name not in CLUSTER_SCOPED) for name, (version, kind) in KINDS.items()]


def collecting(world: World, **kwargs: Any) -> Any:
    kwargs.setdefault("resources", resources)
    return running(world, ["garbagecollector"], kubelet=False, **kwargs)


async def config(world: World, name: str, *owners: Obj, **meta: Any) -> Obj:
    refs = {"ownerReferences": list(owners)} if owners else {}
    await world.client.create(CM, {"metadata": {"name": name, **refs, **meta}}, NS)
    return world.get(CM, name)


def owned_by(owner: Obj, **extra: Any) -> Obj:
    meta = owner["metadata"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": meta["name"], "uid": meta["uid"], **extra}


def names(world: World, resource: str = CM) -> list[str]:
    return [o["metadata"]["name"] for o in world.objects(resource)]


def test_dependants_go_after_their_owner_and_theirs_after_them() -> None:
    async def main() -> None:
        world = World()
        owner = await config(world, "o")
        child = await config(world, "a", owned_by(owner))
        await config(world, "b", owned_by(owner, controller=True))
        await config(world, "grandchild", owned_by(child))
        await config(world, "free")
        async with collecting(world):
            await anyio.sleep(1)
            assert len(names(world)) == 5
            await world.client.delete(CM, "o", NS)
            await anyio.sleep(1)
            assert names(world) == ["free"]

    clock.run_virtual(main())


def test_a_foreground_owner_waits_for_those_that_block_it() -> None:
    async def main() -> None:
        world = World()
        owner = await config(world, "o")
        await config(world, "blocking", owned_by(owner, blockOwnerDeletion=True), finalizers=["a.io/x"])
        await config(world, "other", owned_by(owner, blockOwnerDeletion=True))
        async with collecting(world):
            await anyio.sleep(1)
            await world.client.delete(CM, "o", NS, propagation_policy="Foreground")
            await anyio.sleep(5)
            assert names(world) == ["blocking", "o"]
            assert world.get(CM, "blocking")["metadata"]["deletionTimestamp"]
            assert world.get(CM, "o")["metadata"]["finalizers"] == ["foregroundDeletion"]
            await world.client.patch(CM, "blocking", {"metadata": {"finalizers": None}}, NS)
            await anyio.sleep(1)
            assert names(world) == []

    clock.run_virtual(main())


def test_a_foreground_owner_does_not_wait_for_those_that_do_not_block() -> None:
    async def main() -> None:
        world = World()
        owner = await config(world, "o")
        await config(world, "a", owned_by(owner, blockOwnerDeletion=False), finalizers=["a.io/x"])
        async with collecting(world):
            await anyio.sleep(1)
            await world.client.delete(CM, "o", NS, propagation_policy="Foreground")
            await anyio.sleep(1)
            assert names(world) == ["a"]
            assert world.get(CM, "a")["metadata"]["deletionTimestamp"]

    clock.run_virtual(main())


def test_foreground_goes_down_the_whole_tree_leaves_first() -> None:
    async def main() -> None:
        world = World()
        owner = await config(world, "o")
        child = await config(world, "child", owned_by(owner, blockOwnerDeletion=True))
        await config(world, "leaf", owned_by(child, blockOwnerDeletion=True))
        async with collecting(world):
            await anyio.sleep(1)
            world.client.writes.clear()
            await world.client.delete(CM, "o", NS, propagation_policy="Foreground")
            await anyio.sleep(1)
            assert names(world) == []
            gone = [key for verb, _, key in world.client.writes]
            assert [gone[-3], gone[-2], gone[-1]] == ["default/leaf", "default/child", "default/o"]

    clock.run_virtual(main())


def test_orphans_keep_living_without_the_reference() -> None:
    async def main() -> None:
        world = World()
        owner = await config(world, "o")
        other = await config(world, "other")
        await config(world, "a", owned_by(owner))
        await config(world, "b", owned_by(owner), owned_by(other))
        async with collecting(world):
            await anyio.sleep(1)
            await world.client.delete(CM, "o", NS, propagation_policy="Orphan")
            await anyio.sleep(1)
            assert names(world) == ["a", "b", "other"]
            assert "ownerReferences" not in world.get(CM, "a")["metadata"]
            assert [r["name"] for r in world.get(CM, "b")["metadata"]["ownerReferences"]] == ["other"]

    clock.run_virtual(main())


def test_foreground_and_orphan_without_dependants_end_at_once() -> None:
    async def main() -> None:
        world = World()
        await config(world, "f")
        await config(world, "o")
        async with collecting(world):
            await world.client.delete(CM, "f", NS, propagation_policy="Foreground")
            await world.client.delete(CM, "o", NS, propagation_policy="Orphan")
            await anyio.sleep(1)
            assert names(world) == []

    clock.run_virtual(main())


def test_an_owner_of_another_uid_is_absent() -> None:
    async def main() -> None:
        world = World()
        owner = await config(world, "o")
        async with collecting(world):
            await anyio.sleep(1)
            await config(world, "a", {**owned_by(owner), "uid": "00000000-0000-0000-0000-000000000000"})
            await anyio.sleep(1)
            assert names(world) == ["o"]

    clock.run_virtual(main())


def test_an_owner_elsewhere_does_not_count_and_is_told_of() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(CM, {"metadata": {"name": "o"}}, "elsewhere")
        elsewhere = next(o for o in world.objects(CM) if o["metadata"]["namespace"] == "elsewhere")
        here = await config(world, "here")
        await config(world, "child", owned_by(elsewhere))
        await config(world, "misnamed", owned_by(here, name="there"))
        volume = {"metadata": {"name": "v", "ownerReferences": [owned_by(here)]}, "spec": {}}
        await world.client.create("persistentvolumes", volume)
        async with collecting(world):
            await anyio.sleep(2)
            assert names(world) == ["here", "o"]
            assert names(world, "persistentvolumes") == ["v"]  # nobody can say that its owner is absent
            told = {e["involvedObject"]["name"]: e["message"] for e in world.objects("events")}
            uid = elsewhere["metadata"]["uid"]
            assert told["child"] == (
                f'ownerRef [v1/ConfigMap, namespace: {NS}, name: o, uid: {uid}] does not exist in namespace "{NS}"'
            )
            assert told["v"].endswith('does not exist in namespace ""')

    clock.run_virtual(main())


def test_one_owner_left_is_enough_and_the_dead_reference_is_dropped() -> None:
    async def main() -> None:
        world = World()
        first, second = await config(world, "one"), await config(world, "two")
        await config(world, "a", owned_by(first), owned_by(second))
        async with collecting(world):
            await anyio.sleep(1)
            await world.client.delete(CM, "one", NS)
            await anyio.sleep(1)
            assert [r["name"] for r in world.get(CM, "a")["metadata"]["ownerReferences"]] == ["two"]
            await world.client.delete(CM, "two", NS)
            await anyio.sleep(1)
            assert names(world) == []

    clock.run_virtual(main())


def test_an_owner_that_cannot_be_looked_up_counts_as_there() -> None:
    async def main() -> None:
        world = World()
        unknown = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "w", "uid": "u"}
        await config(world, "a", unknown)
        namespaced = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u"}
        await world.client.create("nodes", {"metadata": {"name": "n", "ownerReferences": [namespaced]}})
        async with collecting(world):
            await anyio.sleep(60)
            assert names(world) == ["a"]
            assert names(world, "nodes") == ["n"]

    clock.run_virtual(main())


def test_nothing_is_collected_while_a_resource_cannot_be_listed() -> None:
    class HalfBlind(FakeClient):
        blind = True

        async def list(self, resource: str, *args: Any, **kwargs: Any) -> Any:
            if resource == "secrets" and self.blind:
                raise ServiceUnavailable("down")
            return await super().list(resource, *args, **kwargs)

    async def main() -> None:
        client = HalfBlind()
        world = World(client)
        await client.create("secrets", {"metadata": {"name": "s"}}, NS)
        secret = world.get("secrets", "s")["metadata"]
        owner = {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": secret["uid"]}
        await config(world, "kept", owner)
        await config(world, "lost", {**owner, "uid": "gone"})
        async with collecting(world):
            await anyio.sleep(60)
            assert names(world) == ["kept", "lost"]
            client.blind = False
            await anyio.sleep(60)
            assert names(world) == ["kept"]

    clock.run_virtual(main())


def test_a_custom_resource_whose_webhook_is_down_holds_the_rest_up_for_half_a_minute_but_orphans() -> None:
    class HalfBlind(FakeClient):
        async def list(self, resource: str, *args: Any, **kwargs: Any) -> Any:
            if resource == "secrets":
                raise ServiceUnavailable("conversion webhook failed")
            return await super().list(resource, *args, **kwargs)

    async def main() -> None:
        world = World(HalfBlind())
        owner, keeper = await config(world, "o"), await config(world, "keeper")
        await config(world, "a", owned_by(owner))
        await config(world, "b", owned_by(keeper))
        served = [replace(r, custom=r.resource == "secrets") for r in resources()]
        async with collecting(world, resources=lambda: served):
            await world.client.delete(CM, "o", NS)
            await world.client.delete(CM, "keeper", NS, propagation_policy="Orphan")
            await anyio.sleep(PATIENCE - 2)
            assert names(world) == ["a", "b", "keeper"]
            await anyio.sleep(5)
            assert names(world) == ["b", "keeper"]

    clock.run_virtual(main())


def test_objects_that_vanished_without_a_deletion_take_few_others_along() -> None:
    """A damaged store that lost the owners must not empty the cluster."""

    async def main() -> None:
        world = World()
        for number in range(400):
            await config(world, f"c{number:03}", {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "lost"})
        async with collecting(world):
            await anyio.sleep(50)
            assert len(names(world)) == 400 - 40
            await anyio.sleep(60)
            assert 400 - 80 <= len(names(world)) <= 400 - 70

    clock.run_virtual(main())


def test_an_owner_seen_to_go_takes_all_its_dependants_along() -> None:
    async def main() -> None:
        world = World()
        owner = await config(world, "o")
        for number in range(400):
            await config(world, f"c{number:03}", owned_by(owner))
        async with collecting(world):
            await anyio.sleep(1)
            await world.client.delete(CM, "o", NS)
            await anyio.sleep(5)
            assert names(world) == []

    clock.run_virtual(main())


def test_resources_that_appear_later_take_part() -> None:
    async def main() -> None:
        world = World()
        served = [r for r in resources() if r.resource != "secrets"]
        owner = await config(world, "o")
        secret = {"metadata": {"name": "s", "ownerReferences": [owned_by(owner)]}}
        async with collecting(world, resources=lambda: served):
            await anyio.sleep(1)
            await world.client.create("secrets", secret, NS)
            served.append(next(r for r in resources() if r.resource == "secrets"))
            await anyio.sleep(10)
            await world.client.delete(CM, "o", NS)
            await anyio.sleep(5)
            assert names(world, "secrets") == []

    clock.run_virtual(main())


def test_an_owner_that_went_before_its_kind_was_known_takes_its_dependants_along() -> None:
    async def main() -> None:
        world = World()
        served = [r for r in resources() if r.resource != "secrets"]
        async with collecting(world, resources=lambda: served):
            await anyio.sleep(1)
            await world.client.create("secrets", {"metadata": {"name": "s"}}, NS)
            await config(world, "child", owned_by(world.get("secrets", "s"), kind="Secret"))
            await anyio.sleep(1)
            await world.client.delete("secrets", "s", NS)
            await anyio.sleep(10)
            assert names(world) == ["child"]
            served.append(next(r for r in resources() if r.resource == "secrets"))
            await anyio.sleep(10)
            assert names(world) == []

    clock.run_virtual(main())


def test_a_circle_of_owners_is_dissolved() -> None:
    async def main() -> None:
        world = World()
        first = await config(world, "a")
        second = await config(world, "b", owned_by(first, blockOwnerDeletion=True))
        await world.client.patch(
            CM, "a", {"metadata": {"ownerReferences": [owned_by(second, blockOwnerDeletion=True)]}}, NS
        )
        async with collecting(world):
            await anyio.sleep(1)
            await world.client.delete(CM, "a", NS, propagation_policy="Foreground")
            await anyio.sleep(30)
            assert names(world) == []

    clock.run_virtual(main())
