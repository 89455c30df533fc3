"""Server-side apply of a Scale: the parent knows who owns the number of replicas."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kube_lite.api.plane import Plane
from kube_lite.api.scale_apply import of_parent, of_scale
from tests.api.wire import Answer, call, run
from tests.plane import admin
from tests.test_cluster import DEPLOYMENT

PARENT = "/apis/apps/v1/namespaces/default/deployments/web"
MERGE = {"content-type": "application/merge-patch+json"}
STRATEGIC = {"content-type": "application/strategic-merge-patch+json"}
APPLY = {"content-type": "application/apply-patch+yaml"}
REPLICAS: dict[str, Any] = {"f:spec": {"f:replicas": {}}}


def scale(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": spec}


async def apply(plane: Plane, body: Any, manager: str, **query: str) -> Answer:
    asked = "".join(f"&{name}={value}" for name, value in query.items())
    path = f"{PARENT}/scale?fieldManager={manager}{asked}"
    return await call(plane.app, "PATCH", path, json.dumps(body).encode(), APPLY)


async def owners(plane: Plane) -> dict[str, str]:
    """Who owns the replicas, and by which subresource."""
    parent = json.loads(await admin(plane).get("deployments.apps", "web", "default"))
    entries = parent["metadata"]["managedFields"]
    held = [e for e in entries if "f:replicas" in e["fieldsV1"].get("f:spec", {})]
    return {e["manager"]: e.get("subresource", "") for e in held}


def test_the_replicas_change_hands() -> None:
    async def story(plane: Plane) -> None:
        await admin(plane).create("deployments.apps", DEPLOYMENT, "default")
        (maker,) = await owners(plane)
        refused = await apply(plane, scale(replicas=7), "hpa")
        assert refused.refusal() == (409, "Conflict")
        message = f'Apply failed with 1 conflict: conflict with "{maker}" using autoscaling/v1: .spec.replicas'
        assert refused.json()["message"] == message
        taken = await apply(plane, scale(replicas=7), "hpa", force="true")
        assert (taken.code, taken.json()["spec"]) == (200, {"replicas": 7})
        assert await owners(plane) == {"hpa": "scale"}
        other = await apply(plane, scale(replicas=8), "other")
        assert 'conflict with "hpa" with subresource "scale": .spec.replicas' in other.json()["message"]
        assert (await apply(plane, scale(replicas=7), "other")).code == 200
        assert await owners(plane) == {"hpa": "scale", "other": "scale"}
        await call(plane.app, "PATCH", f"{PARENT}/scale?fieldManager=hand", {"spec": {"replicas": 2}}, MERGE)
        assert await owners(plane) == {"hand": ""}

    run(story)


def test_a_scale_that_is_none_is_refused() -> None:
    async def story(plane: Plane) -> None:
        await admin(plane).create("deployments.apps", DEPLOYMENT, "default")
        assert (await apply(plane, scale(frob=1), "m")).refusal() == (400, "BadRequest")
        assert (await apply(plane, {**scale(), "apiVersion": "v1"}, "m")).refusal() == (400, "BadRequest")
        unsaid = await call(plane.app, "PATCH", PARENT + "/scale", json.dumps(scale()).encode(), APPLY)
        assert unsaid.refusal() == (422, "Invalid")
        for patch, code in (
            ({"kind": "x"}, 422),
            ({"spec": {"replicas": "x"}}, 422),
            ({"metadata": {"name": "x"}}, 400),
        ):
            assert (await call(plane.app, "PATCH", PARENT + "/scale", patch, MERGE)).code == code, patch

    run(story)


def test_owners_are_told_in_the_words_of_either_object() -> None:
    made = {
        "manager": "a",
        "operation": "Update",
        "apiVersion": "apps/v1",
        "fieldsV1": {"f:spec": {"f:paused": {}, "f:replicas": {}}},
    }
    other = {"manager": "b", "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": {"f:spec": {"f:paused": {}}}}
    path = ("spec", "replicas")
    (shown,) = of_scale([made, other], path)
    assert shown == {"manager": "a", "operation": "Update", "apiVersion": "autoscaling/v1", "fieldsV1": REPLICAS}
    assert of_parent([made, other], [shown], path, "apps/v1") == [other, made]
    taker = {**shown, "manager": "c", "operation": "Apply", "subresource": "scale"}
    left = {**made, "fieldsV1": {"f:spec": {"f:paused": {}}}}
    assert of_parent([made, other], [taker], path, "apps/v1") == [other, {**taker, "apiVersion": "apps/v1"}, left]


NO_TEXT = "json: cannot unmarshal array into Go struct field .apiVersion of type string"


@pytest.mark.parametrize(
    ("patch", "kind", "code", "told"),
    [
        ({"apiVersion": []}, MERGE, 422, f"couldn't get version/kind; json parse error: {NO_TEXT}"),
        ({"apiVersion": None}, MERGE, 400, "the name of the object (web based on URL) was undeterminable"),
        ({"kind": "X"}, MERGE, 422, 'no kind "X" is registered for version "autoscaling/v1"'),
        ({"spec": {"replicas": "a"}}, MERGE, 422, "v1.Scale.Spec: v1.ScaleSpec.Replicas: readUint32"),
        ({"spec": {"replicas": "a"}}, STRATEGIC, 422, ": unrecognized type: int32"),
        ({"spec": {"foo": 1}}, MERGE, 422, 'strict decoding error: unknown field "spec.foo"'),
    ],
)
def test_a_patch_that_makes_no_scale_is_refused(patch: Any, kind: dict[str, str], code: int, told: str) -> None:
    async def story(plane: Plane) -> None:
        await admin(plane).create("deployments.apps", DEPLOYMENT, "default")
        answer = await call(plane.app, "PATCH", f"{PARENT}/scale?fieldValidation=Strict", patch, kind)
        assert (answer.code, told in answer.json()["message"]) == (code, True), answer.body

    run(story)


def test_a_scale_of_an_earlier_object_is_a_conflict() -> None:
    async def story(plane: Plane) -> None:
        await admin(plane).create("deployments.apps", DEPLOYMENT, "default")
        body = {"metadata": {"name": "web", "uid": "x"}, "spec": {"replicas": 1}}
        patched = await call(plane.app, "PATCH", f"{PARENT}/scale", body, MERGE)
        message = 'Operation cannot be fulfilled on deployments/scale.apps "web": Precondition failed: UID in'
        assert (patched.refusal(), message in patched.json()["message"]) == ((409, "Conflict"), True)
        put = await call(plane.app, "PUT", f"{PARENT}/scale", body, {"content-type": "application/json"})
        message = 'Operation cannot be fulfilled on deployments.apps "web": StorageError: invalid object, Code: 4'
        assert (put.refusal(), message in put.json()["message"]) == ((409, "Conflict"), True)

    run(story)
