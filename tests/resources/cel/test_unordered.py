"""Sets and lists with keys: the order of their items does not count."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.structural.rule_check import validate_rules
from kube_lite.resources.structural.rules import compile_rules

STRING = {"type": "string"}
ITEM = {"type": "object", "properties": {"k": STRING, "v": {"type": "integer"}}}
KEYED = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
FIELDS: dict[str, Any] = {
    "set": {"type": "array", "items": STRING, "x-kubernetes-list-type": "set"},
    "map": {**KEYED, "items": ITEM},
    "list": {"type": "array", "items": STRING},
}
OLD = {"set": ["a", "b"], "map": [{"k": "x", "v": 1}, {"k": "y", "v": 2}], "list": ["a", "b"]}
MOVED = {"set": ["b", "a"], "map": [{"k": "y", "v": 2}, {"k": "x", "v": 1}], "list": ["a", "b"]}
CHANGED = {"set": ["a", "c"], "map": [{"k": "x", "v": 9}, {"k": "y", "v": 2}], "list": ["b", "a"]}


def _holds(rule: str, new: dict[str, Any]) -> bool:
    schema = {"type": "object", "properties": FIELDS, "x-kubernetes-validations": [{"rule": rule}]}
    rules = compile_rules(schema)
    assert rules is not None
    assert not [error for error in validate_rules(schema, "s") if "cost" not in str(error)]
    return not rules.validate(new, OLD)


@pytest.mark.parametrize("part", ["self.set == oldSelf.set", "self.map == oldSelf.map", "self == oldSelf"])
def test_what_has_only_changed_places_is_equal(part: str) -> None:
    assert _holds(part, MOVED)
    assert not _holds(part, CHANGED)
    assert _holds(part.replace("==", "!="), CHANGED)


def test_a_plain_list_is_equal_in_the_same_order_alone() -> None:
    assert not _holds("self.list == oldSelf.list", CHANGED)
    assert _holds("self.set == ['a', 'b'] && self.set[0] == 'b'", MOVED)


def test_adding_joins_without_repeating() -> None:
    assert _holds("size(self.set + ['a', 'z']) == 3 && self.set + ['z'] == ['z', 'a', 'b']", MOVED)
    assert _holds("(oldSelf.map + self.map)[0].v == 9 && size(self.map + oldSelf.map) == 2", CHANGED)
    assert _holds("size(self.list + ['a']) == 3", CHANGED)
