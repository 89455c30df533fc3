"""Documents of other servers: what of them counts, and how it fits beside ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kube_lite.api.aggregation.backend import _usable_part
from kube_lite.api.openapi import INFO, OpenAPI
from kube_lite.api.plane import Plane
from kube_lite.api.swagger import fitted, operations_of, part_of, v3_document
from kube_lite.resources.registry import builtin
from tests.api.wire import call, run

ROOT = "/apis/things.example.com/v1"
GVK = {"group": "things.example.com", "version": "v1", "kind": "Thing"}
THING, META = "com.example.Thing", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def document(**more: Any) -> dict[str, Any]:
    """What the server of things says."""
    body = {"name": "body", "in": "body", "required": True, "schema": {"$ref": f"#/definitions/{THING}"}}
    query = {"name": "dryRun", "in": "query", "type": "string", "description": "All."}
    post = {
        "operationId": "createThing",
        "tags": ["things_v1"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "parameters": [body, query],
        "responses": {"201": {"description": "Created", "schema": {"$ref": f"#/definitions/{THING}"}}},
        "x-kubernetes-action": "post",
        "x-kubernetes-group-version-kind": GVK,
    }
    definitions = {
        THING: {
            "type": "object",
            "description": "A thing.",
            "properties": {"metadata": {"$ref": f"#/definitions/{META}"}, "list": {"type": "array", "items": {}}},
            "x-kubernetes-group-version-kind": [GVK],
        },
        META: {"type": "object", "description": "Not as ours."},
        "unrelated": {"type": "object"},
    }
    paths = {f"{ROOT}/things": {"post": post}, "/apis/things.example.com/v10/things": {}, "/version/": {}}
    return {"swagger": "2.0", "paths": paths, "definitions": definitions, **more}


def test_only_paths_of_its_own_version_count_with_the_definitions_that_they_need() -> None:
    part = part_of(document(), "things.example.com", "v1")
    assert part is not None
    assert set(part.paths) == {f"{ROOT}/things"}
    assert set(part.definitions) == {THING, META}
    assert part_of(document(), "things.example.com", "v2") is None


def test_a_definition_of_the_same_name_is_shared_or_renamed() -> None:
    part = part_of(document(), "things.example.com", "v1")
    assert part is not None
    same = fitted(part, {META: part.definitions[META]})
    assert set(same.definitions) == {THING}
    other = fitted(part, {META: {"type": "object"}, f"{META}_v2": {}})
    assert set(other.definitions) == {THING, f"{META}_v3"}
    assert other.definitions[THING]["properties"]["metadata"] == {"$ref": f"#/definitions/{META}_v3"}
    assert set(part.definitions) == {THING, META}  # it was not changed in place


def test_it_becomes_operations_and_a_document_of_v3() -> None:
    part = part_of(document(), "things.example.com", "v1")
    assert part is not None
    (operation,) = operations_of(part)
    assert (operation.method, operation.path, operation.body) == ("post", f"{ROOT}/things", THING)
    assert operation.gvk == ("things.example.com", "v1", "Thing")
    assert (operation.answers, [p.name for p in operation.query]) == (((201, THING),), ["dryRun"])
    v3 = v3_document(part, INFO)
    post = v3["paths"][f"{ROOT}/things"]["post"]
    reference = {"$ref": f"#/components/schemas/{THING}"}
    assert post["requestBody"] == {"content": {"application/json": {"schema": reference}}, "required": True}
    assert post["responses"]["201"]["content"] == {"application/json": {"schema": reference}}
    (query,) = post["parameters"]
    assert query == {"name": "dryRun", "in": "query", "description": "All.", "schema": {"type": "string"}}
    metadata = v3["components"]["schemas"][THING]["properties"]["metadata"]
    assert metadata == {"$ref": f"#/components/schemas/{META}"}


def test_our_document_holds_it_and_its_hash_tells() -> None:
    openapi = OpenAPI(builtin())
    before = openapi.v2(False)[1], openapi.v2(True)[1]
    part = part_of(document(), "things.example.com", "v1")
    assert part is not None
    openapi.elsewhere = (part,)
    body, digest = openapi.v2(False)
    whole = json.loads(body)
    assert whole["paths"][f"{ROOT}/things"]["post"]["operationId"] == "createThing"
    assert whole["definitions"][THING]["properties"]["metadata"] == {"$ref": f"#/definitions/{META}_v2"}
    assert whole["definitions"][META]["description"] != "Not as ours."
    raw, other = openapi.v2(True)
    assert b"createThing" in raw
    assert f"{META}_v2".encode() in raw
    assert digest not in before
    assert other not in before
    openapi.elsewhere = ()
    assert (openapi.v2(False)[1], openapi.v2(True)[1]) == before


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {"paths": []},
        document(definitions={THING: {"type": 5, "properties": {"x": 7}, "x-kubernetes-group-version-kind": [GVK]}}),
        document(definitions=7, paths={f"{ROOT}/things": {"get": {"responses": 8, "parameters": 9}}}),
        document(paths={f"{ROOT}/things": {"get": {"responses": {"many": {}}, "tags": "x"}, "parameters": [5]}}),
    ],
)
def test_nonsense_does_not_spoil_everybodys_document(wrong: Any) -> None:
    part = _usable_part(wrong, "things.example.com", "v1")
    openapi = OpenAPI(builtin())
    openapi.elsewhere = (part,) if part is not None else ()
    assert openapi.v2(True)[0]
    assert json.loads(openapi.v2(False)[0])["swagger"] == "2.0"


def test_a_client_that_has_the_old_root_is_told_the_new_one() -> None:
    async def story(plane: Plane) -> None:
        first = await call(plane.app, "GET", "/openapi/v3")
        headers = {"if-none-match": first.header("etag")}
        assert (await call(plane.app, "GET", "/openapi/v3", headers=headers)).code == 304
        plane.openapi.elsewhere_v3 = {"apis/things.example.com/v1": {"serverRelativeURL": "/openapi/v3/apis/x"}}
        second = await call(plane.app, "GET", "/openapi/v3", headers=headers)
        assert second.code == 200
        assert "apis/things.example.com/v1" in second.json()["paths"]

    run(story)
