"""Custom resources: served at once, stored by version, converted, gone with their definition."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import pytest

from kube_lite import clock, errors
from kube_lite.api import crds, verbs
from kube_lite.api.admission.plugin import Objects
from kube_lite.api.admission.webhook_call import CallFailed, WebhookCaller
from kube_lite.api.large import LARGE
from kube_lite.api.local import LocalClient
from kube_lite.api.plane import Plane, PlaneOptions
from kube_lite.resources.meta import Obj
from kube_lite.resources.schema import Type
from kube_lite.resources.structural import rules
from kube_lite.store.memory import MemoryStore
from tests.api.wire import call, opened
from tests.plane import admin, started_plane

CRDS = "customresourcedefinitions"
SIZE: Obj = {"type": "object", "properties": {"size": {"type": "integer"}}}
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}

JSON = {"content-type": "application/json"}
MERGE = {"content-type": "application/merge-patch+json"}

Story = Callable[[Plane, LocalClient], Awaitable[None]]


def _run(story: Story, plane: Plane | None = None) -> None:
    async def told() -> None:
        served = plane or await started_plane()
        if plane is not None:
            await plane.start()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(served.run)
            await story(served, admin(served))
            tasks.cancel_scope.cancel()

    clock.run_virtual(told())


def _version(name: str, schema: Mapping[str, Any], *, storage: bool = False, **more: Any) -> Obj:
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}, **more}


def _schema(**properties: Any) -> Obj:
    return {"type": "object", "properties": properties}


def _crd(*versions: Obj, plural: str = "foos", kind: str = "Foo", **spec: Any) -> Obj:
    return {
        "metadata": {"name": f"{plural}.ex.io"},
        "spec": {
            "group": "ex.io",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, "shortNames": [plural[:2]]},
            "versions": list(versions),
            **spec,
        },
    }


def _foo(name: str, version: str = "v1", **spec: Any) -> Obj:
    return {"apiVersion": f"ex.io/{version}", "kind": "Foo", "metadata": {"name": name}, "spec": spec}


async def _conditions(client: LocalClient, name: str = "foos.ex.io") -> dict[str, str]:
    await anyio.sleep(0.1)
    crd = json.loads(await client.get(CRDS, name))
    return {c["type"]: c["status"] for c in crd["status"].get("conditions") or ()}


def test_an_object_can_be_made_as_soon_as_the_definition_is_answered() -> None:
    async def story(plane: Plane, client: LocalClient) -> None:
        await client.create(CRDS, _crd(_version("v1", _schema(spec=SIZE), storage=True)))
        made = json.loads(await client.create("foos.ex.io", _foo("a", size=1, unknown=2), "default"))
        assert made["spec"] == {"size": 1}, "what the schema does not name is pruned"
        assert made["metadata"]["generation"] == 1
        assert plane.discovery.resources("ex.io", "v1") is not None
        assert await _conditions(client) == {"NamesAccepted": "True", "Established": "True"}

    _run(story)


def test_a_large_definition_is_compiled_beside_the_loop_and_served_once_established(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """30,000 fields held everybody up for four seconds."""
    beside: list[int] = []

    async def slowly(size: int, call: Callable[..., Any], *args: Any) -> Any:
        beside.append(size)
        await anyio.sleep(5)
        return call(*args)

    many = {f"p{number}": {"type": "string"} for number in range(crds.AT_ONCE)}
    large = _crd(_version("v1", _schema(spec=_schema(**many)), storage=True))

    async def story(plane: Plane, client: LocalClient) -> None:
        monkeypatch.setattr(crds, "beside", slowly)
        await client.create(CRDS, large)
        assert await _conditions(client) == {}
        with pytest.raises(errors.NotFound):
            await client.create("foos.ex.io", _foo("a"), "default")
        await anyio.sleep(6)
        assert (await _conditions(client))["Established"] == "True"
        assert "p1" in json.loads(await client.create("foos.ex.io", _foo("a", p1="x"), "default"))["spec"]
        del many["p1"]
        many.update({"q1": {"type": "string"}, "q2": {"type": "string"}})
        schema = _schema(spec=_schema(**many))
        await client.patch(CRDS, "foos.ex.io", {"spec": {"versions": [_version("v1", schema, storage=True)]}})
        await client.create("foos.ex.io", _foo("b", p1="x"), "default")  # as before, until the new one is compiled
        await anyio.sleep(6)
        assert json.loads(await client.create("foos.ex.io", _foo("c", p1="x", q1="y"), "default"))["spec"] == {
            "q1": "y"
        }
        await client.delete(CRDS, "foos.ex.io")
        await anyio.sleep(6)
        with pytest.raises(errors.NotFound):
            await client.get(CRDS, "foos.ex.io")
        assert len(beside) == 2
        assert min(beside) >= LARGE

    _run(story)


def test_rules_with_loops_in_loops_are_evaluated_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes of numbers made them take seconds."""
    sizes: list[int] = []

    async def noted(size: int, call: Callable[..., Any], *args: Any) -> Any:
        sizes.append(size)
        return call(*args)

    async def story(plane: Plane, client: LocalClient) -> None:
        rule = {"rule": "self.all(x, self.all(y, x + y >= 0))"}
        numbers = {"type": "array", "maxItems": 9, "items": {"type": "integer"}, "x-kubernetes-validations": [rule]}
        await client.create(CRDS, _crd(_version("v1", _schema(spec=_schema(n=numbers)), storage=True)))
        monkeypatch.setattr(verbs, "beside", noted)
        await client.create("foos.ex.io", _foo("a", n=[1]), "default")
        assert max(sizes) == LARGE
        monkeypatch.setattr(rules, "OBJECT_SECONDS", -1.0)
        with pytest.raises(errors.Invalid, match="running out of cost budget"):
            await client.create("foos.ex.io", _foo("b", n=[1]), "default")

    _run(story)


