"""PodDisruptionBudgets: what they count, and what they allow."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.resources.meta import Obj
from tests.controllers.test_deployment import DEPLOY, deployment
from tests.controllers.world import NS, World, running

BUDGETS = "poddisruptionbudgets.policy"
ALL = ("deployment", "replicaset", "disruption")


def budget(**spec: Any) -> Obj:
    return {"metadata": {"name": "b"}, "spec": {"selector": {"matchLabels": {"app": "d"}}, **spec}}


def counts(world: World) -> tuple[int, int, int, int]:
    status = world.get(BUDGETS, "b")["status"]
    return tuple(status[k] for k in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 2}, (1, 3, 2, 3)),
        ({"minAvailable": 3}, (0, 3, 3, 3)),
        ({"minAvailable": "50%"}, (1, 3, 2, 3)),
        ({"maxUnavailable": 1}, (1, 3, 2, 3)),
        ({"maxUnavailable": "50%"}, (2, 3, 1, 3)),
        ({"maxUnavailable": 9}, (3, 3, 0, 3)),
    ],
)
def test_a_budget_allows_what_its_numbers_leave(spec: Obj, expected: tuple[int, int, int, int]) -> None:
    async def main() -> None:
        world = World()
        await world.client.create(BUDGETS, budget(**spec), NS)
        async with running(world, ALL):
            await anyio.sleep(1)
            assert counts(world)[0] == 0
            await world.client.create(DEPLOY, deployment(3), NS)
            await anyio.sleep(10)
            assert counts(world) == expected
            (condition,) = world.get(BUDGETS, "b")["status"]["conditions"]
            assert condition["reason"] == ("SufficientPods" if expected[0] else "InsufficientPods")
            assert condition["message"] == ""
            writes = len(world.client.writes)
            await anyio.sleep(600)
            assert len(world.client.writes) == writes

    clock.run_virtual(main())


def test_a_pod_that_was_evicted_no_longer_counts_until_its_time_is_up() -> None:
    async def main() -> None:
        world = World()
        await world.client.create(BUDGETS, budget(minAvailable=1), NS)
        await world.client.create(DEPLOY, deployment(3), NS)
        async with running(world, ALL):
            await anyio.sleep(10)
            name = world.pods()[0]["metadata"]["name"]
            status = {"status": {"disruptedPods": {name: clock.timestamp()}, "disruptionsAllowed": 1}}
            await world.client.patch(BUDGETS, "b", status, NS, subresource="status")
            await anyio.sleep(60)
            assert counts(world) == (1, 2, 1, 3)
            await anyio.sleep(70)
            assert counts(world) == (2, 3, 1, 3)
            assert (
                "disruptedPods" not in world.get(BUDGETS, "b")["status"]
                or not world.get(BUDGETS, "b")["status"]["disruptedPods"]
            )

    clock.run_virtual(main())


def test_a_finished_job_goes_after_its_time_to_live() -> None:
    async def main() -> None:
        world = World()
        jobs = "jobs.batch"
        for name, ttl in (("short", 60), ("kept", None), ("running", 60)):
            spec = {"ttlSecondsAfterFinished": ttl} if ttl else {}
            await world.client.create(jobs, {"metadata": {"name": name}, "spec": spec}, NS)
        for name in ("short", "kept"):
            done = {"type": "Complete", "status": "True", "lastTransitionTime": clock.timestamp()}
            await world.client.patch(jobs, name, {"status": {"conditions": [done]}}, NS, subresource="status")
        async with running(world, ["ttl-after-finished-controller"]):
            await anyio.sleep(59)
            assert "deletionTimestamp" not in world.get(jobs, "short")["metadata"]
            await anyio.sleep(2)
            assert world.get(jobs, "short")["metadata"]["finalizers"] == ["foregroundDeletion"]
            await anyio.sleep(3600)
            assert all("deletionTimestamp" not in world.get(jobs, name)["metadata"] for name in ("kept", "running"))

    clock.run_virtual(main())
