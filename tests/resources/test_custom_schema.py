"""Types of custom resources."""

from __future__ import annotations

from kube_lite.resources import schema
from kube_lite.resources.custom_schema import from_openapi
from kube_lite.resources.schema import INT_OR_STRING, LIST, MAP, OBJECT


def test_a_structural_schema_compiles_to_the_same_kind_of_type() -> None:
    widget = from_openapi(
        {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {
                        "port": {"x-kubernetes-int-or-string": True},
                        "map": {"type": "object", "additionalProperties": {"type": "string"}},
                        "list": {
                            "type": "array",
                            "x-kubernetes-list-type": "map",
                            "x-kubernetes-list-map-keys": ["k", "p"],
                            "items": {
                                "type": "object",
                                "properties": {"k": {"type": "string"}, "p": {"type": "string", "default": "TCP"}},
                            },
                        },
                        "pod": {"type": "object", "x-kubernetes-embedded-resource": True},
                    },
                }
            },
        }
    )
    spec = widget.at("spec")
    assert (spec.kind, spec.at("map").kind, spec.at("list").kind) == (OBJECT, MAP, LIST)
    assert spec.at("port").kind == INT_OR_STRING
    assert spec.at("list").key_defaults == {"p": "TCP"}
    assert spec.at("pod", "metadata").definition == schema.OBJECT_META
    assert widget.at("metadata").definition == schema.OBJECT_META
