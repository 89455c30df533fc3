"""Writes: the order of the stages, generated names, conflicts, preconditions, generations."""

from __future__ import annotations

import base64
import gc
import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from kube_lite import clock, errors
from kube_lite.api.local import LocalClient
from kube_lite.client.protocol import JSON_PATCH, STRATEGIC_PATCH
from kube_lite.store.store import WriteConflict
from tests.api.wire import call
from tests.controllers.certificates import request_pem
from tests.plane import admin, started_plane

POD = {"spec": {"containers": [{"name": "c", "image": "nginx"}]}}
Story = Callable[[LocalClient], Awaitable[None]]


def run(story: Story) -> None:
    """Tell a story to a fresh API in virtual time."""

    async def main() -> None:
        plane = await started_plane(disabled=["ServiceAccount"])
        await story(admin(plane))

    clock.run_virtual(main())


def pod(name: str, **metadata: Any) -> dict[str, Any]:
    """A minimal pod."""
    return {**POD, "metadata": {"name": name, **metadata}}


def test_a_created_object_has_what_the_server_owns() -> None:
    async def story(client: LocalClient) -> None:
        made = json.loads(await client.create("pods", pod("a"), "default"))
        meta = made["metadata"]
        assert (made["kind"], made["apiVersion"], meta["namespace"]) == ("Pod", "v1", "default")
        assert len(meta["uid"]) == 36
        assert meta["creationTimestamp"] == "2026-01-01T00:00:00Z"
        assert int(meta["resourceVersion"]) > 0
        assert made["status"]["phase"] == "Pending"
        assert made["spec"]["restartPolicy"] == "Always"
        assert [t["key"] for t in made["spec"]["tolerations"]] == [
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unreachable",
        ]

    run(story)


def test_a_name_can_be_taken_once() -> None:
    async def story(client: LocalClient) -> None:
        await client.create("pods", pod("a"), "default")
        with pytest.raises(errors.AlreadyExists, match='pods "a" already exists'):
            await client.create("pods", pod("a"), "default")

    run(story)


def test_generated_names_differ_and_keep_their_prefix() -> None:
    async def story(client: LocalClient) -> None:
        names = set()
        for _ in range(20):
            made = json.loads(await client.create("pods", {**POD, "metadata": {"generateName": "x-"}}, "default"))
            names.add(made["metadata"]["name"])
        assert len(names) == 20
        assert all(len(name) == 7 and name.startswith("x-") for name in names)

    run(story)


def test_nothing_is_created_in_a_namespace_that_is_not_there() -> None:
    async def story(client: LocalClient) -> None:
        with pytest.raises(errors.NotFound, match='namespaces "nowhere" not found'):
            await client.create("pods", pod("a"), "nowhere")

    run(story)


def test_the_namespace_of_body_and_path_must_agree() -> None:
    async def story(client: LocalClient) -> None:
        with pytest.raises(errors.BadRequest, match="does not match the namespace sent on the request"):
            await client.create("pods", pod("a", namespace="kube-system"), "default")

    run(story)


def test_a_stale_update_is_refused_and_a_fresh_one_taken() -> None:
    async def story(client: LocalClient) -> None:
        first = json.loads(await client.create("configmaps", {"metadata": {"name": "c"}}, "default"))
        await client.patch("configmaps", "c", {"data": {"a": "1"}}, "default")
        with pytest.raises(errors.Conflict, match="the object has been modified"):
            await client.update("configmaps", "c", {**first, "data": {"b": "2"}}, "default")
        fresh = json.loads(await client.get("configmaps", "c", "default"))
        changed = json.loads(await client.update("configmaps", "c", {**fresh, "data": {"b": "2"}}, "default"))
        assert changed["data"] == {"b": "2"}

    run(story)


def test_concurrent_patches_without_a_revision_all_arrive() -> None:
    async def story(client: LocalClient) -> None:
        await client.create("configmaps", {"metadata": {"name": "c"}}, "default")
        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(client.patch, "configmaps", "c", {"data": {f"k{number}": "x"}}, "default")
        found = json.loads(await client.get("configmaps", "c", "default"))
        assert len(found["data"]) == 100

    run(story)


def test_an_update_that_changes_nothing_writes_nothing() -> None:
    async def story(client: LocalClient) -> None:
        made = json.loads(await client.create("configmaps", {"metadata": {"name": "c"}, "data": {"a": "1"}}, "default"))
        again = json.loads(await client.patch("configmaps", "c", {"data": {"a": "1"}}, "default"))
        assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]

    run(story)


@pytest.mark.parametrize(("kind", "times"), [("csinodes.storage.k8s.io", 2), ("storageclasses.storage.k8s.io", 1)])
def test_a_bad_name_is_told_as_often_as_the_kind_is_checked(kind: str, times: int) -> None:
    async def story(client: LocalClient) -> None:
        with pytest.raises(errors.Invalid) as refused:
            await client.create(kind, {"metadata": {"name": "B_d"}, "provisioner": "p"})
        assert [cause["field"] for cause in refused.value.details["causes"]] == ["metadata.name"] * times

    run(story)


