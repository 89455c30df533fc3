"""Pods behind scheduling gates: which changes of their placement are let through."""

from __future__ import annotations

import pytest

from tests.resources.kinds.cases import BAD, NOT_HERE, Cause, Change, assert_causes, changed, update
from tests.resources.kinds.pod.test_validation import KIND, VALID

TERMS = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
EXPRESSION = {"key": "a", "operator": "Exists"}
STORED = changed(
    VALID,
    {
        "spec.schedulingGates": [{"name": "g"}],
        "spec.nodeSelector": {"a": "b"},
        TERMS: [{"matchExpressions": [EXPRESSION]}],
    },
)
ONLY_ADDED = "only additions"


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({"spec.schedulingGates": []}, []),
        ({"spec.nodeSelector.c": "d"}, []),
        ({"spec.nodeSelector": {"c": "d"}}, [(BAD, "spec.nodeSelector", ONLY_ADDED)]),
        ({f"{TERMS}.0.matchExpressions.1": {"key": "b", "operator": "Exists"}}, []),
        ({f"{TERMS}.0.matchExpressions": [{**EXPRESSION, "key": "b"}]}, [(BAD, f"{TERMS}[0]", ONLY_ADDED)]),
        ({f"{TERMS}.1": {"matchExpressions": [EXPRESSION]}}, [(BAD, TERMS, "no additions/deletions")]),
        ({"spec.affinity.podAffinity": {}}, [(NOT_HERE, "spec", "pod updates may not change")]),
    ],
)
def test_the_choice_of_nodes_only_gets_smaller(change: Change, causes: list[Cause]) -> None:
    assert_causes(update(KIND, STORED, change)[1], causes)
