"""An answer as it leaves: headers, warnings, compression, streams over chunks, websockets or another protocol."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import anyio

from kube_lite import clock, errors
from kube_lite.api import websocket
from kube_lite.api.exchange import EXCHANGE, Exchange
from kube_lite.api.http import BrokenOff, EarlyWarning, PushStream, Request, Response, error_response
from kube_lite.api.receive import Receive
from kube_lite.api.splice import Spliced
from kube_lite.api.stopping import STREAM_SECONDS, Stopping

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def send_response(request: Request, response: Response, send: Send, stopping: Stopping) -> None:
    """Send an answer, whole or as a stream, over the exchange where there is one, else as ASGI messages."""
    headers = [
        (b"content-type", response.content_type.encode()),
        (b"cache-control", b"no-cache, private"),
        (b"audit-id", request.audit_id.encode()),
        *request.flow_headers,
    ]
    if request.warnings:
        capitals = request.scope.get(EXCHANGE) is not None  # names of ASGI messages have none
        headers += [(_header(warning, capitals), _warning(warning)) for warning in _bounded(request.warnings)]
    if response.headers:
        if "Cache-Control" in response.headers:
            del headers[1]  # of two, caches would follow the stricter
        headers += [(k.lower().encode(), v.encode("latin-1")) for k, v in response.headers.items()]
    exchange: Exchange | None = request.scope.get(EXCHANGE)
    if exchange is not None and isinstance(response.stream, Spliced):
        await _switch_over(exchange, request, response, response.stream, stopping)
        return
    if response.stream is not None and request.info.method == "HEAD":
        await close_stream(response.stream)
        response.stream = None
    if response.stream is not None:
        if exchange is not None and exchange.upgrade and websocket.carries(request):
            await _stream_over_websocket(exchange, request, response, headers, stopping)
        elif exchange is not None:
            await _stream_over(exchange, request, response, headers, stopping)
        else:
            await _send_stream(request, response, headers, send, stopping)
        return
    body = response.body
    if len(body) > GZIP_FROM and b"gzip" in request.headers.get(b"accept-encoding", b""):
        body = await _gzip(bytes(body))
        headers.append((b"content-encoding", b"gzip"))
        headers.append((b"vary", b"Accept-Encoding"))
    if request.info.method != "HEAD" or "content-length" not in response.headers:
        headers.append((b"content-length", b"%d" % len(body)))
    if exchange is not None:
        await exchange.respond(response.code, headers, body)
        return
    if request.info.method == "HEAD":
        body = b""
    await send({"type": "http.response.start", "status": response.code, "headers": headers})
    await send({"type": "http.response.body", "body": bytes(body)})


GZIP_FROM = 128 * 1024
"""Answers above this many bytes are compressed for clients that accept it (upstream's threshold)."""


async def _gzip(body: bytes) -> bytes:
    import gzip

    return await clock.run_in_thread(gzip.compress, body, 1)


WARNINGS_TOTAL = 4 * 1024
"""Characters of all warnings of an answer together (apiserver ``truncateAtTotalRunes``)."""
WARNINGS_COUNT = 64
"""Warnings of an answer: Python's ``http.client`` gives up at 100 headers."""
WARNINGS_EACH = 256
"""Characters of each, when all are too long together (``truncateItemRunes``)."""


def _bounded(warnings: list[str]) -> list[str]:
    """Each warning once, and no more than clients' header limits bear."""
    distinct = [warning for warning in dict.fromkeys(warnings) if warning]
    if sum(map(len, distinct)) <= WARNINGS_TOTAL:
        return distinct[:WARNINGS_COUNT]
    kept, written = [], 0
    for warning in distinct[:WARNINGS_COUNT]:
        if written >= WARNINGS_TOTAL:
            break
        kept.append(warning[:WARNINGS_EACH])
        written += len(kept[-1])
    return kept


def _header(warning: str, capitals: bool) -> bytes:
    return b"Warning" if capitals and isinstance(warning, EarlyWarning) else b"warning"


def _warning(text: str) -> bytes:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    clean = "".join(c if c.isprintable() else " " for c in quoted)
    return f'299 - "{clean}"'.encode()


async def _switch_over(
    exchange: Exchange, request: Request, response: Response, stream: Spliced, stopping: Stopping
) -> None:
    headers = [(k.lower().encode(), v.encode("latin-1")) for k, v in response.headers.items()]
    try:
        with stopping.during():
            await stream.splice(exchange, [(b"audit-id", request.audit_id.encode()), *headers])
    finally:
        await close_stream(stream)
    exchange.finish()


async def _stream_over(
    exchange: Exchange, request: Request, response: Response, headers: list[tuple[bytes, bytes]], stopping: Stopping
) -> None:
    stream = response.stream
    assert stream is not None
    length = next((int(value) for name, value in headers if name == b"content-length"), -1)
    if length >= 0:
        headers = [header for header in headers if header[0] != b"content-length"]
    await exchange.begin(response.code, headers, length)
    try:
        with stopping.during(request.info) as scope:
            exchange.on_disconnect = scope.cancel
            if exchange.disconnected:  # before it could be told
                scope.cancel()
            if isinstance(stream, PushStream):
                await stream.push_to(exchange)
            else:
                async for chunk in stream:
                    await exchange.chunk(chunk)
                    if exchange.disconnected:
                        break
    except BrokenOff:
        exchange.cut()
        return
    finally:
        await close_stream(stream)
    with anyio.move_on_after(STREAM_SECONDS if stopping.streams_ended else math.inf) as waited:
        await exchange.end()
    if waited.cancelled_caught:
        exchange.cut()


async def _stream_over_websocket(
    exchange: Exchange, request: Request, response: Response, headers: list[tuple[bytes, bytes]], stopping: Stopping
) -> None:
    stream = response.stream
    assert stream is not None
    try:
        switched = websocket.handshake(request)
        await websocket.serve(exchange, request, [*switched, *headers], stream, stopping)
    except errors.BadRequest as error:
        refusal = error_response(error)
        length = (b"content-length", b"%d" % len(refusal.body))
        await exchange.respond(refusal.code, [*headers, length], refusal.body)
    finally:
        await close_stream(stream)


async def close_stream(stream: AsyncIterator[bytes]) -> None:
    """Let whoever makes the chunks of an answer clean up, whether or not all were taken."""
    closer = getattr(stream, "aclose", None)
    if closer is not None:
        with anyio.CancelScope(shield=True):
            await closer()


async def _send_stream(
    request: Request, response: Response, headers: list[tuple[bytes, bytes]], send: Send, stopping: Stopping
) -> None:
    stream = response.stream
    assert stream is not None
    await send({"type": "http.response.start", "status": response.code, "headers": headers})
    # the head must reach the client before the first event
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    receive = request.scope.get("kube_lite.receive")
    try:
        with stopping.during(request.info):
            async with anyio.create_task_group() as group:
                if receive is not None:
                    group.start_soon(_cancel_on_disconnect, receive, group.cancel_scope)
                async for chunk in stream:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                group.cancel_scope.cancel()
    finally:
        await close_stream(stream)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _cancel_on_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            scope.cancel()
            return
