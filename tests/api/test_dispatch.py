"""Odd requests: paths, methods, media types and parameters that fit nothing, and the words of their answers."""

from __future__ import annotations

import base64
import json

import pytest

from kube_lite.api.plane import Plane
from tests.api.wire import call, run
from tests.plane import admin

NS = "/api/v1/namespaces/default"
MAPS, PODS = f"{NS}/configmaps", f"{NS}/pods"
JSON = {"content-type": "application/json"}
NO_METHOD = "the server does not allow this method on the requested resource"
NO_PATH = "the server could not find the requested resource"
NOT_A_NUMBER = 'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'


def _token(**content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps({"v": "meta.k8s.io/v1", **content}).encode()).decode().rstrip("=")


async def _small_world(plane: Plane) -> None:
    await admin(plane).create("configmaps", {"metadata": {"name": "a", "labels": {"y": "p"}}}, "default")
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    await admin(plane).create("pods", pod, "default")


@pytest.mark.parametrize(
    ("method", "path", "code", "words"),
    [
        ("HEAD", MAPS, 405, ""),
        ("HEAD", "/api/v1", 405, ""),
        ("HEAD", f"{MAPS}/a/nosuch", 404, ""),
        ("POST", "/version", 405, NO_METHOD),
        ("POST", "/api/v2", 404, NO_PATH),
        ("POST", "/apis/apps/v1", 405, NO_METHOD),
        ("POST", "/api/v1/configmaps/a", 404, NO_PATH),
        ("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews/x", 404, NO_PATH),
        ("POST", "/api/v1/watch/namespaces/default/configmaps", 405, NO_METHOD),
        ("GET", "/api/v1/watch/namespaces/default/pods/p/status", 404, NO_PATH),
        ("PUT", MAPS, 405, NO_METHOD),
        ("GET", f"{PODS}/p/exec?command=ls", 400, "pod p does not have a host assigned"),
        ("GET", f"{NS}/replicationcontrollers/x/scale", 404, 'replicationcontrollers/scale.autoscaling "x" not found'),
        ("GET", "/api/v1/bindings", 404, NO_PATH),
        ("POST", "/apis/authorization.k8s.io/v1/localsubjectaccessreviews", 404, NO_PATH),
        ("GET", f"{MAPS}/..", 400, "Name parameter invalid: \"..\": may not be '..'"),
        ("DELETE", f"{PODS}/.", 400, "Name parameter invalid: \".\": may not be '.'"),
        ("GET", f"{PODS}/a%25b/status", 400, "Name parameter invalid: \"a%b\": may not contain '%'"),
    ],
)
def test_a_path_or_method_that_fits_nothing(method: str, path: str, code: int, words: str) -> None:
    async def story(plane: Plane) -> None:
        await _small_world(plane)
        answer = await call(plane.app, method, path, b"{}" if method in ("POST", "PUT") else b"", JSON)
        assert (answer.code, answer.json()["message"] if answer.body else "") == (code, words)

    run(story)


def test_lists_of_groups_are_given_to_any_method() -> None:
    async def story(plane: Plane) -> None:
        for path in ("/apis", "/apis/apps"):
            assert (await call(plane.app, "POST", path, b"{}", JSON)).code == 200

    run(story)


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ("resourceVersion=abc", 400, NOT_A_NUMBER),
        ("resourceVersion=abc&limit=2", 400, f"invalid resource version: {NOT_A_NUMBER}"),
        ("resourceVersion=abc&resourceVersionMatch=Exact", 400, f"invalid resource version: {NOT_A_NUMBER}"),
        ("limit=", 400, 'strconv.ParseInt: parsing "": invalid syntax'),
        ("watch=1&timeoutSeconds=", 400, 'strconv.ParseInt: parsing "": invalid syntax'),
        ("continue=e30", 400, 'this encoded version ""'),
        ("continue=e30abcdef", 400, "continue key is not valid: illegal base64 data at input byte 8"),
        ("continue=bm90anNvbg", 400, "invalid character 'o' in literal null (expecting 'u')"),
        (f"continue={_token(rv=5, start='')}", 400, "encoded start key empty (version meta.k8s.io/v1)"),
        (f"continue={_token(rv=0, start='a')}", 400, "incorrect encoded start resourceVersion"),
        (f"continue={_token(rv=5, start='../a')}", 400, "continue key is not valid: ../a"),
        ("continue=e30&resourceVersion=1", 400, 'this encoded version ""'),
        ("labelSelector=%22x%22%3D1", 400, r'invalid label key "\"x\"": name part'),
    ],
)
def test_a_parameter_that_makes_no_sense(query: str, code: int, words: str) -> None:
    async def story(plane: Plane) -> None:
        answer = await call(plane.app, "GET", f"{MAPS}?{query}")
        assert answer.code == code
        assert words in answer.json()["message"]

    run(story)


