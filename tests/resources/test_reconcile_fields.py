"""Owned fields whose type has come to be owned in another way."""

from __future__ import annotations

from typing import Any

from kube_lite.resources import schema
from kube_lite.resources.custom_schema import from_openapi
from kube_lite.resources.reconcile_fields import reconciled

POD = schema.type_for("", "v1", "Pod")


def widget(map_type: str, list_type: str) -> schema.Type:
    texts: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
    items: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
    return from_openapi(
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


BY_PARTS: dict[str, Any] = {"f:spec": {"f:map": {"f:a": {}}, "f:list": {".": {}, 'v:"x"': {}}}}
AS_A_WHOLE: dict[str, Any] = {"f:spec": {"f:map": {}, "f:list": {}}}


def test_what_became_one_is_owned_as_a_whole() -> None:
    assert reconciled(widget("atomic", "atomic"), BY_PARTS) == AS_A_WHOLE


def test_what_is_named_as_its_type_has_it_is_the_same_object() -> None:
    for type_, fields in ((widget("granular", "set"), BY_PARTS), (widget("atomic", "atomic"), AS_A_WHOLE)):
        assert reconciled(type_, fields) is fields


def test_what_was_owned_as_a_whole_stays_so_when_it_has_parts() -> None:
    assert reconciled(widget("granular", "set"), AS_A_WHOLE) is AS_A_WHOLE


def test_items_are_looked_into_and_what_is_not_in_the_type_is_passed_over() -> None:
    in_container: dict[str, Any] = {".": {}, "f:command": {"f:x": {}}, "f:gone": {"f:x": {}}}
    fields: dict[str, Any] = {"f:spec": {"f:containers": {'k:{"name":"c"}': in_container}}}
    (container,) = reconciled(POD, fields)["f:spec"]["f:containers"].values()
    assert container == {**in_container, "f:command": {}}
