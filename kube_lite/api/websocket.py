"""Watches and logs over websocket (RFC 6455), for browsers and clients that have no streaming HTTP.

A watch is a text frame for each event. A log is its bytes as they come, in binary frames, or in base64 as text for
clients that ask for ``base64.binary.k8s.io``; an empty frame goes ahead of them (apiserver ``wsstream.Reader``).

Only what that takes: the server sends text frames; from the client come pings, pongs and the end of it all, and
whatever else it sends is thrown away, as upstream does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from kube_lite.api.exchange import Exchange, Header
from kube_lite.api.http import PushStream, Request
from kube_lite.api.stopping import Stopping
from kube_lite.errors import BadRequest, Unauthorized

TOKEN_PROTOCOL: Final = "base64url.bearer.authorization.k8s.io."
"""A subprotocol of this prefix carries a bearer token: browsers cannot set headers on a websocket."""
PROTOCOLS: Final = "sec-websocket-protocol"
_ACCEPT_KEY: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_AS_TEXT: Final = "base64.binary.k8s.io"
LOG_PROTOCOLS: Final = ("binary.k8s.io", _AS_TEXT)
"""What a client may ask a log to be framed by; binary when it asks for nothing."""
_FINAL, _MASKED = 0x80, 0x80
LONGEST_FRAME: Final = 64 * 1024
"""Bytes of a client's frame at most."""
NORMAL, PROTOCOL_ERROR, TOO_BIG = 1000, 1002, 1009
"""Close codes."""


def wanted(request: Request) -> bool:
    """Whether the client asks for a websocket."""
    if request.header("upgrade").lower() != "websocket":
        return False
    return any(part.strip().lower() == "upgrade" for part in request.header("connection").split(","))


def carries(request: Request) -> bool:
    """Whether the answer is a stream that goes over a websocket, and the client asks for one."""
    return (request.info.verb == "watch" or request.info.subresource == "log") and wanted(request)


def subprotocols(request: Request) -> list[str]:
    """What the client offers to speak."""
    return [part.strip() for part in request.header(PROTOCOLS).split(",") if part.strip()]


def offered(request: Request) -> list[str]:
    """What the client offers to speak, without what is none but a token."""
    return [name for name in subprotocols(request) if not name.startswith(TOKEN_PROTOCOL)]