def test_pairs_of_a_query_that_cannot_be_read_are_passed_over() -> None:
    async def story(plane: Plane) -> None:
        await _small_world(plane)
        for query in ("labelSelector=x;y", "labelSelector=%zz", "labelSelector=y%3Dp&limit=%"):
            assert len((await call(plane.app, "GET", f"{MAPS}?{query}")).json()["items"]) == 1

    run(story)


def test_a_watch_that_is_over_before_it_begins_ends_at_once() -> None:
    async def story(plane: Plane) -> None:
        answer = await call(plane.app, "GET", f"{MAPS}?watch=1&timeoutSeconds=-1")
        assert (answer.code, answer.complete) == (200, True)

    run(story)


def test_cluster_scoped_kinds_are_not_selected_by_namespace() -> None:
    async def story(plane: Plane) -> None:
        for plural in ("nodes", "namespaces"):
            answer = await call(plane.app, "GET", f"/api/v1/{plural}?fieldSelector=metadata.namespace%3Dx")
            assert (answer.code, answer.json()["message"]) == (400, "field label not supported: metadata.namespace")
        assert (
            await call(plane.app, "GET", "/api/v1/persistentvolumes?fieldSelector=metadata.namespace%3Dx")
        ).code == 200

    run(story)


@pytest.mark.parametrize(
    ("accept", "query", "words"),
    [
        ("application/*", "", "406: Not Acceptable"),
        ("application/json;stream=foo", "?watch=1", "are accepted: application/json, application/yaml"),
    ],
)
def test_a_form_that_cannot_be_given(accept: str, query: str, words: str) -> None:
    async def story(plane: Plane) -> None:
        answer = await call(plane.app, "GET", f"{MAPS}{query}", headers={"accept": accept})
        assert answer.code == 406
        assert words in answer.json()["message"]

    run(story)


def test_refusals_come_as_yaml_to_who_reads_yaml() -> None:
    async def story(plane: Plane) -> None:
        yaml = {"accept": "application/yaml"}
        missing = await call(plane.app, "GET", f"{MAPS}/none", headers=yaml)
        assert (missing.code, missing.header("content-type")) == (404, "application/yaml")
        assert missing.body.startswith(b"apiVersion: v1\ncode: 404\ndetails:\n  kind: configmaps\n")
        watch = await call(plane.app, "GET", f"{MAPS}?watch=1", headers=yaml)
        assert b"message: 'only the following media types are accepted: application/json;stream=watch" in watch.body

    run(story)


def test_short_words_of_yaml_are_quoted_and_text_with_a_colon_in_single_quotes() -> None:
    async def story(plane: Plane) -> None:
        await _small_world(plane)
        answer = await call(plane.app, "GET", f"{MAPS}/a", headers={"accept": "application/yaml"})
        assert b'"y": p\n' in answer.body

    run(story)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (f"{PODS}/p/eviction", {"kind": "Secret", "apiVersion": "v1"}, "converting (v1.Secret) to (policy.Eviction)"),
        (f"{PODS}/p/eviction", {"metadata": {"generation": "x"}}, "v1beta1.Eviction.ObjectMeta"),
        (MAPS, {"apiVersion": "a/b/c"}, "unexpected GroupVersion string: a/b/c ("),
        (MAPS, {"apiVersion": {}}, "cannot unmarshal object into Go struct field .apiVersion of type string"),
        (MAPS, {"kind": "List", "apiVersion": "v1"}, "converting (v1.List) to (core.ConfigMap)"),
        ("/apis/batch/v1beta1/namespaces/default/cronjobs", {"kind": "Foo"}, 'no kind "Foo" is registered'),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {"kind": "Foo"}, "apiextensions-apiserver/pkg/api"),
    ],
)
def test_a_body_that_is_something_else(path: str, body: dict[str, object], words: str) -> None:
    async def story(plane: Plane) -> None:
        await _small_world(plane)
        answer = await call(plane.app, "POST", path, json.dumps(body).encode(), JSON)
        assert answer.code == 400
        assert words in answer.json()["message"]

    run(story)


