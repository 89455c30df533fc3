"""Whether a schema is structural, and uses keywords as Kubernetes does."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.structural.check import validate_schema

STRING = {"type": "string"}
KEYED = {"type": "object", "required": ["k"], "properties": {"k": STRING}}
EMBEDDED = {"type": "object", "x-kubernetes-embedded-resource": True}
SET = {"type": "array", "x-kubernetes-list-type": "set"}
MAP = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
EITHER = [{"type": "integer"}, STRING]


def _told(schema: dict[str, Any], *, has_status: bool = False) -> list[str]:
    return [str(error) for error in validate_schema(schema, "p", has_status=has_status)]


def _root(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"properties": {}}, "properties[a].type: Required value: must not be empty for specified object fields"),
        ({"type": "frob"}, "type: Unsupported value"),
        ({"type": "string", "pattern": "["}, "must be a valid regular expression"),
        ({"type": "string", "pattern": "(?=x)"}, "must be a valid regular expression"),
        ({"type": "array"}, "items: Required value: must be specified"),
        ({"type": "array", "items": {}}, "must not be empty for specified array items"),
        ({"type": "object", "anyOf": [{"type": "object"}]}, "anyOf[0].type: Forbidden: must be empty to be structural"),
        ({"type": "object", "not": {"properties": {"metadata": {}}}}, "must not be specified in a nested context"),
        (
            {"type": "object", "allOf": [{"x-kubernetes-validations": [{"rule": "true"}]}]},
            "allOf[0].x-kubernetes-validations: Forbidden: must be empty to be structural",
        ),
        ({"type": "object", "x-kubernetes-validations": [{"rule": "self.a +"}]}, "x-kubernetes-validations[0].rule: "),
        ({"x-kubernetes-int-or-string": True, "x-kubernetes-embedded-resource": True}, "must be false if x-kubernetes"),
        ({"type": "object", "properties": {"b": STRING}, "additionalProperties": False}, "are mutual exclusive"),
        ({"type": "string", "dependencies": {}}, "dependencies: Forbidden: dependencies is not supported"),
        ({"type": "null"}, "type: Forbidden: type cannot be set to null, use nullable as an alternative"),
        ({**EMBEDDED, "additionalProperties": STRING}, "additionalProperties: Forbidden: must not be used if"),
        ({**EMBEDDED, "properties": {"kind": {"type": "integer"}}}, "properties[kind].type: Invalid value"),
        (
            {**EMBEDDED, "properties": {"metadata": {"type": "object", "properties": {"x": EMBEDDED}}}},
            "x-kubernetes-embedded-resource: Forbidden: must not be used inside of resource meta",
        ),
        ({**SET, "items": {"type": "object"}}, "items.x-kubernetes-map-type: Invalid value"),
        ({**SET, "items": {**STRING, "nullable": True}}, "items.nullable: Forbidden: cannot be nullable when"),
        ({**MAP, "items": STRING}, "items.type: Invalid value: "),
        ({**MAP, "items": {"type": "object"}}, "entries must all be names of item properties"),
        ({**MAP, "x-kubernetes-list-map-keys": ["k", "k"], "items": KEYED}, "must not contain duplicate entries"),
        (
            {**MAP, "items": {**KEYED, "properties": {"k": {"type": "array", "items": STRING}}}},
            "items.properties[k].type: Invalid value",
        ),
        (
            {**MAP, "items": {**KEYED, "properties": {"k": {**STRING, "nullable": True}}}},
            "items.properties[k].nullable: Forbidden: this property is in x-kubernetes-list-map-keys",
        ),
        ({**MAP, "items": {**KEYED, "required": []}}, "items.properties[k].default: Required value"),
    ],
)
def test_a_field_s_schema_is_refused(node: Any, message: str) -> None:
    found = _told(_root(spec=_root(a=node)))
    assert any(message in text for text in found), found


@pytest.mark.parametrize(
    "node",
    [
        {"x-kubernetes-int-or-string": True, "anyOf": EITHER},
        {"x-kubernetes-int-or-string": True, "allOf": [{"anyOf": EITHER}, {"minimum": 1}]},
        {**STRING, "x-kubernetes-int-or-string": True},
        {"type": "object", "properties": {"b": STRING}, "additionalProperties": True},
        {**SET, "items": {"type": "object", "x-kubernetes-map-type": "atomic"}},
        {**MAP, "items": KEYED},
        {"type": "string", "nullable": True, "enum": ["a", None]},
    ],
)
def test_a_field_s_schema_is_let_pass(node: Any) -> None:
    assert _told(_root(spec=_root(a=node))) == []


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            {"type": "object", "additionalProperties": True},
            "p.additionalProperties: Forbidden: must not be used at the",
        ),
        (_root(kind={"type": "object"}), 'p.properties[kind].type: Invalid value: "object": must be string'),
        (
            _root(metadata={"type": "object", "properties": {"labels": {"type": "object"}}}),
            "but metadata is implicitly",
        ),
        (_root(apiVersion={**STRING, "default": "v"}), "default: Forbidden: must not be set in top-level apiVersion"),
        ({**_root(), "nullable": True}, "p.nullable: Forbidden: nullable cannot be true at the root"),
        (
            {**_root(a=STRING), "anyOf": [{"properties": {"z": {"minimum": 1}}}]},
            "p.properties[z]: Required value: because it is defined in p.anyOf[0].properties[z]",
        ),
    ],
)
def test_a_root_is_refused(schema: dict[str, Any], message: str) -> None:
    found = _told(schema)
    assert any(message in text for text in found), found


def test_a_root_may_restrict_names() -> None:
    metadata = {"type": "object", "properties": {"name": {**STRING, "maxLength": 9}, "generateName": STRING}}
    assert _told(_root(metadata=metadata, kind=STRING, apiVersion=STRING)) == []


def test_a_root_beside_a_status_says_nothing_that_the_status_would_not_hear() -> None:
    assert _told({**_root(), "maxProperties": 3}) == []
    assert any(
        "fields are allowed at the root" in text for text in _told({**_root(), "maxProperties": 3}, has_status=True)
    )
    assert _told({**_root(), "description": "d", "required": ["spec"]}, has_status=True) == []


def test_a_dialect_is_told_where_nothing_else_is_wrong() -> None:
    odd = _root(a={**STRING, "$schema": "x"})
    assert _told(odd) == ["p: Invalid value: \"\": OpenAPIV3Schema 'schema' is not supported"]
    assert _told({**odd, "nullable": True}) == ["p.nullable: Forbidden: nullable cannot be true at the root"]


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"type": "integer", "default": "x"}, "a].default: Invalid value: "),
        ({"type": "object", "default": {"b": 1}}, 'map[string]interface {}{"b":1}: must not have unknown fields'),
        ({**EMBEDDED, "properties": {"kind": {**STRING, "default": "%"}}}, "must result in valid metadata: kind: "),
        (
            {**EMBEDDED, "x-kubernetes-preserve-unknown-fields": True, "default": {"kind": "Pod"}},
            "a].default.apiVersion: Required value: must not be empty",
        ),
        (
            {**STRING, "default": "x", "x-kubernetes-validations": [{"rule": "self == 'y'", "message": "be y"}]},
            'a].default: Invalid value: "x": be y',
        ),
    ],
)
def test_a_default_must_be_what_the_schema_lets_pass(node: Any, message: str) -> None:
    found = _told(_root(a=node))
    assert any(message in text for text in found), found


def test_rules_are_looked_at_where_nothing_else_is_wrong_at_or_below() -> None:
    wrong = [{"rule": "self.nope"}]
    found = _told(
        _root(
            a={"type": "object", "properties": {"x": {**STRING, "id": "i"}}, "x-kubernetes-validations": wrong},
            b={"type": "object", "properties": {"x": STRING}, "x-kubernetes-validations": wrong},
        )
    )
    assert [text.partition(":")[0] for text in found] == ["p.properties[a].properties[x].id"]
    del found
    uneven = _root(
        a={"type": "object", "properties": {"x": {**STRING, "uniqueItems": True}}, "x-kubernetes-validations": wrong},
        b={"type": "object", "properties": {"x": STRING}, "x-kubernetes-validations": wrong},
    )
    assert [text.partition(":")[0] for text in _told(uneven)] == [
        "p.properties[a].properties[x].uniqueItems",
        "p.properties[b].x-kubernetes-validations[0].rule",
    ]