@pytest.mark.parametrize(("labels", "shown"), [({}, "map[string]string{}"), (None, "map[string]string(nil)")])
def test_a_refusal_shows_maps_as_they_were_sent(labels: Any, shown: str) -> None:
    async def story() -> None:
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        path = "/apis/apps/v1/namespaces/default/deployments"
        answer = await call((await started_plane()).app, "POST", path, {"metadata": {"name": "d"}, "spec": spec})
        assert answer.json()["details"]["causes"][0]["message"].startswith(f"Invalid value: {shown}:")

    clock.run_virtual(story())


def test_generation_of_a_deployment_counts_annotations_too() -> None:
    async def story() -> None:
        client = admin(await started_plane())
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        for kind, counted in (("deployments.apps", 2), ("replicasets.apps", 1)):
            await client.create(kind, {"metadata": {"name": "d"}, "spec": spec}, "default")
            answer = await client.patch(kind, "d", {"metadata": {"annotations": {"x": "y"}}}, "default")
            assert json.loads(answer)["metadata"]["generation"] == counted

    clock.run_virtual(story())


def test_generation_of_old_kinds_counts_empty_lists_that_are_not_kept() -> None:
    async def story() -> None:
        client, kind = admin(await started_plane()), "networkpolicies.networking.k8s.io"
        body: dict[str, Any] = {"metadata": {"name": "n"}, "spec": {"podSelector": {}, "ingress": []}}
        await client.create(kind, body, "default")
        for sent, counted in (({"ingress": []}, 2), ({"policyTypes": []}, 2), ({"ingress": [{"from": []}]}, 3)):
            body["spec"] = {"podSelector": {}, **sent}
            assert json.loads(await client.update(kind, "n", body, "default"))["metadata"]["generation"] == counted
        patched = await client.patch(kind, "n", {"spec": {"egress": []}}, "default")
        assert json.loads(patched)["metadata"]["generation"] == 4
        hooks = "validatingwebhookconfigurations"
        made = json.loads(await client.create(hooks, {"metadata": {"name": "h"}}))
        assert json.loads(await client.update(hooks, "h", {**made, "webhooks": []}))["metadata"]["generation"] == 2

    clock.run_virtual(story())


def test_generation_counts_changes_of_the_spec_only() -> None:
    deployment = {
        "metadata": {"name": "d"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, **POD},
        },
    }

    async def story(client: LocalClient) -> None:
        async def generation(patch: Any, subresource: str = "") -> int:
            answer = await client.patch("deployments.apps", "d", patch, "default", subresource=subresource)
            return int(json.loads(answer)["metadata"]["generation"])

        made = json.loads(await client.create("deployments.apps", deployment, "default"))
        assert made["metadata"]["generation"] == 1
        assert await generation({"metadata": {"labels": {"x": "y"}}}) == 1
        assert await generation({"status": {"replicas": 1}}, "status") == 1
        assert await generation({"spec": {"replicas": 3}}) == 2

    run(story)


def test_a_status_write_leaves_the_spec_and_the_other_way_round() -> None:
    async def story(client: LocalClient) -> None:
        await client.create("pods", pod("a"), "default")
        both = {"spec": {"nodeName": "n"}, "status": {"phase": "Running"}}
        after = json.loads(await client.patch("pods", "a", both, "default", subresource="status"))
        assert ("nodeName" in after["spec"], after["status"]["phase"]) == (False, "Running")
        labelled = {"metadata": {"labels": {"l": "1"}}, "status": {"phase": "Failed"}}
        after = json.loads(await client.patch("pods", "a", labelled, "default"))
        assert (after["metadata"]["labels"], after["status"]["phase"]) == ({"l": "1"}, "Running")

    run(story)


def test_each_patch_type_does_what_its_standard_says() -> None:
    async def story(client: LocalClient) -> None:
        await client.create("configmaps", {"metadata": {"name": "c"}, "data": {"a": "1", "b": "2"}}, "default")
        merged = json.loads(await client.patch("configmaps", "c", {"data": {"a": None, "n": "3"}}, "default"))
        assert merged["data"] == {"b": "2", "n": "3"}
        steps = [{"op": "move", "from": "/data/b", "path": "/data/z"}]
        moved = json.loads(await client.patch("configmaps", "c", steps, "default", content_type=JSON_PATCH))
        assert moved["data"] == {"n": "3", "z": "2"}
        await client.create("pods", pod("p"), "default")
        change = {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}
        patched = json.loads(await client.patch("pods", "p", change, "default", content_type=STRATEGIC_PATCH))
        assert [c["image"] for c in patched["spec"]["containers"]] == ["nginx:2"]
        assert patched["spec"]["containers"][0]["terminationMessagePath"] == "/dev/termination-log"

    run(story)