def test_definitions_are_served_again_after_a_restart() -> None:
    store = MemoryStore()

    async def first(plane: Plane, client: LocalClient) -> None:
        await client.create(CRDS, _crd(_version("v1", _schema(spec=SIZE), storage=True)))
        await client.create("foos.ex.io", _foo("a", size=1), "default")

    async def second(plane: Plane, client: LocalClient) -> None:
        assert json.loads(await client.get("fo", "a", "default"))["spec"] == {"size": 1}

    _run(first, Plane(store, PlaneOptions(), random.Random(0)))
    _run(second, Plane(store, PlaneOptions(), random.Random(0)))


def test_a_name_that_is_taken_is_not_accepted_until_it_is_free() -> None:
    async def story(plane: Plane, client: LocalClient) -> None:
        version = _version("v1", OPEN, storage=True)
        await client.create(CRDS, _crd(version))
        await client.create(CRDS, _crd(version, plural="bars", kind="Foo"))
        assert await _conditions(client, "bars.ex.io") == {"NamesAccepted": "False", "Established": "False"}
        assert plane.registry.at("ex.io", "v1", "bars") is None
        await client.delete(CRDS, "foos.ex.io")
        assert await _conditions(client, "bars.ex.io") == {"NamesAccepted": "True", "Established": "True"}
        assert plane.registry.at("ex.io", "v1", "bars") is not None

    _run(story)


def test_a_definition_waits_for_the_finalizers_of_its_objects() -> None:
    async def story(plane: Plane, client: LocalClient) -> None:
        await client.create(CRDS, _crd(_version("v1", OPEN, storage=True)))
        held = _foo("held")
        held["metadata"]["finalizers"] = ["a.io/x"]
        await client.create("foos.ex.io", held, "default")
        await client.create("foos.ex.io", _foo("free"), "default")
        await client.delete(CRDS, "foos.ex.io")
        assert (await _conditions(client))["Terminating"] == "True"
        with pytest.raises(errors.NotFound):
            await client.get("foos.ex.io", "free", "default")
        with pytest.raises(errors.MethodNotAllowed, match="create not allowed while"):
            await client.create("foos.ex.io", _foo("new"), "default")
        await client.patch("foos.ex.io", "held", {"metadata": {"finalizers": None}}, "default")
        await anyio.sleep(0.1)
        with pytest.raises(errors.NotFound):
            await client.get(CRDS, "foos.ex.io")
        assert plane.registry.at("ex.io", "v1", "foos") is None

    _run(story)


