"""Watches pushed to real connections: the same events as any watch, and slow clients that fall behind alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from kube_lite import clock
from kube_lite.api import watch_stream
from kube_lite.api.plane import Plane
from kube_lite.api.reads import ListQuery
from kube_lite.api.user import MASTERS, User
from kube_lite.api.watch import WatchQuery, WatchSource
from kube_lite.store.ring import RingSettings
from tests.api.test_exchange import connected, get, serving
from tests.plane import admin, started_plane

MAPS = "/api/v1/namespaces/default/configmaps"


class Events:
    """The lines of a watch in chunks."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._raw = b""
        self._lines = b""
        self.ended = False

    async def _line(self, end: bytes) -> bytes:
        while end not in self._raw:
            self._raw += await self._stream.receive()
        line, _, self._raw = self._raw.partition(end)
        return line

    async def head(self) -> int:
        """The status."""
        return int((await self._line(b"\r\n\r\n")).split()[1])

    async def next(self) -> Any:
        """The next event, None at the end."""
        while b"\n" not in self._lines:
            size = int(await self._line(b"\r\n"), 16)
            while len(self._raw) < size + 2:
                self._raw += await self._stream.receive()
            self._lines, self._raw = self._lines + self._raw[:size], self._raw[size + 2 :]
            if not size:
                return None
        line, _, self._lines = self._lines.partition(b"\n")
        return json.loads(line)

    async def seen(self, count: int) -> list[tuple[str, str]]:
        """Type and name of so many events."""
        events = [await self.next() for _ in range(count)]
        return [(e["type"], e["object"]["metadata"].get("name", "")) for e in events]


@asynccontextmanager
async def watching(port: int, query: str = "", path: str = MAPS) -> AsyncIterator[Events]:
    """A watch that has begun."""
    async with connected(port) as stream:
        await stream.send(get(f"{path}?watch=1{query}", "Authorization: Bearer root"))
        events = Events(stream)
        assert await events.head() == 200
        yield events


def run(story: Callable[[Plane, int], Awaitable[None]], settings: RingSettings | None = None) -> None:
    """A story against a whole API, whose rings may be small."""

    async def main() -> None:
        with anyio.fail_after(20):
            plane = await started_plane(disabled=["ServiceAccount"], ring=settings)
            plane.authenticator.add_token("root", User("root", groups=(MASTERS,)))
            async with serving(plane.app) as port:
                await story(plane, port)

    anyio.run(main)


async def make(plane: Plane, *names: str, **fields: Any) -> None:
    """ConfigMaps."""
    for name in names:
        await admin(plane).create("configmaps", {"metadata": {"name": name}, **fields}, "default")


def test_many_watchers_get_every_event_once_and_in_order() -> None:
    """They are woken a few at a time, and events that come meanwhile are not lost on those who had their turn."""

    async def story(plane: Plane, port: int) -> None:
        async def watcher(ready: anyio.Semaphore) -> None:
            async with watching(port) as events:
                ready.release()
                assert await events.seen(60) == [("ADDED", f"c{n}") for n in range(60)]

        ready = anyio.Semaphore(0)
        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(watcher, ready)
            for _ in range(40):
                await ready.acquire()
            for number in range(60):
                await make(plane, f"c{number}")
                if number % 7 == 0:
                    await anyio.sleep(0.001)

    run(story, RingSettings(woken_at_once=4, wakeup_seconds=25e-6))


def test_selectors_tables_and_triggers_are_as_in_any_watch() -> None:
    async def story(plane: Plane, port: int) -> None:
        pods = "/api/v1/pods"
        async with (
            watching(port, "&labelSelector=is%3Db") as labelled,
            watching(port, "&fieldSelector=spec.nodeName%3Dn", pods) as placed,
            watching(port) as everything,
        ):
            maps = admin(plane)
            await maps.create("configmaps", {"metadata": {"name": "a"}}, "default")
            await maps.create("configmaps", {"metadata": {"name": "b", "labels": {"is": "b"}}}, "default")
            await maps.patch("configmaps", "b", {"metadata": {"labels": None}}, "default")
            for name, node in (("p", "m"), ("q", "n")):
                spec = {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}
                await maps.create("pods", {"metadata": {"name": name}, "spec": spec}, "default")
            assert await labelled.seen(2) == [("ADDED", "b"), ("DELETED", "b")]
            assert await placed.seen(1) == [("ADDED", "q")]
            assert await everything.seen(3) == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "b")]

    run(story)


