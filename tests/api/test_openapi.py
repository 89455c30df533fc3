"""OpenAPI documents: what kubectl looks for in them, and that they hang together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from kube_lite.api.http import Request
from kube_lite.api.openapi import OpenAPI, Schema
from kube_lite.api.openapi_operations import references
from kube_lite.api.openapi_v2 import MEDIA_TYPES
from kube_lite.api.plane import Plane
from kube_lite.api.protobuf_wire import fields
from kube_lite.api.request_info import parse
from kube_lite.errors import NotAcceptable
from kube_lite.resources.custom_schema import from_openapi
from kube_lite.resources.registry import Registry, Resource, builtin, status
from tests.api.wire import call, run

WIDGET_SCHEMA = {"type": "object", "properties": {"spec": {"type": "object", "description": "what is wanted"}}}


@pytest.fixture(scope="module")
def openapi() -> OpenAPI:
    return OpenAPI(builtin())


def document(openapi: OpenAPI, group: str, version: str) -> dict[str, Any]:
    found = openapi.document(group, version)
    assert found is not None
    made: dict[str, Any] = msgspec.json.decode(found[0])
    return made


def ask(openapi: OpenAPI, url: str, **headers: str) -> Any:
    sent = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    path, _, query = url.partition("?")
    return openapi.page(Request(parse("GET", path, query), sent))


def test_the_root_names_each_group_and_version_with_its_hash(openapi: OpenAPI) -> None:
    paths = msgspec.json.decode(openapi.root())["paths"]
    assert paths["api/v1"]["serverRelativeURL"].startswith("/openapi/v3/api/v1?hash=")
    found = openapi.document("apps", "v1")
    assert found is not None
    assert paths["apis/apps/v1"]["serverRelativeURL"] == f"/openapi/v3/apis/apps/v1?hash={found[1]}"


def test_kubectl_finds_field_validation_on_the_patch_of_a_kind(openapi: OpenAPI) -> None:
    paths = document(openapi, "apps", "v1")["paths"]
    patches = [
        item["patch"]
        for item in paths.values()
        if item.get("patch", {}).get("x-kubernetes-group-version-kind")
        == {"group": "apps", "version": "v1", "kind": "Deployment"}
    ]
    assert patches
    for patch in patches:
        assert any(p["name"] == "fieldValidation" and p["in"] == "query" for p in patch["parameters"])


def test_kubectl_explain_finds_the_schema_by_its_kind(openapi: OpenAPI) -> None:
    schemas = document(openapi, "", "v1")["components"]["schemas"]
    pod = schemas["io.k8s.api.core.v1.Pod"]
    assert pod["x-kubernetes-group-version-kind"] == [{"group": "", "kind": "Pod", "version": "v1"}]
    assert pod["properties"]["spec"]["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.core.v1.PodSpec"}]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert "List of containers" in containers["description"]


def test_the_packages_rewriting_is_undone(openapi: OpenAPI) -> None:
    text = openapi.document("", "v1")
    assert text is not None
    assert b'"null"' not in text[0]
    assert b'"enum"' not in text[0]
    assert b"$defs" not in text[0]


def test_every_reference_leads_somewhere_and_ids_are_unique(openapi: OpenAPI) -> None:
    ids: list[str] = []
    for group, version in openapi.group_versions():
        made = document(openapi, group, version)
        schemas = made["components"]["schemas"]
        assert set(references(made)) <= schemas.keys()
        for path, item in made["paths"].items():
            ids += [op["operationId"] for op in item.values() if isinstance(op, dict) and "operationId" in op]
            named = {p["name"] for p in item.get("parameters", ()) if p["in"] == "path"}
            assert {part[1:-1] for part in path.split("/") if part.startswith("{")} == named
    assert len(ids) == len(set(ids))


POD = "/api/v1/namespaces/{namespace}/pods/{name}"


@pytest.mark.parametrize(
    ("path", "ids", "asked"),
    [
        (POD + "/exec", ["connectCoreV1GetNamespacedPodExec", "connectCoreV1PostNamespacedPodExec"], "command"),
        (POD + "/log", ["readCoreV1NamespacedPodLog"], "tailLines"),
        (POD + "/portforward", [f"connectCoreV1{m}NamespacedPodPortforward" for m in ("Get", "Post")], "ports"),
        (
            "/api/v1/nodes/{name}/proxy/{path}",
            [
                f"connectCoreV1{method}NodeProxyWithPath"
                for method in ("Get", "Put", "Post", "Delete", "Options", "Head", "Patch")
            ],
            "path",
        ),
        ("/api/v1/watch/namespaces/{namespace}/pods", ["watchCoreV1NamespacedPodList"], "resourceVersion"),
        ("/api/v1/watch/pods", ["watchCoreV1PodListForAllNamespaces"], "labelSelector"),
        ("/api/v1/watch/nodes/{name}", ["watchCoreV1Node"], "watch"),
        ("/api/v1/", ["getCoreV1APIResources"], ""),
    ],
)
def test_clients_made_from_the_documents_find_what_is_no_plain_verb(
    openapi: OpenAPI, path: str, ids: list[str], asked: str
) -> None:
    for item in (document(openapi, "", "v1")["paths"][path], msgspec.json.decode(openapi.v2(False)[0])["paths"][path]):
        assert [op["operationId"] for op in item.values() if isinstance(op, dict)] == ids
        assert not asked or asked in [p["name"] for p in item["parameters"]]
    streams = path.endswith(("/exec", "/log", "/portforward", "{path}"))
    schema = next(iter(item.values()))["responses"]["200"]["schema"]
    assert (schema == {"type": "string"}) is streams


def test_the_v2_document_tells_what_is_served(openapi: OpenAPI) -> None:
    paths = msgspec.json.decode(openapi.v2(False)[0])["paths"]
    wanted = {"/api/": "CoreAPIVersions", "/apis/": "APIVersions", "/apis/apps/": "AppsAPIGroup"}
    wanted |= {"/version/": "CodeVersion", "/apis/rbac.authorization.k8s.io/v1/": "RbacAuthorizationV1APIResources"}
    assert {path: paths[path]["get"]["operationId"] for path in wanted} == {k: "get" + v for k, v in wanted.items()}
    assert "x-kubernetes-action" not in paths["/version/"]["get"]
    assert b"getCodeVersion" in openapi.v2(True)[0]


def test_custom_resources_are_watched_by_their_lists_only() -> None:
    assert not [path for path in document(OpenAPI(custom_registry()), "example.com", "v1")["paths"] if "watch" in path]


def test_no_required_field_is_named_twice(openapi: OpenAPI) -> None:
    schemas = msgspec.json.decode(openapi.v2(False)[0])["definitions"]
    required = {name: schema.get("required", []) for name, schema in schemas.items()}
    assert [name for name, fields in required.items() if len(set(fields)) < len(fields)] == []


def custom_registry() -> Registry:
    registry = Registry()
    registry.add(
        Resource(
            kind="Widget",
            plural="widgets",
            group="example.com",
            custom=True,
            schema=from_openapi(WIDGET_SCHEMA),
            subresources={"status": status()},
        )
    )
    return registry


def test_custom_resources_bring_their_schema() -> None:
    openapi = OpenAPI(custom_registry(), lambda resource: WIDGET_SCHEMA)
    made = document(openapi, "example.com", "v1")
    widget = made["components"]["schemas"]["com.example.v1.Widget"]
    assert widget["properties"]["spec"]["description"] == "what is wanted"
    assert widget["x-kubernetes-group-version-kind"][0]["kind"] == "Widget"
    assert "com.example.v1.WidgetList" in made["components"]["schemas"]
    patch = made["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]


def test_an_object_inside_a_custom_one_has_the_fields_of_every_object() -> None:
    embedded = {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {"type": "object"}}}
    schema = {"type": "object", "properties": {"templates": {"type": "array", "items": embedded}}}
    made = document(OpenAPI(custom_registry(), lambda resource: schema), "example.com", "v1")
    shown = made["components"]["schemas"]["com.example.v1.Widget"]["properties"]["templates"]["items"]
    assert set(shown["properties"]) == {"apiVersion", "kind", "metadata", "spec"}
    assert shown["required"] == ["kind", "apiVersion"]


DUMMY: Schema = {"type": "object", "properties": {"dummy": {"type": "object"}}}
UNKNOWN: Schema = {"x-kubernetes-preserve-unknown-fields": True}


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({**DUMMY, "description": "d"}, {**DUMMY, "description": "d"}),
        ({**DUMMY, **UNKNOWN}, UNKNOWN),
        ({**DUMMY, "nullable": True}, {}),
        ({"type": "array", "items": {"type": "string"}, **UNKNOWN}, UNKNOWN),
        ({"type": "array"}, {}),
        ({"type": "string", "default": "a", "anyOf": [{"minLength": 1}]}, {"type": "string"}),
        ({"anyOf": [{"type": "integer"}], "x-kubernetes-int-or-string": True}, {"x-kubernetes-int-or-string": True}),
        (
            {"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "string", "nullable": True}}},
            {"type": "object", "required": ["b"], "properties": {"a": {}}},
        ),
    ],
    ids=["plain", "unknown", "nullable", "unknown-list", "open-list", "choices", "int-or-string", "required"],
)
def test_v2_says_nothing_that_old_kubectl_would_hold_against_a_custom_object(schema: Schema, shown: Schema) -> None:
    """kubectl up to 1.24 validates by this document, and upstream's conformance test compares it."""
    whole = {"type": "object", "properties": {"spec": schema}}
    openapi = OpenAPI(custom_registry(), lambda resource: whole)
    made = msgspec.json.decode(ask(openapi, "/openapi/v2", accept="application/json").body)
    assert made["definitions"]["com.example.v1.Widget"]["properties"]["spec"] == shown


