"""What every Client does, in this process and over HTTP: one suite for both."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from kube_lite import errors
from kube_lite.api import listener
from kube_lite.api.plane import Plane
from kube_lite.client.http import HttpClient
from kube_lite.client.informer import Informer
from kube_lite.client.kubeconfig import Connection
from kube_lite.client.protocol import APPLY_PATCH, JSON_PATCH, STRATEGIC_PATCH, Client
from kube_lite.resources.meta import ObjectView
from tests.plane import admin, started_plane

Json = dict[str, Any]
Story = Callable[[Client], Awaitable[None]]


@asynccontextmanager
async def local(plane: Plane, directory: Path) -> AsyncIterator[Client]:
    """The one without HTTP."""
    yield admin(plane)


@asynccontextmanager
async def http(plane: Plane, directory: Path) -> AsyncIterator[Client]:
    """Over a unix socket, whose owner is an administrator."""
    path = directory / "api.sock"
    server = listener.listener(plane.app)
    with listener.bind_unix(path) as bound:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [bound])
            await server.wait_started()
            async with HttpClient(Connection("http://localhost", unix_socket=str(path))) as client:
                yield client
            server.stop()


CLIENTS = {"local": local, "http": http}


@pytest.fixture(params=list(CLIENTS))
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Story], None]:
    """Run a story with each client against an API of its own."""

    def run(story: Story) -> None:
        async def main() -> None:
            plane = await started_plane()
            async with CLIENTS[request.param](plane, tmp_path) as client, anyio.create_task_group() as tasks:
                tasks.start_soon(plane.run)
                with anyio.fail_after(20):
                    await story(client)
                tasks.cancel_scope.cancel()

        anyio.run(main)

    return run


def config(name: str, **data: str) -> Json:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"n": name}}, "data": data}


def test_an_object_is_created_read_updated_and_deleted(play: Callable[[Story], None]) -> None:
    async def story(client: Client) -> None:
        made = json.loads(await client.create("configmaps", config("a", k="1"), "default"))
        assert json.loads(await client.get("configmaps", "a", "default")) == made
        changed = json.loads(await client.update("configmaps", "a", {**made, "data": {"k": "2"}}, "default"))
        assert changed["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
        await client.delete("configmaps", "a", "default", uid=made["metadata"]["uid"])
        with pytest.raises(errors.NotFound, match='configmaps "a" not found'):
            await client.get("configmaps", "a", "default")

    play(story)


def test_refusals_are_the_same_errors(play: Callable[[Story], None]) -> None:
    async def story(client: Client) -> None:
        made = json.loads(await client.create("configmaps", config("a"), "default"))
        with pytest.raises(errors.AlreadyExists):
            await client.create("configmaps", config("a"), "default")
        await client.patch("configmaps", "a", {"data": {"x": "y"}}, "default")
        with pytest.raises(errors.Conflict):
            await client.update("configmaps", "a", made, "default")
        with pytest.raises(errors.Conflict):
            await client.delete("configmaps", "a", "default", uid="another")
        with pytest.raises(errors.Invalid) as caught:
            await client.create("configmaps", config("Not A Name"), "default")
        assert caught.value.details["causes"]
        with pytest.raises(errors.NotFound):
            await client.get("nonsense", "a", "default")

    play(story)


def test_every_kind_of_patch_is_understood(play: Callable[[Story], None]) -> None:
    async def story(client: Client) -> None:
        await client.create("configmaps", config("a", k="1"), "default")
        await client.patch("configmaps", "a", {"data": {"m": "2"}}, "default")
        operation = [{"op": "add", "path": "/data/j", "value": "3"}]
        await client.patch("configmaps", "a", operation, "default", content_type=JSON_PATCH)
        await client.patch("configmaps", "a", {"data": {"k": None}}, "default", content_type=STRATEGIC_PATCH)
        applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"s": "4"}}
        result = await client.patch(
            "configmaps", "a", applied, "default", content_type=APPLY_PATCH, field_manager="me", force=True
        )
        assert json.loads(result)["data"] == {"m": "2", "j": "3", "s": "4"}

    play(story)


def test_lists_are_selected_and_paged(play: Callable[[Story], None]) -> None:
    async def story(client: Client) -> None:
        for name in "abc":
            await client.create("configmaps", config(name), "default")
        found = await client.list("configmaps", label_selector="n=b")
        assert [json.loads(item)["metadata"]["name"] for item in found.items] == ["b"]
        found = await client.list("configmaps", "default", field_selector="metadata.name=c")
        assert [json.loads(item)["metadata"]["name"] for item in found.items] == ["c"]
        names = []
        page = await client.list("configmaps", "default", limit=2)
        while True:
            names += [json.loads(item)["metadata"]["name"] for item in page.items]
            if not page.continue_:
                break
            page = await client.list("configmaps", "default", limit=2, continue_=page.continue_)
        assert names == ["a", "b", "c"]

    play(story)


def test_a_watch_tells_every_change_after_the_list(play: Callable[[Story], None]) -> None:
    async def story(client: Client) -> None:
        await client.create("configmaps", config("old"), "default")
        start = (await client.list("configmaps", "default")).resource_version
        await client.create("configmaps", config("a"), "default")
        seen: list[tuple[str, str]] = []
        async with client.watch("configmaps", "default", resource_version=start) as batches:
            await client.patch("configmaps", "a", {"data": {"x": "1"}}, "default")
            await client.delete("configmaps", "a", "default")
            async for batch in batches:
                seen += [(event.type, json.loads(event.object)["metadata"]["name"]) for event in batch]
                if len(seen) >= 3:
                    break
        assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]

    play(story)


def test_an_informer_follows_through_either(play: Callable[[Story], None]) -> None:
    async def story(client: Client) -> None:
        informer = Informer(client, "configmaps", ObjectView, namespace="default")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(informer.run)
            await informer.wait_synced()
            added = anyio.Event()
            informer.on_change(lambda old, new: added.set() if new and new.metadata.name == "a" else None)
            await client.create("configmaps", config("a"), "default")
            await added.wait()
            tasks.cancel_scope.cancel()

    play(story)


CUSTOM, NAME = "foos.v1.ex.io", "foos.ex.io"
DEFINITIONS = "customresourcedefinitions"


def version(**more: Any) -> Json:
    """One version of a custom kind."""
    return {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}, **more}


def definition() -> Json:
    """A custom kind's."""
    names = {"plural": "foos", "kind": "Foo"}
    spec = {"group": "ex.io", "scope": "Namespaced", "names": names, "versions": [version()]}
    return {"metadata": {"name": NAME}, "spec": spec}


