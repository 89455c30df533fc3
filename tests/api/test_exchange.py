"""Exchanges on real connections: what clients send in odd pieces, what they may not send, and how slow they may be."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from kube_lite.api import exchange, listener
from kube_lite.api.exchange import EXCHANGE, Exchange
from kube_lite.api.user import MASTERS, User
from tests.plane import started_plane

App = Callable[..., Awaitable[None]]
MAPS = "/api/v1/namespaces/default/configmaps"


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[int]:
    """A listener on loopback without TLS; its port."""
    bound = listener.bind_tcp("127.0.0.1", 0)
    server = listener.listener(app)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [bound])
        await server.wait_started()
        yield bound.getsockname()[1]
        server.stop()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[SocketStream]:
    """A connection."""
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        yield stream


class Reader:
    """Answers, one after the other."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._rest = b""

    async def answer(self, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        while b"\r\n\r\n" not in self._rest:
            self._rest += await self._stream.receive()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", "0")) if method != "HEAD" else 0
        while len(self._rest) < length:
            self._rest += await self._stream.receive()
        body, self._rest = self._rest[:length], self._rest[length:]
        return int(first.split()[1]), headers, body

    async def ended(self) -> bytes:
        """What comes until the server hangs up."""
        try:
            while True:
                self._rest += await self._stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return self._rest


async def echo(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    """Answers with the length of the body, or with as many bytes as the path asks for."""
    talk: Exchange = scope[EXCHANGE]
    body = talk.whole_body()
    if body is None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
    answer = b"x" * int(scope["path"][1:]) if scope["path"][1:].isdigit() else b"%d" % len(body)
    await talk.respond(200, [(b"content-length", b"%d" % len(answer)), (b"x-path", scope["raw_path"])], answer)


def run(story: Callable[[int], Awaitable[None]], app: Any = echo) -> None:
    """A story against a server, which ends within twenty seconds."""

    async def main() -> None:
        with anyio.fail_after(20):
            async with serving(app) as port:
                await story(port)

    anyio.run(main)


def run_plane(story: Callable[[int], Awaitable[None]]) -> None:
    """The same, against the whole API, to which the token ``root`` is an administrator's."""

    async def main() -> None:
        with anyio.fail_after(20):
            plane = await started_plane(disabled=["ServiceAccount"])
            plane.authenticator.add_token("root", User("root", groups=(MASTERS,)))
            async with serving(plane.app) as port:
                await story(port)

    anyio.run(main)


def get(path: str, *headers: str, version: str = "1.1", method: str = "GET") -> bytes:
    """A request without a body."""
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: x", *headers, "", ""]).encode()


def test_a_connection_is_kept_unless_either_side_says_otherwise() -> None:
    async def story(port: int) -> None:
        async with connected(port) as stream:
            reader = Reader(stream)
            for path in ("/a", "/b"):
                await stream.send(get(path))
                status, headers, body = await reader.answer()
                assert (status, headers["x-path"], body, "connection" in headers) == (200, path, b"0", False)
            await stream.send(get("/c", "Connection: close"))
            assert (await reader.answer())[1]["connection"] == "close"
            assert await reader.ended() == b""
        async with connected(port) as stream:
            await stream.send(get("/a", version="1.0"))
            reader = Reader(stream)
            assert (await reader.answer())[1]["connection"] == "close"
            assert await reader.ended() == b""

    run(story)


def test_pipelined_requests_are_answered_in_order_whatever_their_number() -> None:
    """Each answer once made the server read on, so that a client that only sent filled its memory."""

    async def story(port: int) -> None:
        async with connected(port) as stream:
            reader = Reader(stream)
            post = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stream.send, b"".join(get(f"/n{i}") for i in range(3000)) + post + get("/last"))
                for number in range(3000):
                    assert (await reader.answer())[1]["x-path"] == f"/n{number}"
                assert (await reader.answer())[2] == b"3"
                assert (await reader.answer())[1]["x-path"] == "/last"

    run(story)


def test_of_requests_that_arrive_together_only_some_are_parsed_before_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fifty clients that pipelined thousands each had hundreds of megabytes, and the loop for seconds."""
    longest: list[int] = []
    begin = listener.Protocol._begin

    def noted(self: listener.Protocol, exchange: Exchange) -> None:
        longest.append(len(self.pipeline))
        begin(self, exchange)

    monkeypatch.setattr(listener.Protocol, "_begin", noted)

    async def story(port: int) -> None:
        async with connected(port) as stream:
            reader = Reader(stream)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stream.send, b"".join(get(f"/n{i}") for i in range(8000)))
                for number in range(8000):
                    assert (await reader.answer())[1]["x-path"] == f"/n{number}"
        assert max(longest) < 2 * listener.PIECE // len(get("/n1"))

    run(story)


def test_requests_behind_one_whose_client_went_are_not_begun() -> None:
    begun: list[str] = []

    async def waiting(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        begun.append(scope["path"])
        talk: Exchange = scope[EXCHANGE]
        gone = anyio.Event()
        talk.on_disconnect = gone.set
        await talk.begin(200, [])
        await gone.wait()
        assert talk.disconnected
        ended.set()

    ended = anyio.Event()

    async def story(port: int) -> None:
        async with connected(port) as stream:
            await stream.send(get("/first") + get("/second"))
            await stream.receive()
        await ended.wait()
        async with connected(port) as stream:  # the server has seen the end of the other
            await stream.send(get("/third"))
            await stream.receive()
        assert begun == ["/first", "/third"]

    run(story, waiting)


def test_bodies_in_chunks_and_in_pieces_are_read_whole() -> None:
    async def story(port: int) -> None:
        async with connected(port) as stream:
            reader = Reader(stream)
            await stream.send(b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in (b"3\r\nab", b"c\r\n1", b"0\r\n" + b"x" * 16 + b"\r\n", b"0\r\n\r\n"):
                await stream.send(piece)
            assert (await reader.answer())[2] == b"19"
            big = b"y" * 1_000_000
            await stream.send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + big)
            assert (await reader.answer())[2] == b"1000000"

    run(story)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("certificates.k8s.io/v1beta1/certificatesigningrequests", b"Warning"),
        ("policy/v1beta1/poddisruptionbudgets", b"warning"),
    ],
)
def test_warnings_that_old_servers_gave_too_have_the_capitals_of_theirs(path: str, name: bytes) -> None:
    async def story(port: int) -> None:
        async with connected(port) as stream:
            await stream.send(get(f"/apis/{path}", "Authorization: Bearer root"))
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive()
            assert b"\r\n" + name + b": 299 - " in head

    run_plane(story)


def test_expect_100_continue_is_answered_before_the_body() -> None:
    async def story(port: int) -> None:
        async with connected(port) as stream:
            await stream.send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            assert await stream.receive() == b"HTTP/1.1 100 Continue\r\n\r\n"
            await stream.send(b"ab")
            assert (await Reader(stream).answer())[2] == b"2"

    run(story)


def test_head_has_the_length_and_no_body_and_the_connection_goes_on() -> None:
    async def story(port: int) -> None:
        async with connected(port) as stream:
            reader = Reader(stream)
            await stream.send(get("/100000", method="HEAD"))
            assert (await reader.answer("HEAD"))[1]["content-length"] == "100000"
            await stream.send(get("/5"))
            assert (await reader.answer())[2] == b"xxxxx"

    run(story)


def test_who_sends_no_more_still_gets_the_answer() -> None:
    async def story(port: int) -> None:
        async with connected(port) as stream:
            await stream.send(get("/300000"))
            await stream.send_eof()
            reader = Reader(stream)
            status, _, body = await reader.answer()
            assert (status, len(body)) == (200, 300_000)
            assert await reader.ended() == b""

    run(story)


def test_an_upgrade_that_is_not_followed_is_an_ordinary_request() -> None:
    async def story(port: int) -> None:
        for protocol in ("h2c", "websocket", "SPDY/3.1"):
            async with connected(port) as stream:
                await stream.send(
                    get("/3", "Connection: Upgrade", f"Upgrade: {protocol}") + b"\x00\x01 what comes next"
                )
                reader = Reader(stream)
                status, headers, body = await reader.answer()
                assert (status, headers["connection"], body) == (200, "close", b"xxx")
                assert await reader.ended() == b""

    run(story)


def test_a_client_that_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "SEND_SECONDS", 0.2)
    ended = anyio.Event()

    async def watched(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        await echo(scope, receive, send)
        if scope["path"] != "/1":
            ended.set()

    async def story(port: int) -> None:
        async with connected(port) as stream, connected(port) as other:
            await stream.send(get("/50000000"))
            await other.send(get("/1"))
            assert (await Reader(other).answer())[2] == b"x"
            await ended.wait()
            assert len(await Reader(stream).ended()) < 50_000_000

    run(story, watched)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20_000, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"NOTHING / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused_and_others_are_served(sent: bytes, status: int) -> None:
    async def story(port: int) -> None:
        async with connected(port) as stream, connected(port) as other:
            await stream.send(sent)
            reader = Reader(stream)
            assert (await reader.answer())[0] == status
            assert await reader.ended() == b""
            await other.send(get("/1"))
            assert (await Reader(other).answer())[2] == b"x"

    run(story)


@pytest.mark.parametrize("count", [0, 2, 40])
def test_a_long_list_arrives_whole_on_a_connection_that_goes_on(count: int) -> None:
    async def story(port: int) -> None:
        async with connected(port) as stream:
            reader = Reader(stream)
            for number in range(count):
                made = json.dumps({"metadata": {"name": f"m-{number}"}, "data": {"a": "x" * 20_000}}).encode()
                await stream.send(_post(made, JSON))
                assert (await reader.answer())[0] == 201
            for _ in range(2):
                await stream.send(get(MAPS, "Authorization: Bearer root"))
                status, headers, body = await reader.answer()
                assert (status, len(body)) == (200, int(headers["content-length"]))
                names = [item["metadata"]["name"] for item in json.loads(body)["items"]]
                assert names == sorted(f"m-{number}" for number in range(count))

    run_plane(story)


def test_who_is_slow_to_ask_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slowloris: a thousand connections that each send a byte now and then must not stay forever."""
    monkeypatch.setattr(listener, "HEAD_SECONDS", 0.3)

    async def story(port: int) -> None:
        async def trickle(stream: SocketStream) -> None:
            try:
                for byte in get("/1") * 100:
                    await stream.send(bytes((byte,)))
                    await anyio.sleep(0.02)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

        async with connected(port) as silent, connected(port) as slow, connected(port) as late:
            await late.send(get("/1"))
            reader = Reader(late)
            assert (await reader.answer())[2] == b"x"
            await late.send(b"GET ")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(trickle, slow)
                assert await Reader(silent).ended() == b""
                assert await Reader(slow).ended() == b""
                assert await reader.ended() == b""

    run(story)


def test_an_answer_whose_header_holds_a_line_break_is_not_sent() -> None:
    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        with pytest.raises(ValueError, match="line break"):
            await scope[EXCHANGE].respond(200, [(b"x", b"a\r\nSet-Cookie: b")], b"")
        await echo(scope, receive, send)

    async def story(port: int) -> None:
        async with connected(port) as stream:
            await stream.send(get("/1"))
            status, headers, body = await Reader(stream).answer()
            assert (status, body, "set-cookie" in headers) == (200, b"x", False)

    run(story, app)


def _post(body: bytes, *headers: str, length: bool = True) -> bytes:
    lines = [f"POST {MAPS} HTTP/1.1", "Host: x", "Authorization: Bearer root", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _map(name: str, **fields: object) -> bytes:
    return json.dumps({"metadata": {"name": name}, **fields}).encode()


def _gzip_bomb() -> bytes:
    import gzip

    return gzip.compress(b'{"data":"' + b" " * 50_000_000 + b'"}')


JSON = "Content-Type: application/json"
YAML = "Content-Type: application/yaml"
BAD_BODIES = {
    "too long": (_post(b" " * (4 << 20), JSON), 413),
    "said to be too long": (_post(b"", JSON, "Content-Length: 99999999", length=False), 413),
    "too long in chunks": (
        _post(b"", JSON, "Transfer-Encoding: chunked", length=False) + (b"100000\r\n" + b" " * (1 << 20) + b"\r\n") * 5,
        413,
    ),
    "gzip bomb": (_post(_gzip_bomb(), JSON, "Content-Encoding: gzip"), 413),
    "broken gzip": (_post(b"\x1f\x8b\x08nonsense", JSON, "Content-Encoding: gzip"), 400),
    "too deep": (_post(b"[" * 2_000_000, JSON), 400),
    "too deep in yaml": (_post(b"[" * 200_000, YAML), 400),
    "alias bomb": (
        _post(b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n", YAML),
        400,
    ),
    "nothing": (_post(b"", JSON), 400),
    "not json": (_post(b'{"metadata":', JSON), 400),
    "not an object": (_post(b"[]", JSON), 400),
    "not a number": (_post(b'{"metadata":{"name":"a"},"data":NaN}', JSON), 400),
    "infinite": (_post(b'{"metadata":{"name":"a","generation":1e999}}', JSON), 400),
    "a long number": (_post(b'{"metadata":{"name":"a","generation":' + b"9" * 5000 + b"}}", JSON), 400),
    "lone surrogate": (_post(b'{"metadata":{"name":"a"},"data":{"a":"\\ud800"}}', JSON), 400),
    "not utf-8": (_post(b'{"metadata":{"name":"\xff"}}', JSON), 400),
    "wrong type": (_post(_map("a", data=[1]), JSON), 400),
    "wrong kind": (_post(_map("a", kind="Pod", apiVersion="v1"), JSON), 400),
    "impossible name": (_post(_map("A/../b"), JSON), 422),
    "too large to keep": (_post(_map("a", data={"a": "x" * (1 << 20)} | {"b": "y" * 10_000}), JSON), 422),
    "a type nobody speaks": (_post(b"{}", "Content-Type: text/plain"), 415),
    "protobuf that is none": (_post(b"k8s\x00\xff\xff\xff", "Content-Type: application/vnd.kubernetes.protobuf"), 400),
    "long selector": (get(f"{MAPS}?labelSelector={'a' * 20000}", "Authorization: Bearer root"), 400),
    "odd selector": (get(f"{MAPS}?labelSelector=a%20in%20(", "Authorization: Bearer root"), 400),
    "odd limit": (get(f"{MAPS}?limit=x", "Authorization: Bearer root"), 400),
    "percent": (get("/api/v1/namespaces/%00%ff/configmaps/%zz", "Authorization: Bearer root"), 400),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bad_input_gets_its_refusal_while_others_are_served(name: str) -> None:
    sent, status = BAD_BODIES[name]

    async def story(port: int) -> None:
        async with connected(port) as stream, connected(port) as other:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_send_what_is_taken, stream, sent)
                code, _, body = await Reader(stream).answer()
                assert code == status, body
                assert json.loads(body)["code"] == status
                tasks.cancel_scope.cancel()
            await other.send(get("/livez"))
            assert (await Reader(other).answer())[0] == 200

    run_plane(story)


async def _send_what_is_taken(stream: SocketStream, data: bytes) -> None:
    try:
        await stream.send(data)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return


def test_a_refused_body_does_not_cost_the_client_its_answer() -> None:
    """Closing at once while the client still sent made the kernel drop the answer that was on its way."""

    async def story(port: int) -> None:
        async with connected(port) as stream:
            await stream.send(b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n")
            reader = Reader(stream)
            code, headers, _ = await reader.answer()
            assert (code, headers["connection"]) == (403, "close")
            await stream.send(b"x" * 500_000)
            assert await reader.ended() == b""

    run_plane(story)
