"""HttpClient against a real socket: a scripted server answers, and what was asked is compared."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from kube_lite import errors
from kube_lite.api.certs import Authority
from kube_lite.client.http import HttpClient, Unreachable, split_lines
from kube_lite.client.kubeconfig import Connection
from kube_lite.client.protocol import STRATEGIC_PATCH, WatchEvent


class Server:
    """Answers requests in turn from ``answers``: status line and body, or a callable that writes."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.tasks: list[asyncio.Task[None] | None] = []

    def answer(self, code: int, body: object, **headers: str) -> None:
        """Say next."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append((code, {k.replace("_", "-"): v for k, v in headers.items()}, data))

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.append(asyncio.current_task())
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
                body = b""
                if "content-length" in headers:
                    body = await reader.readexactly(int(headers["content-length"]))
                elif headers.get("transfer-encoding") == "chunked":
                    while (size := int(await reader.readline(), 16)) > 0:
                        body += await reader.readexactly(size)
                        await reader.readline()
                    await reader.readline()
                self.asked.append((head[0].rsplit(" ", 1)[0], headers, body))
                code, extra, data = self.answers.pop(0)
                lines = [f"HTTP/1.1 {code} X", f"Content-Length: {len(data)}", *(f"{k}: {v}" for k, v in extra.items())]
                writer.write("\r\n".join([*lines, "", ""]).encode() + data)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def serving(path: str = "") -> AsyncIterator[tuple[Server, HttpClient]]:
    script = Server()
    if path:
        listener = await asyncio.start_unix_server(script.handle, path)
        connection = Connection("http://localhost", unix_socket=path)
    else:
        listener = await asyncio.start_server(script.handle, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        connection = Connection(f"http://127.0.0.1:{port}", token="secret")
    try:
        async with HttpClient(connection) as client:
            yield script, client
    finally:
        listener.close()
        await asyncio.gather(*(task for task in script.tasks if task))


def run(story: Callable[[Server, HttpClient], object], path: str = "") -> None:
    async def main() -> None:
        async with serving(path) as (server, client):
            await story(server, client)  # type: ignore[misc]

    asyncio.run(main())


POD = {"kind": "Pod", "metadata": {"name": "p"}}


def test_every_verb_asks_for_the_right_path_with_the_right_body() -> None:
    async def story(server: Server, client: HttpClient) -> None:
        for _ in range(7):
            server.answer(200, POD)
        await client.get("pods", "p", "ns")
        await client.get("nodes", "n")
        await client.create("deployments.apps", POD, "ns")
        await client.create("serviceaccounts", {}, "ns", name="sa", subresource="token")
        await client.update("leases.coordination.k8s.io", "l", POD, "ns")
        await client.patch("pods", "p", {"a": 1}, "ns", content_type=STRATEGIC_PATCH, subresource="status")
        await client.delete("pods", "p", "ns", grace_period_seconds=0, uid="u")
        assert [asked for asked, _, _ in server.asked] == [
            "GET /api/v1/namespaces/ns/pods/p",
            "GET /api/v1/nodes/n",
            "POST /apis/apps/v1/namespaces/ns/deployments",
            "POST /api/v1/namespaces/ns/serviceaccounts/sa/token",
            "PUT /apis/coordination.k8s.io/v1/namespaces/ns/leases/l",
            "PATCH /api/v1/namespaces/ns/pods/p/status",
            "DELETE /api/v1/namespaces/ns/pods/p",
        ]
        assert server.asked[0][1]["authorization"] == "Bearer secret"
        assert server.asked[5][1]["content-type"] == STRATEGIC_PATCH
        assert json.loads(server.asked[6][2]) == {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": "u"},
        }

    run(story)


def test_a_list_gives_items_as_bytes_and_where_to_go_on() -> None:
    async def story(server: Server, client: HttpClient) -> None:
        server.answer(200, {"metadata": {"resourceVersion": "7", "continue": "next"}, "items": [POD]})
        server.answer(200, {"metadata": {"resourceVersion": "7"}, "items": None})
        page = await client.list("pods", field_selector="spec.nodeName=n", limit=5)
        assert [json.loads(item) for item in page.items] == [POD]
        assert (page.resource_version, page.continue_) == ("7", "next")
        assert server.asked[0][0] == "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn&limit=5"
        assert (await client.list("pods")).items == []

    run(story)


def test_a_refusal_is_raised_as_the_error_it_stands_for() -> None:
    async def story(server: Server, client: HttpClient) -> None:
        server.answer(404, errors.not_found("pods", "", "p").to_status())
        with pytest.raises(errors.NotFound, match='pods "p" not found'):
            await client.get("pods", "p", "ns")
        server.answer(502, b"<html>bad gateway")
        with pytest.raises(errors.ApiError, match="bad gateway") as caught:
            await client.get("pods", "p", "ns")
        assert caught.value.code == 502
        with pytest.raises(errors.NotFound, match="doesn't have a resource type"):
            await client.get("nonsense", "p")

    run(story)


def test_too_many_requests_is_tried_again_when_the_server_says_so() -> None:
    async def story(server: Server, client: HttpClient) -> None:
        busy = errors.TooManyRequests("slow down").to_status()
        server.answer(429, busy, Retry_After="0")
        server.answer(200, POD)
        assert json.loads(await client.get("pods", "p", "ns")) == POD
        server.answer(429, busy)
        with pytest.raises(errors.TooManyRequests):
            await client.create("pods", POD, "ns")

    run(story)


def test_a_watch_gives_what_came_before_an_error_then_raises_it() -> None:
    async def story(server: Server, client: HttpClient) -> None:
        expired = errors.Expired("too old resource version: 1 (9)").to_status()
        lines = [{"type": "ADDED", "object": POD}, {"type": "ERROR", "object": expired}]
        server.answer(200, b"\n\n".join(json.dumps(line).encode() for line in lines) + b"\n")
        seen: list[WatchEvent] = []

        async def follow() -> None:
            async with client.watch("pods", resource_version="1") as batches:
                async for batch in batches:
                    seen.extend(batch)

        with pytest.raises(errors.Expired):
            await follow()
        assert [(event.type, json.loads(event.object)) for event in seen] == [("ADDED", POD)]
        assert server.asked[0][0] == "GET /api/v1/pods?watch=true&resourceVersion=1&allowWatchBookmarks=true"

    run(story)


def test_a_connection_that_fails_is_an_os_error() -> None:
    async def story() -> None:
        async with HttpClient(Connection("http://127.0.0.1:1")) as client:
            with pytest.raises(Unreachable):
                await client.get("pods", "p", "ns")
            with pytest.raises(OSError, match="/api/v1/pods"):
                async with client.watch("pods"):
                    pytest.fail("there is no server")

    asyncio.run(story())


def test_a_streamed_body_arrives_whole() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    async def story(server: Server, client: HttpClient) -> None:
        server.answer(200, {})
        await client.request_stream("POST", "/x/streams/1", body())
        assert server.asked[0][0] == "POST /x/streams/1"
        assert server.asked[0][2] == b"one two"

    run(story)


def test_a_unix_socket_serves_as_well(tmp_path: Path) -> None:
    async def story(server: Server, client: HttpClient) -> None:
        server.answer(200, POD)
        assert json.loads(await client.get("pods", "p", "ns")) == POD

    run(story, str(tmp_path / "api.sock"))


def test_the_certificate_may_be_for_another_name_than_the_urls_if_the_connection_says_so(tmp_path: Path) -> None:
    async def story() -> None:
        script, authority = Server(), Authority(tmp_path)
        pair = authority.server_pair(["api.example.com"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        listener = await asyncio.start_server(script.handle, "127.0.0.1", 0, ssl=context)
        url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        script.answer(200, POD)
        named = Connection(url, ca=authority.certificate_pem, tls_server_name="api.example.com")
        with closing(listener):
            async with HttpClient(named) as client, HttpClient(named._replace(tls_server_name="")) as strict:
                assert json.loads(await client.get("pods", "p", "ns")) == POD
                with pytest.raises(Unreachable, match="certificate"):
                    await strict.get("pods", "p", "ns")
        await asyncio.gather(*(task for task in script.tasks if task))

    asyncio.run(story())


def test_lines_are_split_wherever_chunks_end() -> None:
    assert split_lines(b"", b'{"a":1}\n{"b"') == ([b'{"a":1}'], b'{"b"')
    assert split_lines(b'{"b"', b":2}\n\n\n") == ([b'{"b":2}'], b"")
    assert split_lines(b"", b"\r\n") == ([], b"")