def test_v2_of_a_custom_object_that_keeps_everything_is_an_object_and_no_more() -> None:
    openapi = OpenAPI(custom_registry(), lambda resource: {**DUMMY, **UNKNOWN, "description": "d"})
    made = msgspec.json.decode(ask(openapi, "/openapi/v2", accept="application/json").body)
    gvk = [{"group": "example.com", "kind": "Widget", "version": "v1"}]
    assert made["definitions"]["com.example.v1.Widget"] == {"type": "object", "x-kubernetes-group-version-kind": gvk}


def test_selectable_fields_are_told_with_the_schema() -> None:
    registry = Registry()
    registry.add(
        Resource(kind="Widget", plural="widgets", group="example.com", custom=True, selectable_names=("spec.a",))
    )
    made = document(OpenAPI(registry, lambda resource: WIDGET_SCHEMA), "example.com", "v1")
    told = made["components"]["schemas"]["com.example.v1.Widget"]["x-kubernetes-selectable-fields"]
    assert told == [{"fieldPath": "spec.a"}]


def test_the_hash_follows_what_is_served() -> None:
    registry = custom_registry()
    schema: dict[str, Any] = dict(WIDGET_SCHEMA)
    openapi = OpenAPI(registry, lambda resource: schema)
    before = openapi.document("example.com", "v1")
    schema["description"] = "changed"
    after = openapi.document("example.com", "v1")
    assert before is not None
    assert after is not None
    assert before[1] != after[1]
    registry.remove("example.com", "widgets")
    assert openapi.document("example.com", "v1") is None