def bearer_token(request: Request) -> str:
    """The token among the subprotocols, '' when there is none.

    :raises Unauthorized: it is not base64url of UTF-8, there are two, or nothing else is offered
    """
    if not wanted(request):
        return ""
    named = subprotocols(request)
    tokens = [name[len(TOKEN_PROTOCOL) :] for name in named if name.startswith(TOKEN_PROTOCOL)]
    if not tokens:
        return ""
    if len(tokens) > 1 or len(named) == 1:
        raise Unauthorized("Unauthorized")
    try:
        return base64.b64decode(tokens[0] + "=" * (-len(tokens[0]) % 4), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unauthorized("Unauthorized") from error


def chosen(request: Request) -> str:
    """The subprotocol to speak, '' for none. :raises BadRequest: a log is asked for by others than there are"""
    names = offered(request)
    if request.info.subresource != "log":
        return names[0] if names else ""
    known = next((name for name in names if name in LOG_PROTOCOLS), "")
    if names and not known:
        raise BadRequest(
            f"requested protocol(s) are not supported: [{' '.join(names)}]; supports [{' '.join(LOG_PROTOCOLS)}]"
        )
    return known


def handshake(request: Request) -> list[Header]:
    """The headers of the answer that switches. :raises BadRequest: it is no proper handshake"""
    key = request.header("sec-websocket-key")
    try:
        right = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        right = False
    if request.info.method != "GET" or not right:
        raise BadRequest("the websocket handshake has no valid Sec-WebSocket-Key")
    if request.header("sec-websocket-version") != "13":
        raise BadRequest("only version 13 of websocket is spoken here")
    accept = base64.b64encode(hashlib.sha1(key.encode() + _ACCEPT_KEY, usedforsecurity=False).digest())
    headers = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", accept)]
    if protocol := chosen(request):
        headers.append((PROTOCOLS.encode(), protocol.encode("latin-1")))
    return headers


def encoded(kind: int, payload: bytes) -> bytes:
    """One whole frame from a server."""
    size = len(payload)
    if size < 126:
        head = bytes((_FINAL | kind, size))
    elif size < 1 << 16:
        head = bytes((_FINAL | kind, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FINAL | kind, 127)) + size.to_bytes(8, "big")
    return head + payload


class Frames:
    """The frames of a client, taken from its bytes as they come.

    :param on_frame: is told kind and payload of each control frame; what else comes is dropped
    """

    def __init__(self, on_frame: Callable[[int, bytes], None], on_error: Callable[[int], None]) -> None:
        self._on_frame = on_frame
        self._on_error = on_error
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """More bytes."""
        self._buffer += data
        while (size := self._take()) > 0:
            del self._buffer[:size]

    def _take(self) -> int:
        """Bytes of the frame that stands in front; 0 when it is not all there."""
        buffer = self._buffer
        if len(buffer) < 2:
            return 0
        kind, size, start = buffer[0] & 0x0F, buffer[1] & 0x7F, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return 0
            size = int.from_bytes(buffer[2:start], "big")
        if not buffer[1] & _MASKED or buffer[0] & 0x70 or (kind >= _CLOSE and size > 125):
            return self._fail(PROTOCOL_ERROR)
        if size > LONGEST_FRAME:
            return self._fail(TOO_BIG)
        end = start + 4 + size
        if len(buffer) < end:
            return 0
        if kind >= _CLOSE:
            mask = (bytes(buffer[start : start + 4]) * (size // 4 + 1))[:size]
            plain = int.from_bytes(buffer[start + 4 : end], "big") ^ int.from_bytes(mask, "big")
            self._on_frame(kind, plain.to_bytes(size, "big"))
        return end

    def _fail(self, code: int) -> int:
        self._buffer.clear()
        self._on_error(code)
        return 0


class WebSocket:
    """A connection that was switched; a sink for the chunks of a stream, framed as ``frame`` does."""

    def __init__(self, exchange: Exchange, frame: Callable[[bytes], bytes]) -> None:
        self._exchange = exchange
        self.frame = frame
        self._frames = Frames(self._received, self.close)
        self._closed = False
        self._ping: bytes | None = None
        self.on_writable: Callable[[], None] | None = None
        self.on_close: Callable[[], None] | None = None
        """Called once when the client ends it."""

    @property
    def full(self) -> bool:
        """Whether the client is slower than we are."""
        return self._exchange.full

    def feed(self, data: bytes) -> None:
        """Bytes from the client."""
        if not self._closed:
            self._frames.feed(data)
            ping, self._ping = self._ping, None
            if ping is not None and not self.full:
                self.push(encoded(_PONG, ping))

    def push(self, frame: bytes) -> None:
        """Send frames."""
        if not self._closed:
            self._exchange.push(frame)

    async def chunk(self, data: bytes) -> None:
        """Send data, waiting while the client is slower than we are."""
        if data and not self._closed:
            await self._exchange.raw(self.frame(data))

    def close(self, code: int = NORMAL) -> None:
        """Say goodbye, once."""
        if not self._closed:
            self._exchange.push(encoded(_CLOSE, code.to_bytes(2, "big")))
            self._closed = True
            if self.on_close is not None:
                self.on_close()

    def release(self) -> None:
        """Take and send no more. What reads the frames leads back here: both would stay until the cycle collector
        looks."""
        self._closed = True
        self.on_writable = self.on_close = None
        del self._frames

    def _received(self, kind: int, payload: bytes) -> None:
        if kind == _PING:
            self._ping = payload  # of several that came together the last is answered (RFC 6455 section 5.5.3)
        elif kind == _CLOSE:
            self.close()


def by_line(data: bytes) -> bytes:
    """Each line in a text frame of its own."""
    return b"".join(encoded(_TEXT, line) for line in data.splitlines(keepends=True))


def _framing(request: Request) -> Callable[[bytes], bytes]:
    if request.info.subresource != "log":
        return by_line
    if chosen(request) == _AS_TEXT:
        return lambda data: encoded(_TEXT, base64.b64encode(data))
    return lambda data: encoded(_BINARY, data)


async def serve(
    exchange: Exchange, request: Request, headers: list[Header], stream: AsyncIterator[bytes], stopping: Stopping
) -> None:
    """Switch to websocket and send the stream, until it ends, the client goes, or the server is about to."""
    socket = WebSocket(exchange, _framing(request))
    with stopping.during() as scope:
        exchange.on_disconnect = socket.on_close = scope.cancel
        exchange.on_writable = lambda: socket.on_writable() if socket.on_writable is not None else None
        await exchange.switch(headers, socket.feed)
        if exchange.disconnected:
            return
        if isinstance(stream, PushStream):
            await stream.push_to(socket)
        else:
            socket.push(socket.frame(b""))
            async for chunk in stream:
                await socket.chunk(chunk)
    socket.close()
    exchange.finish()
    socket.release()