def test_the_last_finalizer_s_removal_answers_the_object_as_it_was_stored_last() -> None:
    async def story(plane: Plane, client: LocalClient) -> None:
        await client.create(CRDS, _crd(_version("v1", OPEN, storage=True)))
        held = _foo("a")
        held["metadata"]["finalizers"] = ["x.io/y"]
        made = json.loads(await client.create("foos.ex.io", held, "default"))["metadata"]
        await client.delete("foos.ex.io", "a", "default")
        marked = json.loads(await client.get("foos.ex.io", "a", "default"))["metadata"]
        assert marked["generation"] == made["generation"] + 1
        answer = await client.patch("foos.ex.io", "a", {"metadata": {"finalizers": None}}, "default")
        gone = json.loads(answer)["metadata"]
        assert "finalizers" not in gone
        assert gone["resourceVersion"] == marked["resourceVersion"]

    _run(story)


def test_status_is_written_through_its_subresource_alone() -> None:
    async def story(plane: Plane, client: LocalClient) -> None:
        version = _version("v1", OPEN, storage=True, subresources={"status": {}})
        await client.create(CRDS, _crd(version))
        made = json.loads(await client.create("foos.ex.io", {**_foo("a", n=1), "status": {"x": 1}}, "default"))
        assert "status" not in made
        change = {"status": {"x": 2}, "spec": {"n": 5}, "metadata": {"labels": {"l": "v"}}}
        await client.patch("foos.ex.io", "a", change, "default", subresource="status")
        found = json.loads(await client.get("foos.ex.io", "a", "default"))
        assert (found["status"], found["spec"], found["metadata"]["generation"]) == ({"x": 2}, {"n": 1}, 1)
        assert "labels" not in found["metadata"]

    _run(story)


def test_each_version_shows_its_own_fields_and_the_defaults_of_the_one_that_is_stored() -> None:
    async def story(plane: Plane, client: LocalClient) -> None:
        def fields(**defaults: Any) -> Obj:
            texts = {name: {"type": "string"} for name in ("old", "new") if name not in defaults}
            return _schema(spec=_schema(size={"type": "integer"}, **texts, **defaults))

        old = _version("v1", fields(old={"type": "string", "default": "o"}), storage=True)
        new = _version("v2", fields(new={"type": "string", "default": "n"}))
        await client.create(CRDS, _crd(old, new))
        await client.create("foos.v1.ex.io", _foo("a", size=1), "default")
        shown = json.loads(await client.get("foos.v2.ex.io", "a", "default"))
        assert (shown["apiVersion"], shown["spec"]) == ("ex.io/v2", {"size": 1, "old": "o"})
        made = json.loads(await client.create("foos.v2.ex.io", _foo("b", "v2", size=2), "default"))
        assert made["spec"] == {"size": 2, "old": "o", "new": "n"}
        listed = await client.list("foos.v1.ex.io", "default")
        assert [json.loads(item)["spec"] for item in listed.items] == [{"size": 1, "old": "o"}, made["spec"]]

    _run(story)


def test_objects_outlive_a_change_of_the_stored_version() -> None:
    async def story(plane: Plane, client: LocalClient) -> None:
        versions = [_version("v1", OPEN, storage=True), _version("v2", OPEN)]
        await client.create(CRDS, _crd(*versions))
        await client.create("foos.v1.ex.io", _foo("a", size=1), "default")
        swapped = [{**versions[0], "storage": False}, {**versions[1], "storage": True}]
        await client.patch(CRDS, "foos.ex.io", {"spec": {"versions": swapped}})
        for version in ("v1", "v2"):
            found = json.loads(await client.get(f"foos.{version}.ex.io", "a", "default"))
            assert (found["apiVersion"], found["spec"]) == (f"ex.io/{version}", {"size": 1})
        crd = json.loads(await client.get(CRDS, "foos.ex.io"))
        assert crd["status"]["storedVersions"] == ["v1", "v2"]

    _run(story)


def test_a_default_added_later_shows_on_objects_made_before() -> None:
    async def story(plane: Plane, client: LocalClient) -> None:
        await client.create(CRDS, _crd(_version("v1", _schema(spec=SIZE), storage=True)))
        await client.create("foos.ex.io", _foo("a"), "default")
        later = {"type": "object", "properties": {"size": {"type": "integer", "default": 9}}}
        changed = [_version("v1", _schema(spec=later), storage=True)]
        await client.patch(CRDS, "foos.ex.io", {"spec": {"versions": changed}})
        assert json.loads(await client.get("foos.ex.io", "a", "default"))["spec"] == {"size": 9}

    _run(story)


