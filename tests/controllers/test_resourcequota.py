"""Quotas say what a namespace uses, soon after it has changed."""

from __future__ import annotations

from typing import Any

import anyio

from kube_lite import clock
from kube_lite.resources.meta import Obj, ObjectView
from tests.controllers.test_garbagecollector import resources
from tests.controllers.world import NS, World, running

QUOTAS = "resourcequotas"


def quota(hard: dict[str, str], scopes: list[str] | None = None) -> Obj:
    return {"metadata": {"name": "q"}, "spec": {"hard": hard, **({"scopes": scopes} if scopes else {})}}


def pod(name: str, cpu: str = "250m") -> Obj:
    container = {"name": "c", "resources": {"requests": {"cpu": cpu}} if cpu else {}}
    return {"metadata": {"name": name}, "spec": {"containers": [container]}}


def used(world: World, name: str = "q") -> Obj:
    found: Obj = world.get(QUOTAS, name)["status"]["used"]
    return found


def counting(world: World) -> Any:
    return running(world, ["resourcequota"], kubelet=False, resources=resources)


def test_usage_follows_what_comes_and_goes_and_ends() -> None:
    async def main() -> None:
        world = World()
        await world.client.create("configmaps", {"metadata": {"name": "ca"}}, NS)
        hard = {"pods": "5", "requests.cpu": "2", "count/deployments.apps": "3", "services": "2", "configmaps": "9"}
        await world.client.create(QUOTAS, quota(hard), NS)
        async with counting(world):
            await anyio.sleep(1)
            assert world.get(QUOTAS, "q")["status"] == {
                "hard": world.get(QUOTAS, "q")["spec"]["hard"],
                "used": {
                    "pods": "0",
                    "requests.cpu": "0",
                    "count/deployments.apps": "0",
                    "services": "0",
                    "configmaps": "1",
                },
            }
            for name in ("a", "b"):
                await world.client.create("pods", pod(name), NS)
            await world.client.create("pods", pod("elsewhere"), "other")
            await world.client.create("services", {"metadata": {"name": "s"}, "spec": {}}, NS)
            await anyio.sleep(1)
            assert (used(world)["pods"], used(world)["requests.cpu"], used(world)["services"]) == ("2", "500m", "1")
            await world.client.patch("pods", "a", {"status": {"phase": "Succeeded"}}, NS, subresource="status")
            await anyio.sleep(1)
            assert (used(world)["pods"], used(world)["requests.cpu"]) == ("1", "250m")
            await world.client.delete("pods", "b", NS)
            await world.client.delete("services", "s", NS)
            await anyio.sleep(1)
            assert (used(world)["pods"], used(world)["requests.cpu"], used(world)["services"]) == ("0", "0", "0")
            writes = len(world.client.writes)
            await anyio.sleep(900)
            assert len(world.client.writes) == writes

    clock.run_virtual(main())


def test_only_what_is_in_scope_counts() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(QUOTAS, quota({"pods": "5"}, ["BestEffort"]), NS)
        await world.client.create("pods", pod("sized"), NS)
        await world.client.create("pods", pod("free", cpu=""), NS)
        async with counting(world):
            await anyio.sleep(1)
            assert used(world) == {"pods": "1"}

    clock.run_virtual(main())


def test_bounds_that_change_are_taken_over_and_old_names_go() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(QUOTAS, quota({"pods": "5", "secrets": "1"}), NS)
        async with counting(world):
            await anyio.sleep(1)
            await world.client.patch(QUOTAS, "q", {"spec": {"hard": {"pods": "6", "secrets": None}}}, NS)
            await anyio.sleep(1)
            assert world.get(QUOTAS, "q")["status"] == {"hard": {"pods": "6"}, "used": {"pods": "0"}}

    clock.run_virtual(main())


def test_what_a_crash_left_too_high_is_put_right_as_soon_as_somebody_counts() -> None:
    """Admission raises usage in a commit of its own, before the object's: a crash between leaves it without one."""

    async def main() -> None:
        world = World()
        await world.client.create(QUOTAS, quota({"pods": "5"}), NS)
        status = {"status": {"hard": {"pods": "5"}, "used": {"pods": "3"}}}
        await world.client.patch(QUOTAS, "q", status, NS, subresource="status")
        await world.client.create("pods", pod("a"), NS)
        async with counting(world):
            await anyio.sleep(0.1)
            assert used(world) == {"pods": "1"}

    clock.run_virtual(main())


def test_a_burst_of_changes_is_counted_once() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(QUOTAS, quota({"pods": "500"}), NS)
        async with counting(world):
            await anyio.sleep(1)
            before = len(world.client.writes)
            for number in range(300):
                await world.client.create("pods", pod(f"p{number}"), NS)
            await anyio.sleep(2)
            assert used(world) == {"pods": "300"}
            assert len(world.client.writes) - before - 300 <= 2

    clock.run_virtual(main())


def test_nothing_is_counted_while_admission_raises_the_usage() -> None:
    """What it has raised the usage for is not stored yet: a count at that moment would take it back."""

    async def main() -> None:
        world = World()
        await world.client.create(QUOTAS, quota({"pods": "5"}), NS)
        async with counting(world):
            await anyio.sleep(1)
            await world.client.create("pods", pod("a"), NS)
            for count in ("2", "3", "4", "5"):
                await anyio.sleep(0.02)
                raised = {"status": {"hard": {"pods": "5"}, "used": {"pods": count}}}
                await world.client.patch(QUOTAS, "q", raised, NS, subresource="status")
                await anyio.sleep(0.02)
                assert used(world) == {"pods": count}
            await anyio.sleep(0.2)
            assert used(world) == {"pods": "1"}

    clock.run_virtual(main())


def test_a_kind_that_is_not_served_counts_nothing() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(QUOTAS, quota({"count/widgets.example.com": "1"}), NS)
        async with counting(world):
            await anyio.sleep(1)
            assert used(world) == {"count/widgets.example.com": "0"}

    clock.run_virtual(main())


def test_a_kind_that_went_and_came_again_is_followed_again() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(QUOTAS, quota({"count/configmaps": "5"}), NS)
        async with counting(world) as ctx:
            await anyio.sleep(1)
            ctx.informers.discard(ctx.informers.get("configmaps", ObjectView))  # as when its definition goes
            await world.client.patch(QUOTAS, "q", {"spec": {"hard": {"count/configmaps": "6"}}}, NS)
            await anyio.sleep(1)
            await world.client.create("configmaps", {"metadata": {"name": "a"}}, NS)
            await anyio.sleep(1)
            assert used(world) == {"count/configmaps": "1"}

    clock.run_virtual(main())
