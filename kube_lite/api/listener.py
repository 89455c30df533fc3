"""Listeners: uvicorn over TLS and over the owner's unix socket, for one ASGI application.

uvicorn hides the client certificate and the peer of a unix socket; a subclass of its protocol puts both into
the scope. It makes unix sockets 0666, so the sockets are bound here and passed in.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import anyio
import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kube_lite.api.app import App
from kube_lite.api.authn import PEER_CERTIFICATE, PEER_UID
from kube_lite.api.certs import Pair
from kube_lite.api.exchange import EXCHANGE, Exchange
from kube_lite.api.stopping import REQUEST_SECONDS, STREAM_SECONDS

logger = logging.getLogger(__name__)

BACKLOG = 2048
KEEP_ALIVE = 75
"""Seconds an idle connection is kept."""
HEAD_SECONDS = 32.0
"""In which a request's head must arrive, and the first after connecting (upstream's ReadHeaderTimeout)."""
PIPELINED = 16
"""Requests waiting behind another of their connection, from which on no more is read."""
PIECE = 16 * 1024
"""Bytes that are parsed at once: thousands of requests may have arrived together, and parsed each takes kilobytes."""
HEAD_BYTES = 64 * 1024
"""Longest head of a request."""
LINGER = 0.05
"""Seconds after the last answer in which clients may take it and hang up, and those that have just come may ask."""
_PEER_CREDENTIALS = struct.Struct("3i")


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol that tells who is at the other end, and bounds what that one may send."""

    transport: asyncio.Transport
    cycle: Exchange | None  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the peer's certificate or user id."""
        super().connection_made(transport)
        self._peer: dict[str, Any] = {}
        self._head: int | None = 0
        """Bytes of the request's head so far; None while its body is read."""
        self._unparsed = b""
        """What has arrived behind many requests that wait."""
        self._switched = False
        self._running: Exchange | None = None
        self._closing = False
        """Whether no request is answered any more but those that have come."""
        self._head_timer: asyncio.TimerHandle | None = self.loop.call_later(HEAD_SECONDS, transport.abort)
        certificate = transport.get_extra_info("peercert")
        if certificate:
            self._peer[PEER_CERTIFICATE] = certificate
        handle = transport.get_extra_info("socket")
        if handle is not None and handle.family == socket.AF_UNIX:
            raw = handle.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
            self._peer[PEER_UID] = _PEER_CREDENTIALS.unpack(raw)[1]

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever answers that nobody listens any more; what was pipelined behind is dropped."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._unset_head_timer()
        self.pipeline.clear()
        running = self._running
        if running is not None:
            running.disconnected = not running.response_complete
            running.message_event.set()
            running.lost()

    def _unset_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the bounds of a head's size and time."""
        if self._switched:
            if self.cycle is not None:
                self.cycle.received(data)
            return
        self._unset_keepalive_if_required()
        if self._unparsed:
            self._unparsed += data
            self.flow.pause_reading()
        elif len(data) <= PIECE:
            self._parse(data)
        else:
            self._parse_all(data)

    def _parse_all(self, data: bytes) -> None:
        """Parse piece by piece, until enough requests wait."""
        while data and not self._switched:
            if len(self.pipeline) >= PIPELINED:
                self._unparsed = data
                return
            piece, data = data[:PIECE], data[PIECE:]
            self._parse(piece)
        if data and self.cycle is not None:
            self.cycle.received(data)

    def _read_on(self) -> None:
        """Take what has arrived meanwhile, then more."""
        data, self._unparsed = self._unparsed, b""
        if data:
            self._parse_all(data)
        if not self._unparsed:
            self.flow.resume_reading()

    def _parse(self, data: bytes) -> None:
        if self._head is not None:
            self._head += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._switched = True
            if self.cycle is not None and (rest := data[upgrade.args[0] :]):
                self.cycle.received(rest)
        except httptools.HttpParserError:
            self._refuse(400, "Bad Request")
        else:
            self._bound_head()

    def _bound_head(self) -> None:
        if not self._head:
            return
        if self._head > HEAD_BYTES:
            self._refuse(431, "Request Header Fields Too Large")
        elif self._head_timer is None:  # a head in pieces: its time counts from the first
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _refuse(self, status: int, reason: str) -> None:
        """Answer what is no request, and hang up."""
        self._switched = True  # whatever else comes is not read
        running = self._running
        if running is not None and not running.response_complete and running.response_started:
            self.transport.abort()  # in the middle of another answer
            return
        self.pipeline.clear()
        text = f"{status} {reason}"
        head = "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
        self.transport.write(f"HTTP/1.1 {text}\r\n{head}Content-Length: {len(text)}\r\n\r\n{text}".encode())
        self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that sends no more may still read its answer; a watch ends."""
        running = self._running
        if running is None or running.response_complete or running.response_started or running.more_body:
            return False
        running.half_closed = True
        running.keep_alive = False
        return self.scheme != "https"  # TLS has no half-closed connections

    def shutdown(self) -> None:
        """Hang up after the answers to what has been asked; at once if that was answered."""
        self._closing = True
        running = self._running
        if running is None:
            return  # it has just come
        if running.response_complete and not self._head:
            self.transport.close()
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    @property
    def unsent(self) -> bool:
        """Whether the client has not taken all of its answers yet."""
        return self.transport.get_write_buffer_size() > 0

    def resume_writing(self) -> None:
        """Tell a stream that the client has caught up."""
        super().resume_writing()
        if self._running is not None:
            self._running.writable()

    def on_message_begin(self) -> None:
        """Put the peer into the new request's scope."""
        super().on_message_begin()
        self.scope.update(self._peer)  # type: ignore[typeddict-item]

    def on_headers_complete(self) -> None:
        """Begin the exchange, or put it behind those that the client pipelined before it."""
        self._head = None
        self._unset_head_timer()
        scope, parser = self.scope, self.parser
        version = parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise ValueError("malformed HTTP version")  # the parser's caller hears of it
        hosts = [name for name, _ in self.headers if name == b"host"]
        if len(hosts) != 1 and (hosts or version == "1.1"):
            raise ValueError("not exactly one Host header")
        path, _, query = self.url.partition(b"?")
        if not path.startswith(b"/"):  # as proxies are asked, with scheme and host before the path
            path = httptools.parse_url(path).path or b"/"
        scope["method"] = parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["raw_path"], scope["query_string"] = path, query
        scope["path"] = unquote(path.decode("latin-1"))
        before, self.cycle = self.cycle, self._exchange()
        scope[EXCHANGE] = self.cycle  # type: ignore[typeddict-unknown-key]
        if before is None or before.response_complete:
            self._begin(self.cycle)
        else:
            self.pipeline.appendleft((self.cycle, self.app))
            if len(self.pipeline) >= PIPELINED:  # not before: who does not read never learns that the client went
                self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """The next message begins with a head."""
        cycle = self.cycle
        if cycle is not None and cycle.response_complete and not cycle.keep_alive:
            self.transport.close()  # it was answered before all of it was here
        super().on_message_complete()
        self._head = 0

    def _begin(self, exchange: Exchange) -> None:
        self._running = exchange
        self._start_asgi_task(exchange, self.app)

    def on_response_complete(self) -> None:
        """Go on with what was pipelined; while that is much nothing more is read."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            exchange, _ = self.pipeline.pop()
            assert isinstance(exchange, Exchange)
            self._begin(exchange)
            if len(self.pipeline) < PIPELINED:
                self._read_on()
            return
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _exchange(self) -> Exchange:
        upgrade = self.parser.should_upgrade()
        exchange = Exchange(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            # after a request to upgrade that was not followed nobody knows which protocol comes next
            keep_alive=not upgrade
            and not self._closing
            and self.parser.get_http_version() != "1.0"
            and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        exchange.upgrade = upgrade
        return exchange


class Listener(uvicorn.Server):
    """One uvicorn server that leaves signals to whoever runs the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the command's business."""
        yield

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._started = anyio.Event()
        self._stopped = anyio.Event()
        self._drained = anyio.Event()
        self._sockets: list[socket.socket] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections."""
        await super().startup(sockets)
        self._sockets = sockets or []
        self._started.set()

    async def wait_started(self) -> None:
        """Return once connections are accepted."""
        await self._started.wait()

    async def main_loop(self) -> None:
        """Keep the date that answers bear, until told to stop."""
        while not self._stopped.is_set():
            await self.on_tick(0)
            with anyio.move_on_after(1.0):
                await self._stopped.wait()

    def stop(self) -> None:
        """Accept no more connections, hang up on clients that wait for nothing; ``serve`` then drains and returns."""
        for server in self.servers:
            server.close()
        for listening in self._sockets:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        self._stopped.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the requests under way finish, and cut off what is left after ``stopping.REQUEST_SECONDS``."""
        await self._finish(REQUEST_SECONDS)
        tasks = self.server_state.tasks
        if tasks:
            logger.warning("%d requests were not answered within %g s, and are cut off", len(tasks), REQUEST_SECONDS)
            for task in tasks:
                task.cancel()
            await asyncio.wait(list(tasks), timeout=STREAM_SECONDS)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self._drained.set()

    async def wait_drained(self) -> None:
        """Return once a server that was told to stop has answered everybody."""
        await self._drained.wait()

    async def _finish(self, seconds: float) -> None:
        """Return when every answer has been taken, or after ``seconds``."""
        state = self.server_state
        with anyio.move_on_after(seconds):
            lingered = False
            while True:
                if state.tasks:
                    await asyncio.wait(list(state.tasks))
                elif any(isinstance(connection, Protocol) and connection.unsent for connection in state.connections):
                    await anyio.sleep(LINGER)
                elif lingered or not state.connections:
                    return
                else:
                    await anyio.sleep(LINGER)
                    lingered = True


