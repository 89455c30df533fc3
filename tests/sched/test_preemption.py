"""Preemption from the outside: victims leave, nobody else takes the room, the pod comes in."""

from __future__ import annotations

import anyio

from kube_lite import clock
from tests.sched.cluster import BindingClient, node_object, pod_object, scheduling


def test_victims_are_marked_and_deleted_and_the_room_is_kept_until_they_are_gone() -> None:
    async def main() -> None:
        client = BindingClient()
        await client.create("nodes", node_object("n1", "2"))
        async with scheduling(client) as scheduler:
            await client.create("pods", pod_object("low", "2"), "ns")
            await anyio.sleep(1)
            await client.create("pods", pod_object("high", "2", priority=10), "ns")
            await anyio.sleep(1)
            victim, high = client.peek("pods", "ns/low"), client.peek("pods", "ns/high")
            assert victim is not None
            assert high is not None
            assert victim["metadata"]["deletionTimestamp"]
            conditions = {c["type"]: c["reason"] for c in victim["status"]["conditions"] if "reason" in c}
            assert conditions["DisruptionTarget"] == "PreemptionByScheduler"
            assert high["status"]["nominatedNodeName"] == "n1"
            assert client.condition_of("high")["message"] == "0/1 nodes are available: 1 Insufficient cpu."
            await client.create("pods", pod_object("thief", "1"), "ns")
            await anyio.sleep(25)
            deletions = [w for w in client.writes if w[0] == "delete"]
            assert deletions == [("delete", "pods", "ns/low")]
            await client.delete("pods", "low", "ns", grace_period_seconds=0)
            await anyio.sleep(15)
            assert scheduler.queue.place("ns/thief") == "unschedulable"
        assert (client.node_of("high"), client.node_of("thief")) == ("n1", "")
        assert [e[1] for e in client.events_of("low")] == ["Scheduled", "Preempted"]

    clock.run_virtual(main())


def test_a_nominated_pod_that_is_deleted_gives_its_place_up() -> None:
    async def main() -> None:
        client = BindingClient()
        await client.create("nodes", node_object("n1", "2"))
        async with scheduling(client):
            await client.create("pods", pod_object("low", "2"), "ns")
            await anyio.sleep(1)
            await client.create("pods", pod_object("high", "2", priority=10), "ns")
            await anyio.sleep(1)
            await client.create("pods", pod_object("other", "2"), "ns")
            await client.delete("pods", "high", "ns")
            await client.delete("pods", "low", "ns", grace_period_seconds=0)
            await anyio.sleep(15)
        assert client.node_of("other") == "n1"

    clock.run_virtual(main())


def test_a_still_higher_pod_takes_over_a_kept_place() -> None:
    async def main() -> None:
        client = BindingClient()
        await client.create("nodes", node_object("n1", "2"))
        async with scheduling(client):
            await client.create("pods", pod_object("low", "2"), "ns")
            await anyio.sleep(1)
            await client.create("pods", pod_object("high", "2", priority=10), "ns")
            await anyio.sleep(1)
            await client.create("pods", pod_object("highest", "2", priority=20), "ns")
            await anyio.sleep(1)
            await client.delete("pods", "low", "ns", grace_period_seconds=0)
            await anyio.sleep(30)
        assert (client.node_of("highest"), client.node_of("high")) == ("n1", "")
        assert client.peek("pods", "ns/high") is not None

    clock.run_virtual(main())


def test_room_that_a_first_victim_leaves_is_not_taken_by_somebody_smaller() -> None:
    async def main() -> None:
        client = BindingClient()
        await client.create("nodes", node_object("n1", "2"))
        async with scheduling(client):
            for name in ("low1", "low2"):
                await client.create("pods", pod_object(name, "1"), "ns")
            await anyio.sleep(1)
            await client.create("pods", pod_object("high", "2", priority=10), "ns")
            await client.create("pods", pod_object("thief", "1"), "ns")
            await anyio.sleep(5)
            await client.delete("pods", "low1", "ns", grace_period_seconds=0)
            await anyio.sleep(15)
            assert (client.node_of("high"), client.node_of("thief")) == ("", "")
            await client.delete("pods", "low2", "ns", grace_period_seconds=0)
            await anyio.sleep(15)
        assert (client.node_of("high"), client.node_of("thief")) == ("n1", "")

    clock.run_virtual(main())
