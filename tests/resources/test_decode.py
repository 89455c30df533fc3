"""Decoding: what is dropped, what becomes canonical, what is refused, and with which words."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kube_lite.resources import schema
from kube_lite.resources.custom_schema import from_openapi
from kube_lite.resources.decode import DecodeError, complete, decode
from kube_lite.resources.decode_complaints import told_by_converter
from tests.resources.kinds.cases import changed

POD = schema.type_for("", "v1", "Pod")
DEPLOYMENT = schema.type_for("apps", "v1", "Deployment")


def pod(**container: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i", **container}]}}


def test_nulls_and_empty_collections_are_absent() -> None:
    obj = pod(env=None, args=[], resources={"limits": {}})
    obj["metadata"]["labels"] = {}
    obj["status"] = None
    assert decode(POD, obj).obj == pod(resources={})


def test_value_fields_lose_their_zero_and_pointers_keep_it() -> None:
    obj = pod(stdin=False)
    obj["spec"].update(hostNetwork=False, terminationGracePeriodSeconds=0, hostname="", runtimeClassName="")
    spec = decode(POD, obj).obj["spec"]
    assert spec == {**pod()["spec"], "terminationGracePeriodSeconds": 0, "runtimeClassName": ""}


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        ("api.resource.v1.ResourceSlice", "spec.devices.0.attributes.a.string"),
        ("api.resource.v1.ResourceSlice", "spec.nodeName"),
        ("api.resource.v1.ResourceClaim", "spec.devices.constraints.0.matchAttribute"),
        ("api.resource.v1.ResourceClaim", "status.devices.0.shareID"),
        ("api.policy.v1.PodDisruptionBudget", "spec.unhealthyPodEvictionPolicy"),
        ("api.batch.v1.Job", "spec.successPolicy.rules.0.succeededIndexes"),
        ("api.batch.v1.Job", "spec.podFailurePolicy.rules.0.onExitCodes.containerName"),
        ("api.admissionregistration.v1.ValidatingAdmissionPolicy", "spec.validations.0.reason"),
        ("api.admissionregistration.v1.ValidatingAdmissionPolicy", "spec.matchConstraints.matchPolicy"),
        ("api.core.v1.Pod", "spec.topologySpreadConstraints.0.nodeTaintsPolicy"),
        ("api.core.v1.Pod", "spec.resourceClaims.0.resourceClaimTemplateName"),
        ("api.core.v1.Pod", "spec.ephemeralContainers.0.restartPolicy"),
        ("api.core.v1.PersistentVolumeClaim", "status.currentVolumeAttributesClassName"),
    ],
)
def test_an_empty_text_is_kept_where_upstream_tells_it_from_none(definition: str, path: str) -> None:
    """``string: ""`` is a device's attribute, and an empty policy is one that is not supported."""
    wanted = changed({}, {path: ""})
    assert decode(schema.type_of(f"io.k8s.{definition}"), changed({}, {path: ""})).obj == wanted


