"""PriorityClasses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    UNKNOWN,
    Cause,
    Change,
    assert_create,
    assert_update,
    create,
    resource,
)

KIND = resource("scheduling.k8s.io", "priorityclasses")
VALID: dict[str, Any] = {"metadata": {"name": "x"}, "value": 5}


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({"preemptionPolicy": ""}, [(NEEDED, "preemptionPolicy", "")]),
        ({"preemptionPolicy": "x"}, [(UNKNOWN, "preemptionPolicy", 'values: "PreemptLowerPriority", "Never"')]),
    ],
)
def test_a_new_class(change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


def test_value_and_policy_stay() -> None:
    assert_update(
        KIND,
        VALID,
        {"value": 6, "preemptionPolicy": "Never"},
        [(NOT_HERE, "Value", "may not be changed in an update."), (BAD, "preemptionPolicy", "immutable")],
    )


def test_changes_are_not_counted() -> None:
    assert create(KIND, VALID)[0]["metadata"]["generation"] == 1
    assert not KIND.generation
