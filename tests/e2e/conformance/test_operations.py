"""API operations of every kind: create, get, list, watch, patch, update, delete, deletecollection, status, scale.

Upstream asks this of each kind in a test of its own ("should support ... API operations", "should list and delete a
collection of ...", "should validate ... Status endpoints", "should have a working scale subresource"); here each kind
is a row.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest

from tests.e2e.conformance.caller import MERGE, STRATEGIC, Caller, Object, unique
from tests.e2e.conformance.certificates import signing_request
from tests.e2e.conformance.kinds import KINDS, Kind
from tests.support.running import eventually

VERBS = {"create", "get", "list", "watch", "update", "patch", "delete"}
EVERY = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.resource}.{kind.group_version}")
WITH_STATUS = pytest.mark.parametrize(
    "kind", [k for k in KINDS if k.status], ids=lambda kind: f"{kind.resource}.{kind.group_version}"
)
WITH_SCALE = pytest.mark.parametrize("kind", [k for k in KINDS if k.scale], ids=lambda kind: kind.resource)


def made(kind: Kind, name: str, namespace: str, label: str) -> Object:
    """A body of ``kind`` with a name that it accepts."""
    text = json.dumps(kind.body).replace("NAMESPACE", namespace)
    if "REQUEST" in text:
        text = text.replace("REQUEST", signing_request())
    if "GROUP" in text:
        group = f"{name}.example.com"
        text = text.replace("GROUP", group)
        name = f"v1.{group}" if kind.kind == "APIService" else f"noxus.{group}"
    if kind.kind == "IPAddress":
        name = f"192.168.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    text = text.replace("CIDR", f"10.{100 + secrets.randbelow(100)}.{secrets.randbelow(256)}.0/24")
    body: Object = json.loads(text.replace('"NAME"', json.dumps(name)))
    metadata: Object = {"name": name, "labels": {"special": label}}
    return {"apiVersion": kind.group_version, "kind": kind.kind, "metadata": metadata, **body}


def create(api: Caller, kind: Kind, namespace: str, label: str) -> tuple[str, Object]:
    """Make one; its path and what was answered."""
    collection = kind.collection_path(namespace)
    found = api.create(collection, made(kind, unique("op"), namespace, label))
    return f"{collection}/{found['metadata']['name']}", found


def update(api: Caller, path: str, **annotations: str) -> Object:
    """Read, annotate and write back, again after a conflict, as upstream's clients do."""

    def written() -> Object | None:
        found = api.get(path)
        found["metadata"].setdefault("annotations", {}).update(annotations)
        response = api.send("PUT", path, found)
        assert response.status_code in (200, 409), response.text
        answer: Object = response.json()
        return answer if response.status_code == 200 else None

    return eventually(written)


def gone(api: Caller, path: str) -> bool:
    """Whether an object is deleted, or waits for its finalizers alone."""
    response = api.send("GET", path)
    return response.status_code == 404 or "deletionTimestamp" in response.json()["metadata"]


def remaining(api: Caller, collection: str, label: str) -> list[Object]:
    """What a collection holds of a label and is not about to go."""
    items = api.get(collection, labelSelector=f"special={label}")["items"]
    return [item for item in items if "deletionTimestamp" not in item["metadata"]]


@EVERY
def test_discovery_names_the_kind(api: Caller, kind: Kind) -> None:
    if kind.group_version != "v1":
        group, version = kind.group_version.split("/")
        groups = {g["name"]: g for g in api.get("/apis")["groups"]}
        assert kind.group_version in [v["groupVersion"] for v in groups[group]["versions"]]
        assert version in [v["version"] for v in api.get(f"/apis/{group}")["versions"]]
    resources = {r["name"]: r for r in api.get(kind.base)["resources"]}
    assert set(resources[kind.resource]["verbs"]) >= VERBS | ({"deletecollection"} if kind.collection else set())
    assert resources[kind.resource]["kind"] == kind.kind
    assert resources[kind.resource]["namespaced"] is kind.namespaced
    if kind.status:
        assert set(resources[f"{kind.resource}/status"]["verbs"]) == {"get", "patch", "update"}
    if kind.scale:
        assert set(resources[f"{kind.resource}/scale"]["verbs"]) == {"get", "patch", "update"}
    assert {f"{kind.resource}/{name}" for name in kind.subresources} <= set(resources)


