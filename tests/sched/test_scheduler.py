"""The scheduler from the outside: pods in, bindings, conditions and events out, in virtual time."""

from __future__ import annotations

from typing import Any

import anyio

from kube_lite import clock
from kube_lite.errors import InternalError
from tests.sched.cluster import BindingClient, node_object, pod_object, scheduling


def test_a_pod_is_bound_and_an_event_says_where() -> None:
    async def main() -> None:
        client = BindingClient()
        await client.create("nodes", node_object("n1"))
        async with scheduling(client):
            await client.create("pods", pod_object("p", "1"), "ns")
            await anyio.sleep(0.1)
        assert client.node_of("p") == "n1"
        assert client.events_of("p") == [("Normal", "Scheduled", "Successfully assigned ns/p to n1")]
        (event,) = client.snapshot("events")
        assert event["reportingComponent"] == "default-scheduler"

    clock.run_virtual(main())


def test_the_unschedulable_message_counts_reasons_over_all_nodes() -> None:
    async def main() -> None:
        client = BindingClient()
        await client.create("nodes", node_object("n1", unschedulable=True))
        await client.create("nodes", node_object("n2", "1"))
        await client.create("nodes", node_object("n3", "1"))
        async with scheduling(client) as scheduler:
            await client.create("pods", pod_object("p", "2"), "ns")
            await anyio.sleep(0.1)
            message = "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu."
            condition = client.condition_of("p")
            assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
            assert condition["message"] == message
            assert client.events_of("p") == [("Warning", "FailedScheduling", message)]
            explanation = scheduler.explain("ns/p")
        assert explanation is not None
        assert [(r.plugin, r.nodes) for r in explanation.refused] == [
            ("NodeUnschedulable", ["n1"]),
            ("NodeResourcesFit", ["n2", "n3"]),
        ]

    clock.run_virtual(main())


def test_without_nodes_upstreams_message_is_told_and_a_new_node_takes_the_pod() -> None:
    async def main() -> None:
        client = BindingClient()
        async with scheduling(client):
            await client.create("pods", pod_object("p"), "ns")
            await anyio.sleep(0.5)
            assert client.condition_of("p")["message"] == "no nodes available to schedule pods"
            await client.create("nodes", node_object("n1"))
            await anyio.sleep(0.4)
            assert client.node_of("p") == ""  # its back-off of 1 s has not passed
            await anyio.sleep(0.2)
        assert client.node_of("p") == "n1"
        assert client.bound == [(1.0, "p", "n1")]

    clock.run_virtual(main())


def test_a_pod_that_leaves_makes_room_for_one_that_waits() -> None:
    async def main() -> None:
        client = BindingClient()
        await client.create("nodes", node_object("n1", "1"))
        async with scheduling(client):
            await client.create("pods", pod_object("first", "1"), "ns")
            await client.create("pods", pod_object("second", "1"), "ns")
            await anyio.sleep(60)
            assert (client.node_of("first"), client.node_of("second")) == ("n1", "")
            await client.delete("pods", "first", "ns", grace_period_seconds=0)
            await anyio.sleep(0.1)
        assert client.bound[-1] == (60.0, "second", "n1")

    clock.run_virtual(main())


def test_the_same_refusal_is_written_once_and_counted() -> None:
    async def main() -> None:
        client = BindingClient()
        await client.create("nodes", node_object("n1", "1"))
        async with scheduling(client):
            await client.create("pods", pod_object("p", "2"), "ns")
            await anyio.sleep(700)  # tried again after 300 s and 600 s
        assert sum(write == ("patch", "pods/status", "ns/p") for write in client.writes) == 1
        (event,) = client.snapshot("events")
        assert event["count"] == 3

    clock.run_virtual(main())


def test_a_binding_that_fails_is_tried_again_after_the_back_off() -> None:
    async def main() -> None:
        client = BindingClient()
        client.bind_errors = [InternalError("disk on fire"), InternalError("still")]
        await client.create("nodes", node_object("n1", "1"))
        async with scheduling(client) as scheduler:
            await client.create("pods", pod_object("p", "1"), "ns")
            await anyio.sleep(10)
            assert scheduler.nodes.requested(0)[0] == 1000
        assert client.bound == [(3.0, "p", "n1")]  # 1 s after the first failure, 2 s after the second

    clock.run_virtual(main())


def test_pods_of_other_schedulers_gated_terminating_or_finished_pods_are_left_alone() -> None:
    async def main() -> None:
        client = BindingClient()
        await client.create("nodes", node_object("n1"))
        terminating = pod_object("terminating")
        terminating["metadata"] |= {"finalizers": ["x/y"]}
        finished = {**pod_object("finished"), "status": {"phase": "Failed"}}
        for obj in (
            pod_object("other", schedulerName="mine"),
            pod_object("gated", schedulingGates=[{"name": "a/b"}]),
            terminating,
            finished,
        ):
            await client.create("pods", obj, "ns")
        await client.delete("pods", "terminating", "ns")
        async with scheduling(client) as scheduler:
            await anyio.sleep(1)
            assert client.bound == []
            assert scheduler.queue.place("ns/gated") == "gated"
            await client.patch("pods", "gated", {"spec": {"schedulingGates": None}}, "ns")
            await anyio.sleep(1)
        assert [name for _, name, _ in client.bound] == ["gated"]

    clock.run_virtual(main())


def test_higher_priority_goes_first_and_equals_in_the_order_of_arrival() -> None:
    async def main() -> None:
        client = BindingClient()
        for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 10)):
            await client.create("pods", pod_object(name, priority=priority), "ns")
        async with scheduling(client):
            await anyio.sleep(5)
            await client.create("nodes", node_object("n1"))
            await anyio.sleep(1)
        assert [name for _, name, _ in client.bound] == ["d", "b", "a", "c"]

    clock.run_virtual(main())


def test_what_was_running_before_counts() -> None:
    async def main() -> None:
        client = BindingClient()
        for name in ("n1", "n2"):
            await client.create("nodes", node_object(name, "2"))
        await client.create("pods", pod_object("old", "2", nodeName="n1"), "ns")
        await client.create("pods", {**pod_object("done", "2", nodeName="n2"), "status": {"phase": "Succeeded"}}, "ns")
        await client.create("pods", pod_object("new", "2"), "ns")
        async with scheduling(client):
            await anyio.sleep(1)
        assert client.node_of("new") == "n2"

    clock.run_virtual(main())


def _placements(seed: int) -> list[Any]:
    async def main() -> list[Any]:
        client = BindingClient()
        for number in range(20):
            await client.create("nodes", node_object(f"n{number}"))
        async with scheduling(client, seed):
            for number in range(100):
                await client.create("pods", pod_object(f"p{number}", "100m"), "ns")
            await anyio.sleep(1)
        return client.bound

    return clock.run_virtual(main())


def test_the_same_seed_places_the_same_and_pods_are_spread_evenly() -> None:
    placements = _placements(1)
    assert placements == _placements(1)
    assert placements != _placements(2)
    nodes = [node for _, _, node in placements]
    assert {nodes.count(node) for node in nodes} == {5}
