"""Sets and lists with keys hold everything once."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.field import Errors
from kube_lite.resources.structural.list_types import compile_lists

SET = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}
ONE_KEY = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
TWO_KEYS = {**ONE_KEY, "x-kubernetes-list-map-keys": ["name", "port"]}


def _found(node: dict[str, Any], value: Any) -> list[str]:
    walk = compile_lists({"type": "object", "properties": {"a": node}})
    assert walk is not None
    found: Errors = []
    walk({"a": value}, "", found)
    return [str(error) for error in found]


@pytest.mark.parametrize(
    ("node", "value", "told"),
    [
        (SET, ["a", "b"], []),
        (SET, ["a", "b", "a", "a"], ['a[2]: Duplicate value: "a"']),
        (ONE_KEY, [{"k": 1}, {"k": 2}], []),
        (ONE_KEY, [{"k": 1, "x": 1}, {"k": 1}], ['a[1]: Duplicate value: map[string]interface {}{"k":1}']),
        (ONE_KEY, [{"x": 1}, None], ["a[1]: Duplicate value: map[string]interface {}{}"]),
        (ONE_KEY, [1], ["a[0]: Invalid value: 1: must be an object for an array of list-type map"]),
        (
            TWO_KEYS,
            [{"name": "a", "port": 1}, {"name": "a", "port": 2}, {"name": "a", "port": 1, "x": 1}],
            ['a[2]: Duplicate value: map[string]interface {}{"name":"a", "port":1}'],
        ),
        ({"type": "object", "additionalProperties": SET}, {"m": ["x", "x"]}, ['a[m][1]: Duplicate value: "x"']),
    ],
)
def test_what_comes_twice_is_told_once(node: dict[str, Any], value: Any, told: list[str]) -> None:
    assert _found(node, value) == told
