"""Watches: where they begin, what selectors make of changes, bookmarks, timeouts, and history that is gone."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from kube_lite import clock, errors
from kube_lite.api import protobuf
from kube_lite.api.plane import Plane, PlaneOptions
from kube_lite.api.protobuf_wire import fields
from kube_lite.client.protocol import WatchEvent
from kube_lite.store.memory import MemoryStore
from kube_lite.store.ring import RingSettings
from kube_lite.store.watch_cache import WatchCaches
from tests.api.wire import Answer, call, opened, run
from tests.plane import admin, started_plane

CONFIGS = "/api/v1/namespaces/default/configmaps"
TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
PARTIAL = {"accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}


def config(name: str, **metadata: Any) -> dict[str, Any]:
    """A ConfigMap."""
    return {"metadata": {"name": name, **metadata}}


async def revision(plane: Plane, path: str = CONFIGS) -> str:
    """Where a list stands."""
    return str((await call(plane.app, "GET", path)).json()["metadata"]["resourceVersion"])


def seen(answer: Answer) -> list[tuple[str, str]]:
    """Type and name of every event."""
    return [(line["type"], line["object"]["metadata"].get("name", "")) for line in answer.lines()]


async def watched(plane: Plane, query: str, headers: dict[str, str] | None = None, path: str = CONFIGS) -> Answer:
    """All that a watch of one second answers."""
    return await call(plane.app, "GET", f"{path}?watch=1&timeoutSeconds=1{query}", headers=headers)


async def _made(plane: Plane, *names: str, **metadata: Any) -> None:
    for name in names:
        await admin(plane).create("configmaps", config(name, **metadata), "default")


def test_a_watch_from_a_revision_tells_what_came_after_it_and_nothing_before() -> None:
    async def story(plane: Plane) -> None:
        await _made(plane, "before")
        start = await revision(plane)
        await _made(plane, "a")
        await admin(plane).patch("configmaps", "a", {"data": {"k": "v"}}, "default")
        await admin(plane).delete("configmaps", "before", "default")
        answer = await watched(plane, f"&resourceVersion={start}")
        assert seen(answer) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "before")]
        revisions = [int(line["object"]["metadata"]["resourceVersion"]) for line in answer.lines()]
        assert revisions == sorted(revisions)
        assert revisions[0] > int(start)
        assert {(line["object"]["kind"], line["object"]["apiVersion"]) for line in answer.lines()} == {
            ("ConfigMap", "v1")
        }

    run(story)


@pytest.mark.parametrize("query", ["", "&resourceVersion=0"])
def test_a_watch_without_a_revision_begins_with_what_is_there(query: str) -> None:
    async def story(plane: Plane) -> None:
        await _made(plane, "b", "a")
        async with opened(plane.app, f"{CONFIGS}?watch=true{query}") as answer:
            assert seen(answer) == [("ADDED", "a"), ("ADDED", "b")]
            await _made(plane, "c")
            await anyio.sleep(1)
            assert seen(answer)[2:] == [("ADDED", "c")]

    run(story)


def test_a_selector_turns_changes_into_coming_and_going() -> None:
    async def story(plane: Plane) -> None:
        client, start = admin(plane), await revision(plane)
        await _made(plane, "a")
        for labels in ({"on": "1"}, {"on": "1", "x": "y"}, {"on": None, "x": "z"}, {"x": None}):
            last = json.loads(await client.patch("configmaps", "a", {"metadata": {"labels": labels}}, "default"))
        answer = await watched(plane, f"&resourceVersion={start}&labelSelector=on%3D1")
        assert [kind for kind, _ in seen(answer)] == ["ADDED", "MODIFIED", "DELETED"]
        gone = answer.lines()[2]["object"]["metadata"]
        # the last state that matched, at the revision of the write that ended it
        assert gone["labels"] == {"on": "1", "x": "y"}
        assert int(gone["resourceVersion"]) == int(last["metadata"]["resourceVersion"]) - 1

    run(story)


def test_a_deleted_object_that_did_not_match_is_not_told() -> None:
    async def story(plane: Plane) -> None:
        start = await revision(plane)
        await _made(plane, "a", labels={"on": "1"})
        await _made(plane, "b")
        for name in "ab":
            await admin(plane).delete("configmaps", name, "default")
        answer = await watched(plane, f"&resourceVersion={start}&labelSelector=on")
        assert seen(answer) == [("ADDED", "a"), ("DELETED", "a")]

    run(story)


def test_bookmarks_come_every_minute_and_at_the_end_with_a_revision_to_go_on_from() -> None:
    async def story(plane: Plane) -> None:
        before, began = await revision(plane), clock.monotonic()
        async with opened(plane.app, f"{CONFIGS}?watch=1&allowWatchBookmarks=true&timeoutSeconds=150") as answer:
            await anyio.sleep(30)
            await admin(plane).create("configmaps", config("elsewhere"), "kube-system")
            now = await revision(plane)
            assert seen(answer) == []
            await anyio.sleep(31)
            assert [(line["type"], line["object"]["metadata"]["resourceVersion"]) for line in answer.lines()] == [
                ("BOOKMARK", now)
            ]
            assert int(now) > int(before)
            await anyio.sleep(60)
            assert len(answer.lines()) == 2
            await anyio.sleep(149.9 - (clock.monotonic() - began))
            before_the_end = answer.complete
            await anyio.sleep(0.2)
            assert (before_the_end, answer.complete) == (False, True)
        assert [line["type"] for line in answer.lines()] == ["BOOKMARK"] * 3

    run(story)


def test_without_asking_there_are_no_bookmarks_and_the_timeout_is_exact() -> None:
    async def story(plane: Plane) -> None:
        began = clock.monotonic()
        answer = await call(plane.app, "GET", f"{CONFIGS}?watch=1&timeoutSeconds=137")
        assert (answer.code, answer.body) == (200, b"")
        assert clock.monotonic() - began == pytest.approx(137)

    run(story)


def test_a_watch_that_names_no_timeout_ends_within_the_hour() -> None:
    async def story(plane: Plane) -> None:
        began = clock.monotonic()
        await call(plane.app, "GET", f"{CONFIGS}?watch=1")
        assert 1800 <= clock.monotonic() - began <= 3600

    run(story)


def test_the_end_of_the_initial_events_is_marked() -> None:
    async def story(plane: Plane) -> None:
        await _made(plane, "a")
        query = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        answer = await watched(plane, query)
        first, mark = answer.lines()[:2]
        assert (first["type"], mark["type"]) == ("ADDED", "BOOKMARK")
        assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert mark["object"]["metadata"]["resourceVersion"] == await revision(plane)
        table = (await watched(plane, query, TABLE)).lines()
        assert table[1]["object"]["rows"][0]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"]
        refused = await watched(plane, "&sendInitialEvents=true")
        assert refused.refusal() == (422, "Invalid")

    run(story)


@pytest.mark.parametrize("query", ["", "&resourceVersion=0"])
def test_a_watch_that_wants_no_initial_events_begins_now(query: str) -> None:
    async def story(plane: Plane) -> None:
        await _made(plane, "before")
        wanted = f"{CONFIGS}?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan{query}"
        async with opened(plane.app, wanted) as answer:
            await _made(plane, "after")
            await anyio.sleep(1)
            assert seen(answer) == [("ADDED", "after")]

    run(story)


def _frames(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Type and object of every event of a protobuf watch."""
    found = []
    while body:
        length = int.from_bytes(body[:4], "big")
        event, body = body[4 : 4 + length], body[4 + length :]
        (_, _, kind), (_, _, raw) = fields(event)
        assert isinstance(kind, bytes)
        assert isinstance(raw, bytes)
        ((_, _, envelope),) = fields(raw)
        assert isinstance(envelope, bytes)
        found.append((kind.decode(), protobuf.decode(envelope)))
    return found


