"""What upstream's decoder says of wrong bodies; the first cases are recorded answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_lite.resources import schema
from kube_lite.resources.decode import DecodeError, decode
from kube_lite.resources.decode_complaints import told_by_go
from kube_lite.resources.go.decoder import LONGEST

RECORDED = [
    (
        {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": 5}, "metadata": {"name": "x"}},
        'v1.ConfigMap.ObjectMeta: v1.ObjectMeta.Data: ReadString: expects " or n, but found 5',
    ),
    (
        {"apiVersion": "v1", "kind": "ConfigMap", "data": ["a"], "metadata": {"name": "x"}},
        "v1.ConfigMap.Data: ReadMapCB: expect { or n, but found [",
    ),
    (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x"}, "secrets": ["a"]},
        'v1.ServiceAccount.Secrets: []v1.ObjectReference: readObjectStart: expect { or n, but found "',
    ),
    (
        {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": "80"}]}, "metadata": {"name": "x"}},
        "v1.Service.Spec: v1.ServiceSpec.Ports: []v1.ServicePort: v1.ServicePort.Port: "
        "readUint32: unexpected character: \ufffd",
    ),
    (
        {"apiVersion": "v1", "kind": "Pod", "spec": {"hostNetwork": "true"}, "metadata": {"name": "x"}},
        'v1.Pod.Spec: v1.PodSpec.HostNetwork: ReadBool: expect t or f, but found "',
    ),
    (
        {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 1.0}, "metadata": {"name": "x"}},
        "v1.Deployment.Spec: v1.DeploymentSpec.Replicas: assertInteger: can not decode float as int",
    ),
]
NEIGHBOURS = [
    ({"kind": "Pod", "metadata": {"labels": {"a": True}}}, 'Labels: ReadString: expects " or n, but found t'),
    ({"kind": "Secret", "data": {"a": "?"}}, "v1.Secret.Data: decode base64: illegal base64 data at input byte 0"),
    ({"kind": "Secret", "data": {"a": 5}}, "v1.Secret.Data: base64Codec: invalid input"),
    (
        {"kind": "Pod", "spec": {"volumes": [{"hostPath": {"path": 1}}]}},
        "Volumes: []v1.Volume: v1.Volume.VolumeSource: HostPath: v1.HostPathVolumeSource.Path: ReadString",
    ),
    ({"kind": "Pod", "spec": {"hostIPC": 1}}, "v1.PodSpec.HostIPC: ReadBool: expect t or f, but found 1"),
    ({"kind": "Pod", "kind ": 1, "apiVersion": 5}, 'TypeMeta: APIVersion: ReadString: expects " or n, but found 5'),
    ({"kind": "Event", "count": -5000000000}, "v1.Event.Count: ReadInt32: overflow: 705032704"),
]


def told(body: dict[str, Any], **layout: Any) -> str:
    group, _, version = body.get("apiVersion", "v1").rpartition("/") if "kind " not in body else ("", "", "v1")
    return told_by_go(schema.type_for(group, version, body["kind"]), json.dumps(body, **layout).encode())


@pytest.mark.parametrize(("body", "start"), [*RECORDED, *NEIGHBOURS[:-1]])
def test_a_wrong_body_is_explained_as_recorded(body: dict[str, Any], start: str) -> None:
    assert start in told(body).partition(", error found in")[0]


def test_the_text_around_the_error_is_quoted() -> None:
    assert told(RECORDED[0][0]).endswith(
        ', error found in #10 byte of ...|": {"a": 5}, "metada|..., bigger context '
        '...|rsion": "v1", "kind": "ConfigMap", "data": {"a": 5}, "metadata": {"name": "x"}}|...'
    )
    assert told({"kind": "ConfigMap", "data": 5}, separators=(",", ":")).endswith(
        'error found in #10 byte of ...|","data":5}|..., bigger context ...|{"kind":"ConfigMap","data":5}|...'
    )


def test_a_sound_body_has_no_complaint() -> None:
    pod = {"metadata": {"name": "a", "labels": {"a": '\u00e9"'}}, "spec": {"containers": [{"name": "c"}], "x": [{}]}}
    for layout in ({}, {"indent": 2}, {"separators": (",", ":")}):
        assert told({"kind": "Pod", **pod}, **layout) == ""


def test_what_the_old_decoder_took_is_refused_in_other_words() -> None:
    body: dict[str, Any] = {"kind": "Event", "count": 5000000000}
    assert told(body) == ""  # it saw no overflow here
    with pytest.raises(DecodeError, match=r"cannot unmarshal number 5000000000 into Go struct field Event\.count"):
        decode(schema.type_for("", "v1", "Event"), dict(body), lambda: json.dumps(body).encode())


def test_hostile_bytes_end_the_walk() -> None:
    type_ = schema.type_for("", "v1", "Pod")
    for raw in (b"", b"{", b'{"spec":', b'{"spec":{"a":[[[', b'{"spec":{"hostIPC":\xff', b"[" * 200, b'"', b"\\"):
        told_by_go(type_, raw)


def test_deep_and_long_bodies_are_left_to_others() -> None:
    type_ = schema.type_for("", "v1", "ConfigMap")
    assert told_by_go(type_, b'{"data":{"a":5},"metadata":{"' + b"[" * 30_000 + b'":1}}') == ""
    assert told_by_go(type_, b'{"data":{"a":5}}' + b" " * LONGEST) == ""


@given(st.binary(max_size=60), st.integers(0, 200))
def test_no_bytes_break_the_walk(noise: bytes, place: int) -> None:
    body = json.dumps(
        {"spec": {"containers": [{"name": 5, "ports": [{"containerPort": 1}]}], "priority": -1.5}}
    ).encode()
    told_by_go(schema.type_for("", "v1", "Pod"), body[:place] + noise + body[place:])
