"""What claims count for in the quota of a class of attributes."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.quota_usage import in_scope

SPEC = {"spec": {"volumeAttributesClassName": "gold"}}
CURRENT = {"status": {"currentVolumeAttributesClassName": "gold"}}
TARGET = {"status": {"modifyVolumeStatus": {"targetVolumeAttributesClassName": "gold"}}}


@pytest.mark.parametrize("claim", [SPEC, CURRENT, TARGET])
@pytest.mark.parametrize(
    ("operator", "values", "covered"),
    [("In", ["gold"], True), ("In", ["iron"], False), ("NotIn", ["iron"], True), ("Exists", [], True)],
)
def test_a_claim_counts_for_the_class_it_has_asks_for_or_is_given(
    claim: dict[str, Any], operator: str, values: list[str], covered: bool
) -> None:
    term = {"scopeName": "VolumeAttributesClass", "operator": operator, "values": values}
    quota = {"spec": {"scopeSelector": {"matchExpressions": [term]}}}
    assert in_scope(quota, "persistentvolumeclaims", claim) is covered


def test_a_claim_without_class_is_in_the_scope_of_others() -> None:
    term = {"scopeName": "VolumeAttributesClass", "operator": "NotIn", "values": ["gold"]}
    assert in_scope({"spec": {"scopeSelector": {"matchExpressions": [term]}}}, "persistentvolumeclaims", {})
    assert not in_scope({"spec": {"scopes": ["VolumeAttributesClass"]}}, "persistentvolumeclaims", {})
