"""Types compiled from the definitions and from custom resources' schemas."""

from __future__ import annotations

import pytest

from kube_lite.resources import schema
from kube_lite.resources.schema import ANY, INT_OR_STRING, QUANTITY, STRING, type_for

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