def test_answers_can_be_cached(openapi: OpenAPI) -> None:
    found = openapi.document("apps", "v1")
    assert found is not None
    answer = ask(openapi, f"/openapi/v3/apis/apps/v1?hash={found[1]}", accept="application/json")
    assert (answer.code, answer.headers["Cache-Control"]) == (200, "public, immutable")
    again = ask(openapi, "/openapi/v3/apis/apps/v1", if_none_match=answer.headers["ETag"])
    assert (again.code, again.body) == (304, b"")
    assert ask(openapi, "/openapi/v3/apis/nope/v1") is None
    moved = ask(openapi, "/openapi/v3/apis/apps/v1?hash=OLD", accept="application/json")
    assert (moved.code, moved.headers["Location"]) == (301, f"/openapi/v3/apis/apps/v1?hash={found[1]}")


def test_an_answer_says_once_how_it_may_be_cached() -> None:
    async def story(plane: Plane) -> None:
        for path in ("/openapi/v3", "/api", "/api/v1/namespaces", "/healthz"):
            answer = await call(plane.app, "GET", path)
            assert [v for k, v in answer.headers if k == "cache-control"] == ["no-cache, private"]
        where = (await call(plane.app, "GET", "/openapi/v3")).json()["paths"]["apis/apps/v1"]["serverRelativeURL"]
        answer = await call(plane.app, "GET", where)
        assert [v for k, v in answer.headers if k == "cache-control"] == ["public, immutable"]

    run(story)


def test_v2_is_json_or_the_protobuf_that_old_kubectl_reads(openapi: OpenAPI) -> None:
    answer = ask(openapi, "/openapi/v2", accept="application/json")
    made = msgspec.json.decode(answer.body)
    assert made["swagger"] == "2.0"
    assert "$ref" in made["definitions"]["io.k8s.api.core.v1.Pod"]["properties"]["spec"]
    assert b"#/components" not in answer.body
    with pytest.raises(NotAcceptable):
        ask(openapi, "/openapi/v2", accept="text/html")
    answer = ask(openapi, "/openapi/v2", accept=MEDIA_TYPES[0])
    assert answer.content_type == MEDIA_TYPES[1]
    top = dict(pairs(answer.body))
    assert top[1] == b"2.0"
    definitions = {dict(pairs(entry))[1]: dict(pairs(entry))[2] for _, entry in pairs(top[9])}
    extensions = [dict(pairs(value)) for at, value in pairs(definitions[b"io.k8s.api.core.v1.Pod"]) if at == 31]
    gvk = next(e[2] for e in extensions if e[1] == b"x-kubernetes-group-version-kind")
    assert b'[{"group":"","kind":"Pod","version":"v1"}]' in gvk
    paths = {dict(pairs(entry))[1] for at, entry in pairs(top[8]) if at == 2}
    assert b"/api/v1/namespaces/{namespace}/pods/{name}" in paths


def pairs(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Fields of a message that are bytes."""
    return ((at, value) for at, _, value in fields(message) if isinstance(value, bytes))


def test_the_documents_of_groups_that_are_gone_are_not_kept() -> None:
    """Each is a hundred kilobytes, and definitions come and go under ever new groups."""
    registry = builtin()
    openapi = OpenAPI(registry)
    for number in range(3):
        resource = Resource(kind="Widget", plural="widgets", group=f"g{number}.example.com", custom=True)
        registry.add(resource)
        assert openapi.document(resource.group, "v1") is not None
        registry.remove(resource.group, "widgets")
    assert openapi.document("apps", "v1") is not None
    assert list(openapi._documents) == [("apps", "v1")]