def test_binding_assigns_a_pod_once() -> None:
    async def story(client: LocalClient) -> None:
        await client.create("pods", pod("p"), "default")
        binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
        await client.create("pods", binding, "default", name="p", subresource="binding")
        bound = json.loads(await client.get("pods", "p", "default"))
        assert bound["spec"]["nodeName"] == "n"
        condition = next(c for c in bound["status"]["conditions"] if c["type"] == "PodScheduled")
        assert condition["status"] == "True"
        with pytest.raises(errors.Conflict, match="already assigned to node"):
            await client.create("pods", binding, "default", name="p", subresource="binding")

    run(story)


def test_service_addresses_are_unique_kept_and_given_back() -> None:
    def service(name: str, **spec: Any) -> dict[str, Any]:
        return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}

    async def story(client: LocalClient) -> None:
        addresses = set()
        for number in range(10):
            made = json.loads(await client.create("services", service(f"s{number}"), "default"))
            addresses.add(made["spec"]["clusterIP"])
        assert len(addresses) == 10
        taken = addresses.pop()
        with pytest.raises(errors.Invalid, match="provided IP is already allocated"):
            await client.create("services", service("again", clusterIP=taken), "default")
        for number in range(10):
            await client.delete("services", f"s{number}", "default")
        freed = json.loads(await client.create("services", service("again", clusterIP=taken), "default"))
        assert freed["spec"]["clusterIP"] == taken

    run(story)


def _labelled(kind: str, name: str) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("p")["spec"]}
    specs: dict[str, Any] = {
        "deployments.apps": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
        "persistentvolumeclaims": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        "poddisruptionbudgets.policy": {"minAvailable": 1},
    }
    spec = specs.get(kind)
    return {"metadata": {"name": name}, **({"spec": spec} if spec else {})}


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        ("poddisruptionbudgets.policy", 2),
        ("deployments.apps", 3),
        ("limitranges", 3),
        ("configmaps", 4),
        ("roles.rbac.authorization.k8s.io", 5),
        ("persistentvolumeclaims", 5),
    ],
)
def test_a_bad_label_is_told_as_often_as_the_kind_is_checked(kind: str, times: int) -> None:
    async def story(client: LocalClient) -> None:
        await client.create(kind, _labelled(kind, "x"), "default")
        with pytest.raises(errors.Invalid) as refused:
            await client.patch(kind, "x", {"metadata": {"labels": {"a b": "c"}}}, "default")
        assert [cause["field"] for cause in refused.value.details["causes"]] == ["metadata.labels"] * times

    run(story)


def test_a_certificate_request_names_who_made_it() -> None:
    async def story(client: LocalClient) -> None:
        spec = {
            "request": base64.b64encode(request_pem("a")).decode(),
            "signerName": "a.b/c",
            "usages": ["any"],
            "username": "root",
        }
        plural = "certificatesigningrequests.certificates.k8s.io"
        made = json.loads(await client.create(plural, {"metadata": {"name": "r"}, "spec": spec}))
        assert made["spec"]["username"] != "root"
        assert made["spec"]["groups"]
        change = {"spec": {"username": "root"}}
        kept = json.loads(await client.patch(plural, "r", change))
        assert kept["spec"] == made["spec"]

    run(story)


def test_an_update_of_a_namespace_is_refused_when_it_names_another() -> None:
    async def story(client: LocalClient) -> None:
        team: dict[str, Any] = {
            "metadata": {"name": "team", "namespace": "other"},
            "spec": {"finalizers": ["kubernetes"]},
        }
        await client.create("namespaces", team)
        with pytest.raises(errors.BadRequest, match=r"\(other\) does not match the namespace on the request \(team\)"):
            await client.update("namespaces", "team", team)
        team["metadata"]["namespace"] = "team"
        assert "namespace" not in json.loads(await client.update("namespaces", "team", team))["metadata"]

    run(story)


def test_a_refused_conflict_is_gone_without_the_cycle_collector() -> None:
    """Its traceback held the frame that held it, and with that the whole request."""

    async def story(client: LocalClient) -> None:
        made = json.loads(await client.create("pods", pod("a"), "default"))
        refused = 0

        async def change(number: int) -> None:
            nonlocal refused
            pinned = {"resourceVersion": made["metadata"]["resourceVersion"], "labels": {"a": str(number)}}
            try:
                await client.patch("pods", "a", {"metadata": pinned}, "default")
            except errors.Conflict:
                refused += 1

        def conflicts() -> int:
            return sum(isinstance(x, WriteConflict | errors.Conflict) for x in gc.get_objects())

        gc.collect()
        gc.disable()
        try:
            before = conflicts()  # other tests' may be held by what tells of them
            async with anyio.create_task_group() as tasks:
                for number in range(5):
                    tasks.start_soon(change, number)
            assert refused == 4
            assert conflicts() == before
        finally:
            gc.enable()

    run(story)
