"""The ASGI edge: the pipeline as one ordered list, errors turned into answers once.

    request info -> origin -> authenticate -> impersonate -> flow control -> authorize -> dispatch (audited)

The order is upstream's: what is forbidden takes a seat too, so that a flood of it is bounded as any other.

Resource paths are answered here, before FastAPI's router, which costs several times what the request does; the
remaining routes (documentation, kube-lite's own resources) are ordinary FastAPI routes of ``extra``, which is
built after the server is ready because importing FastAPI takes half a second of CPU.
"""

from __future__ import annotations

import contextlib
import logging
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, MutableMapping
from typing import Any

import anyio

from kube_lite import clock, errors
from kube_lite.api import audit as audit_log
from kube_lite.api import codec, impersonation, origin, pretty, request_info, websocket
from kube_lite.api.audit import AuditLog
from kube_lite.api.authn import Authenticator
from kube_lite.api.authz.attributes import attributes_of
from kube_lite.api.authz.authorizer import Authorizer
from kube_lite.api.body import MAX_BODY
from kube_lite.api.exchange import EXCHANGE, Exchange
from kube_lite.api.flow import FlowControl
from kube_lite.api.flow_levels import Rejected
from kube_lite.api.http import USER, BrokenOff, PushStream, Request, Response, error_response
from kube_lite.api.metrics import RequestMetrics
from kube_lite.api.negotiate import negotiate
from kube_lite.api.nonresource import NonResource
from kube_lite.api.objectmeta import uuid4
from kube_lite.api.splice import Spliced
from kube_lite.api.stopping import STREAM_SECONDS, Stopping
from kube_lite.api.user import User

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Handler = Callable[[Request], Awaitable[Response]]

BODY_TIMEOUT = 30.0
"""Seconds in which a request body must have arrived."""


class App:
    """One ASGI application for every listener."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        authorizer: Authorizer,
        flow: FlowControl,
        resources: Handler,
        nonresource: NonResource,
        audit: AuditLog | None,
        rng: random.Random,
        stopping: Stopping,
        metrics: RequestMetrics,
    ) -> None:
        self._authenticator = authenticator
        self.authorizer = authorizer
        self._flow = flow
        self._resources = resources
        self._nonresource = nonresource
        self._audit = audit
        self._rng = rng
        self._stopping = stopping
        self._metrics = metrics
        self.extra: Callable[[Scope, Receive, Send], Awaitable[None]] | None = None
        """The FastAPI application for the remaining paths, once it is built."""
        self.elsewhere: Callable[[Request], Awaitable[Response | None]] | None = None
        """Answers requests that belong to other servers (the aggregator), None where they do not."""
        self.hosts: Collection[str] = frozenset()
        """The names that browsers may know the server by, besides ``localhost`` and addresses."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request; lifespan and websocket scopes are none of ours."""
        if scope["type"] != "http":
            return
        request = _request(scope, receive)
        request.audit_id = uuid4(self._rng)
        audit_log.begin()
        started = clock.monotonic()
        sort = self._metrics.begin(request)
        response: Response | None = None
        code, message = 0, ""
        try:
            response, message = await self._answer(request)
            if response is not None and pretty.wanted(request):
                pretty.indent(response)
            if request.seat is not None and (response is None or response.stream is not None):
                request.release_seat()  # a watch has begun
            if response is None:
                code = await self._leave_to_extra(scope, receive, send, request.user)
            else:
                code = response.code
                await _send(request, response, send, self._stopping)
        finally:
            request.release_seat()
            # a stream that failed or was cut off is a request too
            self._metrics.end(request, sort, code, clock.monotonic() - started)
            if self._audit is not None:
                self._audit.record(request, code, started, message)

    async def _leave_to_extra(self, scope: Scope, receive: Receive, send: Send, user: User) -> int:
        """Let FastAPI answer; the status code of what it answered."""
        extra, code = self.extra, 0
        assert extra is not None

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        scope[USER] = user
        await extra(scope, receive, noted)
        return code

    async def _answer(self, request: Request) -> tuple[Response | None, str]:
        try:
            return await self._pipeline(request), ""
        except Rejected as rejected:
            return _too_many(rejected), rejected.message
        except errors.ApiError as error:
            return _refusal(request, error), error.message
        except Exception as error:
            # the server must outlive any single request; what failed is in the log with its path
            logger.exception("%s %s failed", request.info.method, request.info.path)
            return error_response(errors.InternalError(f"Internal error occurred: {error!r}")), repr(error)

    async def _pipeline(self, request: Request) -> Response | None:
        """The stages, in order. None leaves the request to FastAPI."""
        origin.check(request, self.hosts)
        request.user = await self._authenticator.authenticate(request)
        impersonation.apply(request, self.authorizer)
        request.seat = await self._flow.take(request)
        self.authorizer.require(attributes_of(request.user, request.info))
        if self.elsewhere is not None:
            response = await self.elsewhere(request)
            if response is not None:
                return response
        if request.info.is_resource:
            return await self._resources(request)
        return await self._nonresource.handle(request, fallback=self.extra is not None)


