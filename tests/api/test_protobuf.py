"""Protobuf bodies: the envelope, every kind of field, round trips, and broken data."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube_lite.api.protobuf import decode, encode, message_for, messages, watch_frame
from kube_lite.api.protobuf_wire import field, fields, number, text, varint
from kube_lite.errors import BadRequest, NotAcceptable, RequestEntityTooLarge
from kube_lite.resources import schema
from kube_lite.resources.decode import decode as canonical


def test_a_body_as_kubectl_writes_it() -> None:
    """ConfigMap a with data k=v; Go writes its zero metadata, creationTimestamp as an empty message included."""
    metadata = text(1, "a") + field(2, b"") + field(3, b"") + varint(7 << 3) + varint(0) + field(8, b"")
    message = field(1, metadata) + field(2, text(1, "k") + text(2, "v"))
    type_meta = text(1, "v1") + text(2, "ConfigMap")
    raw = b"k8s\x00" + field(1, type_meta) + field(2, message) + field(3, b"") + field(4, b"")
    obj = decode(raw)
    assert obj == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "a", "generateName": "", "namespace": "", "generation": 0},
        "data": {"k": "v"},
    }
    stored = canonical(schema.type_for("", "v1", "ConfigMap"), obj).obj
    assert stored["metadata"] == {"name": "a"}


def test_every_kind_of_field_survives_a_round_trip() -> None:
    deployment = {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": "d",
            "labels": {"a": "b", "": ""},
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {}}}],
        },
        "spec": {
            "replicas": 0,
            "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "c",
                            "resources": {"limits": {"cpu": "500m"}},
                            "livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 5},
                            "envFrom": [{"configMapRef": {"name": "m", "optional": False}}],
                        }
                    ],
                    "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}, {"name": "w", "secret": {}}],
                    "securityContext": {"runAsUser": -1, "supplementalGroups": [1, 2]},
                }
            },
        },
    }
    assert decode(encode(deployment)) == deployment
    secret = {"kind": "Secret", "apiVersion": "v1", "data": {"k": base64.b64encode(b"\x00\xff").decode()}}
    assert decode(encode(secret)) == secret
    lease = {
        "kind": "Lease",
        "apiVersion": "coordination.k8s.io/v1",
        "spec": {"renewTime": "2026-01-02T03:04:05.678901Z", "holderIdentity": ""},
    }
    assert decode(encode(lease)) == lease
    revision = {"kind": "ControllerRevision", "apiVersion": "apps/v1", "data": {"any": [1, None]}, "revision": 3}
    assert decode(encode(revision)) == revision
    review = {
        "kind": "SubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {"extra": {"scopes": ["a", "b"]}},
    }
    assert decode(encode(review)) == review


def test_packed_numbers_are_read_too() -> None:
    packed = field(4, varint(5) + varint(300))  # supplementalGroups as another encoder may write it
    context = field(14, packed)
    raw = b"k8s\x00" + field(1, text(1, "v1") + text(2, "Pod")) + field(2, field(2, context))
    assert decode(raw)["spec"] == {"securityContext": {"supplementalGroups": [5, 300]}}


def test_unknown_fields_are_passed_over() -> None:
    message = field(1, text(1, "a")) + field(999, b"x") + number(998, 7)
    raw = b"k8s\x00" + field(1, text(1, "v1") + text(2, "ConfigMap")) + field(2, message)
    assert decode(raw)["metadata"] == {"name": "a"}


ENVELOPE = b"k8s\x00" + field(1, text(1, "v1") + text(2, "ConfigMap"))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"k8s\x00",
        b"k8s\x00\xff",
        b"k8s\x00" + field(1, text(1, "e/v1") + text(2, "Widget")),
        ENVELOPE + b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        ENVELOPE + field(2, b"\x0f"),
        ENVELOPE + field(2, b"\x0a\x7f"),
        ENVELOPE + field(2, number(1, 5)),
        ENVELOPE + field(2, field(1, text(1, "a").replace(b"a", b"\xff"))),
        ENVELOPE + field(2, field(1, field(8, number(1, 1 << 62)))),
        ENVELOPE + field(2, field(1, field(17, field(7, field(1, b"{nope"))))),
    ],
)
def test_broken_bodies_are_400(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        decode(raw)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_do_worse_than_400(data: bytes) -> None:
    try:
        decode(ENVELOPE + data)
        decode(b"k8s\x00" + field(1, text(1, "apps/v1") + text(2, "Deployment")) + field(2, data))
    except BadRequest:
        pass


def test_kinds_without_a_message_are_406() -> None:
    with pytest.raises(NotAcceptable):
        encode({"kind": "Widget", "apiVersion": "example.com/v1"})


def test_a_watch_frame_carries_its_length() -> None:
    frame = watch_frame("ADDED", {"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": "b"}})
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    parts = {number: value for number, _, value in fields(frame[4:])}
    assert parts[1] == b"ADDED"
    ((_, _, raw),) = fields(parts[2])  # type: ignore[arg-type]
    assert isinstance(raw, bytes)
    assert decode(raw)["data"] == {"a": "b"}


def test_messages_are_found_by_group_and_version() -> None:
    assert message_for("v1", "Pod") == "core.v1.Pod"
    assert message_for("rbac.authorization.k8s.io/v1", "Role") == "rbac.v1.Role"
    assert message_for("v1", "Status") == "apis.meta.v1.Status"
    assert message_for("apps/v1", "DeleteOptions") == "apis.meta.v1.DeleteOptions"
    assert message_for("batch/v1beta1", "DeleteOptions") == "apis.meta.v1.DeleteOptions"
    assert message_for("example.com/v1", "Widget") == ""


@st.composite
def values(draw: st.DrawFn, kind: str, depth: int) -> Any:
    """A JSON value for a type of the data file."""
    if kind == "string":
        return draw(st.text(max_size=4))
    if kind == "bool":
        return draw(st.booleans())
    if kind in ("int32", "int64"):
        return draw(st.integers(-(2**31), 2**31 - 1))
    if kind == "bytes":
        return base64.b64encode(draw(st.binary(max_size=5))).decode()
    if kind == "api.resource.Quantity":
        return draw(st.sampled_from(["0", "1", "500m", "1Gi"]))
    if kind == "apis.meta.v1.Time":
        return draw(st.sampled_from(["2026-01-01T00:00:00Z", "1999-12-31T23:59:59Z"]))
    if kind == "apis.meta.v1.MicroTime":
        return "2026-01-01T00:00:00.000007Z"
    if kind == "util.intstr.IntOrString":
        return draw(st.integers(-5, 70000) | st.sampled_from(["25%", "http"]))
    if kind in ("runtime.RawExtension", "apis.meta.v1.FieldsV1"):
        return draw(st.sampled_from([{"a": 1}, {"f:a": {}}]))
    if kind.endswith((".ExtraValue", ".Verbs")):
        return draw(st.lists(st.text(max_size=3), max_size=2))
    return draw(objects(kind, depth - 1))


@st.composite
def objects(draw: st.DrawFn, message: str, depth: int) -> dict[str, Any]:
    """An object of a message with a few of its fields."""
    rows = list(messages()[message].values())
    made: dict[str, Any] = {}
    if depth <= 0 or not rows:
        return made
    for name, how, types in draw(st.lists(st.sampled_from(rows), max_size=3, unique_by=lambda row: row[0])):
        if how == "inline":
            made.update(draw(objects(types[0], depth)))
        elif how == "list":
            made[name] = draw(st.lists(values(types[0], depth), min_size=1, max_size=2))
        elif how == "map":
            made[name] = draw(st.dictionaries(st.text(max_size=2), values(types[1], depth), min_size=1, max_size=2))
        else:
            made[name] = draw(values(types[0], depth))
    return made


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_object_survives_a_round_trip(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["Pod", "Service", "Node", "Secret", "PersistentVolume", "Event"]))
    obj = {"kind": kind, "apiVersion": "v1", **data.draw(objects(f"core.v1.{kind}", 5))}
    assert decode(encode(obj)) == obj


def test_values_are_bounded_as_in_json() -> None:
    head = b"k8s\x00" + field(1, text(1, "v1") + text(2, "Pod"))
    with pytest.raises(RequestEntityTooLarge):
        decode(head + field(2, field(2, field(2, b"") * 200_001)))
    finalizers = field(14, b"") * 200_001
    with pytest.raises(RequestEntityTooLarge):
        decode(head + field(2, field(1, finalizers)))
