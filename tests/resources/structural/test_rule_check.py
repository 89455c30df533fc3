"""Rules that are refused with the definition that holds them."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.structural.rule_check import validate_rules, validate_words


def _found(node: dict[str, Any], *rules: dict[str, Any]) -> list[str]:
    return [str(error) for error in validate_rules({**node, "x-kubernetes-validations": list(rules)}, "r")]


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


SIZE = {"type": "integer"}
NAME = {"type": "string", "maxLength": 20}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"rule": "self.size &&"}, "compilation failed: ERROR: <input>"),
        ({"rule": "frob(self)"}, "undeclared reference to 'frob' (in container '')"),
        ({"rule": "other == 1"}, "undeclared reference to 'other' (in container '')"),
        ({"rule": "self.missing == 1"}, "undefined field 'missing'"),
        ({"rule": "self.size == 'a'"}, "found no matching overload for '_==_' applied to '(int, string)'"),
        ({"rule": "self.size"}, "cel expression must evaluate to a bool"),
        ({"rule": "true", "optionalOldSelf": False}, "may not be set if oldSelf is not used in rule"),
        ({"rule": "true", "messageExpression": "'a' +"}, "messageExpression: Invalid value: "),
        ({"rule": "true", "messageExpression": "1"}, "messageExpression must evaluate to a string"),
    ],
)
def test_a_rule_that_cannot_run_is_refused_with_the_definition(rule: dict[str, Any], message: str) -> None:
    found = _found(_object(size=SIZE, name=NAME), rule)
    assert any(message in text for text in found), found


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"rule": " "}, "r.rule: Required value: rule is not specified"),
        ({"rule": "true", "message": " "}, 'r.message: Invalid value: " ": message must be non-empty if specified'),
        ({"rule": "true", "message": "a\nb"}, "message must not contain line breaks"),
        (
            {"rule": "true\n&& true"},
            "r.message: Required value: message must be specified if rule contains line breaks",
        ),
        (
            {"rule": "true", "messageExpression": " "},
            "r.messageExpression: Required value: messageExpression must be non-",
        ),
        (
            {"rule": "true", "reason": "Frob"},
            'reason: Unsupported value: "Frob": supported values: "FieldValueDuplicate"',
        ),
        ({"rule": "true", "fieldPath": ".missing"}, "fieldPath must be a valid path"),
        ({"rule": "true", "fieldPath": ".size["}, "fieldPath must be a valid path"),
        ({"rule": "true", "fieldPath": "\n"}, "fieldPath must be non-empty if specified"),
        ({"rule": "true", "fieldPath": ".map['a.b']"}, ""),
        ({"rule": "true", "fieldPath": "['size']"}, ""),
    ],
)
def test_what_stands_beside_a_rule_s_expressions(rule: dict[str, Any], told: str) -> None:
    node = _object(size=SIZE, map={"type": "object", "additionalProperties": NAME})
    found = [str(error) for error in validate_words(rule, "r", node)]
    assert any(told in text for text in found) if told else not found, found


def test_an_old_value_is_there_where_it_can_be_told() -> None:
    rules = [{"rule": "self == oldSelf"}, {"rule": "self == oldSelf.orValue('')", "optionalOldSelf": True}]
    listed = {"type": "array", "maxItems": 3, "items": {**NAME, "x-kubernetes-validations": rules}}
    found = [str(error) for error in validate_rules(_object(l=listed), "r")]
    at = "r.properties[l].items.x-kubernetes-validations"
    assert [text.partition(": ")[0] for text in found] == [f"{at}[0].rule", f"{at}[1].rule"]
    assert found[0].endswith(
        "oldSelf cannot be used on the uncorrelatable portion of the schema within r.properties[l]"
    )


@pytest.mark.parametrize(
    "rule",
    [
        "self.size > 1 && self.name.startsWith('a')",
        "has(self.when) && self.when < timestamp('2030-01-01T00:00:00Z')",
        "self.metadata.name.size() > 1",
        "self.either == 1 || self.either == 'a'",
        "self.items.all(i, i.key != '') && self.items.map(i, i.key).isSorted()",
        "self.labels.exists(k, self.labels[k] == 'x') || 'a' in self.labels",
        "self.size == oldSelf.size",
        "self.?name.orValue('') == 'a' && [1, 2].exists(x, x == self.size)",
        "quantity('1').isLessThan(quantity('2')) && !format.dns1123Label().validate(self.name).hasValue()",
    ],
)
def test_a_rule_that_fits_its_schema_is_taken(rule: str) -> None:
    item = {**_object(key=NAME), "required": ["key"]}
    node = _object(
        size=SIZE,
        name=NAME,
        when={"type": "string", "format": "date-time"},
        either={"x-kubernetes-int-or-string": True},
        items={"type": "array", "maxItems": 5, "items": item},
        labels={"type": "object", "maxProperties": 5, "additionalProperties": NAME},
    )
    assert _found(node, {"rule": rule}) == []


def test_a_mistake_is_shown_with_its_rule_and_its_place() -> None:
    (text,) = _found(_object(size=SIZE), {"rule": "self.size > 1 || has(self.no)"})
    assert text == (
        'r.x-kubernetes-validations[0].rule: Invalid value: apiextensions.ValidationRule{Rule:"self.size > 1 || '
        'has(self.no)", Message:"", MessageExpression:"", Reason:(*apiextensions.FieldValueErrorReason)(nil), '
        'FieldPath:"", OptionalOldSelf:(*bool)(nil)}: compilation failed: ERROR: <input>:1:21: undefined field '
        "'no'\n | self.size > 1 || has(self.no)\n | ....................^"
    )


def _list(item: dict[str, Any], **bounds: int) -> dict[str, Any]:
    return {"type": "array", "items": item, **bounds}


NESTED = {"rule": "self.all(a, a.all(b, b.contains('x')))"}


def test_a_rule_over_lists_without_bounds_is_too_costly() -> None:
    (text, contributed, total) = _found(_list(_list({"type": "string"})), NESTED)
    assert "contributed to estimated rule cost total" in contributed
    assert total.startswith("r: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3")
    assert "Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying" in text
    assert _found(_list(_list(NAME, maxItems=10), maxItems=10), NESTED) == []


def test_a_rule_counts_as_often_as_its_schema_can_occur() -> None:
    item = {**_object(name=NAME), "x-kubernetes-validations": [{"rule": "self.name.matches('^a+$')"}]}
    assert validate_rules(_object(items=_list(item, maxItems=100)), "r") == []
    (text,) = validate_rules(_object(items=_list(_list(item))), "r")
    assert "estimated rule cost exceeds budget" in str(text)


def test_old_values_of_items_without_keys_cannot_be_told() -> None:
    rule = {"rule": "self == oldSelf"}
    item = {**SIZE, "x-kubernetes-validations": [rule]}
    (text,) = [str(e) for e in validate_rules(_object(items=_list(item, maxItems=3)), "r")]
    assert "oldSelf cannot be used on the uncorrelatable portion of the schema within r.properties[items]" in text


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("duration('1x') > duration('0s')", "invalid duration argument"),
        ("timestamp('yesterday') == timestamp('2020-01-01T00:00:00Z')", "invalid timestamp argument"),
        ("self.name.matches('(')", "invalid matches argument"),
    ],
)
def test_a_text_that_is_no_duration_time_or_pattern_is_refused(rule: str, message: str) -> None:
    (text,) = _found(_object(name=NAME), {"rule": rule})
    assert message in text


def test_a_field_named_by_a_reserved_word_is_seen_escaped_and_as_it_is() -> None:
    node = _object(namespace=NAME)
    assert _found(node, {"rule": "has(self.namespace) && self.__namespace__ != ''"}) == []
