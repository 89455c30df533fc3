"""Requests to switch protocols that go through the proxies: bytes both ways, whatever they mean."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import anyio
import pytest
import websocket as client

from kube_lite import clock
from kube_lite.api import splice
from kube_lite.api.aggregation import proxying
from kube_lite.api.aggregation.proxying import Proxying
from kube_lite.api.plane import Plane
from kube_lite.api.user import MASTERS, User
from kube_lite.api.websocket import TOKEN_PROTOCOL
from tests.api.test_exchange import Reader, connected, serving
from tests.plane import admin, started_plane
from tests.support.echo import Handler, Server

POD = "/api/v1/namespaces/default/pods"
RAW = "Host: x\r\nAuthorization: Bearer root\r\nConnection: Upgrade\r\nUpgrade: raw\r\n"


@contextmanager
def echoing() -> Iterator[int]:
    """An echo server on loopback; its port."""
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


Story = Callable[[Plane, int, str], Awaitable[None]]


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch) -> Callable[[Story], None]:
    """Tells a story with an API's port, and the proxy path of a pod that echoes."""

    async def unchecked(address: str) -> str:
        return address

    monkeypatch.setattr(proxying, "_checked", unchecked)  # the pod is on loopback

    def told(story: Story) -> None:
        async def main(echo: int) -> None:
            with anyio.fail_after(20):
                plane = await started_plane(disabled=["ServiceAccount"])
                plane.authenticator.add_token("root", User("root", groups=(MASTERS,)))
                proxied = Proxying(plane)
                spec = {"containers": [{"name": "c", "image": "x"}]}
                await admin(plane).create("pods", {"metadata": {"name": "p"}, "spec": spec}, "default")
                status = {"status": {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}}
                await admin(plane).patch("pods", "p", status, "default", subresource="status")
                async with serving(plane.app) as port:
                    await story(plane, port, f"{POD}/p:{echo}/proxy")
                await proxied.close()

        with echoing() as echo:
            anyio.run(main, echo)

    return told


def test_a_websocket_client_talks_with_a_pod(tell: Callable[[Story], None]) -> None:
    async def story(plane: Plane, port: int, path: str) -> None:
        def talk() -> None:
            url = f"ws://127.0.0.1:{port}{path}/chat"
            socket = client.create_connection(url, timeout=15, header=["Authorization: Bearer root"])
            for text in ("hello", "x" * 70_000):
                socket.send(text)
                assert socket.recv() == text
            socket.ping(b"you")
            frame: Any = socket.recv_data_frame(control_frame=True)
            assert frame[1].data == b"you"
            socket.close()  # waits for the echo of its goodbye

        await clock.run_in_thread(talk)

    tell(story)


def test_a_token_among_the_subprotocols_logs_in_and_goes_no_further(tell: Callable[[Story], None]) -> None:
    async def story(plane: Plane, port: int, path: str) -> None:
        def talk() -> Any:
            offered = [TOKEN_PROTOCOL + "cm9vdA", "chat"]
            socket = client.create_connection(f"ws://127.0.0.1:{port}{path}/", timeout=15, subprotocols=offered)
            socket.close()
            return socket

        socket = await clock.run_in_thread(talk)
        assert socket.getsubprotocol() == "chat"
        assert "authorization" not in socket.getheaders()["x-seen"].split(",")

    tell(story)


def test_any_other_protocol_is_switched_to_as_well(tell: Callable[[Story], None]) -> None:
    async def story(plane: Plane, port: int, path: str) -> None:
        async with connected(port) as stream:
            # what follows the request at once is the new protocol's already
            await stream.send(f"POST {path}/x HTTP/1.1\r\n{RAW}\r\n".encode() + b"early")
            status, headers, _ = await Reader(stream).answer()
            assert (status, headers["upgrade"], headers["connection"]) == (101, "raw", "Upgrade")
            assert "authorization" not in headers["x-seen"].split(",")
        async with connected(port) as stream:
            await stream.send(f"GET {path} HTTP/1.1\r\n{RAW}\r\n".encode())  # no slash, and no redirect
            reader = Reader(stream)
            assert (await reader.answer())[0] == 101
            await stream.send(b"one")
            assert await stream.receive() == b"one"
            await stream.send(b"bye")  # the pod hangs up
            assert await reader.ended() == b""

    tell(story)


def test_much_goes_both_ways_at_once_while_little_is_held(tell: Callable[[Story], None]) -> None:
    async def story(plane: Plane, port: int, path: str) -> None:
        sent = bytes(range(256)) * 4096 * 16  # 16 MiB, more than all buffers between
        got = bytearray()
        async with connected(port) as stream:
            await stream.send(f"GET {path}/ HTTP/1.1\r\n{RAW}\r\n".encode())
            assert (await Reader(stream).answer())[0] == 101
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stream.send, sent)
                while len(got) < len(sent):
                    got += await stream.receive()
        assert bytes(got) == sent

    tell(story)


def test_connections_that_last_do_not_keep_others_waiting(tell: Callable[[Story], None]) -> None:
    async def story(plane: Plane, port: int, path: str) -> None:
        async with AsyncExitStack() as stack:
            for _ in range(120):  # httpx would have 100 connections at most
                stream = await stack.enter_async_context(connected(port))
                await stream.send(f"GET {path}/ HTTP/1.1\r\n{RAW}\r\n".encode())
                assert (await Reader(stream).answer())[0] == 101

    tell(story)


def test_a_refusal_comes_through_as_it_is(tell: Callable[[Story], None]) -> None:
    async def story(plane: Plane, port: int, path: str) -> None:
        async with connected(port) as stream:
            await stream.send(f"GET {path}/refused HTTP/1.1\r\n{RAW}\r\n".encode())
            raw = await Reader(stream).ended()
        assert raw.startswith(b"HTTP/1.1 426 ")
        assert b"no..." in raw

    tell(story)


def test_a_server_that_ends_hangs_up_on_both(tell: Callable[[Story], None]) -> None:
    async def story(plane: Plane, port: int, path: str) -> None:
        async with connected(port) as stream:
            await stream.send(f"GET {path}/ HTTP/1.1\r\n{RAW}\r\n".encode())
            reader = Reader(stream)
            assert (await reader.answer())[0] == 101
            plane.stopping.end_streams()
            assert await reader.ended() == b""

    tell(story)


class _Slow:
    """A far end that takes nothing until it is told to, and says nothing."""

    def __init__(self) -> None:
        self.go = anyio.Event()
        self.got = b""
        self.closed = False

    async def read(self) -> bytes:
        await anyio.sleep_forever()
        raise AssertionError

    async def write(self, data: bytes) -> None:
        await self.go.wait()
        self.got += data

    async def aclose(self) -> None:
        self.closed = True


def test_what_a_client_said_before_it_went_still_arrives() -> None:
    far = _Slow()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        from kube_lite.api.exchange import EXCHANGE

        spliced = splice.Spliced(far)
        await spliced.splice(scope[EXCHANGE], [(b"upgrade", b"raw"), (b"connection", b"Upgrade")])
        await spliced.aclose()

    async def main() -> None:
        with anyio.fail_after(20):
            async with serving(app) as port:
                async with connected(port) as stream:
                    await stream.send(f"GET / HTTP/1.1\r\n{RAW}\r\n".encode())
                    assert (await Reader(stream).answer())[0] == 101
                    await stream.send(b"first ")
                    await anyio.sleep(0.05)
                    await stream.send(b"last")
                await anyio.sleep(0.05)
                assert not far.closed
                far.go.set()
        assert (far.got, far.closed) == (b"first last", True)

    anyio.run(main)
