"""Tables, as kubectl asks for them."""

from __future__ import annotations

from kube_lite.api.plane import Plane
from tests.api.wire import call, run
from tests.plane import admin

CONFIGS = "/api/v1/namespaces/default/configmaps"
TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
PARTIAL = {"accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}


def test_a_list_is_a_table_with_as_much_of_each_object_as_was_asked_for() -> None:
    async def story(plane: Plane) -> None:
        body = {"metadata": {"name": "a"}, "data": {"x": "1", "y": "2"}}
        await admin(plane).create("configmaps", body, "default")
        table = (await call(plane.app, "GET", CONFIGS, headers=TABLE)).json()
        assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Data", "Age"]
        (row,) = table["rows"]
        assert row["cells"][:2] == ["a", 2]
        assert row["object"]["kind"] == "PartialObjectMetadata"
        whole = (await call(plane.app, "GET", CONFIGS + "?includeObject=Object", headers=TABLE)).json()
        assert whole["rows"][0]["object"]["data"] == {"x": "1", "y": "2"}
        none = (await call(plane.app, "GET", CONFIGS + "?includeObject=None", headers=TABLE)).json()
        assert none["rows"][0]["object"] is None
        wrong = await call(plane.app, "GET", CONFIGS + "?includeObject=Some", headers=TABLE)
        assert wrong.refusal() == (400, "BadRequest")
        one = (await call(plane.app, "GET", CONFIGS + "/a", headers=TABLE)).json()
        assert [r["cells"][0] for r in one["rows"]] == ["a"]
        assert one["metadata"]["resourceVersion"] == row["object"]["metadata"]["resourceVersion"]

    run(story)


def test_pages_of_a_table_go_on_like_those_of_a_list() -> None:
    async def story(plane: Plane) -> None:
        for name in "abc":
            await admin(plane).create("configmaps", {"metadata": {"name": name}}, "default")
        page = (await call(plane.app, "GET", CONFIGS + "?limit=2", headers=TABLE)).json()
        assert (len(page["rows"]), page["metadata"]["remainingItemCount"]) == (2, 1)
        path = f"{CONFIGS}?limit=2&continue={page['metadata']['continue']}"
        rest = (await call(plane.app, "GET", path, headers=TABLE)).json()
        assert [row["cells"][0] for row in rest["rows"]] == ["c"]
        assert "continue" not in rest["metadata"]

    run(story)


def test_metadata_alone_is_a_list_of_its_own() -> None:
    async def story(plane: Plane) -> None:
        await admin(plane).create("configmaps", {"metadata": {"name": "a"}, "data": {"x": "1"}}, "default")
        found = (await call(plane.app, "GET", CONFIGS, headers=PARTIAL)).json()
        assert (found["kind"], found["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
        assert [set(item) for item in found["items"]] == [{"kind", "apiVersion", "metadata"}]
        assert (await call(plane.app, "GET", "/api/v1/nodes", headers=PARTIAL)).json()["items"] is None
        single = await call(plane.app, "GET", CONFIGS + "/a", headers=PARTIAL)
        assert single.refusal() == (406, "NotAcceptable")

    run(story)


def test_nothing_of_a_kind_without_columns_of_its_own_has_null_for_rows() -> None:
    async def story(plane: Plane) -> None:
        empty = (await call(plane.app, "GET", CONFIGS, headers=TABLE)).json()
        assert empty["rows"] == []
        roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"
        plain = (await call(plane.app, "GET", roles, headers=TABLE)).json()
        assert (plain["kind"], plain["rows"]) == ("Table", None)

    run(story)
