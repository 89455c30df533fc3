"""The fleet against an API stand-in, with the real scheduler, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from kube_lite import clock
from kube_lite.client.informer import Informers
from kube_lite.errors import ServiceUnavailable
from kube_lite.sched.scheduler import Scheduler
from kube_lite.sim.fleet import Fleet
from kube_lite.sim.stages import FAST, GENERAL, Stage, Stages
from tests.sched.cluster import BindingClient, pod_object


@asynccontextmanager
async def fleet_of(client: BindingClient, nodes: int, stages: Stages = FAST, seed: int = 0) -> AsyncIterator[Fleet]:
    informers = Informers(client)
    fleet = Fleet(client, informers, nodes=nodes, seed=seed, start=stages)
    scheduler = Scheduler(client, informers, seed=seed)
    async with anyio.create_task_group() as tasks:
        for task in (informers.run, fleet.run, scheduler.run):
            tasks.start_soon(task)
        await fleet.wait_registered()
        yield fleet
        tasks.cancel_scope.cancel()


def status_of(client: BindingClient, pod: str) -> dict[str, Any]:
    obj = client.peek("pods", f"ns/{pod}")
    assert obj is not None
    return dict(obj["status"])


def test_nodes_are_registered_ready_with_a_lease_that_is_renewed_every_ten_seconds() -> None:
    async def main() -> None:
        client = BindingClient()
        async with fleet_of(client, 3):
            node = client.peek("nodes", "sim-2")
            assert node is not None
            ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
            assert (ready["status"], ready["reason"]) == ("True", "KubeletReady")
            assert node["status"]["allocatable"]["cpu"] == "32"
            await anyio.sleep(100)
        renewals = [w for w in client.writes if w[:2] == ("patch", "leases.coordination.k8s.io")]
        assert len(renewals) == 30

    clock.run_virtual(main())


def test_a_pod_runs_with_an_address_and_the_status_of_a_kubelet() -> None:
    async def main() -> None:
        client = BindingClient()
        async with fleet_of(client, 1):
            await client.create("pods", pod_object("p"), "ns")
            await anyio.sleep(1)
        status = status_of(client, "p")
        assert (status["phase"], status["podIP"], status["hostIP"]) == ("Running", "10.128.0.2", "172.16.0.0")
        assert {c["type"]: c["status"] for c in status["conditions"]} == {
            "PodScheduled": "True",
            "PodReadyToStartContainers": "True",
            "Initialized": "True",
            "Ready": "True",
            "ContainersReady": "True",
        }
        (container,) = status["containerStatuses"]
        assert container["ready"]
        assert container["started"]
        assert container["state"] == {"running": {"startedAt": "2026-01-01T00:00:00Z"}}

    clock.run_virtual(main())


def test_stages_decide_when_a_pod_starts_and_becomes_ready() -> None:
    stages = Stages(sandbox=Stage(1), pull=Stage(3), start=Stage(0.5), ready=Stage(2), stop=Stage(4))

    async def main() -> None:
        client = BindingClient()
        async with fleet_of(client, 1, stages):
            await client.create("pods", pod_object("p"), "ns")
            await anyio.sleep(4.4)
            waiting = status_of(client, "p")["containerStatuses"][0]["state"]
            assert waiting == {"waiting": {"reason": "ContainerCreating"}}
            await anyio.sleep(0.2)
            assert status_of(client, "p")["phase"] == "Running"
            assert not status_of(client, "p")["containerStatuses"][0]["ready"]
            await anyio.sleep(2)
            assert status_of(client, "p")["containerStatuses"][0]["ready"]
            await client.create("pods", pod_object("second"), "ns")
            await anyio.sleep(1.6)  # no pull this time
            assert status_of(client, "second")["phase"] == "Running"
            await client.delete("pods", "p", "ns")
            await anyio.sleep(3.9)
            assert client.peek("pods", "ns/p") is not None
            await anyio.sleep(0.2)
            assert client.peek("pods", "ns/p") is None

    clock.run_virtual(main())


def _job(name: str, run_for: str, code: str, policy: str) -> dict[str, Any]:
    obj = pod_object(name, restartPolicy=policy)
    obj["metadata"]["annotations"] = {"sim.kube-lite.io/run-for": run_for, "sim.kube-lite.io/exit-code": code}
    return obj


def test_annotations_end_a_pod_and_the_restart_policy_decides_what_follows() -> None:
    async def main() -> None:
        client = BindingClient()
        async with fleet_of(client, 1):
            await client.create("pods", _job("good", "5", "0", "Never"), "ns")
            await client.create("pods", _job("bad", "5", "3", "Never"), "ns")
            await client.create("pods", _job("loop", "5", "1", "Always"), "ns")
            await client.create("pods", _job("odd", "a while", "x", "Never"), "ns")
            await anyio.sleep(5.5)
            assert status_of(client, "good")["phase"] == "Succeeded"
            assert status_of(client, "bad")["phase"] == "Failed"
            assert status_of(client, "bad")["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
            loop = status_of(client, "loop")["containerStatuses"][0]
            assert (loop["restartCount"], "running" in loop["state"]) == (1, True)
            await anyio.sleep(5)
            loop = status_of(client, "loop")["containerStatuses"][0]
            assert loop["state"]["waiting"]["reason"] == "CrashLoopBackOff"
            assert loop["lastState"]["terminated"]["exitCode"] == 1
            assert status_of(client, "loop")["phase"] == "Running"
            assert status_of(client, "odd")["phase"] == "Running"

    clock.run_virtual(main())


def test_a_failing_stage_is_reported_and_tried_again_after_ten_seconds() -> None:
    stages = Stages(pull=Stage(failure=0.999999, reason="ErrImagePull", message="no route to host"))

    async def main() -> None:
        client = BindingClient()
        async with fleet_of(client, 1, stages):
            await client.create("pods", pod_object("p"), "ns")
            await anyio.sleep(1)
            waiting = status_of(client, "p")["containerStatuses"][0]["state"]["waiting"]
            assert waiting == {"reason": "ErrImagePull", "message": "no route to host"}
            written = len(client.writes)
            await anyio.sleep(8)
            assert [w for w in client.writes[written:] if w[1] == "pods/status"] == []
            await anyio.sleep(2)
            assert status_of(client, "p")["phase"] == "Pending"

    clock.run_virtual(main())


def test_a_killed_node_is_silent_and_a_revived_one_does_what_it_missed() -> None:
    async def main() -> None:
        client = BindingClient()
        async with fleet_of(client, 1) as fleet:
            await client.create("pods", pod_object("p"), "ns")
            await anyio.sleep(1)
            fleet.kill("sim-0")
            await client.delete("pods", "p", "ns")
            written = len(client.writes)
            await anyio.sleep(100)
            assert client.writes[written:] == []
            assert client.peek("pods", "ns/p") is not None
            fleet.revive("sim-0")
            await anyio.sleep(0.2)
            assert client.peek("pods", "ns/p") is None
            assert ("patch", "nodes/status", "sim-0") in client.writes[written:]
            beats = len([w for w in client.writes if w[1] == "leases.coordination.k8s.io"])
            await anyio.sleep(50)
            assert len([w for w in client.writes if w[1] == "leases.coordination.k8s.io"]) - beats == 5

    clock.run_virtual(main())


def test_pods_that_ran_before_the_fleet_was_restarted_go_on() -> None:
    async def main() -> None:
        client = BindingClient()
        async with fleet_of(client, 2):
            await client.create("pods", pod_object("p"), "ns")
            await anyio.sleep(1)
        before = status_of(client, "p")
        await anyio.sleep(5)
        async with fleet_of(client, 2, seed=1):
            await anyio.sleep(1)
            assert status_of(client, "p") == before
            await client.delete("pods", "p", "ns")
            await anyio.sleep(0.2)
            assert client.peek("pods", "ns/p") is None

    clock.run_virtual(main())


def test_an_api_that_is_away_for_a_while_only_delays() -> None:
    async def main() -> None:
        client = BindingClient()
        async with fleet_of(client, 2):
            client.broken = ServiceUnavailable("starting")
            await anyio.sleep(60)
            client.broken = None
            await client.create("pods", pod_object("p"), "ns")
            await anyio.sleep(31)
            assert status_of(client, "p")["phase"] == "Running"
            lease = client.peek("leases.coordination.k8s.io", "kube-node-lease/sim-0")
            assert lease is not None
            assert (clock.now() - clock.parse_timestamp(lease["spec"]["renewTime"])).total_seconds() <= 10.1

    clock.run_virtual(main())


def _story(seed: int) -> list[Any]:
    async def main() -> list[Any]:
        client = BindingClient()
        async with fleet_of(client, 20, GENERAL, seed) as fleet:
            for number in range(50):
                await client.create("pods", pod_object(f"p{number}", "100m"), "ns")
            await anyio.sleep(20)
            fleet.kill("sim-3")
            for number in range(0, 50, 3):
                await client.delete("pods", f"p{number}", "ns")
            await anyio.sleep(40)
            fleet.revive("sim-3")
            await anyio.sleep(40)
        return [client.writes, client.snapshot("pods")]

    return clock.run_virtual(main())


def test_the_same_seed_tells_the_same_story() -> None:
    assert _story(5) == _story(5)
    assert _story(5) != _story(6)


def test_a_timer_from_before_the_deletion_does_not_end_a_pod_too_soon() -> None:
    async def main() -> None:
        client = BindingClient()
        async with fleet_of(client, 1, Stages(ready=Stage(10), stop=Stage(25))):
            await client.create("pods", pod_object("p"), "ns")
            await anyio.sleep(1)
            await client.delete("pods", "p", "ns")
            await anyio.sleep(24.9)
            assert client.peek("pods", "ns/p") is not None
            await anyio.sleep(0.2)
            assert client.peek("pods", "ns/p") is None

    clock.run_virtual(main())


def test_a_revived_node_reports_pods_ready_again_that_were_marked_not_ready_in_its_absence() -> None:
    async def main() -> None:
        client = BindingClient()
        async with fleet_of(client, 1) as fleet:
            await client.create("pods", pod_object("p"), "ns")
            await anyio.sleep(1)
            fleet.kill("sim-0")
            conditions = [
                {**c, "status": "False"} for c in status_of(client, "p")["conditions"] if c["type"] == "Ready"
            ]
            await client.patch("pods", "p", {"status": {"conditions": conditions}}, "ns", subresource="status")
            await anyio.sleep(60)
            assert [c["status"] for c in status_of(client, "p")["conditions"] if c["type"] == "Ready"] == ["False"]
            fleet.revive("sim-0")
            await anyio.sleep(0.2)
            assert [c["status"] for c in status_of(client, "p")["conditions"] if c["type"] == "Ready"] == ["True"]

    clock.run_virtual(main())
