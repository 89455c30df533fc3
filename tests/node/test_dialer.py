"""The probes' network clients against real sockets on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from kube_lite.node.dialer import DialError, NetworkDialer

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def against(answer: Handle, story: Callable[[NetworkDialer, int], Awaitable[None]]) -> None:
    async def main() -> None:
        tasks: list[asyncio.Task[None] | None] = []

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.append(asyncio.current_task())
            try:
                await answer(reader, writer)
            finally:
                writer.close()
                await writer.wait_closed()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            await story(NetworkDialer(), server.sockets[0].getsockname()[1])
        await asyncio.gather(*(task for task in tasks if task))

    asyncio.run(main())


def http(*answers: str) -> tuple[Handle, list[str]]:
    """Answers in turn, and what was asked."""
    asked: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(answers[len(asked) - 1].encode())

    return handle, asked


def test_a_get_gives_the_status_and_says_who_asks() -> None:
    handle, asked = http("HTTP/1.1 204 No Content\r\n\r\n")

    async def story(dialer: NetworkDialer, port: int) -> None:
        assert (await dialer.http_get(f"http://127.0.0.1:{port}/h?a=1", {"X-Own": "v"})).status == 204
        assert asked[0].startswith("GET /h?a=1 HTTP/1.1\r\n")
        assert "User-Agent: kube-probe/1.36\r\n" in asked[0]
        assert "X-Own: v\r\n" in asked[0]

    against(handle, story)


def test_redirects_are_followed_on_the_same_host_only() -> None:
    handle, asked = http(
        "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 500 Oops\r\n\r\n"
    )

    async def story(dialer: NetworkDialer, port: int) -> None:
        assert (await dialer.http_get(f"http://127.0.0.1:{port}/", {})).status == 500
        assert asked[1].startswith("GET /there ")

    against(handle, story)
    handle, _ = http("HTTP/1.1 302 Found\r\nLocation: http://elsewhere.invalid/\r\nContent-Length: 3\r\n\r\nbye")

    async def elsewhere(dialer: NetworkDialer, port: int) -> None:
        answer = await dialer.http_get(f"http://127.0.0.1:{port}/", {})
        assert (answer.status, answer.body) == (302, "bye")

    against(handle, elsewhere)


def test_what_is_not_http_is_an_error() -> None:
    async def story(dialer: NetworkDialer, port: int) -> None:
        with pytest.raises(DialError, match="malformed HTTP response"):
            await dialer.http_get(f"http://127.0.0.1:{port}/", {})

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-x\r\n\r\n")

    against(handle, story)


def test_a_refused_connection_says_so() -> None:
    async def story() -> None:
        with pytest.raises(DialError, match=r"dial tcp 127.0.0.1:1: connect: connection refused"):
            await NetworkDialer().tcp_connect("127.0.0.1", 1)
        with pytest.raises(DialError, match=r'Get "http://127.0.0.1:1/": dial tcp .* connection refused'):
            await NetworkDialer().http_get("http://127.0.0.1:1/", {})

    asyncio.run(story())


def grpc(status: int) -> Handle:
    """A health service: settings, a ping, then headers, the answer in two frames, and trailers."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"SM\r\n\r\n")
        message = b"\x08" + bytes((status,))
        body = b"\x00\x00\x00\x00\x02" + message
        frames = [
            (4, 0, 0, b""),
            (6, 0, 0, b"12345678"),
            (1, 4, 1, b"\x88"),
            (0, 0, 1, body[:3]),
            (0, 0, 1, body[3:]),
            (1, 5, 1, b""),
        ]
        for kind, flags, stream, payload in frames:
            size = len(payload).to_bytes(3, "big")
            writer.write(size + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload)
        await writer.drain()
        await reader.read()

    return handle


def test_a_grpc_service_is_healthy_when_it_says_serving() -> None:
    async def serving(dialer: NetworkDialer, port: int) -> None:
        await dialer.grpc_health("127.0.0.1", port, "my.Service")

    async def not_serving(dialer: NetworkDialer, port: int) -> None:
        with pytest.raises(DialError, match="unhealthy"):
            await dialer.grpc_health("127.0.0.1", port, "")

    against(grpc(1), serving)
    against(grpc(2), not_serving)
