"""How Jobs may fail, succeed and replace their pods."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import BAD, MANY, NEEDED, TWICE, UNKNOWN, Cause, Change, assert_causes, changed, create
from tests.resources.kinds.test_job import KIND, VALID

FAILURE, SUCCESS = "spec.podFailurePolicy", "spec.successPolicy"
INDEXED: Change = {"spec.completionMode": "Indexed", "spec.completions": 4, "spec.parallelism": 2}


def refused(change: Change) -> list[Cause]:
    return create(KIND, changed(VALID, change))[1]


@pytest.mark.parametrize(
    ("rule", "causes"),
    [
        ({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}, []),
        ({"action": "FailJob", "onExitCodes": {"containerName": "c", "operator": "In", "values": [1, 42]}}, []),
        (
            {},
            [
                (NEEDED, ".action", 'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'),
                (BAD, "", "Invalid value: specifying one of OnExitCodes and OnPodConditions is required"),
            ],
        ),
        (
            {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1]}},
            [(BAD, ".action", '"FailIndex": requires the backoffLimitPerIndex to be set')],
        ),
        (
            {"action": "x", "onExitCodes": {"containerName": "d", "operator": "In", "values": [7, 0, 7]}},
            [
                (UNKNOWN, ".action", '"x": supported values: "Count", "FailIndex"'),
                (BAD, ".onExitCodes.containerName", '"d": must be one of the container or initContainer names'),
                (BAD, ".onExitCodes.values[1]", "0: must not be 0 for the In operator"),
                (TWICE, ".onExitCodes.values[2]", "7"),
                (BAD, ".onExitCodes.values", "[7,0,7]: must be ordered"),
            ],
        ),
        (
            {"action": "Count", "onExitCodes": {"values": []}, "onPodConditions": [{"type": "", "status": "x"}]},
            [
                (NEEDED, ".onExitCodes.operator", 'valid values: ["In" "NotIn"]'),
                (BAD, ".onExitCodes.values", "at least one value is required"),
                (BAD, ".onPodConditions[0].type", "name part must be non-empty"),
                (BAD, ".onPodConditions[0].type", "name part must consist"),
                (UNKNOWN, ".onPodConditions[0].status", '"False", "True", "Unknown"'),
                (BAD, "", "specifying both OnExitCodes and OnPodConditions is not supported"),
            ],
        ),
    ],
)
def test_a_rule_of_failures(rule: dict[str, Any], causes: list[Cause]) -> None:
    wanted = [(reason, f"{FAILURE}.rules[0]{field}", text) for reason, field, text in causes]
    assert_causes(refused({FAILURE: {"rules": [rule]}}), wanted)


def test_a_policy_of_failures_is_bounded_and_wants_pods_that_end() -> None:
    rule = {"action": "Ignore", "onPodConditions": [{"type": "a"}]}
    found = refused({FAILURE: {"rules": [rule] * 21}, "spec.podReplacementPolicy": "TerminatingOrFailed"})
    wanted = [(MANY, f"{FAILURE}.rules", "21"), (UNKNOWN, "spec.podReplacementPolicy", '"Failed"')]
    assert_causes(found, wanted)
    found = refused({FAILURE: {"rules": [rule]}, "spec.template.spec.restartPolicy": "OnFailure"})
    assert_causes(found, [(BAD, "spec.template.spec.restartPolicy", 'only "Never" is supported')])


@pytest.mark.parametrize(
    ("rules", "causes"),
    [
        ([{"succeededCount": 2, "succeededIndexes": "0-2"}, {"succeededCount": 4}], []),
        ([], [(NEEDED, ".rules", "at least one rules must be specified")]),
        ([{}], [(NEEDED, ".rules[0]", "at least one of succeededCount or succeededIndexes")]),
        (
            [{"succeededIndexes": "3-5"}],
            [(BAD, ".rules[0].succeededIndexes", 'error parsing succeededIndexes: too large index: "5"')],
        ),
        (
            [{"succeededCount": 5, "succeededIndexes": "0,1"}],
            [
                (BAD, ".rules[0].succeededCount", "must be less than or equal to 4 (the number of specified"),
                (BAD, ".rules[0].succeededCount", "must be less than or equal to 2 (the number of indexes"),
            ],
        ),
    ],
)
def test_a_policy_of_success(rules: list[dict[str, Any]], causes: list[Cause]) -> None:
    wanted = [(reason, f"{SUCCESS}{field}", text) for reason, field, text in causes]
    assert_causes(refused({**INDEXED, SUCCESS: {"rules": rules}}), wanted)


def test_success_by_index_needs_indexes() -> None:
    found = refused({SUCCESS: {"rules": [{"succeededCount": 1}]}})
    assert_causes(found, [(BAD, SUCCESS, "requires indexed completion mode")])
