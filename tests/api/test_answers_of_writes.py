"""What writes answer: revisions of what is removed, kubectl's note of what was applied, scales of sets with claims."""

from __future__ import annotations

import json

from kube_lite import clock
from kube_lite.api.plane import Plane
from kube_lite.client.protocol import APPLY_PATCH
from kube_lite.resources.meta import Obj
from tests.api.wire import call
from tests.plane import admin, started_plane

NOTE = "kubectl.kubernetes.io/last-applied-configuration"
MAPS = "/api/v1/namespaces/default/configmaps"


def _pod(name: str) -> Obj:
    return {"metadata": {"name": name}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}}


def test_taking_the_last_finalizer_off_answers_under_the_revision_that_was() -> None:
    async def story() -> None:
        client = admin(await started_plane())
        await client.create("configmaps", {"metadata": {"name": "m", "finalizers": ["a.io/x"]}}, "default")
        await client.delete("configmaps", "m", "default")
        marked = json.loads(await client.get("configmaps", "m", "default"))
        gone = json.loads(await client.patch("configmaps", "m", {"metadata": {"finalizers": None}}, "default"))
        assert gone["metadata"]["resourceVersion"] == marked["metadata"]["resourceVersion"]
        assert "finalizers" not in gone["metadata"]

    clock.run_virtual(story())


def test_a_negative_grace_period_removes_at_once() -> None:
    async def story() -> None:
        plane = await started_plane(disabled=["ServiceAccount"])
        await admin(plane).create("pods", _pod("p"), "default")
        path = "/api/v1/namespaces/default/pods/p"
        answer = await call(plane.app, "DELETE", f"{path}?gracePeriodSeconds=-1")
        assert answer.json()["metadata"]["deletionGracePeriodSeconds"] == -1
        assert (await call(plane.app, "GET", path)).refusal() == (404, "NotFound")

    clock.run_virtual(story())


def test_metadata_is_written_in_upstreams_order() -> None:
    async def story() -> None:
        body = {"metadata": {"labels": {"a": "b"}, "name": "m"}, "data": {}}
        made = json.loads(await admin(await started_plane()).create("configmaps", body, "default"))
        assert list(made["metadata"])[:5] == ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"]

    clock.run_virtual(story())


async def _applied(plane: Plane, config: Obj, manager: str) -> Obj:
    query = f"?fieldManager={manager}&force=true"
    answer = await call(plane.app, "PATCH", f"{MAPS}/m{query}", config, headers={"content-type": APPLY_PATCH})
    found: Obj = answer.json()
    return found


def test_kubectls_server_side_apply_keeps_the_note_of_client_side_apply() -> None:
    async def story() -> None:
        plane = await started_plane()
        old = {"metadata": {"name": "m", "annotations": {NOTE: "{}"}}, "data": {"a": "1"}}
        await admin(plane).create("configmaps", old, "default")
        config: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"b": "1"}}
        other = await _applied(plane, config, "somebody")
        assert other["metadata"]["annotations"][NOTE] == "{}"
        by_kubectl = await _applied(plane, config, "kubectl")
        assert json.loads(by_kubectl["metadata"]["annotations"][NOTE]) == config

    clock.run_virtual(story())


def test_a_set_with_claim_templates_can_be_scaled() -> None:
    async def story() -> None:
        client = admin(await started_plane())
        claim = {
            "metadata": {"name": "v"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
        }
        spec = {
            "serviceName": "s",
            "selector": {"matchLabels": {"a": "s"}},
            "template": {"metadata": {"labels": {"a": "s"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
            "volumeClaimTemplates": [claim],
        }
        await client.create("statefulsets.apps", {"metadata": {"name": "s"}, "spec": spec}, "default")
        scale = {"spec": {"replicas": 3}}
        answer = await client.patch("statefulsets.apps", "s", scale, "default", subresource="scale")
        assert json.loads(answer)["spec"]["replicas"] == 3

    clock.run_virtual(story())
