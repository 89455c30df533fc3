"""Watches and logs over websocket: a real client library, its handshakes good and bad, and the frames by hand."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest
import websocket as client

from kube_lite import clock
from kube_lite.api.http import Request, Response
from kube_lite.api.plane import Plane
from kube_lite.api.user import MASTERS, User
from kube_lite.api.websocket import LONGEST_FRAME, TOKEN_PROTOCOL, Frames, WebSocket, by_line, encoded
from kube_lite.resources.registry import Resource
from tests.api.test_exchange import Reader, connected, serving
from tests.plane import admin, started_plane

MAPS = "/api/v1/namespaces/default/configmaps"
ROOT = ["Authorization: Bearer root"]


def run(story: Callable[[Plane, int], Awaitable[None]]) -> None:
    """A story against a whole API, to which the token ``root`` is an administrator's."""

    async def main() -> None:
        with anyio.fail_after(20):
            plane = await started_plane(disabled=["ServiceAccount"])
            plane.authenticator.add_token("root", User("root", groups=(MASTERS,)))
            async with serving(plane.app) as port:
                await story(plane, port)

    anyio.run(main)


async def opened(port: int, query: str = "", path: str = MAPS, **options: Any) -> Any:
    """A websocket."""

    def connect() -> Any:
        return client.create_connection(f"ws://127.0.0.1:{port}{path}?watch=1{query}", timeout=15, **options)

    return await clock.run_in_thread(connect)


async def event(socket: Any) -> tuple[str, str]:
    """Type and name of the next event, which must be one text frame."""
    code, data = await clock.run_in_thread(socket.recv_data)
    assert code == client.ABNF.OPCODE_TEXT, (code, data)
    line = json.loads(data)
    return line["type"], line["object"]["metadata"].get("name", "")


def test_each_event_is_a_frame_and_the_end_a_close() -> None:
    async def story(plane: Plane, port: int) -> None:
        maps = admin(plane)
        for name in ("a", "b"):
            await maps.create("configmaps", {"metadata": {"name": name}}, "default")
        socket = await opened(port, "&timeoutSeconds=3&allowWatchBookmarks=1", header=ROOT)
        assert [await event(socket) for _ in range(2)] == [("ADDED", "a"), ("ADDED", "b")]
        # long enough for a length of more than two bytes
        await maps.patch("configmaps", "a", {"data": {"k": "v" * 70_000}}, "default")
        await maps.delete("configmaps", "b", "default")
        assert [await event(socket) for _ in range(2)] == [("MODIFIED", "a"), ("DELETED", "b")]
        assert (await event(socket))[0] == "BOOKMARK"
        code, data = await clock.run_in_thread(socket.recv_data)
        assert (code, data) == (client.ABNF.OPCODE_CLOSE, (1000).to_bytes(2, "big"))
        socket.shutdown()

    run(story)


def test_selectors_and_an_expired_revision_are_as_over_http() -> None:
    async def story(plane: Plane, port: int) -> None:
        for name in ("a", "b"):
            await admin(plane).create("configmaps", {"metadata": {"name": name, "labels": {"is": name}}}, "default")
        socket = await opened(port, "&labelSelector=is%3Db", header=ROOT)
        assert await event(socket) == ("ADDED", "b")
        await admin(plane).patch("configmaps", "b", {"metadata": {"labels": None}}, "default")
        assert await event(socket) == ("DELETED", "b")
        await clock.run_in_thread(socket.close)

    run(story)


def test_the_token_may_be_a_subprotocol_and_is_never_the_one_chosen() -> None:
    async def story(plane: Plane, port: int) -> None:
        await admin(plane).create("configmaps", {"metadata": {"name": "a"}}, "default")
        token = TOKEN_PROTOCOL + base64.urlsafe_b64encode(b"root").decode().rstrip("=")
        for chosen in ("binary.k8s.io", "base64.binary.k8s.io", "mine"):
            socket = await opened(port, subprotocols=[token, chosen])
            assert socket.getsubprotocol() == chosen
            assert await event(socket) == ("ADDED", "a")
            await clock.run_in_thread(socket.close)
        wrong = TOKEN_PROTOCOL + base64.urlsafe_b64encode(b"no").decode().rstrip("=")
        for offered in ([token], [token, token, "x"], [wrong, "x"], [TOKEN_PROTOCOL + "!", "x"]):
            with pytest.raises(client.WebSocketBadStatusException) as refused:
                await opened(port, subprotocols=offered)
            assert refused.value.status_code == 401

    run(story)