def test_a_watch_ends_at_its_timeout_with_a_bookmark_and_gives_the_connection_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_stream, "BOOKMARK_INTERVAL", 0.3)

    async def story(plane: Plane, port: int) -> None:
        async with connected(port) as stream:
            events = Events(stream)
            for _ in range(2):
                query = "watch=1&timeoutSeconds=1&allowWatchBookmarks=true"
                query += "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
                await stream.send(get(f"{MAPS}?{query}", "Authorization: Bearer root"))
                assert await events.head() == 200
                found = []
                while (event := await events.next()) is not None:
                    found.append(event)
                assert {event["type"] for event in found} == {"BOOKMARK"}
                assert "annotations" in found[0]["object"]["metadata"]
                assert len(found) >= 4
                assert found[-1]["object"]["metadata"]["resourceVersion"] == str(plane.storage.caches.revision)

    run(story)


def test_a_watch_of_a_custom_kind_ends_when_its_definition_changes() -> None:
    async def story(plane: Plane, port: int) -> None:
        schema = {"openAPIV3Schema": {"type": "object"}}
        spec: dict[str, Any] = {
            "group": "ex.io",
            "scope": "Namespaced",
            "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        }
        client = admin(plane)
        await client.create("customresourcedefinitions", {"metadata": {"name": "foos.ex.io"}, "spec": spec})
        async with watching(port, path="/apis/ex.io/v1/namespaces/default/foos") as events:
            made = {"apiVersion": "ex.io/v1", "kind": "Foo", "metadata": {"name": "a"}}
            await client.create("foos.v1.ex.io", made, "default")
            versions = [{**spec["versions"][0], "deprecated": True}]
            await client.patch("customresourcedefinitions", "foos.ex.io", {"spec": {"versions": versions}})
            assert await events.seen(1) == [("ADDED", "a")]
            assert await events.next() is None

    run(story)


def test_a_slow_client_falls_behind_alone_and_gets_all_once_it_reads() -> None:
    async def story(plane: Plane, port: int) -> None:
        async with watching(port) as slow, watching(port) as quick:
            names = [f"c{number}" for number in range(60)]
            for name in names:
                await make(plane, name, data={"k": "x" * 200_000})
                assert await quick.seen(1) == [("ADDED", name)]
            assert await slow.seen(60) == [("ADDED", name) for name in names]

    run(story)


def test_a_client_that_the_history_has_passed_is_told_so_and_the_watch_ends() -> None:
    async def story(plane: Plane, port: int) -> None:
        async with watching(port) as slow, watching(port) as quick:
            for number in range(80):
                await make(plane, f"c{number}", data={"k": "x" * 200_000})
                await quick.seen(1)
            last = None
            while (event := await slow.next()) is not None:
                last = event
            assert last is not None
            assert (last["type"], last["object"]["code"], last["object"]["reason"]) == ("ERROR", 410, "Expired")

    run(story, RingSettings(max_bytes=2_000_000, window_events=1, window_seconds=0.0))


def test_a_client_that_hangs_up_is_forgotten() -> None:
    async def story(plane: Plane, port: int) -> None:
        resource = plane.storage.registry.named("configmaps")
        assert resource is not None
        cache = plane.storage.cache(resource)
        before = cache.wakeups.waiting
        async with watching(port), watching(port):
            assert cache.wakeups.waiting == before + 2
        while cache.wakeups.waiting > before:  # noqa: ASYNC110  # the server hears of it soon
            await anyio.sleep(0.001)
        await make(plane, "a")

    run(story)


def test_what_is_there_already_is_sent_in_chunks_of_bounded_size() -> None:
    """Two hundred watchers of sixty large objects had gigabytes in memory, and nobody else was answered meanwhile."""

    class Slow:
        on_writable: Callable[[], None] | None = None
        full = False

        def __init__(self) -> None:
            self.sizes: list[int] = []

        def frame(self, data: bytes) -> bytes:
            return data

        def push(self, frame: bytes) -> None:
            self.sizes.append(len(frame))

        async def chunk(self, data: bytes) -> None:
            self.sizes.append(len(data))

    async def story() -> None:
        plane = await started_plane()
        for number in range(20):
            data = {"k": "x" * 200_000}
            await admin(plane).create("configmaps", {"metadata": {"name": f"c{number}"}, "data": data}, "default")
        resource = plane.storage.registry.named("configmaps")
        assert resource is not None
        source = WatchSource(plane.storage, resource, "default", ListQuery(None))
        await source.open()
        sink = Slow()
        stream = watch_stream.Stream(plane.storage, resource, source, WatchQuery(timeout=1))
        await stream.push_to(sink)
        assert sum(sink.sizes) > 20 * 200_000
        assert max(sink.sizes) < 700_000

    clock.run_virtual(story())
