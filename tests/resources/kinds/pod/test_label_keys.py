"""Pods: keys whose values they bring along to selectors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import BAD, NOT_HERE, Cause, assert_causes, changed, create
from tests.resources.kinds.pod.test_validation import KIND, VALID

SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
SELECTOR = {"matchLabels": {"app": "a"}}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def _pod(constraint: dict[str, Any], term: dict[str, Any] | None = None) -> dict[str, Any]:
    change: dict[str, Any] = {
        "metadata.labels": {"app": "a", "hash": "1"},
        "spec.topologySpreadConstraints": [{**SPREAD, **constraint}],
    }
    if term is not None:
        change[f"spec.affinity.podAntiAffinity.{REQUIRED}"] = [{"topologyKey": "zone", **term}]
    return changed(VALID, change)


def test_values_of_the_pod_join_the_selector() -> None:
    term = {"labelSelector": SELECTOR, "matchLabelKeys": ["hash"], "mismatchLabelKeys": ["app"]}
    made, causes = create(KIND, _pod({"labelSelector": SELECTOR, "matchLabelKeys": ["hash", "absent"]}, term))
    assert causes == []
    same_hash = {"key": "hash", "operator": "In", "values": ["1"]}
    other_app = {"key": "app", "operator": "NotIn", "values": ["a"]}
    assert made["spec"]["topologySpreadConstraints"][0]["labelSelector"] == {
        **SELECTOR,
        "matchExpressions": [same_hash],
    }
    selector = made["spec"]["affinity"]["podAntiAffinity"][REQUIRED][0]["labelSelector"]
    assert selector == {**SELECTOR, "matchExpressions": [same_hash, other_app]}


AT = "spec.topologySpreadConstraints[0]"
TERM = f"spec.affinity.podAntiAffinity.{REQUIRED}[0]"


@pytest.mark.parametrize(
    ("constraint", "term", "causes"),
    [
        ({"matchLabelKeys": ["hash"]}, None, [(NOT_HERE, f"{AT}.matchLabelKeys", "when labelSelector is not set")]),
        (
            {"labelSelector": SELECTOR, "matchLabelKeys": ["app"]},
            None,
            [(BAD, f"{AT}[0]", "exists in both matchLabelKeys and labelSelector")],
        ),
        ({}, {"matchLabelKeys": ["a b"]}, [(NOT_HERE, f"{TERM}.matchLabelKeys", "when labelSelector is not set")]),
        (
            {},
            {"labelSelector": {}, "matchLabelKeys": ["x"], "mismatchLabelKeys": ["x"]},
            [(BAD, f"{TERM}.matchLabelKeys[0]", "exists in both matchLabelKeys and mismatchLabelKeys")],
        ),
    ],
)
def test_keys_that_make_no_sense(constraint: dict[str, Any], term: dict[str, Any] | None, causes: list[Cause]) -> None:
    assert_causes(create(KIND, _pod(constraint, term))[1], causes)
