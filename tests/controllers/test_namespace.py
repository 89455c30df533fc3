"""Namespaces are emptied and finalized; each gets its default ServiceAccount and the cluster's CA."""

from __future__ import annotations

from typing import Any

import anyio

from kube_lite import clock
from kube_lite.errors import Forbidden
from kube_lite.resources.meta import Obj
from tests.controllers.fake_client import FakeClient
from tests.controllers.test_garbagecollector import resources
from tests.controllers.world import World, running

NS = "gone"


async def world_with_namespace(client: FakeClient | None = None) -> World:
    world = World(client)
    await world.client.create("namespaces", {"metadata": {"name": NS}})
    return world


def conditions(world: World) -> dict[str, tuple[str, str, str]]:
    found: list[Obj] = world.get("namespaces", NS, "")["status"]["conditions"]
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in found}


def emptying(world: World, **kwargs: Any) -> Any:
    return running(world, ["namespace"], kubelet=False, resources=resources, **kwargs)


def test_a_deleted_namespace_loses_everything_and_then_goes() -> None:
    async def main() -> None:
        world = await world_with_namespace()
        for number in range(100):
            await world.client.create("configmaps", {"metadata": {"name": f"c{number}"}}, NS)
        await world.client.create("secrets", {"metadata": {"name": "s"}}, NS)
        await world.client.create("secrets", {"metadata": {"name": "s"}}, "other")
        async with emptying(world):
            await anyio.sleep(1)
            assert len(world.objects("configmaps")) == 100
            await world.client.delete("namespaces", NS)
            await anyio.sleep(1)
            assert world.client.peek("namespaces", NS) is None
            assert world.objects("configmaps") == []
            assert [o["metadata"]["namespace"] for o in world.objects("secrets")] == ["other"]

    clock.run_virtual(main())


def test_a_finalizer_holds_the_namespace_and_the_conditions_name_it() -> None:
    async def main() -> None:
        world = await world_with_namespace()
        await world.client.create("configmaps", {"metadata": {"name": "c", "finalizers": ["a.io/x"]}}, NS)
        async with emptying(world):
            await world.client.delete("namespaces", NS)
            await anyio.sleep(1)
            assert world.get("namespaces", NS, "")["status"]["phase"] == "Terminating"
            assert conditions(world) == {
                "NamespaceDeletionDiscoveryFailure": (
                    "False",
                    "ResourcesDiscovered",
                    "All resources successfully discovered",
                ),
                "NamespaceDeletionGroupVersionParsingFailure": (
                    "False",
                    "ParsedGroupVersions",
                    "All legacy kube types successfully parsed",
                ),
                "NamespaceDeletionContentFailure": (
                    "False",
                    "ContentDeleted",
                    "All content successfully deleted, may be waiting on finalization",
                ),
                "NamespaceContentRemaining": (
                    "True",
                    "SomeResourcesRemain",
                    "Some resources are remaining: configmaps. has 1 resource instances",
                ),
                "NamespaceFinalizersRemaining": (
                    "True",
                    "SomeFinalizersRemain",
                    "Some content in the namespace has finalizers remaining: a.io/x in 1 resource instances",
                ),
            }
            writes = len(world.client.writes)
            await anyio.sleep(30)
            assert len(world.client.writes) == writes
            await world.client.patch("configmaps", "c", {"metadata": {"finalizers": None}}, NS)
            await anyio.sleep(10)
            assert world.client.peek("namespaces", NS) is None

    clock.run_virtual(main())


def test_pods_go_before_what_they_rely_on() -> None:
    async def main() -> None:
        world = await world_with_namespace()
        await world.client.create("pods", {"metadata": {"name": "p"}, "spec": {"nodeName": "n"}}, NS)
        await world.client.create("configmaps", {"metadata": {"name": "c"}}, NS)
        async with emptying(world):
            await world.client.delete("namespaces", NS)
            await anyio.sleep(20)
            assert world.get("pods", "p", NS)["metadata"]["deletionTimestamp"]
            assert len(world.objects("configmaps")) == 1
            text = "Some resources are remaining: pods. has 1 resource instances"
            assert conditions(world)["NamespaceContentRemaining"] == ("True", "SomeResourcesRemain", text)
            assert conditions(world)["NamespaceFinalizersRemaining"][0] == "False"
            await world.client.delete("pods", "p", NS, grace_period_seconds=0)
            await anyio.sleep(0.5)  # at once, not at the next retry
            assert world.client.peek("namespaces", NS) is None

    clock.run_virtual(main())


def test_a_refused_deletion_is_told_and_tried_again() -> None:
    class Guarded(FakeClient):
        guarded = True

        async def delete(self, resource: str, *args: Any, **kwargs: Any) -> bytes:
            if resource == "secrets" and self.guarded:
                raise Forbidden("a webhook says no")
            return await super().delete(resource, *args, **kwargs)

    async def main() -> None:
        client = Guarded()
        world = await world_with_namespace(client)
        await client.create("secrets", {"metadata": {"name": "s"}}, NS)
        async with emptying(world):
            await client.delete("namespaces", NS)
            await anyio.sleep(1)
            status, reason, message = conditions(world)["NamespaceDeletionContentFailure"]
            assert (status, reason) == ("True", "ContentDeletionFailed")
            assert "a webhook says no" in message
            client.guarded = False
            await anyio.sleep(10)
            assert client.peek("namespaces", NS) is None

    clock.run_virtual(main())


def test_every_namespace_gets_its_account_and_the_ca_and_gets_them_back() -> None:
    async def main() -> None:
        world = await world_with_namespace()
        names = ["serviceaccount", "root-ca-certificate-publisher-controller"]
        async with running(world, names, kubelet=False, ca_pem="PEM"):
            await anyio.sleep(1)
            assert world.get("serviceaccounts", "default", NS)
            config = world.get("configmaps", "kube-root-ca.crt", NS)
            assert config["data"] == {"ca.crt": "PEM"}
            await world.client.delete("serviceaccounts", "default", NS)
            await world.client.patch("configmaps", "kube-root-ca.crt", {"data": {"ca.crt": "forged", "x": "y"}}, NS)
            await world.client.create("namespaces", {"metadata": {"name": "new"}})
            await anyio.sleep(1)
            assert world.get("serviceaccounts", "default", NS)
            assert world.get("serviceaccounts", "default", "new")
            assert world.get("configmaps", "kube-root-ca.crt", NS)["data"] == {"ca.crt": "PEM"}
            await world.client.delete("namespaces", NS)
            await world.client.delete("serviceaccounts", "default", NS)
            await anyio.sleep(1)
            assert world.client.peek("serviceaccounts", f"{NS}/default") is None

    clock.run_virtual(main())
