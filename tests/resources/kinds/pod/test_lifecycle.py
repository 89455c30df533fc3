"""Pods: when containers are started again, and what a resize does to them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import BAD, MANY, NEEDED, TWICE, UNKNOWN, Cause, Change, assert_causes, changed, create
from tests.resources.kinds.pod.test_validation import KIND, VALID, C, P

ON_42 = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}


def _rules(*rules: Any, policy: str | None = "Never") -> Change:
    change: Change = {f"{P}.restartPolicyRules": list(rules)}
    return change if policy is None else {**change, f"{P}.restartPolicy": policy}


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("rule", _rules(ON_42), []),
        ("policy", {f"{P}.restartPolicy": "x"}, [(UNKNOWN, f"{C}.restartPolicy", '"Always", "Never", "OnFailure"')]),
        ("rule alone", _rules(ON_42, policy=None), [(NEEDED, f"{C}.restartPolicy", "when restart rules are used")]),
        ("action", _rules({**ON_42, "action": "x"}), [(UNKNOWN, f"{C}.restartPolicyRules[0].action", '"Restart"')]),
        ("codes", _rules({"action": "Restart"}), [(NEEDED, f"{C}.restartPolicyRules[0].exitCodes", "specified")]),
        (
            "operator",
            _rules({"action": "Restart", "exitCodes": {"values": [1]}}),
            [(UNKNOWN, f"{C}.restartPolicyRules[0].exitCodes.operator", '"In", "NotIn"')],
        ),
        ("many", _rules(*[ON_42] * 21), [(MANY, f"{C}.restartPolicyRules", "21: must have at most 20 items")]),
        (
            "resized twice",
            {f"{P}.resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}] * 2},
            [(TWICE, f"{C}.resizePolicy[1]", "cpu")],
        ),
        (
            "resized disk",
            {f"{P}.resizePolicy": [{"resourceName": "disk"}]},
            [(UNKNOWN, f"{C}.resizePolicy", '"cpu", "memory"'), (NEEDED, f"{C}.resizePolicy", "")],
        ),
        (
            "resized by a restart that may not be",
            {
                "spec.restartPolicy": "Never",
                f"{P}.resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}],
            },
            [(BAD, f"{C}.resizePolicy", "must be 'NotRequired' when `restartPolicy` is 'Never'")],
        ),
    ],
)
def test_a_new_pod(name: str, change: Change, causes: list[Cause]) -> None:
    assert_causes(create(KIND, changed(VALID, change))[1], causes)
