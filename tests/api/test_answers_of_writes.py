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


def test_a_forced_deletion_is_shown_in_two_steps() -> None:
    async def story() -> None:
        plane = await started_plane(disabled=["ServiceAccount"])
        await admin(plane).create("pods", _pod("p"), "default")
        path = "/api/v1/namespaces/default/pods/p"
        marked = (await call(plane.app, "DELETE", path)).json()["metadata"]
        gone = (await call(plane.app, "DELETE", f"{path}?gracePeriodSeconds=0")).json()["metadata"]
        assert gone["deletionGracePeriodSeconds"] == 0
        assert int(gone["resourceVersion"]) > int(marked["resourceVersion"])
        assert plane.storage.caches.revision == int(gone["resourceVersion"]) + 1
        assert (await call(plane.app, "GET", path)).refusal() == (404, "NotFound")

    clock.run_virtual(story())


def test_a_uid_asks_for_the_object_that_was_there() -> None:
    async def story() -> None:
        plane = await started_plane()
        body = {"metadata": {"name": "m", "uid": "u"}}
        assert (await call(plane.app, "PUT", f"{MAPS}/m", body)).refusal() == (409, "Conflict")

    clock.run_virtual(story())


def test_put_creates_what_a_stale_revision_names() -> None:
    async def story() -> None:
        plane = await started_plane()
        path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l"
        body = {"metadata": {"name": "l", "resourceVersion": "5"}, "spec": {}}
        assert (await call(plane.app, "PUT", path, body)).code == 201

    clock.run_virtual(story())


def test_a_name_that_is_about_to_go_is_refused_as_such() -> None:
    async def story() -> None:
        plane = await started_plane()
        body = {"metadata": {"name": "m", "finalizers": ["a.io/x"]}}
        await call(plane.app, "POST", MAPS, body)
        await call(plane.app, "DELETE", f"{MAPS}/m")
        answer = await call(plane.app, "POST", MAPS, body)
        assert answer.json()["message"] == 'object is being deleted: configmaps "m" already exists'

    clock.run_virtual(story())


def test_the_kind_in_a_strategic_merge_is_passed_over() -> None:
    async def story() -> None:
        plane = await started_plane()
        await call(plane.app, "POST", MAPS, {"metadata": {"name": "m"}})
        headers = {"content-type": "application/strategic-merge-patch+json"}
        answer = await call(plane.app, "PATCH", f"{MAPS}/m", {"kind": "Secret", "data": {"a": "1"}}, headers=headers)
        assert (answer.code, answer.json()["kind"], answer.json()["data"]) == (200, "ConfigMap", {"a": "1"})

    clock.run_virtual(story())


def test_owners_of_versions_that_do_not_exist_are_dropped() -> None:
    async def story() -> None:
        plane = await started_plane()
        await call(plane.app, "POST", MAPS, {"metadata": {"name": "m"}, "data": {"a": "1"}})
        entry = {"manager": "q", "operation": "Update", "apiVersion": "v9", "fieldsType": "FieldsV1"}
        stated = {"metadata": {"managedFields": [{**entry, "fieldsV1": {"f:data": {"f:a": {}}}}]}}
        headers = {"content-type": "application/merge-patch+json"}
        answer = await call(plane.app, "PATCH", f"{MAPS}/m", stated, headers=headers)
        assert "managedFields" not in answer.json()["metadata"]

    clock.run_virtual(story())


def test_annotations_of_a_deployment_count_as_a_generation() -> None:
    async def story() -> None:
        plane = await started_plane(disabled=["ServiceAccount"])
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        path = "/apis/apps/v1/namespaces/default/deployments"
        await call(plane.app, "POST", path, {"metadata": {"name": "d"}, "spec": spec})
        headers = {"content-type": "application/merge-patch+json"}
        for part, generation in (("labels", 1), ("annotations", 2)):
            answer = await call(plane.app, "PATCH", f"{path}/d", {"metadata": {part: {"x": "y"}}}, headers=headers)
            assert answer.json()["metadata"]["generation"] == generation
        status = {"metadata": {"name": "d", "labels": {"other": "z"}}, "spec": spec, "status": {"replicas": 1}}
        answer = await call(plane.app, "PUT", f"{path}/d/status", status)
        assert answer.json()["metadata"]["labels"] == {"x": "y"}

    clock.run_virtual(story())


def test_a_full_page_of_a_selection_goes_on_while_anything_follows() -> None:
    async def story() -> None:
        plane = await started_plane()
        for name in ("a", "b"):
            await call(plane.app, "POST", MAPS, {"metadata": {"name": name, "labels": {"n": name}}})
        first = (await call(plane.app, "GET", f"{MAPS}?limit=1&labelSelector=n%3Da")).json()
        assert first["metadata"]["continue"]
        last = (await call(plane.app, "GET", f"{MAPS}?limit=1&labelSelector=n%3Db")).json()
        assert "continue" not in last["metadata"]
        named = (await call(plane.app, "GET", f"{MAPS}?limit=1&fieldSelector=metadata.name%3Da")).json()
        assert "continue" not in named["metadata"]

    clock.run_virtual(story())


def test_metadata_of_a_list_is_asked_for_as_a_list() -> None:
    async def story() -> None:
        plane = await started_plane()
        headers = {"accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
        answer = await call(plane.app, "GET", MAPS, headers=headers)
        assert answer.refusal() == (406, "NotAcceptable")
        assert answer.json()["message"].endswith("the requested object is a list (*core.ConfigMapList)")

    clock.run_virtual(story())


def test_wrong_statuses_are_refused() -> None:
    async def story() -> None:
        plane = await started_plane()
        path = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
        backend = {"service": {"name": "s", "port": {"number": 80}}}
        await call(plane.app, "POST", path, {"metadata": {"name": "g"}, "spec": {"defaultBackend": backend}})
        headers = {"content-type": "application/merge-patch+json"}
        status = {"status": {"loadBalancer": {"ingress": [{"ip": "bad"}, {"hostname": "1.2.3.4"}]}}}
        answer = await call(plane.app, "PATCH", f"{path}/g/status", status, headers=headers)
        assert [cause["message"] for cause in answer.json()["details"]["causes"]] == [
            'Invalid value: "bad": must be a valid IP address',
            'Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
        ]

    clock.run_virtual(story())
