"""CEL rules of custom resources: what they see, when they run, what they say."""

from __future__ import annotations

from typing import Any

from kube_lite.resources.cel.program import CALL_COST_LIMIT
from kube_lite.resources.structural.rules import compile_rules

INTEGER = {"type": "integer"}


def _say(node: dict[str, Any], obj: Any, old: Any = None) -> list[str]:
    schema = {"type": "object", "properties": {"spec": node}}
    rules = compile_rules(schema)
    assert rules is not None
    before = None if old is None else {"spec": old}
    return [str(error) for error in rules.validate({"spec": obj}, before)]


def _object(rule: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "x-kubernetes-validations": [rule]}


def test_a_broken_rule_says_its_message_where_it_stands() -> None:
    node = _object(
        {"rule": "self.min <= self.max", "message": "min above max", "fieldPath": ".min"}, min=INTEGER, max=INTEGER
    )
    assert _say(node, {"min": 1, "max": 2}) == []
    assert _say(node, {"min": 3, "max": 2}) == ["spec.min: Invalid value: min above max"]


def test_without_a_message_the_rule_itself_is_shown() -> None:
    assert _say({"type": "string", "x-kubernetes-validations": [{"rule": "self.startsWith('a')"}]}, "b") == [
        "spec: Invalid value: \"b\": failed rule: self.startsWith('a')"
    ]


def test_a_message_may_be_worked_out() -> None:
    rule = {"rule": "self.n < 5", "messageExpression": "'n is ' + string(self.n)", "reason": "FieldValueForbidden"}
    assert _say(_object(rule), {"n": 7}) == ["spec: Forbidden: n is 7"]


def test_a_message_that_fails_gives_way_to_the_plain_one() -> None:
    rule = {"rule": "self.n < 5", "messageExpression": "self.nothing", "message": "too many"}
    assert _say(_object(rule), {"n": 7}) == ["spec: Invalid value: too many"]


def test_transition_rules_run_on_updates_only() -> None:
    node = _object({"rule": "self.n == oldSelf.n", "message": "n never changes"})
    assert _say(node, {"n": 1}) == []
    assert _say(node, {"n": 1}, {"n": 1}) == []
    assert _say(node, {"n": 2}, {"n": 1}) == ["spec: Invalid value: n never changes"]


def test_transition_rules_find_items_of_lists_by_their_keys() -> None:
    item = _object({"rule": "self.v >= oldSelf.v", "message": "only upwards"})
    node = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": item}
    old = [{"k": "a", "v": 1}, {"k": "b", "v": 5}]
    new = [{"k": "b", "v": 4}, {"k": "a", "v": 2}, {"k": "new", "v": 0}]
    assert _say(node, new, old) == ["spec[0]: Invalid value: only upwards"]


def test_an_optional_old_value_lets_a_transition_rule_run_on_create() -> None:
    rule = {"rule": "oldSelf.hasValue() || self.n == 0", "optionalOldSelf": True, "message": "begins at 0"}
    assert _say(_object(rule), {"n": 3}) == ["spec: Invalid value: begins at 0"]
    assert _say(_object(rule), {"n": 3}, {"n": 2}) == []


def test_names_that_cel_reserves_are_escaped() -> None:
    node = _object(
        {"rule": "self.__namespace__ == 'x' && self.a__dash__b == 1"},
        **{"namespace": {"type": "string"}, "a-b": {"type": "integer"}},
    )
    assert _say(node, {"namespace": "x", "a-b": 1}) == []


def test_times_and_durations_are_values_of_their_own() -> None:
    node = _object(
        {"rule": "self.d > duration('1h') && self.t < timestamp('2030-01-01T00:00:00Z')"},
        d={"type": "string", "format": "duration"},
        t={"type": "string", "format": "date-time"},
    )
    assert _say(node, {"d": "90m", "t": "2026-01-01T00:00:00Z"}) == []


def test_a_missing_field_is_an_error_of_the_rule() -> None:
    found = _say(_object({"rule": "self.n > 1", "message": "m"}), {})
    assert found == ['spec: Invalid value: "object": no such key: n evaluating rule: m']


def test_rules_that_would_cost_too_much_are_stopped_before_they_run() -> None:
    values = list(range(int(CALL_COST_LIMIT**0.5) // 2))
    rule = {"rule": "self.all(x, self.all(y, x + y >= 0))"}
    node = {"type": "array", "items": {"type": "integer"}, "x-kubernetes-validations": [rule]}
    assert _say(node, values[:10]) == []
    assert "cost limit exceeded" in _say(node, values)[0]


def test_a_rule_that_was_broken_before_lets_unchanged_values_be() -> None:
    rule = {"rule": "self.a > 0"}
    node = _object(rule, a={"type": "integer"})
    assert _say(node, {"a": 0}, {"a": 0}) == []
    assert _say(node, {"a": -1}, {"a": 0}) != []
    transition = _object({"rule": "self.a > oldSelf.a"}, a={"type": "integer"})
    assert _say(transition, {"a": 0}, {"a": 0}) != []


def test_items_without_keys_are_unchanged_when_their_list_is() -> None:
    item = {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0"}]}
    node = {"type": "array", "items": item}
    assert _say(node, [0, 1], [0, 1]) == []
    assert len(_say(node, [0, 2], [0, 1])) == 1


def test_what_is_let_be_is_warned_of() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0"}]}},
    }
    rules = compile_rules(schema)
    assert rules is not None
    warnings: list[str] = []
    assert rules.validate({"a": 0, "b": 1}, {"a": 0, "b": 2}, warnings) == []
    assert warnings == ["a: Invalid value: 0: failed rule: self > 0"]


def test_items_with_keys_may_change_places_and_stay_wrong() -> None:
    keyed = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    item = {"type": "object", "properties": {"k": {"type": "string"}}}
    node = {**keyed, "items": item, "x-kubernetes-validations": [{"rule": "size(self) > 2"}]}
    assert _say(node, [{"k": "b"}, {"k": "a"}], [{"k": "a"}, {"k": "b"}]) == []
    assert _say(node, [{"k": "b"}, {"k": "c"}], [{"k": "a"}, {"k": "b"}]) != []


def test_keys_of_additional_properties_stand_in_brackets() -> None:
    rule = {"rule": "self.n > 1", "fieldPath": ".n", "reason": "FieldValueDuplicate"}
    node = {"type": "object", "additionalProperties": _object(rule, n={"type": "integer"})}
    assert _say(node, {"k": {"n": 1}}) == ["spec[k].n: Duplicate value"]
