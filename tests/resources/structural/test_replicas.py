"""What a definition's scale subresource reads in its objects."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.registry import ScalePaths
from kube_lite.resources.structural.replicas import validate_scale

PATHS = ScalePaths(spec_replicas=".spec.replicas", status_replicas=".status.ready", selector=".status.selector")


@pytest.mark.parametrize(
    ("obj", "problem"),
    [
        ({}, ""),
        ({"spec": {}, "status": {}}, ""),
        ({"spec": {"replicas": 2}, "status": {"ready": 0, "selector": "a=b"}}, ""),
        (
            {"spec": {"replicas": "x"}},
            ".spec.replicas: Invalid value: 0: .spec.replicas accessor error: x is of the type string, expected int64",
        ),
        ({"spec": {"replicas": -1}}, ".spec.replicas: Invalid value: -1: should be a non-negative integer"),
        (
            {"spec": {"replicas": 2**31}},
            ".spec.replicas: Invalid value: 2147483648: should be less than or equal to 2147483647",
        ),
        ({"spec": {"replicas": None}}, "accessor error: <nil> is of the type <nil>, expected int64"),
        ({"spec": {"replicas": 1.5}}, "accessor error: 1.5 is of the type float64, expected int64"),
        ({"spec": {"replicas": True}}, "accessor error: true is of the type bool, expected int64"),
        (
            {"spec": [{"b": "c", "a": [1]}]},
            ".spec accessor error: [map[a:[1] b:c]] is of the type []interface {}, expected map[string]interface {}",
        ),
        (
            {"status": {"selector": 1}},
            '.status.selector: Invalid value: "": .status.selector accessor error: 1 is of the type int64, '
            "expected string",
        ),
    ],
)
def test_what_is_no_number_or_text_is_refused(obj: dict[str, Any], problem: str) -> None:
    found = [str(error) for error in validate_scale(obj, PATHS)]
    assert len(found) == bool(problem)
    assert not problem or problem in found[0]