def test_owners_named_twice_are_kept_once_with_a_warning() -> None:
    async def story(plane: Plane) -> None:
        owner = {"apiVersion": "v1", "kind": "P", "name": "n", "uid": "u"}
        body = {"metadata": {"name": "b", "ownerReferences": [owner, owner]}}
        answer = await call(plane.app, "POST", MAPS, json.dumps(body).encode(), JSON)
        assert answer.json()["metadata"]["ownerReferences"] == [owner]
        assert "duplicate UID(s) observed: u" in answer.header("warning")

    run(story)


@pytest.mark.parametrize(
    ("path", "warning"),
    [
        (f"{NS}/endpoints", "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
        (f"{NS}/endpoints/none", "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
        ("/api/v1/componentstatuses", "v1 ComponentStatus is deprecated in v1.19+"),
    ],
)
def test_kinds_that_are_to_go_say_so(path: str, warning: str) -> None:
    async def story(plane: Plane) -> None:
        assert (await call(plane.app, "GET", path)).header("warning") == f'299 - "{warning}"'

    run(story)


def test_the_default_namespace_tells_of_a_precondition_in_its_own_words() -> None:
    async def story(plane: Plane) -> None:
        body = json.dumps({"preconditions": {"uid": "x"}}).encode()
        answer = await call(plane.app, "DELETE", "/api/v1/namespaces/default", body, JSON)
        assert answer.code == 409
        assert 'namespaces "default": Precondition failed: UID in precondition: x, UID in' in answer.json()["message"]

    run(story)


def test_questions_have_no_metadata() -> None:
    async def story(plane: Plane) -> None:
        body = {"metadata": {"name": "n"}, "spec": {"resourceAttributes": {"verb": "get"}}}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = await call(plane.app, "POST", path, json.dumps(body).encode(), JSON)
        assert answer.code == 422
        assert 'metadata: Invalid value: v1.ObjectMeta{Name:"n", ' in answer.json()["message"]

    run(story)


@pytest.mark.parametrize(
    ("path", "change", "causes"),
    [
        (f"{MAPS}/a", {"finalizers": ["x"]}, ["metadata.finalizers[0]"] * 2),
        (f"{MAPS}/a", {"generateName": "a/b"}, ["metadata.generateName"] * 2),
        ("/apis/coordination.k8s.io/v1/namespaces/default/leases/l", {"finalizers": ["x"]}, []),
        (
            "/apis/apps/v1/namespaces/default/controllerrevisions/r",
            {"finalizers": ["x"]},
            ["metadata.finalizers[0]"] * 2,
        ),
    ],
)
def test_metadata_is_looked_at_again_in_updates(path: str, change: dict[str, object], causes: list[str]) -> None:
    async def story(plane: Plane) -> None:
        await _small_world(plane)
        await admin(plane).create("leases.coordination.k8s.io", {"metadata": {"name": "l"}}, "default")
        revision = {"metadata": {"name": "r"}, "revision": 1, "data": {}}
        await admin(plane).create("controllerrevisions.apps", revision, "default")
        body = json.dumps({"metadata": change}).encode()
        answer = await call(plane.app, "PATCH", path, body, {"content-type": "application/merge-patch+json"})
        details = answer.json().get("details") or {}
        assert [cause["field"] for cause in details.get("causes") or ()] == causes

    run(story)


def test_a_collection_is_deleted_by_the_page_where_a_limit_says_so() -> None:
    async def story(plane: Plane) -> None:
        for name in "abc":
            await admin(plane).create("leases.coordination.k8s.io", {"metadata": {"name": name}}, "default")
        path = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
        gone = (await call(plane.app, "DELETE", f"{path}?limit=1")).json()
        assert [item["metadata"]["name"] for item in gone["items"]] == ["a"]
        assert gone["metadata"]["remainingItemCount"] == 2
        token = gone["metadata"]["continue"]
        rest = (await call(plane.app, "DELETE", f"{path}?limit=5&continue={token}")).json()
        assert [item["metadata"]["name"] for item in rest["items"]] == ["b", "c"]
        assert (await call(plane.app, "GET", path)).json()["items"] == []

    run(story)


def test_a_dry_run_lets_a_new_object_have_a_revision() -> None:
    async def story(plane: Plane) -> None:
        body = json.dumps({"metadata": {"name": "n", "resourceVersion": "5"}}).encode()
        tried = await call(plane.app, "POST", f"{MAPS}?dryRun=All", body, JSON)
        assert (tried.code, tried.json()["metadata"]["resourceVersion"]) == (201, "5")
        tried = await call(plane.app, "PUT", f"{NS}/endpoints/n?dryRun=All", body, JSON)
        assert (tried.code, tried.json()["metadata"]["resourceVersion"]) == (201, "5")
        assert (await call(plane.app, "POST", MAPS, body, JSON)).code == 400

    run(story)
