"""What a Job's status may become."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.kinds.job.status import validate_status
from tests.resources.kinds.cases import BAD, NEEDED, TWICE, Cause, assert_causes

START, END = "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"
SPEC: dict[str, Any] = {"completionMode": "Indexed", "completions": 4, "parallelism": 2}
CONDITIONS = "status.conditions"


def conditions(*kinds: str) -> list[dict[str, str]]:
    return [{"type": kind, "status": "True"} for kind in kinds]


DONE: dict[str, Any] = {
    "startTime": START,
    "completionTime": END,
    "succeeded": 4,
    "completedIndexes": "0-3",
    "conditions": conditions("SuccessCriteriaMet", "Complete"),
}
LATER = "2026-01-02T00:00:00Z"
LOST: dict[str, Any] = {"startTime": START, "failed": 1, "conditions": conditions("FailureTarget", "Failed")}


def refused(state: Any, was: Any = None, spec: Any = None) -> list[Cause]:
    spec = SPEC if spec is None else spec
    found = validate_status({"spec": spec, "status": state}, {"spec": spec, "status": was or {}})
    return [(error.reason, error.field, error.message) for error in found]


@pytest.mark.parametrize("state", [{}, {"active": 1, "ready": 1, "startTime": START}, DONE, LOST])
def test_a_status_as_the_controller_writes_it(state: dict[str, Any]) -> None:
    assert not refused(state)


@pytest.mark.parametrize(
    ("state", "causes"),
    [
        ({"terminating": -1}, [(BAD, "status.terminating", "-1: must be greater")]),
        ({"active": 1, "ready": 2}, [(BAD, "status.ready", "2: cannot set more ready pods than active")]),
        (
            {"uncountedTerminatedPods": {"succeeded": ["a", ""], "failed": ["a"]}},
            [
                (BAD, "status.uncountedTerminatedPods.succeeded[1]", '"": must not be empty'),
                (TWICE, "status.uncountedTerminatedPods.failed[0]", '"a"'),
            ],
        ),
        (
            {**DONE, "conditions": conditions("Complete")},
            [(BAD, CONDITIONS, "cannot set Complete=True condition without the SuccessCriteriaMet=true condition")],
        ),
        (
            {**LOST, "conditions": conditions("Failed")},
            [(BAD, CONDITIONS, "cannot set Failed=True condition without the FailureTarget=true condition")],
        ),
        (
            {**DONE, "conditions": conditions("SuccessCriteriaMet", "Complete", "FailureTarget", "Failed")},
            [
                (BAD, CONDITIONS, "Invalid value: cannot set Complete=True and Failed=true conditions"),
                (BAD, CONDITIONS, "cannot set Complete=True and FailureTarget=true conditions"),
                (BAD, CONDITIONS, "cannot set SuccessCriteriaMet=True and Failed=true conditions"),
                (BAD, CONDITIONS, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"),
            ],
        ),
        ({"completionTime": END}, [(BAD, "status.completionTime", "when there is no Complete=True condition")]),
        ({**DONE, "completionTime": None}, [(NEEDED, "status.completionTime", "is required for Complete jobs")]),
        ({**DONE, "startTime": "2026-02-01T00:00:00Z"}, [(BAD, "status.completionTime", "cannot be set before start")]),
        ({**DONE, "startTime": None}, [(NEEDED, "status.startTime", "startTime is required for finished job")]),
        (
            {**LOST, "active": 1, "uncountedTerminatedPods": {"failed": ["a"]}},
            [
                (BAD, "status.active", "active>0 is invalid for finished job"),
                (BAD, "status.uncountedTerminatedPods", "needs to be empty for finished job"),
            ],
        ),
        ({"completedIndexes": "7"}, [(BAD, "status.completedIndexes", "error parsing completedIndexes: too large")]),
        ({"failedIndexes": ""}, [(BAD, "status.failedIndexes", "when backoffLimitPerIndex is null")]),
    ],
)
def test_a_status_that_cannot_be(state: dict[str, Any], causes: list[Cause]) -> None:
    assert_causes(refused(state), causes)


def test_indexes_are_done_or_lost_and_only_where_there_are_any() -> None:
    spec = {**SPEC, "backoffLimitPerIndex": 1}
    found = refused({"completedIndexes": "0-2", "failedIndexes": "1,x"}, spec=spec)
    wanted = [
        (BAD, "status.failedIndexes", "error parsing failedIndexes: cannot convert"),
        (BAD, "status.failedIndexes", "failedIndexes and completedIndexes overlap at index: 1"),
    ]
    assert_causes(found, wanted)
    found = refused({"completedIndexes": "0"}, spec={"completions": 1})
    assert_causes(found, [(BAD, "status.completedIndexes", "non-indexed completion mode")])


@pytest.mark.parametrize(
    ("was", "state", "causes"),
    [
        ({"succeeded": 2}, {"succeeded": 1}, [(BAD, "status.succeeded", "cannot decrease the succeeded counter")]),
        ({"failed": 2}, {}, [(BAD, "status.failed", "0: cannot decrease the failed counter")]),
        (
            {"startTime": START},
            {},
            [(BAD, "status.startTime", '"null": field is immutable for unsuspended job once set')],
        ),
        ({"startTime": START}, {"startTime": LATER}, [(BAD, "status.startTime", f'"{LATER}": field is immutable for')]),
        # What was suspended and goes on starts anew.
        (
            {"startTime": START, "conditions": conditions("Suspended")},
            {"startTime": LATER, "conditions": [{"type": "Suspended", "status": "False"}]},
            [],
        ),
        (DONE, {**DONE, "completionTime": "2026-01-02T00:00:00Z"}, [(BAD, "status.completionTime", "cannot be mutat")]),
        (
            LOST,
            {**LOST, "conditions": []},
            [
                (BAD, CONDITIONS, "cannot disable the terminal Failed=True condition"),
                (BAD, CONDITIONS, "cannot disable the terminal FailureTarget=True condition"),
            ],
        ),
        # What was wrong before may stay while something else is mended.
        ({**DONE, "active": 1}, {**DONE, "active": 1, "ready": 0}, []),
    ],
)
def test_what_was_reached_stays(was: dict[str, Any], state: dict[str, Any], causes: list[Cause]) -> None:
    assert_causes(refused(state, was), causes)
