"""Bodies of the wrong type or kind, and how the refusals quote them."""

from __future__ import annotations

import json
from typing import Any

from kube_lite.api.plane import Plane
from tests.api.wire import Answer, call, run
from tests.plane import admin

CONFIGS = "/api/v1/namespaces/default/configmaps"
CRON_JOBS = "/apis/batch/v1beta1/namespaces/default/cronjobs"


async def posted(plane: Plane, path: str, body: Any, media: str = "application/json") -> Answer:
    """What a POST is answered."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await call(plane.app, "POST", path, raw, headers={"content-type": media})


def message(answer: Answer) -> str:
    """Of a refusal of a bad request."""
    assert answer.code == 400, answer.body
    found: str = answer.json()["message"]
    return found


def test_a_wrong_value_is_quoted_from_the_body_that_came() -> None:
    async def story(plane: Plane) -> None:
        told = message(await posted(plane, CONFIGS, {"metadata": {"name": "x"}, "data": {"a": 5}}))
        assert told == (
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: v1.ConfigMap.Data: ReadString: expects " or '
            'n, but found 5, error found in #10 byte of ...|": {"a": 5}}|..., bigger context '
            '...|{"metadata": {"name": "x"}, "data": {"a": 5}}|...'
        )

    run(story)


def test_yaml_is_quoted_as_the_json_that_upstream_makes_of_it() -> None:
    async def story(plane: Plane) -> None:
        told = message(await posted(plane, CONFIGS, b"metadata: {name: x}\ndata: {a: 5}\n", "application/yaml"))
        assert told.endswith('bigger context ...|{"data":{"a":5},"metadata":{"name":"x"}}|...')

    run(story)


def test_unknown_fields_of_yaml_are_told_in_the_order_of_the_json_made_of_it() -> None:
    body = b"metadata: {name: x, name: x}\nz: 1\na: {b: 1}\n"

    async def story(plane: Plane) -> None:
        answer = await posted(plane, CONFIGS, body, "application/yaml")
        told = [value for name, value in answer.headers if name == "warning"]
        assert told == [
            '299 - "line 1: key \\"name\\" already set in map"',
            '299 - "unknown field \\"a\\""',
            '299 - "unknown field \\"z\\""',
        ]

    run(story)


def test_a_withdrawn_version_names_its_own_structs() -> None:
    async def story(plane: Plane) -> None:
        spec = {"jobTemplate": {"spec": {"backoffLimit": "1"}}}
        told = message(await posted(plane, CRON_JOBS, {"metadata": {"name": "x"}, "spec": spec}))
        assert (
            "v1beta1.CronJob.Spec: v1beta1.CronJobSpec.JobTemplate: v1beta1.JobTemplateSpec.Spec: v1.JobSpec."
            "BackoffLimit: readUint32: unexpected character"
        ) in told

    run(story)


def test_another_kind_is_refused_as_not_convertible_or_not_known() -> None:
    async def story(plane: Plane) -> None:
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}
        assert message(await posted(plane, CONFIGS, service)) == (
            'Service in version "v1" cannot be handled as a ConfigMap: '
            "converting (v1.Service) to (core.ConfigMap): unknown conversion"
        )
        unknown = {"apiVersion": "v1", "kind": "Foo", "metadata": {"name": "x"}}
        assert message(await posted(plane, CONFIGS, unknown)) == (
            'Foo in version "v1" cannot be handled as a ConfigMap: no kind "Foo" is registered for version "v1" '
            'in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"'
        )
        later = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "x"}}
        assert 'no kind "CronJob" is registered for version "batch/v1"' in message(
            await posted(plane, CRON_JOBS, later)
        )

    run(story)


def test_a_merge_patch_that_does_not_fit_quotes_the_patched_object() -> None:
    async def story(plane: Plane) -> None:
        await admin(plane).create("configmaps", {"metadata": {"name": "x"}, "data": {"a": "1"}}, "default")
        media = {"content-type": "application/merge-patch+json"}
        answer = await call(plane.app, "PATCH", f"{CONFIGS}/x", b'{"data":{"a":5}}', headers=media)
        assert answer.code == 422
        told = answer.json()["message"]
        assert (
            '\\"data\\":{\\"a\\":5},\\"kind\\":\\"ConfigMap\\",\\"metadata\\":{\\"name\\":\\"x\\",\\"namespace\\"'
            in told
        )
        assert (
            "v1.ConfigMap.ObjectMeta: v1.ObjectMeta.TypeMeta: Kind: Data: ReadString: "
            'expects " or n, but found 5, error found in #10 byte of ...|ta":{"a":5},"kind":"|...'
        ) in told
        kind = await call(plane.app, "PATCH", f"{CONFIGS}/x", b'{"kind":"Secret"}', headers=media)
        assert "v1.Secret.ObjectMeta: v1.ObjectMeta.TypeMeta: Kind: Data: decode base64" in kind.json()["message"]

    run(story)