def test_pings_are_answered_and_what_else_the_client_sends_is_dropped() -> None:
    async def story(plane: Plane, port: int) -> None:
        socket = await opened(port, header=ROOT)
        await clock.run_in_thread(socket.send, "nobody listens")
        await clock.run_in_thread(socket.ping, "are you there")
        code, data = await clock.run_in_thread(socket.recv_data, True)
        assert (code, data) == (client.ABNF.OPCODE_PONG, b"are you there")
        await admin(plane).create("configmaps", {"metadata": {"name": "a"}}, "default")
        assert await event(socket) == ("ADDED", "a")
        await clock.run_in_thread(socket.send_close)
        assert (await clock.run_in_thread(socket.recv_data))[0] == client.ABNF.OPCODE_CLOSE
        socket.shutdown()

    run(story)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"{MAPS}?watch=1", ["Sec-WebSocket-Version: 13"], 400),
        (f"{MAPS}?watch=1", ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 8"], 400),
        (f"{MAPS}?watch=1&labelSelector=a%20in", ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], 400),
        (f"{MAPS}?watch=1x", ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], 101),
        (MAPS, ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"], 200),
    ],
)
def test_a_handshake_that_cannot_be_followed_gets_an_ordinary_answer(
    path: str, headers: list[str], status: int
) -> None:
    async def story(plane: Plane, port: int) -> None:
        async with connected(port) as stream:
            asked = ["Host: x", *ROOT, "Connection: keep-alive, Upgrade", "Upgrade: WebSocket", *headers]
            if status == 101:
                asked.append("Sec-WebSocket-Version: 13")
            await stream.send("\r\n".join([f"GET {path} HTTP/1.1", *asked, "", ""]).encode())
            assert (await Reader(stream).answer())[0] == status

    run(story)


LOG = "/api/v1/namespaces/default/pods/p/log"
SAID = [b"one\ntwo\n", b"\xff\x00 no text", b"x" * 70_000]


async def log(request: Request, resource: Resource) -> Response:
    """What a node would answer."""

    async def body() -> AsyncIterator[bytes]:
        for chunk in SAID:
            yield chunk

    return Response(content_type="text/plain", stream=body())


@pytest.mark.parametrize(
    ("asked", "spoken", "code"),
    [
        ([], None, client.ABNF.OPCODE_BINARY),
        (["binary.k8s.io"], "binary.k8s.io", client.ABNF.OPCODE_BINARY),
        (["chat", "base64.binary.k8s.io"], "base64.binary.k8s.io", client.ABNF.OPCODE_TEXT),
    ],
)
def test_a_log_comes_byte_for_byte_in_the_frames_that_were_asked_for(
    asked: list[str], spoken: str | None, code: int
) -> None:
    async def story(plane: Plane, port: int) -> None:
        plane.dispatcher.subresources["pods/log"] = log
        socket = await opened(port, path=LOG, header=ROOT, subprotocols=asked)
        assert socket.getsubprotocol() == spoken
        frames = [await clock.run_in_thread(socket.recv_data) for _ in range(len(SAID) + 1)]
        assert {kind for kind, _ in frames} == {code}
        plain = [base64.b64decode(data) if code == client.ABNF.OPCODE_TEXT else data for _, data in frames]
        assert plain == [b"", *SAID]
        assert (await clock.run_in_thread(socket.recv_data))[0] == client.ABNF.OPCODE_CLOSE
        socket.shutdown()

    run(story)


def test_a_log_in_frames_that_nobody_knows_is_refused() -> None:
    async def story(plane: Plane, port: int) -> None:
        plane.dispatcher.subresources["pods/log"] = log
        with pytest.raises(client.WebSocketBadStatusException) as refused:
            await opened(port, path=LOG, header=ROOT, subprotocols=["chat"])
        assert refused.value.status_code == 400

    run(story)


def masked(kind: int, payload: bytes, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    """A frame from a client."""
    plain = encoded(kind, payload)
    head = bytearray(plain[: len(plain) - len(payload)])
    head[1] |= 0x80
    return bytes(head) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_frames_are_taken_from_bytes_however_they_come(step: int) -> None:
    got: list[tuple[int, bytes]] = []
    errors: list[int] = []
    frames = Frames(lambda kind, payload: got.append((kind, payload)), errors.append)
    wire = masked(9, b"a") + masked(1, b"x" * 300) + masked(2, b"y" * 66) + masked(10, b"") + masked(8, b"\x03\xe8bye")
    for start in range(0, len(wire), step):
        frames.feed(wire[start : start + step])
    assert got == [(9, b"a"), (10, b""), (8, b"\x03\xe8bye")]
    assert not errors


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (encoded(9, b"not masked"), 1002),
        (b"\xc9\x80\0\0\0\0", 1002),
        (masked(9, b"x" * 126), 1002),
        (b"\x81\xff" + (LONGEST_FRAME + 1).to_bytes(8, "big") + b"\0\0\0\0", 1009),
    ],
)
def test_frames_against_the_rules_end_the_connection(wire: bytes, code: int) -> None:
    errors: list[int] = []
    frames = Frames(lambda kind, payload: pytest.fail("no frame of theirs counts"), errors.append)
    frames.feed(wire)
    assert errors == [code]


def test_of_pings_that_come_together_the_last_is_answered() -> None:
    """Each answer is a write of its own: sixty kilobytes of pings once held everybody for a second."""
    sent: list[bytes] = []

    class Line:
        full = False

        def push(self, frame: bytes) -> None:
            sent.append(frame)

    socket = WebSocket(Line(), by_line)  # type: ignore[arg-type]
    socket.feed(b"".join(masked(9, b"%d" % i) for i in range(10_000)))
    socket.feed(masked(9, b"more"))
    assert sent == [encoded(10, b"9999"), encoded(10, b"more")]
