"""Values that break a structural schema, and in which words they are refused."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.structural.problems import Problem
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
        ({"type": "integer"}, 2**63, 'Invalid value: "number": spec.a in body must be of type integer: "number"'),
        (
            {"type": "string", "format": "date"},
            5,
            'Invalid value: "int64": spec.a in body must be of type date: "int64"',
        ),
        ({"type": "object", "maxProperties": 1}, {"a": 1, "b": 2}, "spec.a: Invalid value: 1: spec.a in body should"),
        ({"type": "integer"}, True, 'Invalid value: "boolean": spec.a in body must be of type integer: "boolean"'),
        ({"type": "string"}, None, 'Invalid value: "null": spec.a in body must be of type string: "null"'),
        ({"type": "integer"}, 1e16, 'Invalid value: "number": spec.a in body must be of type integer: "number"'),
        ({"type": "integer", "maximum": 3.5}, 4, "4: spec.a in body should be less than or equal to 3"),
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
        ({"type": "object", "required": ["n"]}, {}, "spec.a.n: Required value"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"k": 1}, "spec.a.k: Invalid value"),
        ({"x-kubernetes-int-or-string": True}, 1.5, "must be of type integer,string"),
        ({"type": "string", "nullable": True, "enum": ["a", None]}, None, 'spec.a: Unsupported value: "null"'),
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
    ("schema", "value", "count"),
    [
        ({"type": "string", "minLength": 2, "maxLength": 1, "pattern": "^x"}, "yy", 1),
        ({"type": "string", "minLength": 2, "pattern": "^x"}, "y", 1),
        ({"type": "string", "minLength": 20, "format": "ipv4"}, "y", 2),
        ({"type": "number", "minimum": 3, "multipleOf": 2}, 1, 2),
        ({"type": "integer", "multipleOf": 2}, 2.5, 2),
        ({"type": "integer", "multipleOf": 2}, "2", 1),
    ],
)
def test_of_text_the_first_problem_is_told_and_of_numbers_all(schema: Any, value: Any, count: int) -> None:
    assert len(_problems(_spec(a=schema), {"spec": {"a": value}})) == count


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, 2.0),
        ({"type": "integer"}, 2.0**53 - 1),
        ({"type": "integer", "minimum": 1.5}, 1),
        ({"type": "string", "nullable": True}, None),
        ({"x-kubernetes-int-or-string": True}, "80"),
        ({"type": "string", "format": "unheard-of"}, "x"),
        ({"type": "string", "maxLength": 3}, "äöü"),
        ({"type": "string", "pattern": "^[[:alpha:]]+$"}, "abc"),
        ({"enum": [1, "a"], "type": "integer"}, 1),
        ({"enum": [1.0], "type": "number"}, 1),
        ({"type": "object", "nullable": True, "required": ["a"], "anyOf": [{"minProperties": 1}]}, None),
    ],
)
def test_a_value_that_fits_passes(schema: Any, value: Any) -> None:
    assert _problems(_spec(a=schema), {"spec": {"a": value}}) == []
