"""Bodies and connections between this server and those that it passes requests on to, over real sockets."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketStream

from kube_lite.api.aggregation import proxying
from kube_lite.api.aggregation.proxying import Proxying
from kube_lite.api.plane import Plane
from kube_lite.api.user import MASTERS, User
from tests.api.test_exchange import connected, serving
from tests.plane import admin, started_plane

HEAD = "Host: x\r\nAuthorization: Bearer root\r\n"


class Backend:
    """Answers with the length of what it got, and can hang up on kept connections."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.heads: list[bytes] = []
        self.connections = 0
        self.once = False
        self.raw = b""
        """An answer to give instead, before hanging up."""

    async def serve(self, stream: SocketStream) -> None:
        """One connection."""
        self.connections += 1
        rest = b""
        async with stream:
            while True:
                try:
                    while b"\r\n\r\n" not in rest:
                        rest += await stream.receive()
                    head, _, rest = rest.partition(b"\r\n\r\n")
                    body, rest = await self._body(stream, head, rest)
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    self.heads.append(b"broken off")
                    return
                self.heads.append(head.lower())
                self.got.append(body)
                if self.raw:
                    await stream.send(self.raw)
                    return
                text = str(len(body)).encode()
                await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
                if self.once:
                    rest += await stream.receive()
                    return  # without an answer

    async def _body(self, stream: SocketStream, head: bytes, rest: bytes) -> tuple[bytes, bytes]:
        lines = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        if b"transfer-encoding" in lines:
            while not rest.endswith(b"0\r\n\r\n"):
                rest += await stream.receive()
            body = b""
            while True:
                size, _, rest = rest.partition(b"\r\n")
                body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
                if not int(size, 16):
                    return body, rest
        length = int(lines.get(b"content-length", b"0"))
        while len(rest) < length:
            rest += await stream.receive()
        return rest[:length], rest[length:]


async def answer(stream: SocketStream) -> tuple[int, bytes]:
    """Status and body, in chunks or not, of the next answer."""
    raw = b""
    while True:
        raw += await stream.receive()
        head, _, body = raw.partition(b"\r\n\r\n")
        if b"chunked" in head and body.endswith(b"0\r\n\r\n"):
            return int(head.split()[1]), body.split(b"\r\n")[1]
        length = next((int(x.split()[1]) for x in head.split(b"\r\n") if x.startswith(b"content-length")), -1)
        if length == len(body):
            return int(head.split()[1]), body


Story = Callable[[Backend, int, str], Awaitable[None]]


@asynccontextmanager
async def proxied(plane: Plane) -> AsyncIterator[tuple[Backend, int, str]]:
    """A backend as a pod, the API's port, and the path to it."""
    plane.authenticator.add_token("root", User("root", groups=(MASTERS,)))
    proxy, backend = Proxying(plane), Backend()
    spec = {"containers": [{"name": "c", "image": "x"}]}
    await admin(plane).create("pods", {"metadata": {"name": "p"}, "spec": spec}, "default")
    status = {"status": {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}}
    await admin(plane).patch("pods", "p", status, "default", subresource="status")
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listening, anyio.create_task_group() as tasks:
        tasks.start_soon(listening.serve, backend.serve)
        at = listening.extra(anyio.abc.SocketAttribute.local_port)
        async with serving(plane.app) as port:
            yield backend, port, f"/api/v1/namespaces/default/pods/p:{at}/proxy/"
        await proxy.close()
        tasks.cancel_scope.cancel()


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch) -> Callable[[Story], None]:
    """Tells a story about a backend."""

    async def unchecked(address: str) -> str:
        return address

    monkeypatch.setattr(proxying, "_checked", unchecked)  # it is on loopback

    def told(story: Story) -> None:
        async def main() -> None:
            with anyio.fail_after(20):
                async with proxied(await started_plane(disabled=["ServiceAccount"])) as (backend, port, path):
                    await story(backend, port, path)

        anyio.run(main)

    return told