def test_selectable_fields_select_also_what_was_there_before_a_restart() -> None:
    store = MemoryStore()
    fields = [{"jsonPath": ".spec.color"}]
    schema = _schema(spec={"type": "object", "properties": {"color": {"type": "string"}}})

    async def first(plane: Plane, client: LocalClient) -> None:
        await client.create(CRDS, _crd(_version("v1", schema, storage=True, selectableFields=fields)))
        for color in ("red", "blue"):
            await client.create("foos.ex.io", _foo(color, color=color), "default")

    async def second(plane: Plane, client: LocalClient) -> None:
        found = await client.list("foos.ex.io", "default", field_selector="spec.color=red")
        assert [json.loads(item)["metadata"]["name"] for item in found.items] == ["red"]

    _run(first, Plane(store, PlaneOptions(), random.Random(0)))
    _run(second, Plane(store, PlaneOptions(), random.Random(0)))


class _Webhook(WebhookCaller):
    """A webhook whose v2 calls ``size`` ``length``; it may be down."""

    def __init__(self) -> None:
        super().__init__(random.Random(0))
        self.asked = 0
        self.down = False
        self.spoiled: Obj = {}
        """What it answers instead of the truth: parts of the review, its response, and (``made``) of objects."""

    async def post(self, config: Mapping[str, Any], body: Obj, timeout: float, objects: Objects, type_: Type) -> Any:
        """See ``WebhookCaller``."""
        if self.down:
            raise CallFailed("connection refused")
        self.asked += 1
        request = body["request"]
        wanted = request["desiredAPIVersion"]
        names = ("length", "size") if wanted.endswith("v1") else ("size", "length")
        converted = []
        for obj in request["objects"]:
            spec = {names[1] if k == names[0] else k: v for k, v in obj["spec"].items()}
            made = {**obj, "apiVersion": wanted, "spec": spec, **self.spoiled.get("made", {})}
            converted.append({**made, "metadata": {**obj["metadata"], **made["metadata"]}})
        response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": converted}
        spoiled = self.spoiled.get("response", {})
        return {
            **body,
            "kind": self.spoiled.get("kind", "ConversionReview"),
            "response": None if spoiled is None else {**response, **spoiled},
        }


def _numbers(name: str) -> Obj:
    """A schema that knows one field of the spec: what the other version calls it is pruned."""
    spec = {"type": "object", "properties": {name: {"type": "integer"}}}
    return {"type": "object", "properties": {"spec": spec}}


def _with_webhook() -> tuple[Plane, _Webhook, Obj]:
    plane, webhook = Plane(MemoryStore(), PlaneOptions(), random.Random(0)), _Webhook()
    plane.custom_resources.caller = webhook
    config = {"clientConfig": {"url": "https://hook.example.com/"}, "conversionReviewVersions": ["v1"]}
    versions = [_version("v1", _numbers("size"), storage=True), _version("v2", _numbers("length"))]
    return plane, webhook, _crd(*versions, conversion={"strategy": "Webhook", "webhook": config})


def test_a_webhook_converts_what_is_read_and_written_in_another_version() -> None:
    plane, webhook, crd = _with_webhook()

    async def story(plane: Plane, client: LocalClient) -> None:
        await client.create(CRDS, crd)
        made = json.loads(await client.create("foos.v2.ex.io", _foo("a", "v2", length=3), "default"))
        assert (made["apiVersion"], made["spec"]) == ("ex.io/v2", {"length": 3})
        asked = webhook.asked
        found = json.loads(await client.get("foos.v1.ex.io", "a", "default"))
        assert (found["spec"], webhook.asked) == ({"size": 3}, asked), "it is stored in v1: nobody is asked"
        await client.patch("foos.v2.ex.io", "a", {"spec": {"length": 4}}, "default")
        listed = await client.list("foos.v2.ex.io", "default")
        assert json.loads(listed.items[0])["spec"] == {"length": 4}
        async with client.watch("foos.v2.ex.io", "default") as events:
            first = await anext(aiter(events))
        assert json.loads(first[0].object)["spec"] == {"length": 4}

    _run(story, plane)