@EVERY
def test_objects_are_created_read_changed_watched_and_deleted(api: Caller, shared_namespace: str, kind: Kind) -> None:
    label = unique("l")
    collection, everywhere = kind.collection_path(shared_namespace), kind.collection_path()
    selected: Object = {"labelSelector": f"special={label}"}
    before = api.get(collection, **selected)
    assert before["items"] == []
    start = before["metadata"]["resourceVersion"]
    paths = [create(api, kind, shared_namespace, label)[0] for _ in range(3)]
    names = {path.rsplit("/", 1)[1] for path in paths}

    found = api.get(paths[0])
    assert (found["apiVersion"], found["kind"]) == (kind.group_version, kind.kind)
    assert found["metadata"]["uid"]
    for where in (collection, everywhere):
        assert {item["metadata"]["name"] for item in api.get(where, **selected)["items"]} == names

    patched = api.patch(paths[0], {"metadata": {"annotations": {"patched": "true"}}})
    assert patched["metadata"]["annotations"]["patched"] == "true"
    assert api.get(paths[0])["metadata"]["annotations"]["patched"] == "true"
    assert update(api, paths[0], updated="true")["metadata"]["annotations"]["updated"] == "true"

    last = paths[0].rsplit("/", 1)[1]
    events = api.until(everywhere, "ADDED", "ADDED", "ADDED", "MODIFIED", resourceVersion=start, **selected)
    assert {e["object"]["metadata"]["name"] for e in events if e["type"] == "ADDED"} == names
    modified = [e["object"] for e in events if e["type"] == "MODIFIED"]
    assert any(o["metadata"]["name"] == last for o in modified) or kind.status

    api.delete(paths[0])
    assert gone(api, paths[0])
    if kind.collection:
        assert len(remaining(api, collection, label)) == 2
        api.delete(collection, **selected)
    else:
        for path in paths[1:]:
            api.delete(path)
    assert remaining(api, collection, label) == []


@EVERY
def test_a_list_has_the_type_of_the_list_and_a_watch_ends_with_the_object(
    api: Caller, shared_namespace: str, kind: Kind
) -> None:
    label = unique("l")
    collection = kind.collection_path(shared_namespace)
    assert api.get(collection)["kind"] == f"{kind.kind}List"
    path, found = create(api, kind, shared_namespace, label)
    selector = f"metadata.name={found['metadata']['name']}"
    version = found["metadata"]["resourceVersion"]
    api.delete(path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
    deleted = api.until(collection, "DELETED", resourceVersion=version, fieldSelector=selector)[-1]["object"]
    assert deleted["metadata"]["uid"] == found["metadata"]["uid"]


@WITH_STATUS
def test_status_is_read_patched_and_updated_by_itself(api: Caller, shared_namespace: str, kind: Kind) -> None:
    path, made = create(api, kind, shared_namespace, unique("l"))
    status = f"{path}/status"
    assert api.get(status)["metadata"]["uid"] == made["metadata"]["uid"]
    told: Object = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": kind.status}
    if "spec" in made:
        told["spec"] = {"minReadySeconds": 77} if "template" in made["spec"] else made["spec"]
    patched = api.patch(status, told)
    annotated = None if kind.status_alone else "true"
    assert patched["metadata"].get("annotations", {}).get("patchedstatus") == annotated
    assert contains(patched["status"], kind.status), patched["status"]
    assert patched.get("spec", {}).get("minReadySeconds") is None
    assert patched["metadata"].get("generation") == made["metadata"].get("generation")
    if "spec" in made and kind.kind != "Node":  # whose taints a controller keeps
        assert patched["spec"] == made["spec"]
    updated = update(api, status, updatedstatus="true")
    assert updated["metadata"].get("annotations", {}).get("updatedstatus") == annotated
    api.delete(path)


@WITH_STATUS
def test_an_update_of_the_object_leaves_its_status_alone(api: Caller, shared_namespace: str, kind: Kind) -> None:
    path, _ = create(api, kind, shared_namespace, unique("l"))
    before = api.patch(f"{path}/status", {"status": kind.status})
    changed = api.patch(path, {"metadata": {"annotations": {"a": "b"}}, "status": {"phase": "Odd"}})
    assert changed.get("status", {}).get("phase") == before["status"].get("phase")
    api.delete(path)


@WITH_SCALE
def test_scale_is_read_updated_and_patched(api: Caller, shared_namespace: str, kind: Kind) -> None:
    path, made = create(api, kind, shared_namespace, unique("l"))
    scale = api.get(f"{path}/scale")
    assert (scale["apiVersion"], scale["kind"], scale["spec"]) == ("autoscaling/v1", "Scale", {})
    assert scale["metadata"]["name"] == made["metadata"]["name"]
    assert scale["status"] == {"replicas": 0, "selector": "app=x"}
    answered = api.put(
        f"{path}/scale", scale | {"metadata": {**scale["metadata"], "resourceVersion": ""}, "spec": {"replicas": 2}}
    )
    assert answered["spec"] == {"replicas": 2}
    assert api.get(path)["spec"]["replicas"] == 2
    for replicas, patch_kind in ((4, MERGE), (1, STRATEGIC)):
        assert api.patch(f"{path}/scale", {"spec": {"replicas": replicas}}, patch_kind)["spec"] == {
            "replicas": replicas
        }
        assert api.get(path)["spec"]["replicas"] == replicas
    eventually(lambda: api.get(f"{path}/scale")["status"]["replicas"] == 1)
    api.delete(path)


def contains(whole: Any, part: Any) -> bool:
    """Whether all that ``part`` says stands in ``whole``; of lists, each item in some item."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(k in whole and contains(whole[k], v) for k, v in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(contains(w, p) for w in whole) for p in part)
    return bool(whole == part)
