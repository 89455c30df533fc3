"""Types of withdrawn versions, made from those of today."""

from __future__ import annotations

import msgspec
import pytest

from kube_lite.resources import decode, schema, withdrawn

NETWORKING = "io.k8s.api.networking.v1beta1."


def test_fields_are_those_of_the_old_version() -> None:
    spec = schema.type_for("networking.k8s.io", "v1beta1", "Ingress").at("spec")
    assert spec.go == "v1beta1.IngressSpec"
    assert set(spec.fields) == {"backend", "ingressClassName", "rules", "tls"}
    backend = spec.at("rules", "*", "http", "paths", "*", "backend")
    assert backend is spec.at("backend")
    assert set(backend.fields) == {"resource", "serviceName", "servicePort"}
    assert backend.at("servicePort").kind == schema.INT_OR_STRING


def test_the_same_struct_prints_the_same_zeros() -> None:
    for version in ("v1", "v1beta1"):
        type_ = schema.type_for("networking.k8s.io", version, "Ingress")
        assert type_.at("spec").fields["ingressClassName"].drop_empty is False
        assert type_.at("status").fields["loadBalancer"].always


def test_a_field_may_print_its_zero_in_a_way_of_its_own() -> None:
    printed = {
        version: not schema.type_for("apiextensions.k8s.io", version, "CustomResourceDefinition")
        .at("spec")
        .fields["preserveUnknownFields"]
        .drop_empty
        for version in ("v1", "v1beta1")
    }
    assert printed == {"v1": False, "v1beta1": True}


def test_unknown_fields_are_those_that_the_old_version_does_not_know() -> None:
    type_ = schema.type_for("autoscaling", "v2beta1", "HorizontalPodAutoscaler")
    old = {
        "spec": {
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 1, "target": {}}}]
        }
    }
    assert decode.decode(type_, old).strict_errors == ['unknown field "spec.metrics[0].resource.target"']


def test_a_struct_that_the_old_version_took_over_keeps_its_name() -> None:
    template = schema.type_for("batch", "v1beta1", "CronJob").at("spec", "jobTemplate")
    assert (template.go, template.at("spec").go) == ("v1beta1.JobTemplateSpec", "v1.JobSpec")


def test_lists_and_kinds_are_named_by_group_version_and_kind() -> None:
    known = schema.kinds()
    assert known["networking.k8s.io", "v1beta1", "IngressList"] == NETWORKING + "IngressList"
    assert known["extensions", "v1beta1", "Ingress"] == "io.k8s.api.extensions.v1beta1.Ingress"
    assert known["networking.k8s.io", "v1", "Ingress"] == "io.k8s.api.networking.v1.Ingress"
    assert withdrawn.name_of("networking.k8s.io", "v1beta1", "Ingress") == NETWORKING + "Ingress"
    with pytest.raises(KeyError):
        withdrawn.name_of("networking.k8s.io", "v1", "Ingress")


def test_every_reference_leads_to_a_definition() -> None:
    known = schema.definitions()
    made = [name for name in known if withdrawn.like(name) != name]
    assert len(made) > 100
    for name in made:
        for target in _references(msgspec.json.decode(known[name])):
            assert target in known, f"{name} refers to {target}"


def _references(value: object) -> list[str]:
    if isinstance(value, list):
        return [found for item in value for found in _references(item)]
    if not isinstance(value, dict):
        return []
    target = value.get("$ref")
    own = [target.rpartition("/")[2]] if isinstance(target, str) else []
    return own + [found for item in value.values() for found in _references(item)]


def test_required_fields_are_those_of_the_old_version() -> None:
    required = msgspec.json.decode(schema.definitions()[NETWORKING + "HTTPIngressPath"])["required"]
    assert required == ["backend"]
    limited = "io.k8s.api.flowcontrol.v1beta1.LimitedPriorityLevelConfiguration"
    assert "assuredConcurrencyShares" in msgspec.json.decode(schema.definitions()[limited])["required"]


def test_messages_have_the_numbers_of_the_old_version() -> None:
    row = ("serviceName", "one", ("string",))
    current: withdrawn.Messages = {
        "networking.v1.IngressBackend": {4: ("service", "one", ("networking.v1.IngressServiceBackend",))},
        "networking.v1.IngressStatus": {1: ("loadBalancer", "one", ("networking.v1.IngressLoadBalancerStatus",))},
    }
    made = withdrawn.messages(current)
    assert made["networking.v1beta1.IngressBackend"][1] == row
    assert made["extensions.v1beta1.IngressBackend"][1] == row
    assert made["networking.v1beta1.IngressStatus"][1][2] == ("networking.v1beta1.IngressLoadBalancerStatus",)