@pytest.mark.parametrize(
    ("review", "told"),
    [
        (
            {"kind": "Other"},
            "failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got ",
        ),
        ({"response": None}, "failed: no response provided"),
        ({"response": {"uid": "x"}}, 'failed: expected response.uid="'),
        ({"response": {"result": {"status": "Failure", "message": "no way"}}}, "failed: no way"),
        ({"response": {"result": {}}}, "failed: response.result.status was '', not 'Success'"),
        ({"response": {"convertedObjects": []}}, "returned 0 objects, expected 1"),
        ({"made": {"kind": "Bar"}}, "at index 0: invalid kind (expected Foo, received Bar)"),
        ({"made": {"apiVersion": "ex.io/v9"}}, "invalid groupVersion (expected ex.io/v2, received ex.io/v9)"),
        ({"made": {"metadata": {"name": "b"}}}, "at index 0: must have the same name: a != b"),
        ({"made": {"metadata": {"uid": "42"}}}, "must have the same UID: "),
        (
            {"made": {"metadata": {"labels": {"a": "x y"}}}},
            "returned invalid metadata in object at index 0: metadata.labels",
        ),
        ({"made": {"metadata": {"annotations": {"a": 1}}}}, "metadata.annotations[a] must be a string"),
    ],
)
def test_what_a_webhook_may_not_answer(review: Obj, told: str) -> None:
    plane, webhook, crd = _with_webhook()
    webhook.spoiled = review

    async def story(plane: Plane, client: LocalClient) -> None:
        await client.create(CRDS, crd)
        await client.create("foos.v1.ex.io", _foo("a", size=3), "default")
        for asked in (
            client.get("foos.v2.ex.io", "a", "default"),
            client.list("foos.v2.ex.io", "default"),
            client.patch("foos.v2.ex.io", "a", {"metadata": {"labels": {"x": "y"}}}, "default"),
            client.delete("foos.v2.ex.io", "a", "default"),
        ):
            with pytest.raises(errors.InternalError) as refused:
                await asked
            assert told in str(refused.value)

    _run(story, plane)


def test_a_webhook_changes_labels_and_annotations_and_nothing_else_of_metadata() -> None:
    plane, webhook, crd = _with_webhook()
    meta = {"labels": {"l": "1"}, "annotations": {"a": "2"}, "finalizers": ["x.io/y"], "generation": 42, "odd": 1}
    webhook.spoiled = {"made": {"metadata": meta}}

    async def story(plane: Plane, client: LocalClient) -> None:
        await client.create(CRDS, crd)
        await client.create("foos.v1.ex.io", _foo("a", size=3), "default")
        found = json.loads(await client.get("foos.v2.ex.io", "a", "default"))["metadata"]
        assert (found["labels"], found["annotations"], found["generation"]) == ({"l": "1"}, {"a": "2"}, 1)
        assert not {"finalizers", "odd"} & set(found)

    _run(story, plane)


def test_a_webhook_that_is_down_fails_the_request_and_nothing_else() -> None:
    plane, webhook, crd = _with_webhook()

    async def story(plane: Plane, client: LocalClient) -> None:
        await client.create(CRDS, crd)
        await client.create("foos.v1.ex.io", _foo("a", size=3), "default")
        webhook.down = True
        with pytest.raises(
            errors.InternalError, match=r"conversion webhook for ex\.io/v1, Kind=Foo failed: connection"
        ):
            await client.get("foos.v2.ex.io", "a", "default")
        assert json.loads(await client.get("foos.v1.ex.io", "a", "default"))["spec"] == {"size": 3}

    _run(story, plane)


