"""fieldValidation=Strict on the server: unknown and duplicate fields of built-in and of custom kinds, by path."""

from __future__ import annotations

import pytest

from tests.e2e.conformance.caller import APPLY, Caller, unique
from tests.e2e.conformance.definitions import OPEN, defined, version

STRICT = {"fieldManager": "field_validation_mgr", "fieldValidation": "Strict"}
METADATA = '"metadata": {"name": "my-dep", "labels": {"app": "x"}}'
SPEC = (
    '"spec": {"selector": {"matchLabels": {"app": "x"}}, "replicas": 1, "template": {"metadata": {"labels":'
    ' {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}'
)
PORTS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
    "items": {
        "type": "object",
        "required": ["containerPort", "protocol"],
        "properties": {
            "containerPort": {"type": "integer", "format": "int32"},
            "protocol": {"type": "string"},
            "name": {"type": "string"},
        },
    },
}
CLOSED = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"foo": {"type": "string"}, "ports": PORTS}},
    },
}
EMBEDDED = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {
                "template": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "properties": {
                        "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
                        "spec": {"type": "object"},
                    },
                },
                "foo": {"type": "string"},
            },
        }
    },
}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            '"replicas": 1',
            '"unknownField": "foo", "replicas": 2, "replicas": 3',
            'strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"',
        ),
        ('"name": "my-dep"', '"name": "my-dep", "unknownMeta": 1', 'unknown field "metadata.unknownMeta"'),
        (
            '"image": "i"',
            '"image": "i", "image": "j", "x": 1',
            'duplicate field "spec.template.spec.containers[0].image", unknown field'
            ' "spec.template.spec.containers[0].x"',
        ),
        ('"spec": {"sel', '"extra": {}, "spec": {"sel', 'strict decoding error: unknown field "extra"'),
    ],
    ids=["spec", "metadata", "nested", "root"],
)
def test_unknown_and_duplicate_fields_of_a_built_in_kind_are_refused(
    api: Caller, namespace: str, old: str, new: str, complaint: str
) -> None:
    body = f'{{"apiVersion": "apps/v1", "kind": "Deployment", {METADATA}, {SPEC}}}'.replace(old, new, 1)
    answer = api.send("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", body.encode(), **STRICT)
    assert answer.status_code == 400
    assert complaint in answer.json()["message"]


def test_warn_tells_and_ignore_keeps_silent(api: Caller, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    body = f'{{"apiVersion": "apps/v1", "kind": "Deployment", {METADATA}, {SPEC}, "extra": 1}}'.encode()
    for level, warned in (("Warn", True), ("Ignore", False)):
        answer = api.send("POST", path, body, fieldValidation=level, dryRun="All")
        assert (answer.status_code, "Warning" in answer.headers) == (201, warned)
        if warned:
            assert answer.headers["Warning"] == '299 - "unknown field \\"extra\\""'
    refused = api.send("POST", path, body, fieldValidation="Loud")
    assert refused.status_code == 422


APPLIED = """
apiVersion: {group}/v1
kind: Noxu
metadata:
  name: mytest
{more}spec:
  foo: foo1
{spec}  ports:
  - {{name: x, containerPort: 80, protocol: TCP}}
"""


@pytest.mark.parametrize(
    ("schema", "more", "spec", "code", "complaint"),
    [
        (CLOSED, "", "", 201, ""),
        (OPEN, "", "  unknown: uk1\n", 201, ""),
        (CLOSED, "unknownField: unknown\n", "", 400, ".unknownField: field not declared in schema"),
        (
            EMBEDDED,
            "",
            "  template: {apiVersion: foo/v1, kind: Sub, metadata: {unknownSubMeta: x, name: subobject}}\n",
            400,
            ".spec.template.metadata.unknownSubMeta: field not declared in schema",
        ),
        (EMBEDDED, "  unknownMeta: unknown\n", "", 400, ".metadata.unknownMeta: field not declared in schema"),
    ],
    ids=["valid", "no-schema", "extra", "embedded-metadata", "metadata"],
)
def test_a_custom_object_is_applied_strictly(
    api: Caller, schema: dict[str, object], more: str, spec: str, code: int, complaint: str
) -> None:
    with defined(api, version(schema=schema)) as definition:
        body = APPLIED.format(group=definition.group, more=more, spec=spec).encode()
        answer = api.send("PATCH", f"{definition.collection()}/mytest", body, kind=APPLY, **STRICT)
        assert answer.status_code == code, answer.text
        assert complaint in answer.text


@pytest.mark.parametrize(("schema", "kept"), [(OPEN, True), (CLOSED, False), (EMBEDDED, False)])
def test_unknown_fields_of_a_custom_object_are_kept_pruned_or_refused(
    api: Caller, schema: dict[str, object], kept: bool
) -> None:
    with defined(api, version(schema=schema)) as definition:
        body = definition.object(unique("n"), spec={"foo": "a"}, extra={"b": 1})
        stored = api.create(definition.collection(), body, fieldValidation="Ignore")
        assert ("extra" in stored) is kept
        body["metadata"]["name"] = unique("n")
        answer = api.send("POST", definition.collection(), body, **STRICT)
        assert answer.status_code == (201 if kept else 400)
        if not kept:
            assert 'strict decoding error: unknown field "extra"' in answer.json()["message"]


def test_duplicates_in_a_custom_object_are_refused_even_where_unknown_fields_are_kept(api: Caller) -> None:
    with defined(api) as definition:
        start = f'{{"apiVersion": "{definition.group}/v1", "kind": "Noxu", "metadata": {{"name": "a"}}, '
        answer = api.send("POST", definition.collection(), (start + '"foo": 1, "foo": 2}').encode(), **STRICT)
        assert answer.status_code == 400
        assert 'strict decoding error: duplicate field "foo"' in answer.json()["message"]
        body = APPLIED.format(group=definition.group, more="", spec="  foo: foo2\n").encode()
        answer = api.send("POST", definition.collection(), body, kind="application/yaml", **STRICT)
        assert answer.status_code == 400
        assert 'line 8: key "foo" already set in map' in answer.json()["message"]
