"""A server that ends: who is still answered, who is told, and who is cut off."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream

from kube_lite.api import listener, request_info, stopping, websocket
from kube_lite.api.certs import Authority
from kube_lite.api.http import Request, Response
from kube_lite.api.plane import Plane
from tests.api.wire import call, opened
from tests.api.wire import run as virtually
from tests.plane import started_plane

WATCH = b"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
UPGRADE = (
    b"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Serving:
    """A plane behind its listener, with a page that is answered when the test says so."""

    def __init__(self, plane: Plane, authority: Authority) -> None:
        self.plane = plane
        self.asked, self.answer = anyio.Event(), anyio.Event()
        self.body = b"done"
        plane.nonresource.pages["slow"] = self._slow
        self._bound = listener.bind_tcp("127.0.0.1", 0)
        self._port = self._bound.getsockname()[1]
        context = listener.tls_context(authority.server_pair(["127.0.0.1"]), authority.pair.certificate)
        self._server = listener.listener(plane.app, context)
        self._context = ssl.create_default_context(cafile=str(authority.pair.certificate))
        admin = authority.client_pair("a", "a", ["system:masters"])
        self._context.load_cert_chain(admin.certificate, admin.key)

    async def _slow(self, request: Request) -> Response:
        self.asked.set()
        await self.answer.wait()
        return Response(200, self.body)

    async def run(self) -> None:
        """Serve until stopped."""
        await self._server.serve([self._bound])

    async def started(self) -> None:
        """Return when it serves."""
        await self._server.wait_started()

    def stop(self) -> None:
        """As the process does it when it was asked to end."""
        self.plane.stopping.begin()
        self._server.stop()
        self.plane.stopping.end_streams()

    async def drained(self) -> None:
        """Return when everybody has had their answer."""
        await self._server.wait_drained()

    @asynccontextmanager
    async def connected(self, request: bytes = b"") -> AsyncIterator[ByteStream]:
        """A client that has asked something."""
        stream = await anyio.connect_tcp(
            "127.0.0.1", self._port, ssl_context=self._context, tls_standard_compatible=False
        )
        try:
            await stream.send(request)
            yield stream
        finally:
            with anyio.move_on_after(1, shield=True):
                await stream.aclose()


def run(tmp_path: Path, story: Callable[[Serving], Awaitable[None]]) -> None:
    """A story in real time, with an end."""

    async def main() -> None:
        with anyio.fail_after(20):
            serving = Serving(await started_plane(), Authority(tmp_path))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(serving.run)
                await serving.started()
                await story(serving)

    anyio.run(main)


async def everything(stream: ByteStream) -> bytes:
    """All that the server still sends, up to a proper end."""
    found = b""
    while True:
        try:
            found += await stream.receive()
        except anyio.EndOfStream:
            return found


def test_requests_under_way_are_answered_while_new_connections_are_refused(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        async with serving.connected(SLOW) as waiting:
            await serving.asked.wait()
            serving.stop()
            with pytest.raises(OSError, match=r"(?i)connect"):
                async with serving.connected():
                    pass
            serving.answer.set()
            answer = await everything(waiting)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer
        assert answer.endswith(b"done")
        await serving.drained()

    run(tmp_path, story)


def test_a_client_that_reads_slowly_gets_all_of_a_long_answer(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        serving.body = bytes(8_000_000)
        serving.answer.set()
        async with serving.connected(SLOW) as slow:
            await serving.asked.wait()
            serving.stop()
            await anyio.sleep(0.5)  # by now whoever reads has read
            answer = await everything(slow)
        assert len(answer.partition(b"\r\n\r\n")[2]) == 8_000_000
        await serving.drained()

    run(tmp_path, story)


def test_watches_end_as_if_their_time_were_over(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        async with serving.connected(WATCH) as plain, serving.connected(UPGRADE) as socket:
            assert (await plain.receive()).startswith(b"HTTP/1.1 200 ")
            assert (await socket.receive()).startswith(b"HTTP/1.1 101 ")
            serving.stop()
            assert (await everything(plain)).endswith(b"0\r\n\r\n")
            assert (await everything(socket)).endswith(websocket.encoded(8, (1000).to_bytes(2, "big")))
        await serving.drained()

    run(tmp_path, story)


def test_a_client_that_waits_for_nothing_is_hung_up_on_and_holds_nobody_up(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        async with serving.connected() as new, serving.connected(SLOW) as idle:
            serving.answer.set()
            assert await idle.receive()
            serving.stop()
            await serving.drained()  # neither has hung up itself
            for stream in (new, idle):
                with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    await stream.receive()

    run(tmp_path, story)


def test_who_has_just_come_may_still_ask(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        serving.answer.set()
        async with serving.connected() as new, serving.connected(SLOW[:10]) as half:
            await anyio.sleep(0.1)
            serving.stop()
            await new.send(SLOW)
            await half.send(SLOW[10:])
            for stream in (new, half):
                assert (await everything(stream)).endswith(b"done")

    run(tmp_path, story)


def test_what_takes_too_long_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "REQUEST_SECONDS", 0.2)

    async def story(serving: Serving) -> None:
        async with serving.connected(SLOW) as stream:
            await serving.asked.wait()
            serving.stop()
            await serving.drained()
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()

    run(tmp_path, story)


def test_a_server_that_is_about_to_end_is_alive_but_not_ready() -> None:
    async def story(plane: Plane) -> None:
        plane.stopping.begin()
        answer = await call(plane.app, "GET", "/readyz")
        assert answer.code == 500
        assert b"[-]shutdown failed: reason withheld\n" in answer.body
        assert (await call(plane.app, "GET", "/readyz/shutdown")).code == 500
        for path in ("/livez", "/healthz", "/api/v1/namespaces/default"):
            assert (await call(plane.app, "GET", path)).code == 200

    virtually(story)


def test_only_answers_without_an_end_of_their_own_are_ended() -> None:
    async def story(plane: Plane) -> None:
        async with opened(plane.app, "/api/v1/pods?watch=1") as watch:
            assert watch.code == 200
            plane.stopping.end_streams()
            await anyio.sleep(0.01)
            assert watch.complete
            late = await call(plane.app, "GET", "/api/v1/pods?watch=1&timeoutSeconds=100")
        assert (late.code, late.body) == (200, b"")
        assert (await call(plane.app, "GET", "/api/v1/pods")).json()["kind"] == "PodList"

    virtually(story)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/pods?watch=1", True),
        ("/api/v1/namespaces/d/pods/p/log?follow=true", True),
        ("/api/v1/namespaces/d/pods/p/log", False),
        ("/apis/node.kube-lite.io/v1/nodes/n/tunnel", True),
        ("/api/v1/namespaces/d/services/s/proxy/long", False),
    ],
)
def test_endless_are_watches_followed_logs_and_control_channels(path: str, expected: bool) -> None:
    at, _, query = path.partition("?")
    assert stopping.endless(request_info.parse("GET", at, query)) is expected