def test_requests_that_fit_no_part_of_a_definition() -> None:
    async def story(plane: Plane, client: LocalClient) -> None:
        scale = {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}
        version = _version("v1", _schema(spec=OPEN, status=OPEN), storage=True, subresources={"scale": scale})
        await client.create(CRDS, _crd(version))
        await anyio.sleep(0.1)
        path = "/apis/ex.io/v1/namespaces/default/foos"
        made = await call(plane.app, "POST", path, json.dumps(_foo("a", n=2)).replace("2", "2.0").encode(), JSON)
        assert (made.code, b'"n":2}' in made.body) == (201, True)
        missing = await call(plane.app, "GET", f"{path}/a/status")
        assert (missing.code, missing.json()["message"]) == (404, 'foos.ex.io "a" not found')
        odd = await call(plane.app, "GET", f"{path}?fieldSelector=spec.x%3D1")
        assert (odd.code, odd.json()["message"]) == (400, "field label not supported: spec.x")
        assert (await call(plane.app, "POST", path, json.dumps(_foo("b", n=1.5)).encode(), JSON)).code == 422
        assert (await call(plane.app, "PATCH", f"{path}/a", b'{"spec": null}', MERGE)).code == 200
        assert (await call(plane.app, "GET", f"{path}/a/scale")).code == 500
        scaled = await call(plane.app, "PATCH", f"{path}/a/scale", b'{"spec": {"replicas": 3}}', MERGE)
        assert scaled.json()["spec"] == {"replicas": 3}
        status = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/foos.ex.io/status"
        assert (await call(plane.app, "PATCH", status, b'{"status": {"storedVersions": ["v9"]}}', MERGE)).code == 200
        gone = await call(plane.app, "DELETE", path)
        assert gone.json()["metadata"]["continue"] == ""

    _run(story)


def test_objects_of_every_stored_version_go_with_their_definition_though_its_webhook_is_down() -> None:
    plane, webhook, crd = _with_webhook()

    async def story(plane: Plane, client: LocalClient) -> None:
        await client.create(CRDS, crd)
        await client.create("foos.v1.ex.io", _foo("a", size=3), "default")
        versions = [{**v, "storage": v["name"] == "v2"} for v in crd["spec"]["versions"]]
        await client.patch(CRDS, crd["metadata"]["name"], {"spec": {"versions": versions}})
        await client.create("foos.v2.ex.io", _foo("b", "v2", length=3), "default")
        webhook.down = True
        await client.delete(CRDS, crd["metadata"]["name"])
        await anyio.sleep(5)
        with pytest.raises(errors.NotFound):
            await client.get(CRDS, crd["metadata"]["name"])

    _run(story, plane)


def test_what_a_schema_refuses_is_let_be_where_it_was_already() -> None:
    async def story(plane: Plane, client: LocalClient) -> None:
        await client.create(CRDS, _crd(_version("v1", _schema(spec=OPEN), storage=True)))
        await anyio.sleep(0.1)
        path = "/apis/ex.io/v1/namespaces/default/foos"
        made = await call(plane.app, "POST", path, json.dumps(_foo("a", n=5, empty=None)).encode(), JSON)
        assert made.json()["spec"] == {"n": 5, "empty": None}
        rule = {"rule": "self < 3", "message": "too many"}
        properties = {"n": {"type": "integer", "x-kubernetes-validations": [rule]}, "s": {"type": "string"}}
        strict = _schema(spec={"type": "object", "properties": properties})
        versions = [_version("v1", strict, storage=True)]
        await client.patch(CRDS, "foos.ex.io", {"spec": {"versions": versions}})
        await anyio.sleep(0.1)
        kept = await call(plane.app, "PATCH", f"{path}/a", b'{"spec": {"s": "x"}}', MERGE)
        assert (kept.code, kept.json()["spec"]) == (200, {"n": 5, "s": "x"})
        refused = await call(plane.app, "PATCH", f"{path}/a", b'{"spec": {"n": 6}}', MERGE)
        assert (refused.code, "too many" in refused.json()["message"]) == (422, True)
        odd = await call(plane.app, "PATCH", f"{path}/a", b'{"metadata": {"finalizers": ["odd"]}}', MERGE)
        assert [v for k, v in odd.headers if k == "warning" and "finalizer" in v]

    _run(story)


def test_an_empty_map_of_dependencies_is_refused_and_none_is_not() -> None:
    async def story(plane: Plane, client: LocalClient) -> None:
        for dependencies, code in (({}, 422), (None, 201)):
            crd = _crd(_version("v1", {"type": "object", "dependencies": dependencies}, storage=True))
            path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            answer = await call(plane.app, "POST", path, json.dumps(crd).encode(), JSON)
            assert answer.code == code, answer.json()

    _run(story)


