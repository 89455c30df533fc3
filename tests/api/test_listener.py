"""Listeners on real sockets: who may connect, who they are then, and how a server stops."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.api import listener
from kube_lite.api.app import App
from kube_lite.api.certs import Authority, Pair
from kube_lite.api.exchange import Exchange
from kube_lite.api.plane import Plane
from kube_lite.api.watch import WatchSource
from kube_lite.api.websocket import WebSocket
from tests.plane import started_plane

REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@asynccontextmanager
async def serving(app: App, directory: Path) -> AsyncIterator[tuple[Authority, int]]:
    """A TLS listener on loopback; its CA and its port."""
    authority = Authority(directory)
    context = listener.tls_context(authority.server_pair(["127.0.0.1", "localhost"]), authority.pair.certificate)
    bound = listener.bind_tcp("127.0.0.1", 0)
    server = listener.listener(app, context)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [bound])
        await server.wait_started()
        yield authority, bound.getsockname()[1]
        server.stop()


def trusting(authority: Authority, client: Pair | None = None) -> ssl.SSLContext:
    """A client's TLS."""
    context = ssl.create_default_context(cafile=str(authority.pair.certificate))
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    return context


async def read_answer(stream: Any) -> tuple[bytes, bytes]:
    """Head and body of an answer with a content-length."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        raw += await stream.receive()
    head, _, body = raw.partition(b"\r\n\r\n")
    length = next((int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")), 0)
    while len(body) < length:
        body += await stream.receive()
    return head, body


async def who(port: int, context: ssl.SSLContext, headers: str = "") -> tuple[int, Any]:
    """Whom the server takes us for."""
    async with await anyio.connect_tcp("127.0.0.1", port, ssl_context=context, tls_standard_compatible=False) as stream:
        head = f"POST {REVIEW} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}Content-Length: 2\r\n"
        await stream.send(head.encode() + b"\r\n{}")
        answer, body = await read_answer(stream)
    return int(answer.split()[1]), json.loads(body)


def run(story: Callable[[Plane], Awaitable[None]]) -> None:
    """A story in real time, which ends within twenty seconds."""

    async def main() -> None:
        with anyio.fail_after(20):
            await story(await started_plane())

    anyio.run(main)


def test_a_client_certificate_is_a_user_and_a_token_goes_before_it(tmp_path: Path) -> None:
    async def story(plane: Plane) -> None:
        async with serving(plane.app, tmp_path) as (authority, port):
            client = authority.client_pair("jane", "jane", ["devs", "system:masters"])
            code, review = await who(port, trusting(authority, client))
            assert (code, review["status"]["userInfo"]["username"]) == (201, "jane")
            assert review["status"]["userInfo"]["groups"] == ["devs", "system:masters", "system:authenticated"]
            code, _ = await who(port, trusting(authority, client), "Authorization: Bearer wrong\r\n")
            assert code == 401
            code, _ = await who(port, trusting(authority))
            assert code in (401, 403)

    run(story)


def test_a_connection_that_ended_is_gone_without_the_cycle_collector(tmp_path: Path) -> None:
    """It looks rarely in a server, and TLS keeps half a megabyte of buffers behind a large answer."""

    async def story(plane: Plane) -> None:
        async with serving(plane.app, tmp_path) as (authority, port):
            await who(port, trusting(authority))
            gc.collect()
            gc.disable()
            try:
                for _ in range(3):
                    await who(port, trusting(authority))
                await anyio.sleep(0.2)
                assert not [x for x in gc.get_objects() if isinstance(x, Exchange)]
            finally:
                gc.enable()

    run(story)


def test_a_watch_that_ended_is_gone_without_the_cycle_collector(tmp_path: Path) -> None:
    """One lasts for minutes: what it leaves is old then, and old garbage is looked for least of all."""

    async def watch(port: int, context: ssl.SSLContext, *, abruptly: bool) -> None:
        async with await anyio.connect_tcp(
            "127.0.0.1", port, ssl_context=context, tls_standard_compatible=False
        ) as stream:
            seconds = "" if abruptly else "&timeoutSeconds=1"
            await stream.send(f"GET /api/v1/namespaces?watch=1{seconds} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            seen = b""
            while b'"type":"ADDED"' not in seen or not (abruptly or seen.endswith(b"0\r\n\r\n")):
                seen += await stream.receive()

    async def story(plane: Plane) -> None:
        async with serving(plane.app, tmp_path) as (authority, port):
            context = trusting(authority, authority.client_pair("jane", "jane", ["system:masters"]))
            await watch(port, context, abruptly=True)
            gc.collect()
            gc.disable()
            try:
                for abruptly in (True, False):
                    await watch(port, context, abruptly=abruptly)
                await anyio.sleep(0.2)
                assert not [x for x in gc.get_objects() if isinstance(x, Exchange | WatchSource)]
            finally:
                gc.enable()

    run(story)


def test_a_websocket_that_ended_is_gone_without_the_cycle_collector(tmp_path: Path) -> None:
    async def watch(port: int, context: ssl.SSLContext, seconds: int) -> None:
        async with await anyio.connect_tcp(
            "127.0.0.1", port, ssl_context=context, tls_standard_compatible=False
        ) as stream:
            upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            path = f"/api/v1/namespaces?watch=1&timeoutSeconds={seconds}"
            key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
            await stream.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n{upgrade}{key}\r\n\r\n".encode())
            seen = b""
            while b'"type":"ADDED"' not in seen or (seconds == 1 and not seen.endswith(b"\x88\x02\x03\xe8")):
                seen += await stream.receive()

    async def story(plane: Plane) -> None:
        async with serving(plane.app, tmp_path) as (authority, port):
            context = trusting(authority, authority.client_pair("jane", "jane", ["system:masters"]))
            await watch(port, context, 60)
            gc.collect()
            gc.disable()
            try:
                for seconds in (60, 1):
                    await watch(port, context, seconds)
                await anyio.sleep(0.2)
                assert not [x for x in gc.get_objects() if isinstance(x, Exchange | WebSocket)]
            finally:
                gc.enable()

    run(story)


def test_foreign_and_expired_certificates_fail_the_handshake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = Authority(tmp_path / "foreign").client_pair("x", "x", ["system:masters"])
    old = Authority(tmp_path / "ours")
    long_ago = datetime.now(UTC) - timedelta(days=400)
    with monkeypatch.context() as patched:
        patched.setattr(clock, "now", lambda: long_ago)
        expired = old.client_pair("old", "old", ["system:masters"])
    # neither is a server's certificate good for a client
    server = old.server_pair(["127.0.0.1", "localhost"])

    async def story(plane: Plane) -> None:
        async with serving(plane.app, tmp_path / "ours") as (authority, port):
            for client in (foreign, expired, server):
                # in TLS 1.3 a client learns that it was refused when it reads
                with pytest.raises((ssl.SSLError, anyio.BrokenResourceError, anyio.EndOfStream)):
                    await who(port, trusting(authority, client))
            code, _ = await who(port, trusting(authority, authority.client_pair("a", "a", ["system:masters"])))
            assert code == 201

    run(story)


def test_tls_older_than_1_2_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = listener.tls_context(authority.server_pair(["localhost"]), authority.pair.certificate)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_OPTIONAL


def test_the_unix_socket_is_for_its_owner_who_is_administrator(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    path.write_text("left behind by a server that was killed")

    async def story(plane: Plane) -> None:
        before = os.umask(0)
        try:
            bound = listener.bind_unix(path)
        finally:
            os.umask(before)
        assert path.stat().st_mode & 0o777 == 0o600
        server = listener.listener(plane.app)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [bound])
            await server.wait_started()
            async with await anyio.connect_unix(path) as stream:
                for _ in range(2):  # the connection is kept
                    await stream.send(b"GET /api/v1/namespaces/default HTTP/1.1\r\nHost: x\r\n\r\n")
                    head, body = await read_answer(stream)
                    assert head.startswith(b"HTTP/1.1 200 ")
                    assert json.loads(body)["metadata"]["name"] == "default"
            server.stop()

    run(story)


def test_what_is_not_http_is_refused_and_the_server_goes_on(tmp_path: Path) -> None:
    async def story(plane: Plane) -> None:
        async with serving(plane.app, tmp_path) as (authority, port):
            async with await anyio.connect_tcp("127.0.0.1", port) as plain:
                await plain.send(b"GET / HTTP/1.1\r\n\r\n")
                with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                    assert not await plain.receive()
            context = trusting(authority)
            async with await anyio.connect_tcp(
                "127.0.0.1", port, ssl_context=context, tls_standard_compatible=False
            ) as stream:
                await stream.send(b"\x00\x01nonsense\r\n\r\n")
                assert (await stream.receive()).startswith(b"HTTP/1.1 400 ")
            async with await anyio.connect_tcp(
                "127.0.0.1", port, ssl_context=context, tls_standard_compatible=False
            ) as stream:
                await stream.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: elsewhere\r\n\r\n")
                assert (await stream.receive()).startswith(b"HTTP/1.1 400 ")
            code, _ = await who(port, trusting(authority, authority.client_pair("a", "a", ["system:masters"])))
            assert code == 201

    run(story)


def test_a_watch_that_is_cut_off_by_the_servers_end_is_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A signal ends the server's tasks at once, with all the watches that are open."""

    async def main() -> None:
        plane = await started_plane()
        path = tmp_path / "api.sock"
        server = listener.listener(plane.app)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listener.bind_unix(path)])
            await server.wait_started()
            stream = await anyio.connect_unix(path)
            await stream.send(b"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 " in await stream.receive()
            tasks.cancel_scope.cancel()
        for cut in server.server_state.tasks:
            cut.cancel()  # as the end of the event loop does
        await anyio.wait_all_tasks_blocked()
        for accepting in server.servers:
            accepting.close()
        await stream.aclose()
        await anyio.wait_all_tasks_blocked()

    anyio.run(main)
    assert [record for record in caplog.records if record.exc_info] == []


def test_an_address_that_is_taken_or_not_ours_is_an_os_error() -> None:
    with listener.bind_tcp("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        with pytest.raises(OSError, match="something listens there already"):
            listener.bind_tcp("127.0.0.1", port)
    with pytest.raises(OSError, match="this machine has no such address"):
        listener.bind_tcp("192.0.2.1", 0)
    with listener.bind_tcp("::1", 0) as bound:
        assert bound.getsockname()[0] == "::1"
