"""Conditions in the form that kinds share."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.conditions import validate_conditions
from tests.resources.kinds.cases import BAD, LONG, NEEDED, TWICE, UNKNOWN, Cause, assert_causes

GOOD: dict[str, Any] = {
    "type": "Ready",
    "status": "True",
    "reason": "As:Planned",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({}, []),
        ({"type": "a b"}, [(BAD, "c[0].type", "name part must consist")]),
        ({"status": "true"}, [(UNKNOWN, "c[0].status", '"False", "True", "Unknown"')]),
        ({"observedGeneration": -1}, [(BAD, "c[0].observedGeneration", "-1")]),
        ({"lastTransitionTime": None}, [(NEEDED, "c[0].lastTransitionTime", "must be set")]),
        ({"reason": ""}, [(NEEDED, "c[0].reason", "")]),
        ({"reason": "a b"}, [(BAD, "c[0].reason", "a condition reason must start with alphabetic character")]),
        (
            {"reason": "a" * 1025, "message": "b" * 32769},
            [(LONG, "c[0].reason", "1024"), (LONG, "c[0].message", "32768")],
        ),
    ],
)
def test_what_a_condition_must_say(change: dict[str, Any], causes: list[Cause]) -> None:
    found = validate_conditions([{**GOOD, **change}], "c")
    assert_causes([(error.reason, error.field, error.message) for error in found], causes)


def test_types_differ() -> None:
    found = validate_conditions([GOOD, GOOD], "c")
    assert [(error.reason, error.field) for error in found] == [(TWICE, "c[1].type")]
