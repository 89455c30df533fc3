"""PriorityLevelConfigurations."""

from __future__ import annotations

import pytest

from kube_lite.resources.flow_defaults import MANDATORY_LEVELS
from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    UNKNOWN,
    Cause,
    Change,
    assert_causes,
    assert_create,
    resource,
    update,
)

KIND = resource("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations")
VALID = {
    "metadata": {"name": "x"},
    "spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}},
}
LIMITED = "spec.limited"
QUEUING = "spec.limited.limitResponse.queuing"


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("valid", {}, []),
        ("no shares", {f"{LIMITED}.nominalConcurrencyShares": 0}, []),
        (
            "shares",
            {f"{LIMITED}.nominalConcurrencyShares": -1},
            [(BAD, f"{LIMITED}.nominalConcurrencyShares", "must be a non-negative integer")],
        ),
        (
            "lends",
            {f"{LIMITED}.lendablePercent": 101},
            [(BAD, f"{LIMITED}.lendablePercent", "must be between 0 and 100, inclusive")],
        ),
        (
            "borrows",
            {f"{LIMITED}.borrowingLimitPercent": -1},
            [(BAD, f"{LIMITED}.borrowingLimitPercent", "if specified, must be a non-negative integer")],
        ),
        ("both", {"spec.exempt": {}}, [(NOT_HERE, "spec.exempt", "must be nil if the type is Limited")]),
        ("nothing", {LIMITED: None}, [(NEEDED, LIMITED, "must not be empty when type is Limited")]),
        (
            "exempt",
            {"spec": {"type": "Exempt"}},
            [(BAD, "spec.type", "type must be 'Exempt' if and only if name is 'exempt'")],
        ),
        ("type", {"spec.type": "No"}, [(UNKNOWN, "spec.type", 'supported values: "Exempt", "Limited"')]),
        (
            "refusing with queues",
            {f"{LIMITED}.limitResponse.type": "Reject"},
            [(NOT_HERE, QUEUING, "must be nil if limited.limitResponse.type is not Limited")],
        ),
        ("queues", {f"{QUEUING}.queues": 10_000_001, f"{QUEUING}.handSize": 1}, [(BAD, f"{QUEUING}.queues", "10000")]),
        ("hand", {f"{QUEUING}.queues": 4}, [(BAD, f"{QUEUING}.handSize", "should not be greater than queues (4)")]),
        (
            "entropy",
            {f"{QUEUING}.queues": 128, f"{QUEUING}.handSize": 9},
            [(BAD, f"{QUEUING}.handSize", "required entropy bits of deckSize 128 and handSize 9 should not be gr")],
        ),
    ],
)
def test_a_new_level(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


def test_the_mandatory_levels_are_fixed_but_for_what_exempt_lends() -> None:
    for name, change, causes in (
        ("exempt", {"spec.exempt.lendablePercent": 50}, []),
        ("exempt", {"spec.exempt.lendablePercent": 150}, [(BAD, "spec.exempt.lendablePercent", "between 0 and 100")]),
        ("catch-all", {f"{LIMITED}.lendablePercent": 1}, [(BAD, "spec", "spec of 'catch-all' must equal the fixed")]),
    ):
        fixed = {"metadata": {"name": name}, "spec": MANDATORY_LEVELS[name]}
        assert_causes(update(KIND, fixed, change)[1], causes)