def foo(name: str) -> Json:
    """An object of it."""
    return {"apiVersion": "ex.io/v1", "kind": "Foo", "metadata": {"name": name}}


def test_a_watch_of_a_custom_kind_ends_when_its_definition_changes_or_goes(play: Callable[[Story], None]) -> None:
    async def story(client: Client) -> None:
        await client.create(DEFINITIONS, definition())
        await client.create(CUSTOM, foo("a"), "default")
        async with client.watch(CUSTOM, "default") as changed:
            await client.patch(DEFINITIONS, NAME, {"spec": {"versions": [version(deprecated=True)]}})
            assert [event.type async for batch in changed for event in batch] == ["ADDED"]
        async with client.watch(CUSTOM, "default") as gone:
            await client.delete(DEFINITIONS, NAME)
            assert [event.type async for batch in gone for event in batch] == ["ADDED", "DELETED"]

    play(story)


def test_an_informer_of_a_custom_kind_follows_what_its_definition_becomes(play: Callable[[Story], None]) -> None:
    async def story(client: Client) -> None:
        await client.create(DEFINITIONS, definition())
        informer = Informer(client, CUSTOM, ObjectView, namespace="default")
        told: list[str] = []
        more = anyio.Event()

        def note(old: ObjectView | None, new: ObjectView | None) -> None:
            told.append(f"+{new.metadata.name}" if new is not None else "-")
            more.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(informer.run)
            await informer.wait_synced()
            informer.on_change(note)
            await client.patch(DEFINITIONS, NAME, {"spec": {"versions": [version(deprecated=True)]}})
            await client.create(CUSTOM, foo("a"), "default")
            await more.wait()
            more = anyio.Event()
            await client.delete(DEFINITIONS, NAME)
            await more.wait()
            assert told == ["+a", "-"]
            tasks.cancel_scope.cancel()

    play(story)


def test_a_subresource_is_reached(play: Callable[[Story], None]) -> None:
    async def story(client: Client) -> None:
        await client.create("nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
        status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        await client.patch("nodes", "n", status, content_type=STRATEGIC_PATCH, subresource="status")
        node = json.loads(await client.get("nodes", "n"))
        assert node["status"]["conditions"][0]["status"] == "True"

    play(story)


def test_a_collection_is_deleted_by_one_request_as_far_as_it_is_selected(play: Callable[[Story], None]) -> None:
    async def story(client: Client) -> None:
        for number in range(150):
            labels = {"side": "left" if number % 2 else "right"}
            await client.create("configmaps", {"metadata": {"name": f"m{number}", "labels": labels}}, "default")
        await client.create("configmaps", {"metadata": {"name": "m", "labels": {"side": "left"}}}, "kube-system")
        await client.delete_collection("configmaps", "default", label_selector="side=left")
        left = [json.loads(item) for item in (await client.list("configmaps", "default")).items]
        assert len(left) == 75
        assert {item["metadata"]["labels"]["side"] for item in left} == {"right"}
        await client.get("configmaps", "m", "kube-system")
        await client.delete_collection("configmaps", "default")
        assert not (await client.list("configmaps", "default")).items

    play(story)
