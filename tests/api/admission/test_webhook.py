"""Admission webhooks, asked over real HTTPS."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from kube_lite import errors
from kube_lite.api.local import LocalClient
from kube_lite.api.options import WriteOptions
from kube_lite.api.target import Target
from tests.api.admission.stories import WITHOUT, Json, made
from tests.api.admission.webhook_server import Webhook, json_patch, webhook
from tests.api.wire import call
from tests.plane import ADMIN, admin, started_plane

KIND = {"validating": "ValidatingWebhookConfiguration", "mutating": "MutatingWebhookConfiguration"}
RULE = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Webhook]:
    with webhook(tmp_path) as running:
        yield running


def play(story: Callable[[LocalClient], Awaitable[None]]) -> None:
    """Run a story in real time: the webhook is a real server."""

    async def main() -> None:
        plane = await started_plane(disabled=WITHOUT)
        with anyio.fail_after(30):
            await story(admin(plane))

    anyio.run(main)


async def register(client: LocalClient, kind: str, config: Json, name: str = "w", **more: Any) -> None:
    """A configuration with one webhook, ``w.example.com``."""
    one = {
        "name": f"{name}.example.com",
        "clientConfig": config,
        "rules": [RULE],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        **more,
    }
    await client.create(f"{kind}webhookconfigurations", {"metadata": {"name": name}, "webhooks": [one]})


def config_map(name: str, **labels: str) -> Json:
    return {"metadata": {"name": name, "labels": labels}, "data": {"k": "v"}}


def test_a_refusal_is_shown_with_its_message_and_code(hook: Webhook) -> None:
    async def story(client: LocalClient) -> None:
        await register(client, "validating", hook.config())
        hook.respond = lambda request: {"allowed": False, "status": {"message": "not today", "code": 418}}
        with pytest.raises(errors.ApiError) as caught:
            await made(client, "configmaps", config_map("a"))
        assert caught.value.message == 'admission webhook "w.example.com" denied the request: not today'
        assert caught.value.code == 418
        hook.respond = lambda request: {"allowed": False}
        with pytest.raises(errors.ApiError, match="denied the request without explanation"):
            await made(client, "configmaps", config_map("a"))
        (first, _) = hook.seen
        assert first["operation"] == "CREATE"
        assert first["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
        assert first["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
        assert (first["name"], first["namespace"], first["dryRun"]) == ("a", "default", False)
        assert first["userInfo"]["username"] == "admin"
        assert first["object"]["data"] == {"k": "v"}
        assert first["oldObject"] is None

    play(story)


def test_a_patch_changes_what_is_stored_and_later_webhooks_see_it(hook: Webhook) -> None:
    async def story(client: LocalClient) -> None:
        await register(client, "mutating", hook.config(), "a")
        await register(client, "mutating", hook.config(), "b")
        answers = iter([json_patch({"op": "add", "path": "/data/x", "value": "1"}), {"allowed": True}])
        hook.respond = lambda request: next(answers)
        found = await made(client, "configmaps", config_map("a"))
        assert found["data"] == {"k": "v", "x": "1"}
        assert [request["object"]["data"] for request in hook.seen] == [{"k": "v"}, {"k": "v", "x": "1"}]

    play(story)


def test_a_webhook_that_asks_for_it_sees_later_changes(hook: Webhook) -> None:
    async def story(client: LocalClient) -> None:
        await register(client, "mutating", hook.config("/a"), "a", reinvocationPolicy="IfNeeded")
        await register(client, "mutating", hook.config("/b"), "b")
        answers = iter([{"allowed": True}, json_patch({"op": "add", "path": "/data/x", "value": "1"})])
        hook.respond = lambda request: next(answers, {"allowed": True})
        await made(client, "configmaps", config_map("a"))
        assert ["x" in request["object"]["data"] for request in hook.seen] == [False, False, True]

    play(story)


@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
def test_a_webhook_out_of_reach_refuses_or_is_passed_over(policy: str, tmp_path: Path) -> None:
    with webhook(tmp_path) as gone:
        pass

    async def story(client: LocalClient) -> None:
        await register(client, "validating", gone.config("/x"), failurePolicy=policy)
        if policy == "Ignore":
            await made(client, "configmaps", config_map("a"))
            return
        with pytest.raises(errors.InternalError) as caught:
            await made(client, "configmaps", config_map("a"))
        assert caught.value.message == (
            'Internal error occurred: failed calling webhook "w.example.com": failed to call webhook: '
            f'Post "https://127.0.0.1:{gone.port}/x?timeout=10s": '
            f"dial tcp 127.0.0.1:{gone.port}: connect: connection refused"
        )

    play(story)


def test_a_slow_webhook_is_waited_for_only_so_long(hook: Webhook) -> None:
    held = threading.Event()

    def wait(request: Json) -> Json:
        held.wait(20)
        return {"allowed": True}

    async def story(client: LocalClient) -> None:
        await register(client, "validating", hook.config(), timeoutSeconds=1)
        hook.respond = wait
        with pytest.raises(errors.InternalError, match=r'/\?timeout=1s": context deadline exceeded'):
            await made(client, "configmaps", config_map("a"))
        held.set()

    play(story)


def test_a_certificate_of_another_authority_or_name_is_not_trusted(tmp_path: Path, hook: Webhook) -> None:
    async def story(client: LocalClient) -> None:
        await register(client, "validating", {"url": f"https://localhost:{hook.port}/", "caBundle": hook.bundle})
        with pytest.raises(errors.InternalError, match="failed to verify certificate"):
            await made(client, "configmaps", config_map("a"))
        assert hook.seen == []

    play(story)


def test_redirects_are_not_followed_and_odd_answers_are_failures(hook: Webhook) -> None:
    async def story(client: LocalClient) -> None:
        await register(client, "validating", hook.config("/a"))
        hook.code, hook.location = 302, f"https://127.0.0.1:{hook.port}/b"
        with pytest.raises(errors.InternalError, match="the server responded with the status code 302"):
            await made(client, "configmaps", config_map("a"))
        assert len(hook.seen) == 1
        hook.code = 200
        hook.respond = lambda request: {"uid": "another", "allowed": True}
        with pytest.raises(errors.InternalError, match=r"received invalid webhook response: expected response\.uid="):
            await made(client, "configmaps", config_map("a"))

    play(story)


def test_only_the_requests_that_rules_selectors_and_conditions_choose_are_sent(hook: Webhook) -> None:
    async def story(client: LocalClient) -> None:
        await client.create("namespaces", {"metadata": {"name": "in", "labels": {"team": "a"}}})
        await register(
            client,
            "validating",
            hook.config(),
            rules=[{**RULE, "operations": ["CREATE"]}],
            namespaceSelector={"matchLabels": {"team": "a"}},
            objectSelector={"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]},
            matchConditions=[{"name": "named", "expression": "object.metadata.name != 'exempt'"}],
        )
        await made(client, "secrets", {"metadata": {"name": "s"}}, "in")
        await made(client, "configmaps", config_map("outside"))
        await made(client, "configmaps", config_map("skipped", skip="yes"), "in")
        await made(client, "configmaps", config_map("exempt"), "in")
        await made(client, "configmaps", config_map("chosen"), "in")
        await client.patch("configmaps", "chosen", {"data": {"k": "w"}}, "in")
        assert [request["name"] for request in hook.seen] == ["chosen"]

    play(story)


def test_a_condition_that_fails_refuses(hook: Webhook) -> None:
    async def story(client: LocalClient) -> None:
        condition = {"name": "c", "expression": "object.data.missing == 'x'"}
        await register(client, "validating", hook.config(), matchConditions=[condition])
        with pytest.raises(errors.Forbidden, match=r"forbidden: expression '.*' resulted in error: no such key: m"):
            await made(client, "configmaps", config_map("a"))

    play(story)


def test_updates_and_deletions_carry_the_old_object(hook: Webhook) -> None:
    async def story(client: LocalClient) -> None:
        await made(client, "configmaps", config_map("a"))
        await register(client, "validating", hook.config())
        await client.patch("configmaps", "a", {"data": {"k": "w"}}, "default")
        await client.delete("configmaps", "a", "default")
        update, delete = hook.seen
        assert (update["operation"], delete["operation"]) == ("UPDATE", "DELETE")
        assert (update["oldObject"]["data"], update["object"]["data"]) == ({"k": "v"}, {"k": "w"})
        assert (delete["oldObject"]["data"], delete["object"]) == ({"k": "w"}, None)

    play(story)


def test_a_webhook_is_told_what_the_client_asked_for_and_of_a_namespace_its_own_name(hook: Webhook) -> None:
    async def main() -> None:
        plane = await started_plane(disabled=WITHOUT)
        await register(admin(plane), "validating", hook.config(), rules=[{**RULE, "resources": ["*"]}])
        maps = "/api/v1/namespaces/default/configmaps"
        await call(plane.app, "POST", f"{maps}?fieldManager=me&fieldValidation=Strict", config_map("a"))
        merge = {"content-type": "application/merge-patch+json"}
        await call(plane.app, "PATCH", f"{maps}/a?fieldManager=me", {"data": {"k": "w"}}, merge)
        await call(plane.app, "DELETE", f"{maps}/a", {"gracePeriodSeconds": 0, "propagationPolicy": "Orphan"})
        await call(plane.app, "POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
        told = [{k: v for k, v in request["options"].items() if k != "apiVersion"} for request in hook.seen]
        assert told == [
            {"kind": "CreateOptions", "fieldManager": "me", "fieldValidation": "Strict"},
            {"kind": "UpdateOptions", "fieldManager": "me"},
            {"kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": "Orphan"},
            {"kind": "CreateOptions"},
        ]
        assert [request["namespace"] for request in hook.seen] == ["default", "default", "default", "n"]

    anyio.run(main)


def test_a_name_is_drawn_after_those_who_may_change_it(hook: Webhook) -> None:
    async def story(client: LocalClient) -> None:
        await register(client, "mutating", hook.config("/m"), "m")
        await register(client, "validating", hook.config("/v"), "v")
        found = await made(client, "configmaps", {"metadata": {"generateName": "g-"}})
        mutating, validating = hook.seen
        assert ("name" in mutating, "name" in mutating["object"]["metadata"]) == (False, False)
        assert validating["name"] == validating["object"]["metadata"]["name"] == found["metadata"]["name"]

    play(story)


def test_the_owners_of_fields_survive_a_webhook_that_breaks_them_and_repeated_owners_are_dropped(hook: Webhook) -> None:
    async def main() -> None:
        plane = await started_plane(disabled=WITHOUT)
        owner = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}
        await register(admin(plane), "mutating", hook.config())
        hook.respond = lambda request: json_patch(
            {"op": "remove", "path": "/metadata/managedFields/0/fieldsType"},
            {"op": "add", "path": "/metadata/ownerReferences/-", "value": owner},
        )
        obj = {"metadata": {"name": "a", "ownerReferences": [owner]}, "data": {"k": "v"}}
        answer = await call(plane.app, "POST", "/api/v1/namespaces/default/configmaps", obj)
        meta = answer.json()["metadata"]
        assert meta["managedFields"][0]["fieldsV1"]["f:data"] == {".": {}, "f:k": {}}
        assert meta["ownerReferences"] == [owner]
        warnings = [value for name, value in answer.headers if name == "warning"]
        assert "invalid state after admission" in warnings[0]
        assert warnings[0].endswith('missing fieldsType in managed fields entry 0"')
        assert "duplicate entries after mutating admission happens" in warnings[1]

    anyio.run(main)


@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
@pytest.mark.parametrize(
    ("patch", "always", "why"),
    [
        (
            {"op": "replace", "path": "/no/x", "value": 1},
            True,
            "replace operation does not apply: doc is missing path: /no/x: missing value",
        ),
        (
            {"op": "remove", "path": "/data/x"},
            True,
            "error in remove for path: '/data/x': Unable to remove nonexistent key: x: missing value",
        ),
        ({"op": "add", "path": "/data", "value": "x"}, True, "json: cannot unmarshal string into Go struct field"),
        ("patchType", False, 'failed calling webhook "w.example.com": unsupported patch type "Merge"'),
        ("patch", False, 'failed calling webhook "w.example.com": received undecodable patch in webhook response: '),
    ],
)
def test_a_patch_that_does_not_fit_is_an_error_whatever_the_failure_policy(
    hook: Webhook, policy: str, patch: Json | str, always: bool, why: str
) -> None:
    async def story(client: LocalClient) -> None:
        await register(client, "mutating", hook.config(), failurePolicy=policy)
        answer = json_patch({} if isinstance(patch, str) else patch)
        if isinstance(patch, str):
            answer[patch] = {"patchType": "Merge", "patch": "e25vcGU="}[patch]
        hook.respond = lambda request: answer
        if policy == "Ignore" and not always:
            await made(client, "configmaps", config_map("a"))
            return
        with pytest.raises(errors.InternalError) as caught:
            await made(client, "configmaps", config_map("a"))
        assert caught.value.message.startswith(f"Internal error occurred: {why}")

    play(story)


def test_nobody_changes_an_object_where_there_is_none_to_change(hook: Webhook) -> None:
    async def story(client: LocalClient) -> None:
        await made(client, "configmaps", config_map("a"))
        await register(client, "mutating", hook.config(), "m")
        hook.respond = lambda request: json_patch({"op": "add", "path": "/data", "value": {}})
        with pytest.raises(errors.InternalError, match="attempted to modify the object, which is not supported for th"):
            await client.delete("configmaps", "a", "default")
        await client.delete("mutatingwebhookconfigurations", "m")
        await register(client, "validating", hook.config(), "v")
        with pytest.raises(errors.InternalError, match=r"validating webhook may not return response\.patch"):
            await client.delete("configmaps", "a", "default")

    play(story)


def test_a_dry_run_is_only_sent_where_it_does_no_harm(hook: Webhook) -> None:
    async def main() -> None:
        plane = await started_plane(disabled=WITHOUT)
        client = admin(plane)
        await register(client, "validating", hook.config(), sideEffects="NoneOnDryRun")
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
        resource = plane.registry.at("", "v1", "configmaps")
        assert resource is not None
        await plane.verbs.create(Target(resource, "default", ""), obj, ADMIN, WriteOptions(dry_run=True))
        assert [request["dryRun"] for request in hook.seen] == [True]

    anyio.run(main)


def test_warnings_reach_the_client_and_annotations_the_audit_log(hook: Webhook) -> None:
    async def main() -> None:
        plane = await started_plane(disabled=WITHOUT)
        await register(admin(plane), "validating", hook.config())
        hook.respond = lambda request: {"allowed": True, "warnings": ["mind the gap"], "auditAnnotations": {"k": "v"}}
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
        resource = plane.registry.at("", "v1", "configmaps")
        assert resource is not None
        warnings: list[str] = []
        await plane.verbs.create(Target(resource, "default", ""), obj, ADMIN, WriteOptions(), warnings)
        assert warnings == ["mind the gap"]

    anyio.run(main)


def test_a_webhook_behind_a_service_is_reached_through_an_endpoint(tmp_path: Path) -> None:
    async def story(client: LocalClient) -> None:
        ports = [{"name": "https", "port": 443}]
        await made(client, "services", {"metadata": {"name": "hook"}, "spec": {"selector": {"a": "b"}, "ports": ports}})
        service = {"service": {"name": "hook", "namespace": "default", "path": "/p"}, "caBundle": running.bundle}
        await register(client, "validating", service)
        with pytest.raises(errors.InternalError) as caught:
            await made(client, "configmaps", config_map("a"))
        assert caught.value.message.endswith(
            'Post "https://hook.default.svc:443/p?timeout=10s": no endpoints available for service "hook"'
        )
        piece = {
            "metadata": {"name": "hook-1", "labels": {"kubernetes.io/service-name": "hook"}},
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": running.port}],
            # loopback is no valid endpoint, so the test's server is put in below validation
            "endpoints": [{"addresses": ["10.9.9.9"]}],
        }
        await made(client, "endpointslices.discovery.k8s.io", piece)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "kube_lite.api.admission.webhook_call.WebhookCaller._endpoints",
                lambda *args: [f"127.0.0.1:{running.port}"],
            )
            await made(client, "configmaps", config_map("a"))
        assert len(running.seen) == 1

    with webhook(tmp_path, "hook.default.svc") as running:
        play(story)


def test_the_server_never_calls_itself_and_configurations_are_never_intercepted(hook: Webhook) -> None:
    async def story(client: LocalClient) -> None:
        everything = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}
        await register(client, "validating", {"url": "https://127.0.0.1:6443/"}, rules=[everything])
        with pytest.raises(errors.InternalError, match="it points back to this API server"):
            await made(client, "configmaps", config_map("a"))
        await client.delete("validatingwebhookconfigurations", "w")

    play(story)


DEPLOYMENT: Json = {
    "metadata": {"name": "d"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    },
}


@pytest.mark.parametrize("resources", ["deployments", "deployments/scale"])
def test_scaling_is_shown_as_a_scale_to_those_that_ask_for_it_and_may_be_changed(hook: Webhook, resources: str) -> None:
    async def main() -> None:
        plane = await started_plane(disabled=WITHOUT)
        client = admin(plane)
        await client.create("deployments.apps", DEPLOYMENT, "default")
        rule = {"operations": ["UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": [resources]}
        await register(client, "mutating", hook.config(), rules=[rule])
        hook.respond = lambda request: json_patch({"op": "replace", "path": "/spec/replicas", "value": 7})
        path = "/apis/apps/v1/namespaces/default/deployments/d"
        merge = {"content-type": "application/merge-patch+json"}
        answer = await call(plane.app, "PATCH", f"{path}/scale", {"spec": {"replicas": 5}}, merge)
        asked = resources == "deployments/scale"
        assert answer.json()["spec"] == {"replicas": 7 if asked else 5}
        assert (await call(plane.app, "GET", path)).json()["spec"]["replicas"] == (7 if asked else 5)
        for request in hook.seen:
            assert request["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
            assert (request["resource"]["resource"], request["subResource"]) == ("deployments", "scale")
            assert (request["oldObject"]["spec"], request["object"]["spec"]) == ({"replicas": 1}, {"replicas": 5})
        assert len(hook.seen) == asked

    anyio.run(main)
