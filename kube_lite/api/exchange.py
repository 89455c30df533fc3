"""One HTTP exchange on uvicorn's protocol, with a shorter way out than ASGI messages.

An answer leaves in one write (one TLS record, one system call), where ASGI's two messages make two; a stream's
chunk is one write too, and its end is told by a callback instead of a task that waits for it: a thousand watchers
would be a thousand tasks more. The application finds the exchange in the scope, and talks ASGI where there is none.

A client that asks to upgrade may be switched to another protocol: from then on the connection's bytes are its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

import anyio
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from kube_lite.api.http import LongBody

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

EXCHANGE: Final = "kube_lite.exchange"
"""Key in the ASGI scope."""
_JOIN_BELOW: Final = 64 * 1024
"""Bytes of a body that are copied behind their head; longer ones are written on their own."""

_SLICE: Final = 256 * 1024
"""Bytes of a long body written at once."""

SEND_SECONDS: Final = 60.0
"""How long a client may take no byte of an answer (upstream's request timeout); then the connection is cut."""
LINGER_SECONDS: Final = 1.0
"""How long a client may go on sending a body whose answer it has."""
EARLY_BYTES: Final = 64 * 1024
"""What a client may send of the new protocol before it is switched."""

Header = tuple[bytes, bytes]


def _slices(body: bytes) -> Iterator[memoryview]:
    view = memoryview(body)
    return (view[start : start + _SLICE] for start in range(0, len(view), _SLICE))


_AS_GO_WRITES: Final = {b"retry-after": b"Retry-After"}
"""Headers that some clients look for in the capitals that Go gives them."""


def _drop(data: bytes) -> None:
    """What comes after the end is nobody's."""


class Exchange(RequestResponseCycle):
    """A request and its answer on one connection."""

    on_disconnect: Callable[[], None] | None = None
    """Called once when the client goes away during a stream."""
    on_writable: Callable[[], None] | None = None
    """Called when a client that was slower than we are has caught up."""
    half_closed = False
    """Whether the client sends no more, but reads."""
    upgrade = False
    """Whether the client asks for another protocol."""
    _receiver: Callable[[bytes], None] | None = None
    _early = b""
    _left = -1
    """Bytes of a stream that are yet to come; -1 for one that comes in chunks until its end."""

    async def run_asgi(self, app: ASGI3Application) -> None:
        """Answer the request; one that is cut off because the server ends is no failure, and is not logged as one."""

        async def until_cancelled(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                # nothing else cancels the task of a request, and it has nothing left to do
                self.disconnected = True
                self.transport.close()

        await super().run_asgi(until_cancelled)
        del self.scope  # which leads back here: both would keep the TLS buffers until the cycle collector looks

    def whole_body(self) -> bytes | None:
        """The request's body if all of it has arrived, else None: then it is to be received."""
        if self.more_body or self.disconnected:
            return None
        body, self.body = bytes(self.body), bytearray()
        return body

    async def respond(self, status: int, headers: Iterable[Header], body: bytes | LongBody) -> None:
        """Send a whole answer; ``headers`` name its length.

        :raises ValueError: a header contains a line break
        """
        head = self._head(status, headers)
        await self._drain()
        if self.disconnected:
            return
        self.response_started = True
        if self.scope["method"] == "HEAD":
            body = b""
        if len(body) < _JOIN_BELOW:
            self.transport.write(head + bytes(body))
        else:
            self.transport.write(head)
            await self._write_slowly(body.slices(_SLICE) if isinstance(body, LongBody) else _slices(body))
        if not self.disconnected:
            self._complete()

    async def _write_slowly(self, slices: Iterable[bytes | memoryview]) -> None:
        # all at once, a long list would be copied whole into the TLS buffer and again into the socket's
        for piece in slices:
            await self._drain()
            if self.disconnected:
                return
            self.transport.write(piece)

    async def begin(self, status: int, headers: Iterable[Header], length: int = -1) -> None:
        """Send the head of a stream.

        :param length: bytes that will come, where that is known
        :raises ValueError: a header contains a line break
        """
        self._left = length
        about = (b"transfer-encoding", b"chunked") if length < 0 else (b"content-length", b"%d" % length)
        head = self._head(status, (*headers, about))
        await self._drain()
        if not self.disconnected:
            self.response_started = True
            self.transport.write(head)
            if self.half_closed:  # whether it still reads would never be known
                self.disconnected = True
                self.transport.close()

    async def chunk(self, data: bytes) -> None:
        """Send a part of the stream, waiting while the client is slower than we are."""
        if self.flow.write_paused:
            await self._drain()
        if data and not self.disconnected:
            if self._left < 0:
                self.transport.write(self.frame(data))
                return
            part = data[: self._left]  # more would be taken for the next answer
            self._left -= len(part)
            self.transport.write(part)

    @staticmethod
    def frame(data: bytes) -> bytes:
        """A part of a stream as it goes over the wire."""
        return b"%x\r\n%b\r\n" % (len(data), data)

    @property
    def full(self) -> bool:
        """Whether the client is slower than we are: nothing more should be pushed until it is writable."""
        return bool(self.flow.write_paused)

    def push(self, frame: bytes) -> None:
        """Send what :meth:`frame` made of a part of the stream, now."""
        if not self.disconnected:
            self.transport.write(frame)

    def writable(self) -> None:
        """The client has caught up."""
        if self.on_writable is not None:
            self.on_writable()

    async def end(self) -> None:
        """End the stream."""
        self.on_disconnect = self.on_writable = None
        await self._drain()
        if self.disconnected:
            return
        if self._left < 0:
            self.transport.write(b"0\r\n\r\n")
        elif self._left > 0:
            self.keep_alive = False  # it was broken off, and this is how the client learns that
        self._complete()

    def cut(self) -> None:
        """Break the connection off, so that the client does not take what it has for the whole answer."""
        self.on_disconnect = self.on_writable = None
        self.disconnected = True
        self.transport.abort()

    def lost(self) -> None:
        """The connection is gone."""
        if self.on_disconnect is not None:
            self.on_disconnect()

    async def switch(self, headers: Iterable[Header], receiver: Callable[[bytes], None]) -> None:
        """Answer that the protocol is switched; what the client sends goes to ``receiver`` from now on."""
        self.keep_alive = True  # nothing may speak of closing
        head = self._head(101, headers)
        self.keep_alive = False
        await self._drain()
        if self.disconnected:
            return
        self.response_started = True
        self._receiver = receiver
        self.transport.write(head)
        early, self._early = self._early, b""
        if early:
            receiver(early)

    def received(self, data: bytes) -> None:
        """Bytes that came after a request to upgrade."""
        if self._receiver is not None:
            self._receiver(data)
        elif len(self._early) + len(data) <= EARLY_BYTES:
            self._early += data
        else:
            self.transport.abort()

    async def raw(self, data: bytes) -> None:
        """Send bytes of the protocol switched to, waiting while the client is slower than we are."""
        await self._drain()
        self.push(data)

    def finish(self) -> None:
        """End a connection whose protocol was switched."""
        self.on_disconnect = self.on_writable = None
        self._receiver = _drop  # the receiver knows us: both would stay until the cycle collector looks
        if not self.disconnected:
            self._complete()

    async def _drain(self) -> None:
        if self.flow.write_paused and not self.disconnected:
            with anyio.move_on_after(SEND_SECONDS) as waited:
                await self.flow.drain()
            if waited.cancelled_caught:
                self.transport.abort()
                self.disconnected = True

    def _head(self, status: int, headers: Iterable[Header]) -> bytes:
        if self.more_body:
            self.keep_alive = False  # where the rest of the body ends only the client knows
        self.waiting_for_100_continue = False
        sent = (*self.default_headers, *headers)
        lines = [b"%b: %b\r\n" % (_AS_GO_WRITES.get(name, name), value) for name, value in sent]
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        head = b"".join((STATUS_LINE[status], *lines, b"\r\n"))
        if head.count(b"\n") != len(lines) + 2 or head.count(b"\r") != len(lines) + 2:
            raise ValueError("a header contains a line break")
        return head

    def _complete(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self._hang_up()
        self.on_response()

    def _hang_up(self) -> None:
        if not self.more_body:
            self.transport.close()
            return
        # a client that is still sending would lose the answer: what it sends is read for a while, and dropped
        self.body.clear()
        self.flow.resume_reading()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self.transport.close)