def tls_context(server: Pair, ca: Path) -> ssl.SSLContext:
    """TLS 1.2 and up; a client certificate is optional, but one that is foreign or expired fails the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(server.certificate, server.key)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


def bind_tcp(host: str, port: int) -> socket.socket:
    """A listening TCP socket. :raises OSError: it cannot be had; says why and what to do"""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise OSError(f"--listen {host}:{port}: {_unbound(error)}") from error
    listening.setblocking(False)
    return listening


def _unbound(error: OSError) -> str:
    """Why an address cannot be listened on, for whoever chose it."""
    if isinstance(error, socket.gaierror):
        return "no such host name; an address of this machine is wanted, such as 127.0.0.1"
    advice = {
        errno.EADDRINUSE: "something listens there already; stop it, or choose another port (0 takes a free one)",
        errno.EADDRNOTAVAIL: "this machine has no such address; 0.0.0.0 stands for all that it has",
        errno.EACCES: "ports below 1024 are root's; choose a higher one",
    }
    return advice.get(error.errno or 0, error.strerror or str(error))


def bind_unix(path: Path) -> socket.socket:
    """A listening unix socket that only its owner may open; a stale one is replaced."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    listening.listen(BACKLOG)
    listening.setblocking(False)
    return listening


def listener(app: App, context: ssl.SSLContext | None = None) -> Listener:
    """A server for ``app``; run ``serve(sockets=[...])``."""
    config = uvicorn.Config(
        app,
        http=Protocol,
        loop="none",
        lifespan="off",
        ws="none",
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        date_header=True,
        timeout_keep_alive=KEEP_ALIVE,
        backlog=BACKLOG,
    )
    config.load()
    config.ssl = context
    return Listener(config)