def test_long_bodies_and_those_of_unknown_length_are_passed_on_as_they_come(tell: Callable[[Story], None]) -> None:
    body = b"0123456789" * 500_000  # more than the server would hold of an object

    async def story(backend: Backend, port: int, path: str) -> None:
        async with connected(port) as stream:
            await stream.send(f"PUT {path} HTTP/1.1\r\n{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert (await answer(stream))[1] == b"5000000"
            await stream.send(f"POST {path} HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
            for start in range(0, len(body), 1_000_000):
                await stream.send(b"%x\r\n%b\r\n" % (1_000_000, body[start : start + 1_000_000]))
            await stream.send(b"0\r\n\r\n")
            assert (await answer(stream))[1] == b"5000000"
        assert backend.got == [body, body]
        assert b"content-length: 5000000" in backend.heads[0]

    tell(story)


def test_a_long_body_stays_as_it_was_encoded(tell: Callable[[Story], None]) -> None:
    body = gzip.compress(bytes(range(256)) * 2000, 0)

    async def story(backend: Backend, port: int, path: str) -> None:
        about = f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
        async with connected(port) as stream:
            await stream.send(f"POST {path} HTTP/1.1\r\n{HEAD}{about}".encode() + body)
            assert (await answer(stream))[0] == 200
        assert backend.got == [body]
        assert b"content-encoding: gzip" in backend.heads[0]

    tell(story)


@pytest.mark.parametrize("about", ["Transfer-Encoding: chunked", "Content-Length: 1000000"])
def test_a_body_whose_client_went_does_not_look_whole(tell: Callable[[Story], None], about: str) -> None:
    async def story(backend: Backend, port: int, path: str) -> None:
        async with connected(port) as stream:
            await stream.send(f"POST {path} HTTP/1.1\r\n{HEAD}{about}\r\n\r\n".encode())
            piece = b"x" * 100_000
            await stream.send(b"%x\r\n%b\r\n" % (len(piece), piece) if "chunked" in about else piece)
            await anyio.sleep(0.1)
        while not backend.heads:  # noqa: ASYNC110  # the backend has no event for it
            await anyio.sleep(0.01)
        assert (backend.heads, backend.got) == ([b"broken off"], [])

    tell(story)


def test_a_kept_connection_that_the_backend_closes_is_no_failure(tell: Callable[[Story], None]) -> None:
    async def story(backend: Backend, port: int, path: str) -> None:
        backend.once = True
        async with connected(port) as stream:
            for _ in range(2):
                await stream.send(f"GET {path} HTTP/1.1\r\n{HEAD}\r\n".encode())
                assert (await answer(stream))[0] == 200
            await stream.send(f"POST {path} HTTP/1.1\r\n{HEAD}Content-Length: 2\r\n\r\nhi".encode())
            status, told = await answer(stream)  # it may have been done already: not asked again
            assert (status, b"error trying to reach service" in told) == (503, True)
        assert backend.connections == 2

    tell(story)


@pytest.mark.parametrize("about", [b"Transfer-Encoding: chunked\r\n\r\n5\r\n", b"Content-Length: 9\r\n\r\n"])
def test_an_answer_that_is_broken_off_does_not_look_whole(tell: Callable[[Story], None], about: bytes) -> None:
    async def story(backend: Backend, port: int, path: str) -> None:
        backend.raw = b"HTTP/1.1 200 OK\r\n" + about + b"hello\r\n"[: 5 + 2 * (b"chunked" in about)]
        raw = b""
        async with connected(port) as stream:
            await stream.send(f"GET {path} HTTP/1.1\r\n{HEAD}\r\n".encode())
            with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    raw += await stream.receive()
        head, _, body = raw.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert body in (b"", b"hello", b"5\r\nhello\r\n")  # neither the last chunk nor all nine bytes

    tell(story)


def test_the_length_of_an_answer_is_told_where_the_backend_tells_it(tell: Callable[[Story], None]) -> None:
    async def story(backend: Backend, port: int, path: str) -> None:
        async with connected(port) as stream:
            for method, body in (("GET", b"0"), ("HEAD", b""), ("GET", b"0")):
                await stream.send(f"{method} {path} HTTP/1.1\r\n{HEAD}\r\n".encode())
                raw = await stream.receive()
                while method == "GET" and raw.endswith(b"\r\n\r\n"):
                    raw += await stream.receive()
                head, _, told = raw.partition(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                assert [line for line in lines if line.startswith(b"content-length")] == [b"content-length: 1"]
                assert b"transfer-encoding: chunked" not in lines
                assert told == body

    tell(story)