def _refusal(request: Request, error: errors.ApiError) -> Response:
    """The Status of an error, in the media type that the client prefers where it asked for an object."""
    response = error_response(error)
    accept = request.header("accept")
    if request.info.is_resource and ("yaml" in accept or "protobuf" in accept):
        with contextlib.suppress(errors.NotAcceptable):
            form = negotiate(accept, table=False)
            shaped = codec.encoded(error.to_status(), form, error.code)
            shaped.headers = response.headers
            return shaped
    return response


def _too_many(rejected: Rejected) -> Response:
    """Upstream's refusal, which is no Status: clients make one of it."""
    headers = {"Retry-After": str(rejected.retry_after), "X-Content-Type-Options": "nosniff"}
    return Response(429, f"{rejected.message}\n".encode(), "text/plain; charset=utf-8", headers)


def _request(scope: Scope, receive: Receive) -> Request:
    info = request_info.parse(
        scope["method"],
        scope.get("raw_path", b"").decode("latin-1").split("?", 1)[0] or scope["path"],
        scope["query_string"].decode("latin-1"),
    )
    headers = dict(reversed(scope["headers"]))  # of several of one name the first counts, as in Go

    async def read_body() -> bytes:
        exchange: Exchange | None = scope.get(EXCHANGE)
        arrived = exchange.whole_body() if exchange is not None else None
        return _decoded(headers, arrived) if arrived is not None else await _read_body(headers, receive)

    def stream_body() -> AsyncIterator[bytes]:
        return _stream_body(receive)

    scope["kube_lite.receive"] = receive
    return Request(info, headers, read_body, stream_body, scope)


async def _read_body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > MAX_BODY:
        raise _too_large()
    chunks, size = [], 0
    with anyio.move_on_after(BODY_TIMEOUT) as limit:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise errors.BadRequest("the connection was closed before the body was complete")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > MAX_BODY:
                raise _too_large()
            chunks.append(chunk)
            if not message.get("more_body"):
                break
    if limit.cancelled_caught:
        raise errors.Timeout(f"the request body did not arrive within {BODY_TIMEOUT:.0f} seconds")
    return _decoded(headers, b"".join(chunks))


def _decoded(headers: dict[bytes, bytes], body: bytes) -> bytes:
    if len(body) > MAX_BODY:
        raise _too_large()
    if headers.get(b"content-encoding", b"").lower() == b"gzip":
        return _gunzip(body)
    return body


def _too_large() -> errors.RequestEntityTooLarge:
    return errors.RequestEntityTooLarge(f"Request entity too large: limit is {MAX_BODY}")


def _gunzip(body: bytes) -> bytes:
    import zlib

    inflate = zlib.decompressobj(31)
    try:
        plain = inflate.decompress(body, MAX_BODY + 1)
    except zlib.error as error:
        raise errors.BadRequest(f"the body is not valid gzip: {error}") from error
    if len(plain) > MAX_BODY or inflate.unconsumed_tail:
        raise _too_large()
    if not inflate.eof:
        raise errors.BadRequest("the body is not valid gzip: it ends too soon")
    return plain


async def _stream_body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return


async def _send(request: Request, response: Response, send: Send, stopping: Stopping) -> None:
    headers = [
        (b"content-type", response.content_type.encode()),
        (b"cache-control", b"no-cache, private"),
        (b"audit-id", request.audit_id.encode()),
        *request.flow_headers,
    ]
    if request.warnings:
        headers += [(b"warning", _warning(warning)) for warning in _bounded(request.warnings)]
    if response.headers:
        if "Cache-Control" in response.headers:
            del headers[1]  # of two, caches would follow the stricter
        headers += [(k.lower().encode(), v.encode("latin-1")) for k, v in response.headers.items()]
    exchange: Exchange | None = request.scope.get(EXCHANGE)
    if exchange is not None and isinstance(response.stream, Spliced):
        await _switch_over(exchange, request, response, response.stream, stopping)
        return
    if response.stream is not None and request.info.method == "HEAD":
        await _close(response.stream)
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
        await _close(stream)
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
        await _close(stream)
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
        await _close(stream)


async def _close(stream: AsyncIterator[bytes]) -> None:
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
        await _close(stream)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _cancel_on_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            scope.cancel()
            return