@pytest.mark.parametrize("partial", ["", ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"])
def test_a_client_that_takes_protobuf_alone_gets_frames_of_it(partial: str) -> None:
    async def story(plane: Plane) -> None:
        await admin(plane).create("configmaps", {**config("a"), "data": {"k": "v"}}, "default")
        accept = {"accept": f"application/vnd.kubernetes.protobuf{partial}"}
        initial = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        answer = await watched(plane, initial, accept)
        assert answer.header("content-type") == "application/vnd.kubernetes.protobuf;stream=watch"
        (added, first), (mark, second) = _frames(answer.body)
        assert (added, first["metadata"]["name"], mark) == ("ADDED", "a", "BOOKMARK")
        assert second["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert first["kind"] == second["kind"] == ("PartialObjectMetadata" if partial else "ConfigMap")
        assert first.get("data") == (None if partial else {"k": "v"})

    run(story)


def test_a_watch_from_the_future_waits_for_what_comes_after_that() -> None:
    async def story(plane: Plane) -> None:
        future = int(await revision(plane)) + 2
        async with opened(plane.app, f"{CONFIGS}?watch=1&resourceVersion={future}") as answer:
            await _made(plane, "a", "b", "c")
            await anyio.sleep(1)
            assert seen(answer) == [("ADDED", "c")]

    run(story)


def test_a_revision_that_is_no_number_is_a_bad_request() -> None:
    async def story(plane: Plane) -> None:
        assert (await watched(plane, "&resourceVersion=abc")).refusal() == (400, "BadRequest")
        assert (await watched(plane, "&labelSelector=a%3D%3D%3Db")).refusal() == (400, "BadRequest")
        wrong = await watched(plane, "&fieldSelector=spec.x%3Dy")
        assert wrong.json()["message"].startswith('"spec.x" is not a known field selector: only')

    run(story)


def test_a_watcher_of_one_node_sees_the_pods_of_that_node_come_and_go() -> None:
    spec = {"containers": [{"name": "c", "image": "i"}]}

    async def story(plane: Plane) -> None:
        client = admin(plane)
        path = "/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dn1&resourceVersion="
        async with opened(plane.app, path + await revision(plane)) as answer:
            for name, node in (("a", "n1"), ("b", "n2"), ("c", "")):
                await client.create("pods", {"metadata": {"name": name}, "spec": {**spec, "nodeName": node}}, "default")
            binding = {"metadata": {"name": "c"}, "target": {"kind": "Node", "name": "n1"}}
            await client.create("pods", binding, "default", name="c", subresource="binding")
            await client.delete("pods", "b", "default", grace_period_seconds=0)
            await client.delete("pods", "a", "default", grace_period_seconds=0)
            await anyio.sleep(1)
            assert seen(answer) == [("ADDED", "a"), ("ADDED", "c"), ("MODIFIED", "a"), ("DELETED", "a")]

    run(story)


def test_a_namespace_is_watched_alone_and_all_of_them_together() -> None:
    async def story(plane: Plane) -> None:
        client, start = admin(plane), await revision(plane)
        await client.create("namespaces", {"metadata": {"name": "default-too"}})
        for namespace in ("default", "default-too", "kube-system"):
            await client.create("configmaps", config("in-" + namespace), namespace)
        query = f"&resourceVersion={start}"
        assert seen(await watched(plane, query)) == [("ADDED", "in-default")]
        everywhere = await watched(plane, query, path="/api/v1/configmaps")
        assert [name for _, name in seen(everywhere)] == ["in-default", "in-default-too", "in-kube-system"]
        named = "/api/v1/watch/namespaces/default/configmaps/in-default"
        assert seen(await watched(plane, query, path=named)) == [("ADDED", "in-default")]
        got = await watched(plane, query, path=f"{CONFIGS}/in-default")
        assert [line["metadata"]["name"] for line in got.lines()] == ["in-default"]
        legacy = await watched(plane, query, path="/api/v1/watch/namespaces/default/configmaps")
        assert seen(legacy) == [("ADDED", "in-default")]

    run(story)


def test_a_table_watch_sends_its_columns_once() -> None:
    async def story(plane: Plane) -> None:
        start = await revision(plane)
        await _made(plane, "a", "b")
        lines = (await watched(plane, f"&resourceVersion={start}", TABLE)).lines()
        assert [line["object"]["kind"] for line in lines] == ["Table", "Table"]
        assert [c["name"] for c in lines[0]["object"]["columnDefinitions"]] == ["Name", "Data", "Age"]
        assert lines[1]["object"]["columnDefinitions"] is None
        assert [line["object"]["rows"][0]["cells"][0] for line in lines] == ["a", "b"]
        row = lines[0]["object"]["rows"][0]["object"]
        assert (row["kind"], row["metadata"]["name"]) == ("PartialObjectMetadata", "a")

    run(story)


def test_a_metadata_watch_sends_metadata_alone() -> None:
    async def story(plane: Plane) -> None:
        start = await revision(plane)
        await admin(plane).create("configmaps", {**config("a"), "data": {"k": "v"}}, "default")
        (line,) = (await watched(plane, f"&resourceVersion={start}", PARTIAL)).lines()
        assert set(line["object"]) == {"kind", "apiVersion", "metadata"}
        assert (line["object"]["kind"], line["object"]["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")

    run(story)


# ---- history that is gone


def _small_ring(story: Callable[[Plane], Awaitable[None]]) -> None:
    """A story on an API whose watch caches keep ten events, or a minute's."""

    async def main() -> None:
        plane = await started_plane(disabled=["ServiceAccount"])
        storage = plane.storage
        settings = RingSettings(window_events=10, window_seconds=60.0)
        storage.caches = WatchCaches(storage.store, storage._extract_for, settings)
        await storage.caches.start()
        await story(plane)

    clock.run_virtual(main())


async def _writes(plane: Plane, count: int) -> None:
    for number in range(count):
        await admin(plane).patch("configmaps", "a", {"data": {"k": str(number)}}, "default")


def test_what_the_ring_has_dropped_is_read_from_the_log() -> None:
    async def story(plane: Plane) -> None:
        await _made(plane, "a")
        start = await revision(plane)
        await _writes(plane, 30)
        await anyio.sleep(100)
        await _writes(plane, 1)
        answer = await watched(plane, f"&resourceVersion={start}")
        assert [line["object"]["data"]["k"] for line in answer.lines()] == [*map(str, range(30)), "0"]

    _small_ring(story)


def test_a_revision_that_was_compacted_is_expired() -> None:
    async def story(plane: Plane) -> None:
        await _made(plane, "a")
        start = await revision(plane)
        await _writes(plane, 30)
        await anyio.sleep(100)
        await _writes(plane, 1)
        await plane.storage.store.compact(plane.storage.store.revision)
        answer = await watched(plane, f"&resourceVersion={start}")
        (line,) = answer.lines()
        assert (answer.code, line["type"]) == (200, "ERROR")
        status = line["object"]
        assert (status["code"], status["reason"]) == (410, "Expired")
        assert status["message"].startswith(f"too old resource version: {start} (")
        with pytest.raises(errors.Expired):
            async with admin(plane).watch("configmaps", "default", resource_version=start):
                pass

    _small_ring(story)


def test_a_slow_watcher_is_cut_off_only_once_the_window_has_passed() -> None:
    async def story(plane: Plane) -> None:
        await _made(plane, "a")
        start = await revision(plane)
        client = admin(plane)

        async def slow(pause: float) -> list[str]:
            async with client.watch("configmaps", "default", resource_version=start, timeout_seconds=1) as batches:
                await _writes(plane, 30)
                await anyio.sleep(pause)
                await _writes(plane, 1)
                return [event.type async for batch in batches for event in batch]

        assert await slow(50) == ["MODIFIED"] * 31 + ["BOOKMARK"]
        start = await revision(plane)
        with pytest.raises(errors.Expired, match="too old resource version"):
            await slow(70)

    _small_ring(story)


# ---- in process


def test_the_in_process_watch_follows_like_the_other() -> None:
    async def story(plane: Plane) -> None:
        client = admin(plane)
        await _made(plane, "there", labels={"on": "1"})
        seen: list[WatchEvent] = []

        async def follow() -> None:
            async with client.watch("configmaps", "default", label_selector="on", timeout_seconds=100) as batches:
                async for batch in batches:
                    seen.extend(batch)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await anyio.sleep(1)
            await _made(plane, "no")
            await client.patch("configmaps", "there", {"metadata": {"labels": {"on": None}}}, "default")
        assert [event.type for event in seen] == ["ADDED", "DELETED", "BOOKMARK", "BOOKMARK"]
        assert clock.monotonic() == pytest.approx(100, abs=1)
        with pytest.raises(errors.NotFound):
            async with client.watch("nonsense"):
                pass

    run(story)


def test_a_watch_survives_a_store_that_starts_with_objects() -> None:
    async def main() -> None:
        import random

        store = MemoryStore()
        first = Plane(store, PlaneOptions(), random.Random(0))
        await first.start()
        await _made(first, "kept")
        start = await revision(first)
        second = Plane(store, PlaneOptions(), random.Random(1))
        await second.start()
        await _made(second, "new")
        answer = await watched(second, f"&resourceVersion={start}")
        assert seen(answer) == [("ADDED", "new")]

    clock.run_virtual(main())
