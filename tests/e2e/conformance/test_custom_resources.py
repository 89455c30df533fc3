"""Custom resource definitions: their own life, conversion between versions, defaults, selectable fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.admission.webhook_server import Json, Webhook, webhook
from tests.e2e.conformance.caller import Caller, unique
from tests.e2e.conformance.definitions import defined, version
from tests.support.running import eventually

STRINGS = {"type": "string"}
V1 = {"type": "object", "properties": {"hostPort": STRINGS}}
V2 = {"type": "object", "properties": {"host": STRINGS, "port": STRINGS}}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def converted(obj: Json, wanted: str) -> Json:
    """``hostPort`` of v1 is ``host`` and ``port`` in v2."""
    made = {**obj, "apiVersion": wanted}
    if wanted.endswith("/v2") and "hostPort" in made:
        made["host"], made["port"] = made.pop("hostPort").split(":")
    if wanted.endswith("/v1") and ("host" in made or "port" in made):
        made["hostPort"] = f"{made.pop('host', '')}:{made.pop('port', '')}"
    return made


@pytest.fixture
def converter(tmp_path: Path) -> Iterator[Webhook]:
    """A conversion webhook."""
    with webhook(tmp_path) as hook:

        def respond(request: Json) -> Json:
            made = [converted(obj, request["desiredAPIVersion"]) for obj in request["objects"]]
            return {"convertedObjects": made, "result": {"status": "Success"}}

        hook.respond = respond
        yield hook


def by_webhook(hook: Webhook) -> Json:
    """``spec.conversion``."""
    return {
        "strategy": "Webhook",
        "webhook": {"clientConfig": hook.config("/crdconvert"), "conversionReviewVersions": ["v1", "v1beta1"]},
    }


def test_an_object_is_read_in_another_version(api: Caller, namespace: str, converter: Webhook) -> None:
    versions = version("v1", V1), version("v2", V2, storage=False)
    with defined(api, *versions, scope="Namespaced", conversion=by_webhook(converter)) as crd:
        v1, v2 = crd.collection("v1", namespace), crd.collection("v2", namespace)
        api.create(v1, crd.object("one", hostPort="localhost:8080"))
        found = api.get(f"{v2}/one")
        assert (found["apiVersion"], found["host"], found["port"]) == (f"{crd.group}/v2", "localhost", "8080")
        assert "hostPort" not in found


def test_a_list_of_objects_stored_in_several_versions_is_of_one(
    api: Caller, namespace: str, converter: Webhook
) -> None:
    versions = version("v1", V1), version("v2", V2, storage=False)
    with defined(api, *versions, scope="Namespaced", conversion=by_webhook(converter)) as crd:
        v1, v2 = crd.collection("v1", namespace), crd.collection("v2", namespace)
        api.create(v1, crd.object("one", hostPort="localhost:8080"))
        changed = [{**versions[0], "storage": False}, {**versions[1], "storage": True}]
        api.patch(crd.path, {"spec": {"versions": changed}})
        eventually(lambda: api.get(crd.path)["status"]["storedVersions"] == ["v1", "v2"])
        api.create(v2, crd.object("two", "v2", host="localhost", port="8081"))
        for path, wanted in (
            (v1, [{"hostPort": "localhost:8080"}, {"hostPort": "localhost:8081"}]),
            (v2, [{"host": "localhost", "port": "8080"}, {"host": "localhost", "port": "8081"}]),
        ):
            items = api.get(path)["items"]
            assert [{k: v for k, v in i.items() if k in ("host", "port", "hostPort")} for i in items] == wanted


def test_selectable_fields_choose_in_lists_watches_and_deletions(
    api: Caller, namespace: str, converter: Webhook
) -> None:
    versions = (
        version("v1", V1, selectableFields=[{"jsonPath": ".hostPort"}]),
        version("v2", V2, storage=False, selectableFields=[{"jsonPath": ".host"}, {"jsonPath": ".port"}]),
    )
    with defined(api, *versions, scope="Namespaced", conversion=by_webhook(converter)) as crd:
        v1, v2 = crd.collection("v1", namespace), crd.collection("v2", namespace)
        start = api.get(v2)["metadata"]["resourceVersion"]
        api.create(v2, crd.object("a", "v2", host="host1", port="80"))
        api.create(v2, crd.object("b", "v2", host="host1", port="8080"))
        api.create(v2, crd.object("c", "v2", host="host2"))

        def names(path: str, selector: str) -> list[str]:
            return [i["metadata"]["name"] for i in api.get(path, fieldSelector=selector)["items"]]

        assert names(v2, "host=host1") == ["a", "b"]
        assert names(v2, "host=host1,port=80") == ["a"]
        assert names(v1, "hostPort=host1:80") == ["a"]
        assert names(v1, "hostPort=host1:8080") == ["b"]
        assert api.send("GET", v1, fieldSelector="host=host1").status_code == 400
        api.delete(v2, fieldSelector="host=host1,port=80")
        found = api.get(f"{v2}/b")
        api.put(f"{v2}/b", {**found, "host": "host2"})
        assert names(v2, "host=host1") == []
        for path, selector, wanted in (
            (v2, "host=host1", [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a"), ("DELETED", "b")]),
            (v2, "host=host1,port=80", [("ADDED", "a"), ("DELETED", "a")]),
            (v1, "hostPort=host1:80", [("ADDED", "a"), ("DELETED", "a")]),
        ):
            types = [kind for kind, _ in wanted]
            events = api.until(path, *types, resourceVersion=start, fieldSelector=selector)
            assert [(e["type"], e["object"]["metadata"]["name"]) for e in events] == wanted


def test_definitions_are_listed_by_label_and_deleted_together(api: Caller) -> None:
    label = unique("l")
    for _ in range(5):
        group = f"{unique('g')}.example.com"
        names = {"plural": "noxus", "kind": "Noxu"}
        spec = {"group": group, "scope": "Cluster", "names": names, "versions": [version()]}
        metadata = {"name": f"noxus.{group}", "labels": {"e2e-list-test-uuid": label}}
        body = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata}
        api.create(DEFINITIONS, {**body, "spec": spec})
    assert len(api.get(DEFINITIONS, labelSelector=f"e2e-list-test-uuid={label}")["items"]) == 5
    api.delete(DEFINITIONS, labelSelector=f"e2e-list-test-uuid={label}")
    eventually(lambda: not api.get(DEFINITIONS, labelSelector=f"e2e-list-test-uuid={label}")["items"])


def test_a_definition_tells_its_state(api: Caller) -> None:
    with defined(api, version(subresources={"status": {}})) as crd:
        eventually(lambda: api.get(f"{crd.path}/status")["status"].get("conditions"))
        found = api.get(f"{crd.path}/status")
        conditions = {c["type"]: c["status"] for c in found["status"]["conditions"]}
        assert conditions == {"NamesAccepted": "True", "Established": "True"}
        assert found["status"]["acceptedNames"]["singular"] == "noxu"
        assert found["status"]["storedVersions"] == ["v1"]
        told = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "by a test"}
        found["status"]["conditions"].append(told)
        assert "StatusUpdate" in [c["type"] for c in api.put(f"{crd.path}/status", found)["status"]["conditions"]]
        assert "StatusUpdate" in [c["type"] for c in api.get(crd.path)["status"]["conditions"]]


def test_defaults_are_set_on_what_is_sent_and_on_what_is_stored(api: Caller) -> None:
    def schema(**defaults: str) -> Json:
        properties = {name: {**STRINGS, **({"default": defaults[name]} if name in defaults else {})} for name in "ab"}
        return {"type": "object", "properties": properties}

    with defined(api, version(schema=schema())) as crd:
        first = f"{crd.collection()}/first"
        api.create(crd.collection(), crd.object("first"))

        def default(**defaults: str) -> None:
            api.patch(crd.path, {"spec": {"versions": [version(schema=schema(**defaults))]}})

        default(a="A")
        eventually(lambda: api.get(first).get("a") == "A")
        assert api.create(crd.collection(), crd.object("second"))["a"] == "A"
        default(b="B")
        eventually(lambda: api.get(first).get("b") == "B")
        assert "a" not in api.get(first)  # was never stored
        second = api.get(f"{crd.collection()}/second")
        assert (second["a"], second["b"]) == ("A", "B")


def test_objects_are_watched_through_their_life(api: Caller) -> None:
    with defined(api) as crd:
        start = api.get(crd.collection())["metadata"]["resourceVersion"]
        api.create(crd.collection(), crd.object("a", num=1))
        api.patch(f"{crd.collection()}/a", {"num": 2})
        api.delete(f"{crd.collection()}/a")
        events = api.until(crd.collection(), "ADDED", "MODIFIED", "DELETED", resourceVersion=start)
        assert [e["object"]["num"] for e in events] == [1, 2, 2]
        assert all(e["object"]["kind"] == "Noxu" for e in events)


def test_status_and_scale_are_written_by_themselves(api: Caller) -> None:
    numbers = {"type": "object", "properties": {"replicas": {"type": "integer"}}}
    schema = {"type": "object", "properties": {"spec": numbers, "status": numbers}}
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    with defined(api, version(schema=schema, subresources={"status": {}, "scale": scale})) as crd:
        path = f"{crd.collection()}/a"
        made = api.create(crd.collection(), crd.object("a", spec={"replicas": 1}, status={"replicas": 9}))
        assert ("status" in made, made["metadata"]["generation"]) == (False, 1)
        told = api.patch(f"{path}/status", {"spec": {"replicas": 7}, "status": {"replicas": 1}})
        assert (told["spec"], told["status"], told["metadata"]["generation"]) == ({"replicas": 1}, {"replicas": 1}, 1)
        assert api.get(f"{path}/scale")["status"] == {"replicas": 1}
        api.patch(f"{path}/scale", {"spec": {"replicas": 3}})
        assert (api.get(path)["spec"], api.get(path)["metadata"]["generation"]) == ({"replicas": 3}, 2)


def test_a_version_that_is_served_no_more_is_gone_from_discovery_and_documents(api: Caller) -> None:
    versions = version("v1"), version("v2", storage=False)
    with defined(api, *versions) as crd:
        path = f"/apis/{crd.group}/v2"
        assert api.send("GET", f"{path}/noxus").status_code == 200
        assert f"apis/{crd.group}/v2" in api.get("/openapi/v3")["paths"]
        api.patch(crd.path, {"spec": {"versions": [versions[0], {**versions[1], "served": False}]}})
        eventually(lambda: api.send("GET", f"{path}/noxus").status_code == 404)
        assert api.send("GET", path).status_code == 404
        eventually(lambda: f"apis/{crd.group}/v2" not in api.get("/openapi/v3")["paths"])
        name = ".".join([*reversed(crd.group.split(".")), "v2", "Noxu"])
        eventually(lambda: name not in api.get("/openapi/v2")["definitions"])
