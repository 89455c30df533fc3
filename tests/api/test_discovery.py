"""Discovery: both forms tell the same, in the order of preference, and a client may keep what it has."""

from __future__ import annotations

import random
from typing import Any

import pytest

from kube_lite.api.discovery import storage_hash, version_rank
from kube_lite.api.plane import Plane
from tests.api.wire import call, run

AGGREGATED = {"accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
BOTH = {"accept": AGGREGATED["accept"] + ",application/json"}
Found = dict[tuple[str, str, str], tuple[str, bool, tuple[str, ...]]]


def test_versions_are_ordered_by_stability_then_age_then_name() -> None:
    wanted = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
    shuffled = random.Random(3).sample(wanted, len(wanted))
    assert sorted(shuffled, key=version_rank) == wanted
    assert sorted(["v1gamma1", "v0", "v1alpha1"], key=version_rank) == ["v1alpha1", "v0", "v1gamma1"]


async def _legacy(plane: Plane) -> Found:
    found: Found = {}
    groups = (await call(plane.app, "GET", "/apis")).json()["groups"]
    paths = [("", "v1", "/api/v1")]
    paths += [(g["name"], v["version"], f"/apis/{v['groupVersion']}") for g in groups for v in g["versions"]]
    for group, version, path in paths:
        for entry in (await call(plane.app, "GET", path)).json()["resources"]:
            found[group, version, entry["name"]] = (entry["kind"], entry["namespaced"], tuple(entry["verbs"]))
    return found


async def _aggregated(plane: Plane) -> Found:
    found: Found = {}
    for root in ("/api", "/apis"):
        for group in (await call(plane.app, "GET", root, headers=AGGREGATED)).json()["items"]:
            for version in group["versions"]:
                for entry in version["resources"]:
                    key = (group["metadata"].get("name", ""), version["version"])
                    namespaced = entry["scope"] == "Namespaced"
                    if entry["verbs"]:
                        kind = entry["responseKind"]["kind"]
                        found[(*key, entry["resource"])] = (kind, namespaced, tuple(entry["verbs"]))
                    for sub in entry.get("subresources", ()):
                        name = f"{entry['resource']}/{sub['subresource']}"
                        found[(*key, name)] = (sub["responseKind"]["kind"], namespaced, tuple(sub["verbs"]))
    return found


def test_the_legacy_and_the_aggregated_form_tell_the_same() -> None:
    async def story(plane: Plane) -> None:
        legacy, aggregated = await _legacy(plane), await _aggregated(plane)
        assert legacy == aggregated
        assert legacy["", "v1", "pods"][:2] == ("Pod", True)
        assert legacy["apps", "v1", "deployments/scale"] == ("Scale", True, ("get", "patch", "update"))
        groups = [g["name"] for g in (await call(plane.app, "GET", "/apis")).json()["groups"]]
        items = (await call(plane.app, "GET", "/apis", headers=AGGREGATED)).json()["items"]
        assert [item["metadata"]["name"] for item in items] == groups
        assert groups.index("apps") < groups.index("batch") < groups.index("policy")

    run(story)


def test_each_client_gets_the_form_it_prefers() -> None:
    async def story(plane: Plane) -> None:
        kinds = {
            "": "APIGroupList",
            "application/json": "APIGroupList",
            BOTH["accept"]: "APIGroupDiscoveryList",
            AGGREGATED["accept"].replace("v=v2", "v=v2beta1"): "APIGroupDiscoveryList",
            AGGREGATED["accept"].replace("v=v2", "v=v9") + ",application/json": "APIGroupList",
        }
        for accept, kind in kinds.items():
            answer = await call(plane.app, "GET", "/apis", headers={"accept": accept})
            assert answer.json()["kind"] == kind, accept
        answer = await call(plane.app, "GET", "/api", headers=BOTH)
        assert answer.header("content-type") == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        assert answer.header("vary") == "Accept"

    run(story)


def test_what_has_not_changed_is_not_sent_again_and_a_new_kind_changes_it() -> None:
    definition: dict[str, Any] = {
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [
                {"name": n, "served": True, "storage": n == "v1", "schema": {"openAPIV3Schema": {"type": "object"}}}
                for n in ("foo1", "v1beta1", "v1", "v2alpha1")
            ],
        },
    }

    async def story(plane: Plane) -> None:
        first = await call(plane.app, "GET", "/apis", headers=BOTH)
        same = {**BOTH, "if-none-match": first.header("etag")}
        again = await call(plane.app, "GET", "/apis", headers=same)
        assert (again.code, again.body) == (304, b"")
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        made = await call(plane.app, "POST", path, definition, {"content-type": "application/json"})
        assert made.code == 201, made.body
        changed = await call(plane.app, "GET", "/apis", headers=same)
        assert (changed.code, changed.header("etag") != first.header("etag")) == (200, True)
        group = (await call(plane.app, "GET", "/apis/example.com")).json()
        assert [v["version"] for v in group["versions"]] == ["v1", "v1beta1", "v2alpha1", "foo1"]
        assert group["preferredVersion"]["version"] == "v1"
        assert await _legacy(plane) == {
            key: (kind, namespaced, tuple(sorted(verbs)) if key[0] != "example.com" else _legacy_order(verbs))
            for key, (kind, namespaced, verbs) in (await _aggregated(plane)).items()
        }

    run(story)


def _legacy_order(verbs: tuple[str, ...]) -> tuple[str, ...]:
    # upstream lists the verbs of custom resources in an order of its own
    return (
        ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
        if "list" in verbs
        else verbs
    )


def test_paths_that_are_not_served_are_not_found() -> None:
    async def story(plane: Plane) -> None:
        assert (await call(plane.app, "GET", "/apis/apps/v9")).refusal() == (404, "NotFound")
        assert (await call(plane.app, "GET", "/api/v2")).refusal() == (404, "NotFound")
        assert (await call(plane.app, "GET", "/apis/nobody.example.com")).code == 404
        assert (await call(plane.app, "POST", "/api")).refusal() == (405, "MethodNotAllowed")

    run(story)


@pytest.mark.parametrize(("name", "known"), [("pods", "xPOwRZ+Yhw8="), ("deployments.apps", "8aSe+NMegvE=")])
def test_the_storage_hash_is_upstreams(name: str, known: str) -> None:
    """Values as real clusters print them: clients notice by them that the stored version has changed."""
    from kube_lite.resources.registry import builtin

    resource = builtin().named(name)
    assert resource is not None
    assert storage_hash(resource) == known


@pytest.mark.parametrize(
    ("path", "plural", "singular"),
    [("/api/v1", "pods", "pod"), ("/apis/apps/v1", "deployments", "deployment"), ("/api/v1", "endpoints", "endpoints")],
)
def test_kinds_are_found_by_their_singular_name(path: str, plural: str, singular: str) -> None:
    async def story(plane: Plane) -> None:
        listed = (await call(plane.app, "GET", path)).json()["resources"]
        assert next(entry for entry in listed if entry["name"] == plural)["singularName"] == singular

    run(story)