def test_a_write_that_changes_nothing_stores_what_a_definition_has_become_since() -> None:
    async def story(plane: Plane, client: LocalClient) -> None:
        old, new = _schema(n={"type": "integer"}), _schema(n={"type": "integer", "default": 1})
        await client.create(CRDS, _crd(_version("v1", old, storage=True), _version("v2", old)))
        await anyio.sleep(0.1)
        path = "/apis/ex.io/v1/namespaces/default/foos/a"
        made = json.loads(await client.create("foos.v1.ex.io", _foo("a"), "default"))
        stored = {"versions": [_version("v1", new), _version("v2", new, storage=True)]}
        await client.patch(CRDS, "foos.ex.io", {"spec": stored})
        await anyio.sleep(0.1)
        read = await call(plane.app, "GET", path)
        assert read.json()["n"] == 1
        assert read.json()["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
        written = (await call(plane.app, "PUT", path, read.body, JSON)).json()["metadata"]
        assert written["resourceVersion"] != made["metadata"]["resourceVersion"]
        assert written["generation"] == 1
        again = (await call(plane.app, "PATCH", path, b"{}", MERGE)).json()["metadata"]
        assert again["resourceVersion"] == written["resourceVersion"]
        versions = [_version("v1", old), _version("v2", old, storage=True)]
        await client.patch(CRDS, "foos.ex.io", {"spec": {"versions": versions}})
        await anyio.sleep(0.1)
        assert (await call(plane.app, "GET", path)).json()["n"] == 1
        gone = await call(plane.app, "DELETE", path, b"", {"accept": "application/yaml"})
        assert gone.body.startswith(b"apiVersion: v1")

    _run(story)


def test_watches_end_when_a_definition_changes_or_goes_after_what_they_have_to_tell() -> None:
    async def story(plane: Plane, client: LocalClient) -> None:
        await client.create(CRDS, _crd(_version("v1", _schema(), storage=True), _version("v2", _schema())))
        await anyio.sleep(0.1)
        await client.create("foos.v1.ex.io", _foo("a"), "default")
        path = "/apis/ex.io/{}/namespaces/default/foos?watch=1"
        async with opened(plane.app, path.format("v1")) as first, opened(plane.app, path.format("v2")) as other:
            await client.patch(CRDS, "foos.ex.io", {"metadata": {"labels": {"a": "b"}}})
            await anyio.sleep(1)
            assert not first.complete
            versions = [_version("v1", _schema(), storage=True), {**_version("v2", _schema()), "served": False}]
            await client.patch(CRDS, "foos.ex.io", {"spec": {"versions": versions}})
            await anyio.sleep(1)
            assert (first.complete, other.complete) == (True, True)
        async with opened(plane.app, path.format("v1")) as again:
            await client.delete(CRDS, "foos.ex.io")
            await anyio.sleep(5)
            assert [event["type"] for event in again.lines()] == ["ADDED", "DELETED"]
            assert again.complete

    _run(story)


def test_definitions_that_come_and_go_leave_nothing() -> None:
    """Their watch caches stayed, with all the events of the last ten minutes; a watch must not bring them back."""

    async def story(plane: Plane, client: LocalClient) -> None:
        for number in range(3):
            body = _crd(_version("v1", OPEN, storage=True))
            body["spec"]["group"] = f"g{number}.io"
            body["metadata"]["name"] = f"foos.g{number}.io"
            await client.create(CRDS, body)
            resource = f"foos.g{number}.io"
            async with client.watch(resource) as batches, anyio.create_task_group() as tasks:

                async def follow() -> None:
                    async for _ in batches:
                        pass

                tasks.start_soon(follow)
                foo = {**_foo("a"), "apiVersion": f"g{number}.io/v1"}
                await client.create(resource, foo, "default")
                await anyio.sleep(1)
                await client.delete(CRDS, resource)
            await anyio.sleep(1)
            assert (await call(plane.app, "GET", f"/apis/g{number}.io/v1/foos")).code == 404
        assert not [prefix for prefix in plane.storage.caches._caches if prefix.endswith("/foos/")]
        assert not plane.registry._on_removal

    _run(story)
