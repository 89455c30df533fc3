"""A request as it arrives: its line, its headers, its body within bounds of size and time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import anyio

from kube_lite import errors
from kube_lite.api import request_info
from kube_lite.api.body import MAX_BODY, unzipped
from kube_lite.api.exchange import EXCHANGE, Exchange
from kube_lite.api.http import Request

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

BODY_TIMEOUT = 30.0
"""Seconds in which a request body must have arrived."""


def request_of(scope: Scope, receive: Receive) -> Request:
    """The request of an ASGI scope; its body is read when somebody asks for it."""
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
    try:
        return unzipped(body, MAX_BODY)
    except OverflowError:
        raise _too_large() from None
    except EOFError:
        raise errors.BadRequest("the body is not valid gzip: it ends too soon") from None
    except ValueError as error:
        raise errors.BadRequest(f"the body is not valid gzip: {error}") from error


async def _stream_body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return
