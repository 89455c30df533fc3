"""Types compiled from the definitions and from custom resources' schemas."""

from __future__ import annotations

import pytest

from kube_lite.resources import schema
from kube_lite.resources.custom_schema import from_openapi
from kube_lite.resources.schema import ANY, INT_OR_STRING, LIST, MAP, OBJECT, QUANTITY, STRING, type_for

POD = type_for("", "v1", "Pod")


def test_every_definition_compiles_to_one_type() -> None:
    for definition in schema.definitions():
        assert schema.type_of(definition) is schema.type_of(definition)


def test_kinds_are_found_by_group_version_and_kind() -> None:
    assert type_for("apps", "v1", "Deployment").definition == "io.k8s.api.apps.v1.Deployment"
    with pytest.raises(KeyError):
        type_for("apps", "v1", "Nope")


def test_merge_keys_and_list_types_are_kept() -> None:
    containers = POD.at("spec").fields["containers"]
    assert (containers.merge_key, containers.strategies) == ("name", ("merge",))
    assert (containers.type.list_type, containers.type.keys) == ("map", ("name",))
    ports = POD.at("spec", "containers", "*", "ports")
    assert (ports.keys, ports.key_defaults) == (("containerPort", "protocol"), {"protocol": "TCP", "containerPort": 0})
    assert POD.at("spec").fields["volumes"].strategies == ("merge", "retainKeys")
    assert POD.at("spec", "tolerations").list_type == "atomic"
    assert not POD.at("spec", "nodeSelector").atomic
    assert POD.at("metadata", "finalizers").list_type == "set"


def test_what_the_package_rewrote_is_what_it_was() -> None:
    container = POD.at("spec", "containers", "*")
    assert container.at("resources", "limits", "*").kind == QUANTITY
    assert container.at("livenessProbe", "httpGet", "port").kind == INT_OR_STRING
    assert container.at("name").kind == STRING
    assert type_for("apps", "v1", "ControllerRevision").at("data").kind == ANY


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
