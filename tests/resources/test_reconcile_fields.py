"""Owned fields whose type has come to be owned in another way."""

from __future__ import annotations

from typing import Any

from kube_lite.resources import schema
from kube_lite.resources.reconcile_fields import reconciled

POD = schema.type_for("", "v1", "Pod")


def widget(map_type: str, list_type: str) -> schema.Type:
    texts: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
    items: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
    return schema.from_openapi(
        {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {
                        "map": {**texts, "x-kubernetes-map-type": map_type},
                        "list": {**items, "x-kubernetes-list-type": list_type},
                    },
                }
            },
        }
    )


LIVE = {"spec": {"map": {"a": "1", "b": "2"}, "list": ["x", "y"]}}
BY_PARTS: dict[str, Any] = {"f:spec": {"f:map": {"f:a": {}}, "f:list": {".": {}, 'v:"x"': {}}}}
AS_A_WHOLE: dict[str, Any] = {"f:spec": {"f:map": {}, "f:list": {}}}


def test_what_became_one_is_owned_as_a_whole() -> None:
    assert reconciled(widget("atomic", "atomic"), BY_PARTS, LIVE) == AS_A_WHOLE


def test_what_has_parts_now_is_owned_with_all_of_them() -> None:
    found = reconciled(widget("granular", "set"), AS_A_WHOLE, LIVE)
    assert found == {
        "f:spec": {"f:map": {".": {}, "f:a": {}, "f:b": {}}, "f:list": {".": {}, 'v:"x"': {}, 'v:"y"': {}}}
    }


def test_what_is_named_as_its_type_has_it_is_the_same_object() -> None:
    for type_, fields in ((widget("granular", "set"), BY_PARTS), (widget("atomic", "atomic"), AS_A_WHOLE)):
        assert reconciled(type_, fields, LIVE) is fields
    assert reconciled(widget("granular", "set"), AS_A_WHOLE, {"spec": {}}) is AS_A_WHOLE


def test_only_items_that_are_there_are_looked_into() -> None:
    fields: dict[str, Any] = {"f:spec": {"f:containers": {'k:{"name":"c"}': {".": {}, "f:resources": {}}}}}
    empty = {"spec": {"containers": [{"name": "c", "resources": {}}]}}
    assert reconciled(POD, fields, empty) is fields
    assert reconciled(POD, fields, {"spec": {}}) is fields
    full = {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}}]}}
    (container,) = reconciled(POD, fields, full)["f:spec"]["f:containers"].values()
    assert container == {".": {}, "f:resources": {".": {}, "f:limits": {"f:cpu": {}}}}
