"""Webhooks that answer what no webhook should: the request gets its refusal, or passes where failures are ignored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kube_lite import errors
from kube_lite.api import audit
from kube_lite.api.local import LocalClient
from kube_lite.client.protocol import JSON_PATCH
from tests.api.admission.stories import Json, made
from tests.api.admission.test_webhook import config_map, play, register
from tests.api.admission.webhook_server import Webhook, json_patch, webhook

FAILED = 'Internal error occurred: failed calling webhook "w.example.com": '


OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
GADGETS = {
    "metadata": {"name": "gadgets.x.example.com"},
    "spec": {
        "group": "x.example.com",
        "scope": "Namespaced",
        "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": OPEN}}],
    },
}


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Webhook]:
    with webhook(tmp_path) as running:
        yield running


def http(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


UNREADABLE = "failed to call webhook: json: cannot unmarshal "
SHAPES: list[tuple[Json, str]] = [
    ({"allowed": "yes"}, UNREADABLE + "string into Go struct field AdmissionResponse.response.allowed of type bool"),
    ({"allowed": True, "warnings": 5}, UNREADABLE + "number into Go struct field AdmissionResponse.response.warnings"),
    ({"allowed": True, "warnings": [{}]}, UNREADABLE + "object into Go struct field AdmissionResponse.response.warn"),
    ({"allowed": True, "auditAnnotations": {"a": 1}}, UNREADABLE + "number into Go struct field AdmissionResponse"),
    ({"status": {"details": {"retryAfterSeconds": "x"}}}, UNREADABLE + "string into Go struct field StatusDetails"),
    ({"allowed": True, "patch": "!", "patchType": "JSONPatch"}, "failed to call webhook: illegal base64 data at input"),
]


@pytest.mark.parametrize(("response", "told"), SHAPES)
def test_an_answer_of_another_shape_is_a_failure_and_passed_over_like_any(
    hook: Webhook, response: Json, told: str
) -> None:
    async def story(client: LocalClient) -> None:
        hook.respond = lambda request: response
        await register(client, "mutating", hook.config(), "w")
        with pytest.raises(errors.InternalError) as caught:
            await made(client, "configmaps", config_map("a"))
        assert caught.value.message.startswith(FAILED + told)
        await client.delete("mutatingwebhookconfigurations", "w")
        await register(client, "mutating", hook.config(), "w", failurePolicy="Ignore")
        await made(client, "configmaps", config_map("a"))

    play(story)


RAW = {
    "the answer is too large": http(b" " * (3 * 1024 * 1024 + 1)),
    "0-length response": http(b""),
    "couldn't get version/kind; json parse error": http(b"<html>"),
    "json: cannot unmarshal array into Go value": http(b"[]"),
    "nested deeper than 128 levels": http(b'{"a":' * 500 + b"1" + b"}" * 500),
    "not asked for: 'gzip, gzip'": http(b"x", "Content-Encoding: gzip, gzip"),
}


@pytest.mark.parametrize("told", RAW)
def test_an_answer_that_cannot_be_read_is_a_failure(hook: Webhook, told: str) -> None:
    async def story(client: LocalClient) -> None:
        hook.raw = lambda uid: RAW[told]
        await register(client, "validating", hook.config(), "w")
        with pytest.raises(errors.InternalError) as caught:
            await made(client, "configmaps", config_map("a"))
        assert caught.value.message.startswith(FAILED)
        assert told in caught.value.message

    play(story)


def test_a_webhook_cannot_move_an_object_to_another_namespace(hook: Webhook) -> None:
    async def story(client: LocalClient) -> None:
        move = {"op": "replace", "path": "/metadata/namespace", "value": "kube-system"}
        await made(client, "configmaps", config_map("old"))
        await register(client, "mutating", hook.config(), "w")
        hook.respond = lambda request: json_patch(move)
        with pytest.raises(errors.BadRequest, match="namespace of the provided object does not match the namespace"):
            await made(client, "configmaps", config_map("a"))
        with pytest.raises(errors.BadRequest, match="does not match the namespace on the request"):
            await client.patch("configmaps", "old", {"data": {"k": "w"}}, "default")

    play(story)


@pytest.mark.parametrize("member", ["kind", "apiVersion"])
def test_a_webhook_cannot_make_an_object_one_of_another_kind(hook: Webhook, member: str) -> None:
    async def story(client: LocalClient) -> None:
        await register(client, "mutating", hook.config(), "w")
        other: Any = {"op": "replace", "path": f"/{member}", "value": "Secret"}
        hook.respond = lambda request: json_patch(other, {"op": "add", "path": "/data", "value": 5})
        with pytest.raises(
            errors.InternalError, match=r'^Internal error occurred: no kind ".*" is registered for vers'
        ):
            await made(client, "configmaps", config_map("a"))

    play(story)


def test_what_a_webhook_has_audited_is_bounded_and_well_named(hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Json] = []
    monkeypatch.setattr(audit, "annotate", lambda told: seen.append(dict(told)))

    async def story(client: LocalClient) -> None:
        await register(client, "validating", hook.config(), "w")
        audited = {"a/b": "no name", "why": "x", "big": "v" * 100_000, "late": "x"}
        hook.respond = lambda request: {"allowed": True, "auditAnnotations": audited}
        await made(client, "configmaps", config_map("a"))
        assert [list(told) for told in seen if told] == [["w.example.com/why"]]

    play(story)


def test_an_object_that_webhooks_or_patches_blow_up_is_bounded_like_any_other(hook: Webhook) -> None:
    async def story(client: LocalClient) -> None:
        await client.create("customresourcedefinitions", GADGETS)
        gadget = {"apiVersion": "x.example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}, "data": {}}
        gadgets = "gadgets.x.example.com"
        await client.create(gadgets, {**gadget, "data": {"a": "x" * 700_000}}, "default")
        copies = [{"op": "copy", "from": "/data/a", "path": f"/data/k{n}"} for n in range(3)]
        with pytest.raises(errors.RequestEntityTooLarge, match="etcdserver: request is too large"):
            await client.patch(gadgets, "g", copies, "default", content_type=JSON_PATCH)
        rule = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["gadgets"]}
        await register(client, "mutating", hook.config(), "w", rules=[rule])
        growing = [{"op": "add", "path": f"/data/k{n}", "value": "x" * 900_000} for n in range(2)]
        hook.respond = lambda request: json_patch(*growing)
        with pytest.raises(errors.RequestEntityTooLarge, match="etcdserver: request is too large"):
            await client.create(gadgets, {**gadget, "metadata": {"name": "h"}}, "default")

    play(story)


def test_json_of_a_refusal_may_hold_anything_a_string_can(hook: Webhook) -> None:
    async def story(client: LocalClient) -> None:
        await register(client, "validating", hook.config(), "w")
        hook.respond = lambda request: {"allowed": False, "status": {"code": 200, "message": "m\r\nx: y\u0000"}}
        with pytest.raises(errors.ApiError) as caught:
            await made(client, "configmaps", config_map("a"))
        assert caught.value.code == 400
        assert json.loads(json.dumps(caught.value.to_status()))["message"].endswith("m\r\nx: y\u0000")

    play(story)
