"""Listeners: uvicorn over TLS and over the owner's unix socket, for one ASGI application.

uvicorn hides the client certificate and the peer of a unix socket; a subclass of its protocol puts both into
the scope. It makes unix sockets 0666, so the sockets are bound here and passed in.
"""

from __future__ import annotations

import asyncio
import contextlib
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

BACKLOG = 2048
KEEP_ALIVE = 75
"""Seconds an idle connection is kept."""
SHUTDOWN = 2
"""Seconds that open watches get to end when the server stops."""
_PEER_CREDENTIALS = struct.Struct("3i")


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol that tells who is at the other end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the peer's certificate or user id."""
        super().connection_made(transport)
        self._peer: dict[str, Any] = {}
        certificate = transport.get_extra_info("peercert")
        if certificate:
            self._peer[PEER_CERTIFICATE] = certificate
        handle = transport.get_extra_info("socket")
        if handle is not None and handle.family == socket.AF_UNIX:
            raw = handle.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
            self._peer[PEER_UID] = _PEER_CREDENTIALS.unpack(raw)[1]

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell a stream that nobody listens any more."""
        super().connection_lost(exc)
        if isinstance(self.cycle, Exchange):
            self.cycle.lost()

    def resume_writing(self) -> None:
        """Tell a stream that the client has caught up."""
        super().resume_writing()
        if isinstance(self.cycle, Exchange):
            self.cycle.writable()

    def on_message_begin(self) -> None:
        """Put the peer into the new request's scope."""
        super().on_message_begin()
        self.scope.update(self._peer)  # type: ignore[typeddict-item]

    def on_headers_complete(self) -> None:
        """Begin the exchange, or put it behind those that the client pipelined before it."""
        scope, parser = self.scope, self.parser
        path, _, query = self.url.partition(b"?")
        if not path.startswith(b"/"):  # as proxies are asked, with scheme and host before the path
            path = httptools.parse_url(path).path or b"/"
        scope["method"] = parser.get_method().decode("ascii")
        scope["http_version"] = parser.get_http_version()
        scope["raw_path"], scope["query_string"] = path, query
        scope["path"] = unquote(path.decode("latin-1"))
        before, self.cycle = self.cycle, self._exchange()
        scope[EXCHANGE] = self.cycle  # type: ignore[typeddict-unknown-key]
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _exchange(self) -> Exchange:
        return Exchange(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )


class Listener(uvicorn.Server):
    """One uvicorn server that leaves signals to whoever runs the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the command's business."""
        yield

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._started = anyio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections."""
        await super().startup(sockets)
        self._started.set()

    async def wait_started(self) -> None:
        """Return once connections are accepted."""
        await self._started.wait()

    def stop(self) -> None:
        """Finish the open requests, then return from ``serve``."""
        self.should_exit = True


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
    """A listening TCP socket. :raises OSError: the address is taken or not ours"""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


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
        timeout_graceful_shutdown=SHUTDOWN,
        backlog=BACKLOG,
    )
    config.load()
    config.ssl = context
    return Listener(config)
