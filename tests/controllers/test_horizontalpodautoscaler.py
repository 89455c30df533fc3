"""Autoscalers: what metrics call for, what is left out of them, and how fast they may go."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.client.protocol import ObjectList
from kube_lite.controllers.autoscaling_limits import Behavior, Memory, Policy, Rules, bounded, stabilized
from kube_lite.errors import no_such_path
from tests.controllers.fake_client import FakeClient
from tests.controllers.test_garbagecollector import resources
from tests.controllers.world import NS, World, running

HPA = "horizontalpodautoscalers.autoscaling"
DEPLOY = "deployments.apps"


class Measured(FakeClient):
    """A client of an API that serves scales, and pod metrics when ``usage`` is set (CPU by pod)."""

    def __init__(self) -> None:
        super().__init__()
        self.usage: dict[str, str] | None = None

    async def get(self, resource: str, name: str, namespace: str = "", *, subresource: str = "") -> bytes:
        data = await super().get(resource, name, namespace)
        if subresource != "scale":
            return data
        obj = json.loads(data)
        size = obj["spec"]["replicas"]
        return json.dumps({"spec": {"replicas": size}, "status": {"replicas": size, "selector": "a=1"}}).encode()

    async def list(self, resource: str, namespace: str = "", **kwargs: Any) -> ObjectList:
        if resource != "pods.metrics.k8s.io":
            return await super().list(resource, namespace, **kwargs)
        if self.usage is None:
            raise no_such_path()
        items = [
            {
                "metadata": {"name": name, "namespace": namespace},
                "timestamp": clock.timestamp(),
                "window": "15s",
                "containers": [{"name": "c", "usage": {"cpu": cpu}}],
            }
            for name, cpu in self.usage.items()
        ]
        return ObjectList([json.dumps(item).encode() for item in items], "1")


class Load(World):
    """A workload of ``d-0`` to ``d-N``, each asking for 100m and using what ``use`` says."""

    client: Measured

    async def pods_of(self, count: int) -> None:
        container = {"name": "c", "resources": {"requests": {"cpu": "100m"}}}
        for number in range(count):
            if self.client.peek("pods", f"{NS}/d-{number}") is not None:
                continue
            body = {"metadata": {"name": f"d-{number}", "labels": {"a": "1"}}, "spec": {"containers": [container]}}
            await self.client.create("pods", body, NS)
            old = "2000-01-01T00:00:00Z"
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": old}
            status = {"phase": "Running", "startTime": old, "conditions": [ready]}
            await self.client.patch("pods", f"d-{number}", {"status": status}, NS, subresource="status")

    def use(self, *cpus: str) -> None:
        self.client.usage = {f"d-{number}": cpu for number, cpu in enumerate(cpus)}

    @property
    def size(self) -> int:
        return int(self.get(DEPLOY, "d")["spec"]["replicas"])

    def conditions(self) -> dict[str, tuple[str, str]]:
        found = self.get(HPA, "h")["status"]["conditions"]
        return {c["type"]: (c["status"], c["reason"]) for c in found}


async def load(replicas: int, target: str = "d", **spec: Any) -> Load:
    """A Deployment of that size with its pods, and an autoscaler for half of what they ask for."""
    aim = {"type": "Utilization", "averageUtilization": 50}
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": aim}}]
    world = Load(Measured())
    await world.client.create(DEPLOY, {"metadata": {"name": "d"}, "spec": {"replicas": replicas}}, NS)
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    body = {"scaleTargetRef": reference, "minReplicas": 1, "maxReplicas": 10, "metrics": metrics, **spec}
    await world.client.create(HPA, {"metadata": {"name": "h"}, "spec": body}, NS)
    await world.pods_of(replicas)
    return world


def scaling(world: World) -> Any:
    return running(world, ["horizontalpodautoscaling"], kubelet=False, resources=resources)


def test_a_missing_target_is_told() -> None:
    async def main() -> None:
        world = await load(1, target="none")
        async with scaling(world):
            await anyio.sleep(40)
            assert world.conditions() == {"AbleToScale": ("False", "FailedGetScale")}
            message = world.get(HPA, "h")["status"]["conditions"][0]["message"]
            assert message.startswith("the HPA controller was unable to get the target's current scale: ")
        assert {event[:2] for event in world.events()} == {("HorizontalPodAutoscaler", "FailedGetScale")}

    clock.run_virtual(main())


def test_bounds_hold_without_any_metrics_api() -> None:
    async def main() -> None:
        world = await load(5, maxReplicas=3)
        async with scaling(world):
            await anyio.sleep(20)
            assert world.size == 3
            assert world.conditions() == {
                "AbleToScale": ("True", "SucceededGetScale"),
                "ScalingActive": ("False", "FailedGetResourceMetric"),
            }
            status = world.get(HPA, "h")["status"]
            assert (status["currentReplicas"], status["desiredReplicas"]) == (3, 3)
            writes = [write for write in world.client.writes if write[1] != "events"]
            await anyio.sleep(300)
            assert [write for write in world.client.writes if write[1] != "events"] == writes
        absent = (
            "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from "
            "resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"
        )
        events = {(reason, message) for _, reason, message in world.events()}
        assert ("SuccessfulRescale", "New size: 3; reason: Current number of replicas above Spec.MaxReplicas") in events
        assert ("FailedGetResourceMetric", absent) in events

    clock.run_virtual(main())


@pytest.mark.parametrize(
    ("usage", "size", "reason"),
    [
        (["100m", "100m"], 4, "DesiredWithinRange"),
        (["52m", "53m"], 2, "DesiredWithinRange"),  # within the tolerance
        (["900m", "900m"], 4, "ScaleUpLimit"),
        (["100m"], 2, "DesiredWithinRange"),  # the pod that is not measured counts as idle
    ],
)
def test_the_load_decides(usage: list[str], size: int, reason: str) -> None:
    async def main() -> None:
        world = await load(2)
        world.use(*usage)
        async with scaling(world):
            await anyio.sleep(5)
            assert (world.size, world.conditions()["ScalingLimited"][1]) == (size, reason)
            assert world.conditions()["ScalingActive"] == ("True", "ValidMetricFound")

    clock.run_virtual(main())


def test_what_is_used_stands_in_the_status() -> None:
    async def main() -> None:
        world = await load(2)
        world.use("40m", "60m")
        async with scaling(world):
            await anyio.sleep(5)
            value = {"averageValue": "50m", "averageUtilization": 50}
            shown = {"type": "Resource", "resource": {"name": "cpu", "current": value}}
            assert world.get(HPA, "h")["status"]["currentMetrics"] == [shown]

    clock.run_virtual(main())


def test_a_dip_shrinks_nothing_until_it_has_lasted() -> None:
    async def main() -> None:
        world = await load(4)
        world.use("50m", "50m", "50m", "50m")
        async with scaling(world):
            await anyio.sleep(20)
            world.use("10m", "10m", "10m", "10m")
            await anyio.sleep(240)
            assert (world.size, world.conditions()["AbleToScale"][1]) == (4, "ScaleDownStabilized")
            await anyio.sleep(120)
            assert world.size == 1

    clock.run_virtual(main())


def test_pods_that_have_just_started_are_not_believed() -> None:
    async def main() -> None:
        world = await load(2)
        world.use("200m", "30m")
        now = clock.timestamp()
        ready = {"type": "Ready", "status": "False", "lastTransitionTime": now}
        status = {"phase": "Running", "startTime": now, "conditions": [ready]}
        await world.client.patch("pods", "d-0", {"status": status}, NS, subresource="status")
        async with scaling(world):
            await anyio.sleep(5)
            assert world.size == 2  # 30m of one pod would be fewer, but what counts is held by the window

    clock.run_virtual(main())


def test_a_target_of_no_replicas_is_left_alone() -> None:
    async def main() -> None:
        world = await load(0)
        async with scaling(world):
            await anyio.sleep(20)
            assert (world.size, world.conditions()["ScalingActive"]) == (0, ("False", "ScalingDisabled"))

    clock.run_virtual(main())


def test_a_pod_without_a_request_is_named() -> None:
    async def main() -> None:
        world = await load(1)
        world.use("10m")
        await world.client.patch("pods", "d-0", {"spec": {"containers": [{"name": "c"}]}}, NS)
        async with scaling(world):
            await anyio.sleep(5)
            text = "failed to get cpu utilization: missing request for cpu in container c of Pod d-0"
            assert ("HorizontalPodAutoscaler", "FailedGetResourceMetric", text) in world.events()

    clock.run_virtual(main())


def rules(*policies: tuple[str, int, int], select: str = "Max", window: int | None = None) -> Rules:
    made = [Policy(type=kind, value=value, period_seconds=seconds) for kind, value, seconds in policies]
    return Rules(policies=made, select_policy=select, stabilization_window_seconds=window)


@pytest.mark.parametrize(
    ("up", "wanted", "result"),
    [
        (rules(("Pods", 4, 60), ("Percent", 10, 60)), 50, (14, "ScaleUpLimit")),
        (rules(("Pods", 4, 60), ("Percent", 10, 60), select="Min"), 50, (11, "ScaleUpLimit")),
        (rules(select="Disabled"), 50, (10, "ScaleUpLimit")),
        (rules(("Percent", 900, 60)), 80, (60, "TooManyReplicas")),
        (rules(("Percent", 900, 60)), 50, (50, "DesiredWithinRange")),
    ],
)
def test_growth_keeps_to_its_policies(up: Rules, wanted: int, result: tuple[int, str]) -> None:
    async def main() -> None:
        limit = bounded(Memory(), 10, wanted, 1, 60, Behavior(scale_up=up))
        assert (limit.replicas, limit.reason) == result

    clock.run_virtual(main())


def test_a_rate_counts_what_was_changed_within_its_period() -> None:
    async def main() -> None:
        memory, behavior = Memory(), Behavior(scale_down=rules(("Pods", 3, 60)))
        assert bounded(memory, 20, 5, 1, 60, behavior).replicas == 17
        memory.scaled(-3)
        await anyio.sleep(30)
        assert bounded(memory, 17, 5, 1, 60, behavior).replicas == 17
        await anyio.sleep(31)
        assert bounded(memory, 17, 5, 1, 60, behavior).replicas == 14

    clock.run_virtual(main())


def test_a_window_for_growth_takes_the_lowest_of_it() -> None:
    async def main() -> None:
        memory, behavior = Memory(), Behavior(scale_up=rules(window=60), scale_down=rules(window=0))
        memory.recommended(4)
        steady = stabilized(memory, 4, 9, behavior)
        assert (steady.replicas, steady.reason) == (4, "ScaleUpStabilized")
        await anyio.sleep(61)
        assert stabilized(memory, 4, 9, behavior).replicas == 9

    clock.run_virtual(main())
