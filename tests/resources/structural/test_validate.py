"""Structural schemas: what is refused, in which words, and what an update may leave as it was."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.structural.check import validate_schema
from kube_lite.resources.structural.defaults import compile_defaults
from kube_lite.resources.structural.problems import Problem
from kube_lite.resources.structural.ratchet import unchanged
from kube_lite.resources.structural.validate import compile_check


def _spec(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


def _problems(schema: dict[str, Any], obj: Any) -> list[str]:
    found: list[Problem] = []
    compile_check(schema)(obj, None, found)
    return [str(problem.error) for problem in found]


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "integer"}, "x", 'spec.a: Invalid value: "string": spec.a in body must be of type integer: "string"'),
        ({"type": "integer"}, True, 'Invalid value: "boolean": spec.a in body must be of type integer: "boolean"'),
        ({"type": "string"}, None, 'Invalid value: "null": spec.a in body must be of type string: "null"'),
        ({"type": "integer", "minimum": 1}, 0, "0: spec.a in body should be greater than or equal to 1"),
        ({"type": "integer", "maximum": 5, "exclusiveMaximum": True}, 5, "spec.a in body should be less than 5"),
        ({"type": "integer", "multipleOf": 3}, 4, "spec.a in body should be a multiple of 3"),
        ({"type": "string", "pattern": "^x"}, "y", "\"y\": spec.a in body should match '^x'"),
        ({"type": "string", "minLength": 2}, "y", "spec.a in body should be at least 2 chars long"),
        ({"type": "string", "maxLength": 2}, "yyy", "spec.a in body should be at most 2 chars long"),
        ({"type": "string", "enum": ["a", "b"]}, "c", 'spec.a: Unsupported value: "c": supported values: "a", "b"'),
        ({"type": "string", "format": "date-time"}, "c", 'spec.a in body must be of type date-time: "c"'),
        ({"type": "string", "format": "ipv4"}, "::1", "spec.a in body must be of type ipv4"),
        (
            {"type": "array", "maxItems": 1, "items": {}},
            [1, 2],
            "spec.a: Invalid value: 2: spec.a in body should have at most 1 items",
        ),
        ({"type": "array", "items": {"type": "string"}}, ["a", 1], "spec.a[1]: Invalid value: "),
        ({"type": "array", "x-kubernetes-list-type": "set"}, ["a", "a"], 'spec.a[1]: Duplicate value: "a"'),
        ({"type": "object", "required": ["n"]}, {}, "spec.a.n: Required value"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"k": 1}, "spec.a.k: Invalid value"),
        ({"x-kubernetes-int-or-string": True}, 1.5, "must be of type integer,string"),
        (
            {"type": "object", "x-kubernetes-embedded-resource": True},
            {"kind": "A"},
            "spec.a.apiVersion: Required value",
        ),
        (
            {"type": "object", "oneOf": [{"required": ["x"]}, {"required": ["y"]}]},
            {"x": 1, "y": 1},
            '<nil>: Invalid value: "": "spec.a" must validate one and only one schema (oneOf). '
            "Found 2 valid alternatives",
        ),
        (
            {"type": "integer", "anyOf": [{"minimum": 3}, {"maximum": 1}]},
            2,
            "must validate at least one schema (anyOf)",
        ),
        ({"type": "integer", "not": {"enum": [1]}}, 1, "must not validate the schema (not)"),
        ({"type": "integer", "allOf": [{"minimum": 3}, {"maximum": 5}]}, 2, "must validate all the schemas (allOf)"),
    ],
)
def test_a_value_that_breaks_the_schema_is_named_with_its_path(schema: Any, value: Any, message: str) -> None:
    found = _problems(_spec(a=schema), {"spec": {"a": value}})
    assert any(message in text for text in found), found


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, 2.0),
        ({"type": "string", "nullable": True}, None),
        ({"x-kubernetes-int-or-string": True}, "80"),
        ({"type": "string", "format": "unheard-of"}, "x"),
        ({"type": "string", "maxLength": 3}, "äöü"),
        ({"type": "string", "pattern": "^[[:alpha:]]+$"}, "abc"),
        ({"enum": [1, "a"], "type": "integer"}, 1),
    ],
)
def test_a_value_that_fits_passes(schema: Any, value: Any) -> None:
    assert _problems(_spec(a=schema), {"spec": {"a": value}}) == []


def test_items_of_a_list_with_keys_are_told_apart_by_all_keys() -> None:
    keyed = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name", "port"],
        "items": {"type": "object"},
    }
    items = [{"name": "a", "port": 1}, {"name": "a", "port": 2}, {"name": "a", "port": 1, "x": 1}]
    assert _problems(_spec(a=keyed), {"spec": {"a": items}}) == [
        'spec.a[2]: Duplicate value: map[string]interface {}{"name":"a", "port":1}',
    ]


def test_what_was_wrong_before_an_update_and_stays_is_unchanged() -> None:
    keyed = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    schema = _spec(a={"type": "string"}, l=keyed)
    old = {"spec": {"a": "bad", "b": 1, "l": [{"k": "x", "v": 1}, {"k": "y", "v": 2}]}}
    new = {"spec": {"a": "bad", "b": 2, "l": [{"k": "y", "v": 2}, {"k": "x", "v": 3}]}}
    assert unchanged(((None, "spec"), "a"), schema, new, old)
    assert not unchanged((None, "spec"), schema, new, old)
    items = ((None, "spec"), "l")
    assert unchanged(((items, 0), "v"), schema, new, old), "the item moved, its key says which it is"
    assert not unchanged(((items, 1), "v"), schema, new, old)


def test_defaults_fill_what_is_missing_at_every_level_and_never_share_state() -> None:
    inner = {"type": "object", "default": {}, "properties": {"n": {"type": "integer", "default": 3}}}
    items = {"type": "array", "items": {"type": "object", "properties": {"p": {"type": "string", "default": "TCP"}}}}
    fill = compile_defaults(_spec(inner=inner, l=items, tags={"type": "array", "default": ["a"]}))
    assert fill is not None
    first: dict[str, Any] = {"spec": {"l": [{}, {"p": "UDP"}]}}
    fill(first)
    assert first == {"spec": {"inner": {"n": 3}, "l": [{"p": "TCP"}, {"p": "UDP"}], "tags": ["a"]}}
    first["spec"]["tags"].append("b")
    second: dict[str, Any] = {"spec": {}}
    fill(second)
    assert second["spec"]["tags"] == ["a"]


def test_a_null_that_is_not_allowed_counts_as_missing() -> None:
    fill = compile_defaults(
        _spec(
            kept={"type": "string", "nullable": True, "default": "k"},
            dropped={"type": "string"},
            filled={"type": "string", "default": "f"},
        )
    )
    assert fill is not None
    obj: dict[str, Any] = {"spec": {"kept": None, "dropped": None, "filled": None}}
    fill(obj)
    assert obj == {"spec": {"kept": None, "filled": "f"}}


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"properties": {}}, "p.properties[spec].properties[a].type: Required value: must not be empty"),
        ({"type": "frob"}, "type: Unsupported value"),
        ({"type": "string", "pattern": "["}, "must be a valid regular expression"),
        ({"type": "string", "pattern": "(?=x)"}, "must be a valid regular expression"),
        ({"type": "array"}, "items: Required value: must be specified"),
        ({"type": "integer", "default": "x"}, "p.properties[spec].properties[a].default: Invalid value: "),
        ({"type": "string", "x-kubernetes-int-or-string": True}, "must be empty if x-kubernetes-int-or-string is true"),
        ({"type": "object", "anyOf": [{"type": "object"}]}, "anyOf[0].type: Forbidden: must be empty to be structural"),
        (
            {"type": "object", "anyOf": [{"properties": {"z": {"minimum": 1}}}]},
            "properties[z]: Required value: because",
        ),
        (
            {"type": "object", "x-kubernetes-validations": [{"rule": "self.a +"}]},
            "x-kubernetes-validations[0].rule: Invalid value: ",
        ),
    ],
)
def test_a_schema_that_is_not_structural_is_refused(node: Any, message: str) -> None:
    found = [str(error) for error in validate_schema(_spec(a=node), "p")]
    assert any(message in text for text in found), found


def test_int_or_string_may_spell_out_its_two_types() -> None:
    node = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert validate_schema(_spec(a=node), "p") == []
