"""Events: their form, counting, combining, and what happens when there are too many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.client import events
from kube_lite.client.events import NORMAL, WARNING, EventRecorder
from kube_lite.errors import Forbidden, ServiceUnavailable
from kube_lite.resources.meta import Obj, ObjectMeta, ObjectView
from kube_lite.resources.views import ReplicaSet
from tests.controllers.fake_client import FakeClient

SET = ReplicaSet(metadata=ObjectMeta(name="r", namespace="ns", uid="u1", resource_version="7"))


def recorded(story: Callable[[EventRecorder], Any], client: FakeClient | None = None, seconds: float = 1) -> list[Obj]:
    async def main() -> list[Obj]:
        api = client or FakeClient()
        recorder = EventRecorder(api, "replicaset-controller", "host-1")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(recorder.run)
            story(recorder)
            await anyio.sleep(seconds)
            tasks.cancel_scope.cancel()
        return api.snapshot("events")

    return clock.run_virtual(main())


def test_an_event_says_who_what_and_when() -> None:
    (event,) = recorded(lambda r: r.event(SET, NORMAL, "SuccessfulCreate", "Created pod: p"))
    name = event["metadata"].pop("name")
    assert name.startswith("r.")
    assert event["metadata"]["namespace"] == "ns"
    assert event["involvedObject"] == {
        "kind": "ReplicaSet",
        "namespace": "ns",
        "name": "r",
        "uid": "u1",
        "apiVersion": "apps/v1",
        "resourceVersion": "7",
    }
    shown = {key: event[key] for key in ("type", "reason", "message", "count", "source", "reportingComponent")}
    assert shown == {
        "type": "Normal",
        "reason": "SuccessfulCreate",
        "message": "Created pod: p",
        "count": 1,
        "source": {"component": "replicaset-controller", "host": "host-1"},
        "reportingComponent": "replicaset-controller",
    }
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-01-01T00:00:00Z"


def test_an_object_without_namespace_is_spoken_of_in_default() -> None:
    node = ObjectView(kind="Node", api_version="v1", metadata=ObjectMeta(name="n1", uid="n1"))
    (event,) = recorded(lambda r: r.event(node, NORMAL, "NodeReady", "m"))
    assert event["metadata"]["namespace"] == "default"
    assert "namespace" not in event["involvedObject"]


def test_the_same_event_again_is_counted() -> None:
    def story(recorder: EventRecorder) -> None:
        for _ in range(5):
            recorder.event(SET, WARNING, "FailedCreate", "no")
        recorder.event(SET, WARNING, "FailedCreate", "other")

    first, second = recorded(story)
    assert (first["count"], second["count"]) == (5, 1)


def test_many_messages_of_one_reason_become_one_event() -> None:
    def story(recorder: EventRecorder) -> None:
        for number in range(14):
            recorder.event(SET, WARNING, "FailedCreate", f"no {number}")

    found = recorded(story)
    assert len(found) == 11
    assert (found[-1]["message"], found[-1]["count"]) == ("(combined from similar events): no 13", 4)


def test_an_object_that_is_spoken_of_too_much_is_cut_off_for_a_while() -> None:
    def story(recorder: EventRecorder) -> None:
        for number in range(40):
            recorder.event(SET, NORMAL, f"Reason{number}", "m")

    assert len(recorded(story)) == events.BURST


def test_too_many_waiting_events_are_dropped_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def story(recorder: EventRecorder) -> None:
        for number in range(events.QUEUE_SIZE + 5):
            recorder.event(ObjectView(metadata=ObjectMeta(name=f"o{number}", uid=f"{number}")), NORMAL, "R", "m")

    assert len(recorded(story)) == events.QUEUE_SIZE
    assert "too many events" in caplog.text


def test_an_event_waits_for_an_api_that_is_away_but_not_for_one_that_refuses() -> None:
    class Failing(FakeClient):
        failures: list[Exception] = [ServiceUnavailable("down"), Forbidden("terminating")]

        async def create(self, *args: Any, **kwargs: Any) -> bytes:
            if self.failures:
                raise self.failures.pop(0)
            return await super().create(*args, **kwargs)

    def story(recorder: EventRecorder) -> None:
        recorder.event(SET, NORMAL, "Refused", "m")
        recorder.event(SET, NORMAL, "Written", "m")

    (event,) = recorded(story, Failing(), 60)
    assert event["reason"] == "Written"


def test_an_event_that_was_deleted_is_written_anew() -> None:
    async def main() -> None:
        client = FakeClient()
        recorder = EventRecorder(client, "c")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(recorder.run)
            recorder.event(SET, NORMAL, "R", "m")
            await anyio.sleep(1)
            await client.delete("events", client.snapshot("events")[0]["metadata"]["name"], "ns")
            recorder.event(SET, NORMAL, "R", "m")
            await anyio.sleep(1)
            tasks.cancel_scope.cancel()
        assert [event["count"] for event in client.snapshot("events")] == [1]

    clock.run_virtual(main())
