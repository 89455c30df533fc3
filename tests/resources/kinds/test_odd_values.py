"""Small rules of many kinds: what is refused, rounded, dropped or shown, as servers have been recorded to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from kube_lite.resources import decode, schema
from kube_lite.resources.registry import Resource
from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    UNKNOWN,
    Cause,
    Change,
    assert_causes,
    assert_create,
    create,
    resource,
    update,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SERVICE: dict[str, Any] = {"group": "g.io", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1}
API = resource("apiregistration.k8s.io", "apiservices")
API_SERVICE: dict[str, Any] = {
    "metadata": {"name": "v1.g.io"},
    "spec": {**SERVICE, "insecureSkipTLSVerify": True, "service": {"namespace": "n", "name": "s"}},
}
ENDPOINTS: dict[str, Any] = {
    "metadata": {"name": "e"},
    "subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}],
}
BEHAVIOR = "spec.behavior.scaleDown.policies"
WANTED_NAME = 'must be `spec.version+"."+spec.group`: "v1.g.io"'


@pytest.mark.parametrize(
    ("kind", "obj", "change", "causes"),
    [
        (
            API,
            API_SERVICE,
            {"spec.service.port": 0},
            [(BAD, "spec.service.port", "port is not valid: must be between 1")],
        ),
        (API, API_SERVICE, {"metadata.generateName": "g-"}, [(BAD, "metadata.generateName", WANTED_NAME)]),
        (
            resource("", "endpoints"),
            ENDPOINTS,
            {"subsets.0.addresses.0": {"ip": "x", "hostname": "H"}},
            [
                (BAD, "subsets[0].addresses[0].ip", "(e.g. 10.9.8.7"),
                (BAD, "subsets[0].addresses[0].hostname", "RFC 1123 label"),
                (BAD, "subsets[0].addresses[0].ip", "must be a valid IP address"),
            ],
        ),
        (
            resource("rbac.authorization.k8s.io", "roles"),
            {"metadata": {"name": "r"}, "rules": []},
            {"metadata.generateName": ".."},
            [(BAD, "metadata.generateName", "may not be '..'")],
        ),
        (
            resource("flowcontrol.apiserver.k8s.io", "flowschemas"),
            {"metadata": {"name": "f"}, "spec": {"priorityLevelConfiguration": {"name": "x"}}},
            {"spec.distinguisherMethod": {"type": "x"}},
            [(UNKNOWN, "spec.distinguisherMethod.type", 'flowcontrol.FlowDistinguisherMethod{Type:"x"}: supported')],
        ),
        (
            resource("node.k8s.io", "runtimeclasses"),
            {"metadata": {"name": "r"}, "handler": "h"},
            {"overhead.podFixed": {"memory": "-1"}},
            [(BAD, "overhead.limits[memory]", '"-1"')],
        ),
        (
            resource("certificates.k8s.io", "certificatesigningrequests"),
            {"metadata": {"name": "c"}, "spec": {"signerName": "a.b/c", "usages": ["client auth"]}},
            {"spec.request": ""},
            [(BAD, "spec.request", "[]byte{}: PEM block")],
        ),
        (
            resource("autoscaling", "horizontalpodautoscalers", "v2"),
            {"metadata": {"name": "h"}, "spec": {"maxReplicas": 2, "scaleTargetRef": {"kind": "D", "name": "d"}}},
            {BEHAVIOR: []},
            [(NEEDED, BEHAVIOR, "must specify at least one Policy")],
        ),
        (
            resource("", "services"),
            {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}},
            {"spec.clusterIPs": ["10.0.0.1"]},
            [(BAD, "spec.clusterIPs", "must be empty when `clusterIP` is not specified")],
        ),
        (
            resource("networking.k8s.io", "ingresses"),
            {"metadata": {"name": "i"}, "spec": {}},
            {"spec.rules": []},
            [(BAD, "spec", "[]networking.IngressRule{}: either")],
        ),
    ],
)
def test_an_odd_value(kind: Resource, obj: dict[str, Any], change: Change, causes: list[Cause]) -> None:
    assert_create(kind, obj, change, causes)


def test_a_condition_of_an_api_service_is_named_by_its_position() -> None:
    status = API.subresources["status"].validate
    found = status({"status": {"conditions": [{"type": "Available"}]}}, {})
    assert [(e.reason, e.field) for e in found] == [(UNKNOWN, "status.conditions[0].status")]


def test_a_driver_may_be_written_again_with_modes_that_are_refused_as_immutable_alone() -> None:
    kind = resource("storage.k8s.io", "csidrivers")
    found = update(kind, {"metadata": {"name": "d"}, "spec": {}}, {"spec.volumeLifecycleModes": ["x"]})[1]
    assert_causes(found, [(BAD, "spec", "field is immutable")])


def test_types_of_pod_conditions_look_like_labels() -> None:
    status = resource("", "pods").subresources["status"].validate
    found = status({"status": {"conditions": [{"type": "Bad Type"}]}}, {})
    assert [(e.reason, e.field) for e in found] == [(BAD, "status.conditions[0].Type")]


def test_addresses_of_a_pod_are_shown_as_structs() -> None:
    status = resource("", "pods").subresources["status"].validate
    found = status({"status": {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]}}, {})
    assert 'core.PodIP{core.PodIP{IP:"10.0.0.1"}, core.PodIP{IP:"10.0.0.2"}}' in found[0].message


def test_nothing_but_the_names_of_an_accounts_secrets_is_kept() -> None:
    secrets = [{"name": "s", "namespace": "other", "kind": "Secret"}, {"kind": "x"}]
    made, _ = create(resource("", "serviceaccounts"), {"metadata": {"name": "a"}, "secrets": secrets})
    assert made["secrets"] == [{"name": "s"}, {}]


@pytest.mark.parametrize(
    ("kind", "obj", "path"),
    [
        (resource("", "resourcequotas"), {"spec": {"hard": {"cpu": "1500u"}}}, ("spec", "hard")),
        (
            resource("", "persistentvolumeclaims"),
            {"spec": {"resources": {"limits": {"cpu": "1500u"}}}},
            ("spec", "resources", "limits"),
        ),
        (resource("", "persistentvolumes"), {"spec": {"capacity": {"cpu": "1500u"}}}, ("spec", "capacity")),
        (
            resource("", "limitranges"),
            {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "1500u"}}]}},
            ("spec", "limits", 0, "max"),
        ),
    ],
)
def test_amounts_below_a_thousandth_are_rounded_up(
    kind: Resource, obj: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    kind.default(obj)
    value: Any = obj
    for step in path:
        value = value[step]
    assert value == {"cpu": "2m"}


def test_claims_in_a_stateful_set_are_claims_whatever_they_say() -> None:
    kind = resource("apps", "statefulsets")
    obj: dict[str, Any] = {"spec": {"volumeClaimTemplates": [{"apiVersion": "x", "kind": "y"}]}}
    kind.default(obj)
    claim = obj["spec"]["volumeClaimTemplates"][0]
    assert (claim["apiVersion"], claim["kind"]) == ("v1", "PersistentVolumeClaim")


@pytest.mark.parametrize(
    ("kind", "obj", "shown"),
    [
        (resource("", "endpoints"), {"metadata": {"name": "e"}}, "<none>"),
        (resource("", "endpoints"), {"metadata": {"name": "e"}, "subsets": [{"notReadyAddresses": [{}]}]}, ""),
        (
            resource("discovery.k8s.io", "endpointslices"),
            {"metadata": {"name": "e"}, "ports": [{"name": "x"}, {"port": 80}, {}]},
            "x,80,*",
        ),
        (
            resource("discovery.k8s.io", "endpointslices"),
            {"metadata": {"name": "e"}, "ports": [{"name": ""}]},
            "<unset>",
        ),
        (
            resource("storage.k8s.io", "storageclasses"),
            {"metadata": {"name": "c", "annotations": {"storageclass.beta.kubernetes.io/is-default-class": "true"}}},
            "c (default)",
        ),
    ],
)
def test_a_cell(kind: Resource, obj: dict[str, Any], shown: str) -> None:
    assert kind.row is not None
    assert shown in kind.row(obj, NOW)


def test_what_is_printed_although_it_is_empty() -> None:
    for name, obj, wanted in (
        (
            "io.k8s.api.storage.v1.CSINode",
            {"spec": {"drivers": [{"name": "d"}]}},
            ("spec", "drivers", 0, "topologyKeys"),
        ),
        ("io.k8s.api.core.v1.Service", {"status": {"conditions": [{}]}}, ("status", "conditions", 0, "message")),
        (
            "io.k8s.api.core.v1.Pod",
            {"spec": {"securityContext": {"sysctls": [{}]}}},
            ("spec", "securityContext", "sysctls", 0, "value"),
        ),
    ):
        type_ = schema.type_of(name)
        value: Any = decode.decode(type_, obj).obj
        decode.complete(type_, value)
        for step in wanted[:-1]:
            value = value[step]
        assert wanted[-1] in value


def test_a_list_of_another_name_is_told_by_it() -> None:
    type_ = schema.type_of("io.k8s.api.authorization.v1.SubjectAccessReview")
    with pytest.raises(decode.DecodeError, match=r"Extra: v1\.ExtraValue: decode slice"):
        decode.decode(type_, {"spec": {"extra": {"a": "b"}}}, lambda: b'{"spec": {"extra": {"a": "b"}}}')


def test_a_source_given_twice_is_refused() -> None:
    spec = {"attacher": "a.b", "nodeName": "n", "source": {"persistentVolumeName": "v", "inlineVolumeSpec": {}}}
    found = create(resource("storage.k8s.io", "volumeattachments"), {"metadata": {"name": "a"}, "spec": spec})[1]
    assert_causes(found, [(NOT_HERE, "spec.source", "exactly one of")])


CRD = resource("apiextensions.k8s.io", "customresourcedefinitions")
AT = "spec.validation.openAPIV3Schema"


def _definition(change: dict[str, Any], **spec: Any) -> dict[str, Any]:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", **change}},
    }
    names = {"plural": "foos", "kind": "Foo"}
    full = {"group": "g.io", "scope": "Namespaced", "names": names, "versions": [version], **spec}
    return {"metadata": {"name": "foos.g.io"}, "spec": full}


@pytest.mark.parametrize(
    ("schema_", "causes"),
    [
        ({"$schema": "x"}, [(BAD, AT, "OpenAPIV3Schema 'schema' is not supported")]),
        ({"$ref": ""}, [(NOT_HERE, f"{AT}.$ref", "$ref is not supported")]),
        (
            {"x-kubernetes-preserve-unknown-fields": False},
            [(BAD, f"{AT}.x-kubernetes-preserve-unknown-fields", "true or")],
        ),
        ({"x-kubernetes-embedded-resource": True}, [(NEEDED, f"{AT}.properties", "without x-kubernetes-preserve")]),
        ({"allOf": [{"additionalProperties": {}}]}, [(NOT_HERE, f"{AT}.allOf[0].additionalProperties", "undefined")]),
        ({"allOf": [{"nullable": True}]}, [(NOT_HERE, f"{AT}.allOf[0].nullable", "must be false to be structural")]),
        (
            {"allOf": [{"type": "x"}]},
            [(UNKNOWN, f"{AT}.allOf[0].type", '"x"'), (NOT_HERE, f"{AT}.allOf[0].type", "must be empty")],
        ),
        (
            {"allOf": [{"x-kubernetes-map-type": "x"}]},
            [
                (NEEDED, f"{AT}.allOf[0].type", "must be object if x-kubernetes-map-type is specified"),
                (UNKNOWN, f"{AT}.allOf[0].x-kubernetes-map-type", '"atomic", "granular"'),
                (NOT_HERE, f"{AT}.allOf[0].x-kubernetes-map-type", "must be undefined to be structural"),
            ],
        ),
        (
            {"x-kubernetes-list-type": "x"},
            [
                (BAD, f"{AT}.type", "must be array if x-kubernetes-list-type is specified"),
                (UNKNOWN, f"{AT}.x-kubernetes-list-type", '"atomic", "set", "map"'),
            ],
        ),
    ],
)
def test_a_schema_that_is_not_structural(schema_: dict[str, Any], causes: list[Cause]) -> None:
    assert_causes(create(CRD, _definition(schema_))[1], causes)


def test_a_webhook_without_its_strategy_is_told_of_beside_it() -> None:
    found = create(CRD, _definition({}, conversion={"webhook": {"clientConfig": {}}}))[1]
    wanted = [(NEEDED, "spec.conversion.strategy", ""), (NOT_HERE, "spec.conversion.webhookClientConfig", "Webhook")]
    assert_causes(found, wanted)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"items": {"type": 5}}, "JSONSchemaProps.Items: unmarshalerDecoder: json: cannot unmarshal number into Go"),
        ({"additionalProperties": 5}, "AdditionalProperties: unmarshalerDecoder: boolean or JSON schema expected"),
        (
            {"additionalProperties": {"properties": {"a": {"type": []}}}},
            "struct field JSONSchemaProps.properties.type of",
        ),
    ],
)
def test_a_schema_inside_a_schema_is_read_as_one(change: dict[str, Any], words: str) -> None:
    body = _definition(change)
    text = json.dumps(body).encode()
    with pytest.raises(decode.DecodeError) as told:
        decode.decode(schema.type_of(CRD.definition), body, lambda: text)
    assert words in str(told.value)


def test_an_empty_string_where_a_pointer_is_kept_is_a_wrong_value() -> None:
    disk = {"diskName": "d", "diskURI": "https://a.blob.core.windows.net/c/d.vhd", "kind": "", "cachingMode": ""}
    spec = {"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "v", "azureDisk": disk}]}
    _, found = create(resource("", "pods"), {"metadata": {"name": "p"}, "spec": spec})
    assert [field for _, field, _ in found] == [f"spec.volumes[0].azureDisk.{name}" for name in ("cachingMode", "kind")]
    part = {"addressType": "IPv4", "ports": [], "endpoints": [{"addresses": ["10.0.0.1"], "hostname": ""}]}
    slice_ = {"metadata": {"name": "s"}, **part}
    _, found = create(resource("discovery.k8s.io", "endpointslices"), slice_)
    assert [field for _, field, _ in found] == ["endpoints[0].hostname"]
