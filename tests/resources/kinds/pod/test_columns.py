"""Pods in tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.resources.kinds.cases import changed, create, resource
from tests.resources.kinds.pod.test_validation import VALID

KIND = resource("", "pods")
NOW = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)


def _status(**container: Any) -> dict[str, Any]:
    return {"phase": "Running", "containerStatuses": [{"name": "c", **container}]}


RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


@pytest.mark.parametrize(
    ("status", "cells"),
    [
        ({"phase": "Pending"}, ["0/1", "Pending", 0]),
        (_status(ready=True, state=RUNNING), ["1/1", "Running", 0]),
        (_status(state={"waiting": {"reason": "ImagePullBackOff"}}), ["0/1", "ImagePullBackOff", 0]),
        (_status(state={"terminated": {"reason": "Completed", "exitCode": 0}}), ["0/1", "Completed", 0]),
        (_status(state={"terminated": {"exitCode": 3}}), ["0/1", "ExitCode:3", 0]),
        (_status(state={"terminated": {"signal": 9}}), ["0/1", "Signal:9", 0]),
        (
            _status(
                ready=True,
                state=RUNNING,
                restartCount=5,
                lastState={"terminated": {"finishedAt": "2026-01-01T00:07:00Z"}},
            ),
            ["1/1", "Running", "5 (3m ago)"],
        ),
        ({"phase": "Failed", "reason": "Evicted"}, ["0/1", "Evicted", 0]),
    ],
)
def test_status_and_restarts(status: dict[str, Any], cells: list[str]) -> None:
    made, _ = create(KIND, VALID)
    made["status"] = status
    assert KIND.row is not None
    assert KIND.row(made, NOW)[1:4] == cells


def test_a_pod_being_deleted_is_terminating() -> None:
    made, _ = create(KIND, VALID)
    made["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert KIND.row is not None
    assert KIND.row(made, NOW)[2] == "Terminating"
    made["status"] = {"reason": "NodeLost"}
    assert KIND.row(made, NOW)[2] == "Unknown"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"waiting": {"reason": "PodInitializing"}}, "Init:0/1"),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, "Init:CrashLoopBackOff"),
        ({"terminated": {"exitCode": 2}}, "Init:ExitCode:2"),
        (RUNNING, "Init:0/1"),
    ],
)
def test_init_containers(state: dict[str, Any], reason: str) -> None:
    made, _ = create(KIND, changed(VALID, {"spec.initContainers": [{"name": "i", "image": "x"}]}))
    made["status"] = {"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": state}]}
    assert KIND.row is not None
    assert KIND.row(made, NOW)[2] == reason


def test_a_sidecar_that_fails_later_is_told_of() -> None:
    sidecar = {"name": "i", "image": "x", "restartPolicy": "Always"}
    made, _ = create(KIND, changed(VALID, {"spec.initContainers": [sidecar]}))
    made["status"] = {
        "phase": "Running",
        "conditions": [{"type": "Initialized", "status": "True"}],
        "initContainerStatuses": [
            {"name": "i", "started": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
        ],
        "containerStatuses": [{"name": "c", "ready": True, "state": RUNNING}],
    }
    assert KIND.row is not None
    assert KIND.row(made, NOW)[1:3] == ["1/2", "Init:CrashLoopBackOff"]


def test_finished_pods_are_marked() -> None:
    made, _ = create(KIND, VALID)
    assert KIND.row_conditions is not None
    assert KIND.row_conditions(made) == []
    made["status"] = {"phase": "Succeeded"}
    assert KIND.row_conditions(made)[0]["type"] == "Completed"
