"""Small network clients for probes and hooks: one HTTP GET, one TCP connection, one gRPC health check.

Each opens a connection of its own and closes it, so that a probe measures what a new client would see. The HTTP client
is deliberately minimal: status and the start of the body are all that a probe needs. Redirects are followed as long as
they stay on the host; one that leads elsewhere counts as success (upstream ``pkg/probe/http``).
"""

from __future__ import annotations

import ssl
import struct
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urljoin, urlsplit

import anyio
import msgspec
from anyio.abc import ByteStream

USER_AGENT = "kube-probe/1.36"
"""As upstream's probes call themselves."""

MAX_BODY = 10 * 1024
"""Bytes of an answer that are read (upstream)."""

MAX_HEAD = 64 * 1024
"""Bytes of status line and headers that are read."""

MAX_REDIRECTS = 10


class DialError(Exception):
    """Raised when there is no usable answer; the text is what upstream shows."""


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer: names of headers in lower case, the beginning of the body as text."""

    status: int
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: str = ""


class Dialer(Protocol):
    """What probes and hooks need of the network. The caller bounds the time."""

    async def http_get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """What ``url`` answers. :raises DialError:"""
        ...

    async def tcp_connect(self, host: str, port: int) -> None:
        """Connect and close. :raises DialError:"""
        ...

    async def grpc_health(self, host: str, port: int, service: str) -> None:
        """Ask the gRPC health service. :raises DialError: not SERVING"""
        ...


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _connect(host: str, port: int) -> anyio.abc.SocketStream:
    try:
        return await anyio.connect_tcp(host, port)
    except OSError as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        why = "connection refused" if isinstance(cause, ConnectionRefusedError) else (cause.strerror or str(cause))
        raise DialError(f"dial tcp {_host_port(host, port)}: connect: {why.lower()}") from error


class NetworkDialer:
    """The real thing."""

    async def http_get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """What ``url`` answers, after redirects on the same host. :raises DialError:"""
        current = url
        for _ in range(MAX_REDIRECTS):
            try:
                answer = await _get(current, headers)
            except DialError as error:
                raise DialError(f'Get "{current}": {error}') from error
            location = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308) or not location:
                return answer
            following = urljoin(current, location)
            if urlsplit(following).hostname != urlsplit(url).hostname:
                return answer
            current = following
        raise DialError(f'Get "{current}": stopped after 10 redirects')

    async def tcp_connect(self, host: str, port: int) -> None:
        """Connect and close. :raises DialError:"""
        stream = await _connect(host, port)
        await stream.aclose()

    async def grpc_health(self, host: str, port: int, service: str) -> None:
        """Ask the gRPC health service whether ``service`` is SERVING. :raises DialError:"""
        stream = await _connect(host, port)
        async with stream:
            try:
                await _grpc_check(stream, _host_port(host, port), service)
            except (OSError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
                raise DialError(f"error: grpc health check failed: {error or 'connection closed'}") from error


async def _get(url: str, headers: Mapping[str, str]) -> Answer:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    stream: ByteStream = await _connect(host, port)
    try:
        if parts.scheme == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False  # a probe asks whether it serves, not who it is (upstream)
            context.verify_mode = ssl.CERT_NONE
            from anyio.streams.tls import TLSStream

            stream = await TLSStream.wrap(stream, ssl_context=context, hostname=host, standard_compatible=False)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {"Host": _host_port(host, port), "User-Agent": USER_AGENT, "Accept": "*/*", **headers}
        lines = [f"GET {target} HTTP/1.1", *(f"{k}: {v}" for k, v in sent.items()), "Connection: close", "", ""]
        await stream.send("\r\n".join(lines).encode())
        return await _read_answer(stream)
    except (OSError, anyio.BrokenResourceError, anyio.EndOfStream, ValueError) as error:
        raise DialError(str(error) or "EOF") from error
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            await stream.aclose()


async def _read_answer(stream: ByteStream) -> Answer:
    data = b""
    while b"\r\n\r\n" not in data and len(data) < MAX_HEAD:
        data += await stream.receive()
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    protocol, _, rest = lines[0].partition(" ")
    if not protocol.startswith("HTTP/"):
        raise ValueError(f"malformed HTTP response {lines[0][:40]!r}")
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
    length = min(int(headers.get("content-length", "0") or 0), MAX_BODY)
    while len(body) < length:
        try:
            body += await stream.receive()
        except anyio.EndOfStream:
            break
    return Answer(int(rest[:3]), headers, body[:MAX_BODY].decode("utf-8", "replace"))


# --- gRPC: just enough of HTTP/2 (RFC 9113) and HPACK literals (RFC 7541) for one unary call ---

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _END_HEADERS, _ACK, _PADDED = 1, 4, 1, 8


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def _literal(name: str, value: str) -> bytes:
    """A header without indexing and without Huffman coding; texts here are shorter than 127 bytes."""
    return b"\x00" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()


async def _grpc_check(stream: ByteStream, authority: str, service: str) -> None:
    name = service.encode()[:120]
    message = (b"\x0a" + bytes((len(name),)) + name) if name else b""
    headers = b"".join(
        _literal(k, v)
        for k, v in (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/grpc.health.v1.Health/Check"),
            (":authority", authority),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("user-agent", USER_AGENT),
        )
    )
    await stream.send(
        _PREFACE
        + _frame(_SETTINGS, 0, 0)
        + _frame(_HEADERS, _END_HEADERS, 1, headers)
        + _frame(_DATA, _END_STREAM, 1, b"\x00" + struct.pack(">I", len(message)) + message)
    )
    buffer = body = b""
    while True:
        while len(buffer) < 9 or len(buffer) < 9 + int.from_bytes(buffer[:3], "big"):
            buffer += await stream.receive()
        size = int.from_bytes(buffer[:3], "big")
        kind, flags = buffer[3], buffer[4]
        payload, buffer = buffer[9 : 9 + size], buffer[9 + size :]
        if kind == _SETTINGS and not flags & _ACK:
            await stream.send(_frame(_SETTINGS, _ACK, 0))
        elif kind == _PING and not flags & _ACK:
            await stream.send(_frame(_PING, _ACK, 0, payload))
        elif kind == _DATA:
            body += payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload
        if kind in (_RESET, _GOAWAY) or (kind in (_DATA, _HEADERS) and flags & _END_STREAM):
            break
    if body[5:7] != b"\x08\x01":  # HealthCheckResponse.status = SERVING
        raise DialError('service unhealthy (responded with "NOT_SERVING")' if body else "rpc error: no answer")
