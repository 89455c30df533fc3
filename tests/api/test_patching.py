"""PATCH over HTTP: what a patch may make of an object, and server-side apply of objects that are not there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kube_lite.api.plane import Plane
from tests.api.wire import Answer, call, run

CONFIGS = "/api/v1/namespaces/default/configmaps"
MAP = CONFIGS + "/c"
JSON = {"content-type": "application/json"}
MERGE = {"content-type": "application/merge-patch+json"}
STRATEGIC = {"content-type": "application/strategic-merge-patch+json"}
OPERATIONS = {"content-type": "application/json-patch+json"}
APPLY = {"content-type": "application/apply-patch+yaml"}
UNNAMED = "the name of the object (c based on URL) was undeterminable: name must be provided"


async def created(plane: Plane, **data: str) -> dict[str, Any]:
    body = {"metadata": {"name": "c"}, "data": data}
    answer = await call(plane.app, "POST", CONFIGS + "?fieldManager=made", body, JSON)
    assert answer.code == 201
    made: dict[str, Any] = answer.json()
    return made


async def apply(plane: Plane, config: Any, manager: str = "m", path: str = MAP) -> Answer:
    return await call(plane.app, "PATCH", f"{path}?fieldManager={manager}", json.dumps(config).encode(), APPLY)


def config(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, **fields}


def managers(obj: dict[str, Any]) -> list[str]:
    return [entry["manager"] for entry in obj["metadata"].get("managedFields", [])]


@pytest.mark.parametrize(
    ("patch", "code", "told"),
    [
        ({"kind": None}, 200, ""),
        ({"kind": ""}, 200, ""),
        ({"apiVersion": None}, 400, UNNAMED),
        ({"kind": 1}, 422, "json: cannot unmarshal number into Go struct field .kind of type string"),
        ({"metadata": "x"}, 422, "readObjectStart: expect { or n"),
        ({"metadata": []}, 422, "readObjectStart: expect { or n"),
        ({"metadata": {"name": 1}}, 422, 'ReadString: expects " or n'),
        ({"metadata": {"name": None}}, 400, UNNAMED),
        ({"metadata": None}, 400, UNNAMED),
        ({"metadata": {"name": "x"}}, 400, "the name of the object (x) does not match the name on the URL (c)"),
        ({"metadata": {"namespace": None}}, 200, ""),
        ({"metadata": {"namespace": "x"}}, 400, "the namespace of the object (x) does not match"),
    ],
)
def test_a_merge_patch_makes_no_other_object(patch: Any, code: int, told: str) -> None:
    async def story(plane: Plane) -> None:
        await created(plane, a="1")
        answer = await call(plane.app, "PATCH", MAP, patch, MERGE)
        assert (answer.code, told in answer.json().get("message", "")) == (code, True), answer.body

    run(story)


@pytest.mark.parametrize("media", [MERGE, STRATEGIC, OPERATIONS])
def test_that_there_is_nothing_to_patch_is_told_before_what_is_wrong_with_the_patch(media: dict[str, str]) -> None:
    async def story(plane: Plane) -> None:
        for path, code in ((f"{CONFIGS}/nope", 404), (f"{CONFIGS}/..", 400)):
            answer = await call(plane.app, "PATCH", path, b"{", media)
            told = 'configmaps "nope" not found' if code == 404 else "Name parameter invalid: \"..\": may not be '..'"
            assert (answer.code, answer.json()["message"]) == (code, told)

    run(story)


def test_a_strategic_merge_passes_over_another_kind_but_not_over_a_wrong_one() -> None:
    async def story(plane: Plane) -> None:
        await created(plane, a="1")
        assert (await call(plane.app, "PATCH", MAP, {"kind": "Pod", "apiVersion": "v9"}, STRATEGIC)).code == 200
        wrong = await call(plane.app, "PATCH", MAP, {"kind": 1}, STRATEGIC)
        assert (wrong.code, "cannot convert int64 to string" in wrong.json()["message"]) == (422, True)

    run(story)


def test_empty_managed_fields_forget_all_owners() -> None:
    async def story(plane: Plane) -> None:
        made = await created(plane, a="1")
        assert managers(made) == ["made"]
        reset = await call(plane.app, "PATCH", MAP, {"metadata": {"managedFields": []}}, MERGE)
        assert managers(reset.json()) == []
        await apply(plane, config(data={"b": "1"}))
        path = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
        assert managers((await call(plane.app, "PATCH", MAP, path, OPERATIONS)).json()) == []
        applied = (await apply(plane, config(data={"b": "1"}))).json()
        assert managers(applied) == ["m", "before-first-apply"]
        put = {**applied, "metadata": {**applied["metadata"], "managedFields": None}}
        assert managers((await call(plane.app, "PUT", MAP, put, JSON)).json()) == ["m", "before-first-apply"]
        put["metadata"]["managedFields"] = []
        assert managers((await call(plane.app, "PUT", MAP, put, JSON)).json()) == []

    run(story)


def test_applying_a_zero_again_writes_nothing() -> None:
    async def story(plane: Plane) -> None:
        first = (await apply(plane, config(immutable=False, data={"a": ""}))).json()
        again = (await apply(plane, config(immutable=False, data={"a": ""}))).json()
        assert again == first

    run(story)


def test_an_apply_that_creates_passes_over_the_revision() -> None:
    async def story(plane: Plane) -> None:
        for number, revision in enumerate(("7", "0")):
            metadata = {"name": f"c{number}", "resourceVersion": revision}
            made = await apply(plane, config(metadata=metadata), path=f"{CONFIGS}/c{number}")
            assert made.code == 201
        bad = await apply(plane, config(metadata={"name": "c", "resourceVersion": "x"}))
        assert bad.refusal() == (422, "Invalid")
        gone = await apply(plane, config(metadata={"name": "c", "uid": "u"}))
        assert gone.refusal() == (409, "Conflict")

    run(story)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into"),
        ("x", "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into"),
        (None, "Incorrect version specified in apply patch. Specified patch version: , expected: v1"),
        ({"kind": "ConfigMap"}, "Incorrect version specified in apply patch. Specified patch version: , expected: v1"),
        (config(kind="Secret"), "failed to merge config: expected objects of the same type, but got ConfigMap and"),
        (config(metadata="x"), "failed to create typed patch object (/; /v1, Kind=ConfigMap): .metadata: expected map"),
    ],
)
def test_what_is_no_configuration_is_400(body: Any, message: str) -> None:
    async def story(plane: Plane) -> None:
        await created(plane)
        for path in (MAP, CONFIGS + "/new"):
            answer = await apply(plane, body, path=path)
            assert (answer.code, answer.json()["message"][: len(message)]) == (400, message)

    run(story)


TWICE = {
    "yaml": ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  a: x\n  a: y\n", 7),
    "json": ('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"x","a":"y"}}', 1),
}


@pytest.mark.parametrize("form", TWICE)
def test_an_applied_configuration_with_a_key_twice_is_refused_or_warned_of(form: str) -> None:
    text, line = TWICE[form]
    told = f'line {line}: key "a" already set in map'

    async def story(plane: Plane) -> None:
        async def sent(asked: str) -> Answer:
            return await call(plane.app, "PATCH", f"{MAP}?fieldManager=m{asked}", text.encode(), APPLY)

        for there in (False, True):
            refused = await sent("&fieldValidation=Strict")
            message = f"error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  {told}"
            assert (refused.code, refused.json()["message"]) == (400, message)
            warned = await sent("")
            assert (warned.code, warned.header("warning")) == (200 if there else 201, f"299 - {json.dumps(told)}")
        ignored = await sent("&fieldValidation=Ignore")
        assert (ignored.code, ignored.header("warning")) == (200, "")

    run(story)


@pytest.mark.parametrize("kind", [MERGE, STRATEGIC, APPLY])
def test_a_namespace_in_a_patch_of_a_cluster_scoped_object_means_nothing(kind: dict[str, str]) -> None:
    async def story(plane: Plane) -> None:
        await call(plane.app, "POST", "/api/v1/nodes", {"metadata": {"name": "n"}}, JSON)
        patch = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "namespace": "x"}}
        answer = await call(plane.app, "PATCH", "/api/v1/nodes/n?fieldManager=m", json.dumps(patch).encode(), kind)
        assert (answer.code, answer.json()["metadata"].get("namespace")) == (200, None)

    run(story)


def test_the_namespace_of_a_namespace_is_its_name() -> None:
    async def story(plane: Plane) -> None:
        path = "/api/v1/namespaces/default"
        assert (await call(plane.app, "PATCH", path, {"metadata": {"namespace": "default"}}, MERGE)).code == 200
        other = await call(plane.app, "PATCH", path, {"metadata": {"namespace": "x"}}, MERGE)
        message = "the namespace of the object (x) does not match the namespace on the request (default)"
        assert (other.code, other.json()["message"]) == (400, message)

    run(story)


def test_an_object_too_big_with_its_owners_is_kept_without_them_and_not_applied_to() -> None:
    long = "x" * 60
    data = {f"{long}{number}": "" for number in range(12_000)}  # 0.8 MB, and as much again to say who owns it

    async def story(plane: Plane) -> None:
        made = await call(plane.app, "POST", CONFIGS, config(data=data), JSON)
        assert (made.code, managers(made.json())) == (201, [])
        assert (await apply(plane, config())).code == 413
        await call(plane.app, "PATCH", MAP, {"data": None}, MERGE)
        await apply(plane, config(data={"a": "b"}))
        grown = await call(plane.app, "PATCH", MAP, {"data": data}, MERGE)
        assert (grown.code, managers(grown.json())) == (200, [])

    run(story)


def test_who_may_patch_or_update_but_not_create_makes_nothing_new() -> None:
    group = "rbac.authorization.k8s.io"
    panda = {"impersonate-user": "panda"}
    endpoints = "/api/v1/namespaces/default/endpoints"

    async def allow(plane: Plane, *verbs: str) -> None:
        rule = {"verbs": verbs, "apiGroups": [""], "resources": ["configmaps", "endpoints"]}
        role = {"metadata": {"name": verbs[0]}, "rules": [rule]}
        bound = {
            "metadata": {"name": verbs[0]},
            "subjects": [{"kind": "User", "name": "panda", "apiGroup": group}],
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": verbs[0]},
        }
        for path, body in (("clusterroles", role), ("clusterrolebindings", bound)):
            assert (await call(plane.app, "POST", f"/apis/{group}/v1/{path}", body, JSON)).code == 201

    async def story(plane: Plane) -> None:
        async def written() -> list[Answer]:
            applied = await call(plane.app, "PATCH", MAP + "?fieldManager=m", config(), {**APPLY, **panda})
            body = {"metadata": {"name": "e"}}
            return [applied, await call(plane.app, "PUT", endpoints + "/e", body, {**JSON, **panda})]

        await allow(plane, "patch", "update")
        refused = await written()
        assert [answer.refusal() for answer in refused] == [(403, "Forbidden")] * 2
        told = 'configmaps "c" is forbidden: User "panda" cannot create resource "configmaps" in API group "" '
        assert refused[0].json()["message"] == told + 'in the namespace "default"'
        await allow(plane, "create")
        assert [answer.code for answer in await written()] == [201, 201]

    run(story)


@pytest.mark.parametrize(
    ("path", "kind", "spec", "kept"),
    [
        (
            "flowcontrol.apiserver.k8s.io/v1/flowschemas",
            "FlowSchema",
            {"priorityLevelConfiguration": {"name": "x"}},
            [],
        ),
        (
            "apps/v1/namespaces/default/deployments",
            "Deployment",
            {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": [{"name": "c", "image": "i"}]},
                },
            },
            ["annotations"],
        ),
    ],
)
def test_a_status_keeps_the_metadata_that_its_kind_resets(path: str, kind: str, spec: Any, kept: list[str]) -> None:
    version = path.partition("/namespaces")[0].removesuffix("/flowschemas")
    named = {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}}
    changed = {**named, "metadata": {"name": "x", "labels": {"k": "v"}, "annotations": {"k": "v"}}}

    async def story(plane: Plane) -> None:
        made = await call(plane.app, "POST", f"/apis/{path}", {**named, "spec": spec}, JSON)
        assert made.code == 201, made.body
        answer = await apply(plane, changed, path=f"/apis/{path}/x/status")
        metadata = answer.json()["metadata"]
        assert [name for name in ("labels", "annotations") if name in metadata] == kept
        owned = [entry["fieldsV1"] for entry in metadata["managedFields"] if entry["manager"] == "m"]
        assert owned == [{"f:metadata": {f"f:{name}": {"f:k": {}} for name in kept}}] * bool(kept)

    run(story)
