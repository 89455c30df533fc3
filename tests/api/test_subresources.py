"""Scale, eviction and finalize over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kube_lite.api import protobuf
from kube_lite.api.eviction import BUDGETS
from kube_lite.api.negotiate import PROTOBUF, YAML
from kube_lite.api.plane import Plane
from tests.api.wire import Answer, call, run
from tests.plane import admin
from tests.test_cluster import DEPLOYMENT

SCALE = "/apis/apps/v1/namespaces/default/deployments/web/scale"
PODS = "/api/v1/namespaces/default/pods"
JSON = {"content-type": "application/json"}
MERGE = {"content-type": "application/merge-patch+json"}


def test_scale_reads_and_writes_replicas_and_nothing_else() -> None:
    async def story(plane: Plane) -> None:
        await admin(plane).create("deployments.apps", DEPLOYMENT, "default")
        scale = (await call(plane.app, "GET", SCALE)).json()
        assert (scale["kind"], scale["apiVersion"], scale["spec"]) == ("Scale", "autoscaling/v1", {"replicas": 3})
        assert scale["status"] == {"replicas": 0, "selector": "a=web"}
        changed = await call(plane.app, "PUT", SCALE, {**scale, "spec": {"replicas": 5}}, JSON)
        assert (changed.code, changed.json()["spec"]["replicas"]) == (200, 5)
        stale = await call(plane.app, "PUT", SCALE, {**scale, "spec": {"replicas": 6}}, JSON)
        assert stale.refusal() == (409, "Conflict")
        patch = {"spec": {"replicas": 0, "paused": True}, "metadata": {"labels": {"no": "no"}}}
        assert (await call(plane.app, "PATCH", SCALE, patch, MERGE)).json()["spec"] == {}
        deployment = json.loads(await admin(plane).get("deployments.apps", "web", "default"))
        assert (deployment["spec"]["replicas"], deployment["metadata"]["generation"]) == (0, 3)
        assert "paused" not in deployment["spec"]
        assert "labels" not in deployment["metadata"]

    run(story)


def test_a_scale_of_nothing_is_not_found_under_the_name_that_upstream_gives_it() -> None:
    async def story(plane: Plane) -> None:
        for kind, told in (("deployments", "deployments/scale.apps"), ("statefulsets", "statefulsets.apps")):
            answer = await call(plane.app, "GET", f"/apis/apps/v1/namespaces/default/{kind}/x/scale")
            assert answer.json()["message"] == f'{told} "x" not found'

    run(story)


def test_a_scale_that_makes_no_sense_is_refused() -> None:
    async def story(plane: Plane) -> None:
        await admin(plane).create("deployments.apps", DEPLOYMENT, "default")
        cases: list[tuple[Any, tuple[int, str]]] = [
            ({"metadata": {"name": "web"}, "spec": {"replicas": -1}}, (422, "Invalid")),
            ({"metadata": {"name": "other"}, "spec": {"replicas": 1}}, (400, "BadRequest")),
            ({"metadata": {"name": "web", "namespace": "other"}, "spec": {"replicas": 1}}, (400, "BadRequest")),
            ({"spec": {"replicas": 1}}, (400, "BadRequest")),
            ({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web"}}, (400, "BadRequest")),
            ({"metadata": {"name": "web"}, "spec": {"replicas": "many"}}, (400, "BadRequest")),
        ]
        for body, wanted in cases:
            assert (await call(plane.app, "PUT", SCALE, body, JSON)).refusal() == wanted, body
        assert (await call(plane.app, "GET", SCALE.replace("web", "none"))).refusal() == (404, "NotFound")
        assert (await call(plane.app, "DELETE", SCALE)).refusal() == (405, "MethodNotAllowed")

    run(story)


def test_an_ephemeral_container_gets_the_defaults_of_every_container() -> None:
    async def story(plane: Plane) -> None:
        await _running(plane, "p")
        patch = {"spec": {"ephemeralContainers": [{"name": "d", "image": "busybox", "stdin": True}]}}
        content = {"content-type": "application/strategic-merge-patch+json"}
        answer = await call(plane.app, "PATCH", PODS + "/p/ephemeralcontainers", patch, content)
        assert answer.code == 200, answer.json()
        assert answer.json()["spec"]["ephemeralContainers"] == [
            {
                "name": "d",
                "image": "busybox",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "Always",
                "stdin": True,
            }
        ]

    run(story)


async def _running(plane: Plane, name: str, *, ready: bool = True, owned: bool = True) -> None:
    client = admin(plane)
    spec = {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}
    owner = {"apiVersion": "v1", "kind": "ReplicationController", "name": "rc", "uid": "1", "controller": True}
    meta = {"name": name, "labels": {"a": "b"}, "ownerReferences": [owner] if owned else []}
    await client.create("pods", {"metadata": meta, "spec": spec}, "default")
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]}
    await client.patch("pods", name, {"status": status}, "default", subresource="status")


async def _evict(plane: Plane, name: str, query: str = "") -> Answer:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return await call(plane.app, "POST", f"{PODS}/{name}/eviction{query}", body, JSON)


def test_an_eviction_takes_from_the_budget_until_it_is_used_up() -> None:
    async def story(plane: Plane) -> None:
        client = admin(plane)
        for name in ("a", "b", "c"):
            await _running(plane, name)
        budget = {"metadata": {"name": "pdb"}, "spec": {"minAvailable": 2, "selector": {"matchLabels": {"a": "b"}}}}
        await client.create(BUDGETS, budget, "default")
        early = await _evict(plane, "a")
        assert early.refusal() == (429, "TooManyRequests")
        assert "is still being processed" in early.json()["details"]["causes"][0]["message"]
        assert (early.json()["details"]["retryAfterSeconds"], early.header("retry-after")) == (10, "10")
        status = {"observedGeneration": 1, "disruptionsAllowed": 1, "desiredHealthy": 2, "currentHealthy": 3}
        counted = {"status": {**status, "expectedPods": 3}}
        await client.patch(BUDGETS, "pdb", counted, "default", subresource="status")
        assert (await _evict(plane, "a", "?dryRun=All")).code == 201
        assert (await _evict(plane, "a")).code == 201
        held = await _evict(plane, "b")
        assert held.refusal() == (429, "TooManyRequests")
        assert held.json()["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
        assert held.json()["details"]["causes"][0]["message"] == (
            "The disruption budget pdb needs 2 healthy pods and has 3 currently"
        )
        left = json.loads(await client.get(BUDGETS, "pdb", "default"))["status"]
        assert (left["disruptionsAllowed"], list(left["disruptedPods"])) == (0, ["a"])
        evicted = json.loads(await client.get("pods", "a", "default"))
        assert evicted["metadata"]["deletionTimestamp"]
        condition = evicted["status"]["conditions"][-1]
        assert (condition["type"], condition["reason"]) == ("DisruptionTarget", "EvictionByEvictionAPI")
        assert "deletionTimestamp" not in json.loads(await client.get("pods", "b", "default"))["metadata"]
        # one that goes already, or has ended, needs no budget
        assert (await _evict(plane, "a")).code == 201
        await client.patch("pods", "b", {"status": {"phase": "Succeeded"}}, "default", subresource="status")
        assert (await _evict(plane, "b")).code == 201
        assert (await _evict(plane, "none")).refusal() == (404, "NotFound")

    run(story)


@pytest.mark.parametrize(("version", "marked"), [("policy/v1", True), ("policy/v1beta1", False)])
def test_what_an_eviction_tells_besides_depends_on_its_version(version: str, marked: bool) -> None:
    async def story(plane: Plane) -> None:
        client = admin(plane)
        await _running(plane, "a", owned=False)
        path, body = f"{PODS}/a/eviction", {"apiVersion": version, "kind": "Eviction", "metadata": {"name": "a"}}
        budget = {"metadata": {"name": "pdb"}, "spec": {"minAvailable": 2, "selector": {"matchLabels": {"a": "b"}}}}
        await client.create(BUDGETS, budget, "default")
        held = await call(plane.app, "POST", path, body, JSON)
        assert held.refusal() == (429, "TooManyRequests")
        assert ("retryAfterSeconds" in held.json()["details"], bool(held.header("retry-after"))) == (marked, marked)
        await client.delete(BUDGETS, "pdb", "default")
        assert (await call(plane.app, "POST", path, body, JSON)).code == 201
        conditions = json.loads(await client.get("pods", "a", "default"))["status"]["conditions"]
        assert [c["type"] for c in conditions] == (["Ready", "DisruptionTarget"] if marked else ["Ready"])

    run(story)


def test_evictions_and_bindings_are_answered_in_the_media_type_asked_for() -> None:
    async def story(plane: Plane) -> None:
        await _running(plane, "a")
        body: Any = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}
        unwanted = await call(plane.app, "POST", f"{PODS}/a/eviction", body, {**JSON, "accept": "text/html"})
        assert unwanted.code == 406
        answer = await call(plane.app, "POST", f"{PODS}/a/eviction", body, {**JSON, "accept": YAML})
        assert (answer.code, answer.header("content-type")) == (201, YAML)
        assert b"status: Success" in answer.body
        await admin(plane).create(
            "pods", {"metadata": {"name": "b"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}, "default"
        )
        body = {"metadata": {"name": "b"}, "target": {"kind": "Node", "name": "n"}}
        answer = await call(plane.app, "POST", f"{PODS}/b/binding", body, {**JSON, "accept": PROTOBUF})
        assert (answer.code, answer.header("content-type")) == (201, PROTOBUF)
        assert protobuf.decode(answer.body)["status"] == "Success"

    run(story)


@pytest.mark.parametrize(
    ("policy", "healthy", "code"),
    [(None, 2, 201), (None, 1, 429), ("IfHealthyBudget", 1, 429), ("AlwaysAllow", 1, 201)],
)
def test_a_pod_that_is_not_ready_takes_nothing_from_the_budget(policy: str | None, healthy: int, code: int) -> None:
    async def story(plane: Plane) -> None:
        client = admin(plane)
        await _running(plane, "a", ready=False)
        spec = {"minAvailable": 2, "selector": {"matchLabels": {"a": "b"}}, "unhealthyPodEvictionPolicy": policy}
        await client.create(BUDGETS, {"metadata": {"name": "pdb"}, "spec": spec}, "default")
        status = {"disruptionsAllowed": 0, "desiredHealthy": 2, "currentHealthy": healthy, "expectedPods": 3}
        counted = {"status": {**status, "observedGeneration": 1}}
        await client.patch(BUDGETS, "pdb", counted, "default", subresource="status")
        assert (await _evict(plane, "a")).code == code
        assert "disruptedPods" not in json.loads(await client.get(BUDGETS, "pdb", "default"))["status"]

    run(story)


def test_an_eviction_holds_to_its_preconditions() -> None:
    async def story(plane: Plane) -> None:
        await _running(plane, "a")
        for wanted, code in (
            ({"resourceVersion": "1"}, 409),
            ({"resourceVersion": ""}, 409),
            ({"uid": "x"}, 409),
            ({}, 201),
        ):
            options = {"preconditions": wanted}
            body = {"kind": "Eviction", "metadata": {"name": "a"}, "deleteOptions": options}
            assert (await call(plane.app, "POST", f"{PODS}/a/eviction", body, JSON)).code == code

    run(story)


def test_a_pod_that_gets_its_node_is_nominated_for_none() -> None:
    async def story(plane: Plane) -> None:
        client = admin(plane)
        await client.create(
            "pods", {"metadata": {"name": "b"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}, "default"
        )
        await client.patch("pods", "b", {"status": {"nominatedNodeName": "n"}}, "default", subresource="status")
        body = {"metadata": {"name": "b"}, "target": {"kind": "Node", "name": "n"}}
        assert (await call(plane.app, "POST", f"{PODS}/b/binding", body, JSON)).code == 201
        assert "nominatedNodeName" not in json.loads(await client.get("pods", "b", "default"))["status"]

    run(story)


def test_an_eviction_or_binding_names_the_namespace_of_its_path() -> None:
    async def story(plane: Plane) -> None:
        await _running(plane, "a")
        for path in ("eviction", "binding"):
            body = {"metadata": {"name": "a", "namespace": "other"}, "target": {"name": "n"}}
            answer = await call(plane.app, "POST", f"{PODS}/a/{path}", body, JSON)
            assert answer.refusal() == (400, "BadRequest")
            assert "does not match the namespace sent on the request" in answer.json()["message"]

    run(story)


def test_an_eviction_looks_for_the_pod_before_it_judges_the_delete_options() -> None:
    async def story(plane: Plane) -> None:
        async def refused(name: str, query: str, **wanted: Any) -> tuple[int, str]:
            body = {"kind": "Eviction", "metadata": {"name": name}, "deleteOptions": wanted}
            answer = await call(plane.app, "POST", f"{PODS}/{name}/eviction{query}", body, JSON)
            return answer.code, answer.json().get("reason", "")

        await _running(plane, "a")
        assert await refused("none", "", dryRun=["x"]) == (404, "NotFound")
        assert await refused("none", "", propagationPolicy="x") == (404, "NotFound")
        assert await refused("a", "", dryRun=["x"]) == (422, "Invalid")
        assert await refused("a", "?dryRun=All", dryRun=["x"]) == (500, "")
        assert await refused("a", "?dryRun=All", dryRun=["All"]) == (201, "")
        assert await refused("a", "", dryRun=["All"]) == (201, "")
        assert "deletionTimestamp" not in json.loads(await admin(plane).get("pods", "a", "default"))["metadata"]

    run(story)


def test_two_budgets_for_one_pod_are_not_supported() -> None:
    async def story(plane: Plane) -> None:
        await _running(plane, "a")
        for name in ("one", "two"):
            budget = {"metadata": {"name": name}, "spec": {"minAvailable": 0, "selector": {}}}
            await admin(plane).create(BUDGETS, budget, "default")
        refused = await _evict(plane, "a")
        assert refused.refusal() == (500, "")
        assert "more than one PodDisruptionBudget" in refused.json()["message"]

    run(story)