def test_quantities_and_times_become_canonical() -> None:
    obj = pod(resources={"requests": {"cpu": "0.5", "memory": 1024}})
    obj["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05.678+01:00"
    decoded = decode(POD, obj).obj
    assert decoded["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "500m", "memory": "1024"}
    assert decoded["metadata"]["creationTimestamp"] == "2026-01-02T02:04:05Z"


def test_null_in_a_map_or_list_of_strings_is_the_empty_string() -> None:
    obj = pod(args=["a", None])
    obj["metadata"]["labels"] = {"a": None}
    decoded = decode(POD, obj).obj
    assert decoded["metadata"]["labels"] == {"a": ""}
    assert decoded["spec"]["containers"][0]["args"] == ["a", ""]


def test_unknown_fields_are_dropped_and_named_by_path() -> None:
    obj = pod(foo=1)
    obj["spec"]["bar"] = {"x": 1}
    obj["spec"]["volumes"] = [{"name": "v", "emptyDir": {"nope": 2}}]
    result = decode(POD, obj)
    assert result.strict_errors == [
        'unknown field "spec.containers[0].foo"',
        'unknown field "spec.bar"',
        'unknown field "spec.volumes[0].emptyDir.nope"',
    ]
    assert result.obj == {**pod(), "spec": {**pod()["spec"], "volumes": [{"name": "v", "emptyDir": {}}]}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"replicas": "3"},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"replicas": 1.0},
            "json: cannot unmarshal number 1.0 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"replicas": 99999999999},
            "json: cannot unmarshal number 99999999999 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"replicas": True},
            "json: cannot unmarshal bool into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"template": []},
            "json: cannot unmarshal array into Go struct field DeploymentSpec.spec.template of type v1.PodTemplateSpec",
        ),
        (
            {"template": {"spec": {"containers": [{"env": [{"value": 5}]}]}}},
            "json: cannot unmarshal number into Go struct field "
            "EnvVar.spec.template.spec.containers.env.value of type string",
        ),
        (
            {"template": {"spec": {"containers": {"name": "c"}}}},
            "json: cannot unmarshal object into Go struct field "
            "PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            {"template": {"spec": {"hostNetwork": "true"}}},
            "json: cannot unmarshal string into Go struct field PodSpec.spec.template.spec.hostNetwork of type bool",
        ),
        (
            {"template": {"metadata": {"labels": {"a": 1}}}},
            "json: cannot unmarshal number into Go struct field "
            "ObjectMeta.spec.template.metadata.labels of type string",
        ),
        (
            {"template": {"metadata": {"labels": ["a"]}}},
            "json: cannot unmarshal array into Go struct field "
            "ObjectMeta.spec.template.metadata.labels of type map[string]string",
        ),
        (
            {"template": {"spec": {"containers": [{"resources": {"limits": {"cpu": "abc"}}}]}}},
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": {"a": 1}}}},
            "json: cannot unmarshal object into Go value of type int32",
        ),
        (
            {"template": {"metadata": {"creationTimestamp": "abc"}}},
            'parsing time "abc" as "2006-01-02T15:04:05Z07:00": cannot parse "abc" as "2006"',
        ),
        (
            {"template": {"metadata": {"creationTimestamp": 5}}},
            "json: cannot unmarshal number into Go value of type string",
        ),
    ],
)
def test_wrong_types_are_refused_with_the_decoders_words(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DecodeError) as refusal:
        decode(DEPLOYMENT, {"metadata": {"name": "d"}, "spec": change})
    assert str(refusal.value) == message


def test_metadata_of_the_wrong_type_names_the_kind() -> None:
    with pytest.raises(DecodeError) as refusal:
        decode(POD, {"metadata": "x"})
    assert str(refusal.value) == "json: cannot unmarshal string into Go struct field Pod.metadata of type v1.ObjectMeta"


def test_secret_data_must_be_base64() -> None:
    secret = schema.type_for("", "v1", "Secret")
    assert decode(secret, {"data": {"a": "aGk="}}).obj == {"data": {"a": "aGk="}}
    with pytest.raises(DecodeError, match="illegal base64 data at input byte 2"):
        decode(secret, {"data": {"a": "ab!d"}})


def test_decoding_twice_changes_nothing() -> None:
    obj = pod(resources={"limits": {"cpu": "1500m"}}, env=[{"name": "a"}], foo=1, stdin=False)
    once = decode(POD, obj).obj
    again = decode(POD, copy.deepcopy(once))
    assert again.obj == once
    assert again.unknown == []


def test_fields_that_are_always_printed_are_added() -> None:
    obj = pod()
    complete(POD, obj)
    assert obj["status"] == {}
    assert obj["spec"]["containers"][0]["resources"] == {}
    daemon_set: dict[str, Any] = {"metadata": {"name": "d"}, "spec": {"selector": {}, "template": {}}}
    complete(schema.type_for("apps", "v1", "DaemonSet"), daemon_set)
    assert daemon_set["status"] == {
        "currentNumberScheduled": 0,
        "desiredNumberScheduled": 0,
        "numberMisscheduled": 0,
        "numberReady": 0,
    }
    role: dict[str, Any] = {"metadata": {"name": "r"}}
    complete(schema.type_for("rbac.authorization.k8s.io", "v1", "ClusterRole"), role)
    assert role["rules"] is None
    role = {"metadata": {"name": "r"}}
    complete(schema.type_for("rbac.authorization.k8s.io", "v1", "ClusterRole"), role, nulls=False)
    assert role == {"metadata": {"name": "r"}}


