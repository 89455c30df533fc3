"""The scheduling queue, with exact times."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.sched.framework import ClusterEvent, EventKind, Framework, default_plugins
from kube_lite.sched.queue import SchedulingQueue
from tests.sched.cluster import info, info_of, node_view, pod_object

FIT = frozenset({"NodeResourcesFit"})
NODE = ClusterEvent(EventKind.NODE_ADD, node=node_view("n"))


def virtual(main: Callable[[SchedulingQueue], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        await main(SchedulingQueue(Framework(default_plugins())))

    clock.run_virtual(run())


def test_each_failure_doubles_the_back_off_up_to_ten_seconds() -> None:
    async def main(queue: SchedulingQueue) -> None:
        queue.add(info("p"))
        waited = []
        for _ in range(6):
            began = clock.monotonic()
            queued = await queue.pop()
            waited.append(round(clock.monotonic() - began, 3))
            queue.retry(queued)
        assert waited == [0, 1, 2, 4, 8, 10]

    virtual(main)


def test_a_refused_pod_waits_for_an_event_that_its_plugins_care_about() -> None:
    async def main(queue: SchedulingQueue) -> None:
        queue.add(info("p", "1"))
        queue.refuse(await queue.pop(), FIT)
        await anyio.sleep(20)
        queue.notify(ClusterEvent(EventKind.NODE_LABEL, node=node_view("n")))
        assert queue.place("ns/p") == "unschedulable"
        queue.notify(ClusterEvent(EventKind.NODE_ADD, node=node_view("n", "500m")))
        assert queue.place("ns/p") == "unschedulable"
        queue.notify(NODE)
        assert queue.place("ns/p") == "active"

    virtual(main)


def test_an_event_within_the_back_off_only_marks_the_pod_for_its_end() -> None:
    async def main(queue: SchedulingQueue) -> None:
        queue.add(info("p"))
        queue.refuse(await queue.pop(), FIT)
        await anyio.sleep(0.25)
        queue.notify(NODE)
        assert queue.place("ns/p") == "backoff"
        assert (await queue.pop()).info.key == "ns/p"
        assert clock.monotonic() == pytest.approx(1.0)

    virtual(main)


def test_without_any_event_a_refused_pod_is_tried_again_after_five_minutes() -> None:
    async def main(queue: SchedulingQueue) -> None:
        queue.add(info("p"))
        for expected in (0.0, 300.0, 600.0):
            queued = await queue.pop()
            assert clock.monotonic() == pytest.approx(expected)
            queue.refuse(queued, FIT)

    virtual(main)


def test_a_pod_that_was_removed_does_not_come_back() -> None:
    async def main(queue: SchedulingQueue) -> None:
        for name in ("active", "backoff", "unschedulable", "scheduling"):
            queue.add(info(name))
        popped = {(p := await queue.pop()).info.pod.metadata.name: p for _ in range(4)}
        queue.retry(popped["backoff"])
        queue.refuse(popped["unschedulable"], FIT)
        queue.add(info("active"))
        for name in popped:
            queue.remove(f"ns/{name}")
        queue.retry(popped["scheduling"])
        queue.refuse(popped["active"], FIT)
        with anyio.move_on_after(1000) as scope:
            await queue.pop()
        assert scope.cancelled_caught
        assert len(queue) == 0

    virtual(main)


def test_a_pod_recreated_under_the_same_name_starts_afresh() -> None:
    async def main(queue: SchedulingQueue) -> None:
        queue.add(info("p"))
        old = await queue.pop()
        another = pod_object("p")
        another["metadata"]["uid"] = "another"
        queue.refuse(old, FIT)
        queue.add(info_of(another))
        queue.done(old)
        assert queue.place("ns/p") == "active"
        assert (await queue.pop()).attempts == 1

    virtual(main)


def test_a_gated_pod_waits_until_its_gates_are_gone() -> None:
    async def main(queue: SchedulingQueue) -> None:
        queue.add(info("p", schedulingGates=[{"name": "g"}]))
        queue.notify(NODE)
        assert queue.place("ns/p") == "gated"
        assert queue.pop_nowait() is None
        queue.add(info("p"))
        assert queue.place("ns/p") == "active"

    virtual(main)


def test_a_change_of_the_pod_itself_wakes_it_when_its_plugin_cares() -> None:
    async def main(queue: SchedulingQueue) -> None:
        queue.add(info("p"))
        queue.refuse(await queue.pop(), frozenset({"TaintToleration"}))
        await anyio.sleep(5)
        queue.add(info("p", tolerations=[{"operator": "Exists"}]))
        assert queue.place("ns/p") == "active"

    virtual(main)


def test_many_events_leave_no_heap_of_dead_timers() -> None:
    async def main(queue: SchedulingQueue) -> None:
        queue.add(info("p"))
        for _ in range(2000):
            queue.refuse(await queue.pop(), FIT)
            queue.notify(NODE)
        assert len(queue._timers) < 100

    virtual(main)
