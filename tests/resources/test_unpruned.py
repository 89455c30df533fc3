"""Schemas that keep what they do not know."""

from __future__ import annotations

from kube_lite.resources import decode
from kube_lite.resources.custom_schema import from_openapi
from kube_lite.resources.structural.problems import Problem
from kube_lite.resources.structural.validate import compile_check
from kube_lite.resources.unpruned import keeping_unknown

LOOSE = {
    "properties": {
        "spec": {
            "required": ["replicas"],
            "properties": {
                "replicas": {"type": "integer", "minimum": 1},
                "list": {"items": {"properties": {"a": {"type": "string"}}}},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        }
    }
}


def test_nothing_is_pruned() -> None:
    obj = {"spec": {"replicas": 2, "x": {"y": 1}, "list": [{"a": "b", "z": 1}], "labels": {"a": "b"}}, "other": [1]}
    found = decode.decode(from_openapi(keeping_unknown(LOOSE)), {**obj})
    assert found.obj == obj
    assert not found.strict_errors


def test_what_is_known_is_still_checked() -> None:
    check = compile_check(keeping_unknown(LOOSE))

    def wrong(obj: object) -> list[Problem]:
        problems: list[Problem] = []
        check(obj, None, problems)
        return problems

    assert not wrong({"spec": {"replicas": 1, "x": 1}})
    assert wrong({"spec": {"replicas": 0}})
    assert wrong({"spec": {}})


def test_the_schema_itself_stays_as_it_was() -> None:
    before = repr(LOOSE)
    keeping_unknown(LOOSE)
    assert repr(LOOSE) == before