def test_custom_resources_are_pruned_and_keep_what_validation_will_judge() -> None:
    widget = from_openapi(
        {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {
                        "size": {"type": "integer"},
                        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        "items": {
                            "type": "array",
                            "items": {"type": "object", "properties": {"a": {"type": "string"}}},
                        },
                    },
                }
            },
        }
    )
    obj = {
        "apiVersion": "e/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "nope": 1},
        "spec": {"size": "x", "free": {"any": {}}, "items": [{"a": "", "b": 1}], "gone": True},
    }
    result = decode(widget, obj)
    assert result.unknown == ["metadata.nope", "spec.gone", "spec.items[0].b"]
    assert result.obj["spec"] == {"size": "x", "free": {"any": {}}, "items": [{"a": ""}]}


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("x", 'readObjectStart: expect { or n, but found ", error found in #1 byte of ...|"x"|..., bigger context'),
        (
            {"name": 1},
            'v1.ObjectMeta.Name: ReadString: expects " or n, but found 1, error found in #9 byte of ...|{"name',
        ),
        ({"name": "w", "labels": []}, "v1.ObjectMeta.Labels: ReadMapCB: expect { or n, but found ["),
    ],
)
def test_metadata_of_a_custom_resource_is_decoded_by_itself(metadata: Any, message: str) -> None:
    with pytest.raises(DecodeError) as refusal:
        decode(from_openapi({"type": "object"}), {"kind": "Widget", "apiVersion": "e/v1", "metadata": metadata})
    assert str(refusal.value)[: len(message)] == message


def test_unknown_fields_of_custom_resources_come_metadata_first_and_embedded_metadata_last() -> None:
    embedded = {"type": "object", "x-kubernetes-embedded-resource": True}
    spec = {"type": "object", "properties": {"b": {"type": "object", "properties": {}}, "e": embedded}}
    widget = from_openapi({"type": "object", "properties": {"spec": spec}})
    inner = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "u": 1}}
    obj = {"apiVersion": "e/v1", "kind": "W", "spec": {"e": inner, "z": 1, "b": {"a": 1}}, "metadata": {"m": 1}}
    assert decode(widget, obj).unknown == ["metadata.m", "spec.b.a", "spec.z", "spec.e.metadata.u"]


def test_nulls_of_custom_resources_are_left_to_validation() -> None:
    widget = from_openapi({"type": "object", "properties": {"a": {"type": "string", "nullable": True}}})
    assert decode(widget, {"a": None}).obj == {"a": None}


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        ("Secret", {"data": {"a": "not base64!"}}, "error decoding from json: illegal base64 data at input byte 3"),
        ("Secret", {"data": {"a": 5}}, "cannot restore slice from int64"),
        ("ConfigMap", {"data": {"a": 5}}, "cannot convert int64 to string"),
        ("ConfigMap", {"data": {"a": True}}, "unrecognized type: string"),
        ("ConfigMap", {"data": ["a"]}, "cannot restore map from slice"),
        ("Pod", {"spec": {"hostNetwork": "true"}}, "unrecognized type: bool"),
        ("Pod", {"spec": {"priority": "1"}}, "unrecognized type: int32"),
        ("Pod", {"spec": {"priority": 1.5}}, "cannot convert float64 to int32"),
        ("Pod", {"spec": {"containers": {}}}, "cannot restore slice from map"),
        ("Pod", {"spec": []}, "cannot restore struct from: slice"),
        ("Pod", {"metadata": {"creationTimestamp": 5}}, "json: cannot unmarshal number into Go value of type string"),
        ("Pod", {"spec": {"priority": 1, "hostNetwork": True}, "metadata": None}, ""),
    ],
)
def test_a_strategic_merge_that_does_not_fit_is_told_as_upstreams_converter_does(
    kind: str, body: dict[str, Any], told: str
) -> None:
    assert told_by_converter(schema.type_for("", "v1", kind), body) == told


def test_names_of_owners_and_selector_keys_are_printed_although_empty() -> None:
    template: dict[str, Any] = {"metadata": {"ownerReferences": [{"uid": "u"}]}, "spec": {"containers": []}}
    spec: dict[str, Any] = {"selector": {"matchExpressions": [{"operator": "Exists"}]}, "template": template}
    daemon_set: dict[str, Any] = {"metadata": {}, "spec": spec}
    complete(schema.type_for("apps", "v1", "DaemonSet"), daemon_set)
    assert template["metadata"]["ownerReferences"] == [{"apiVersion": "", "kind": "", "name": "", "uid": "u"}]
    assert spec["selector"]["matchExpressions"] == [{"key": "", "operator": "Exists"}]


def test_zeros_inside_statuses_are_printed() -> None:
    attachment: dict[str, Any] = {"metadata": {}, "spec": {}, "status": {"attached": False, "attachError": {}}}
    complete(schema.type_for("storage.k8s.io", "v1", "VolumeAttachment"), attachment)
    assert attachment["status"]["attachError"] == {"time": None}
    scaler: dict[str, Any] = {"metadata": {}, "spec": {}, "status": {"currentMetrics": [{}]}}
    complete(schema.type_for("autoscaling", "v2", "HorizontalPodAutoscaler"), scaler)
    assert scaler["status"]["currentMetrics"] == [{"type": ""}]
