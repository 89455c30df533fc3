"""The node's side of the control channel: the API server asks, the node answers; every connection goes out.

The node holds one long GET whose answer is JSON lines, one for each request: ``{"id", "op", "params"}``; blank
lines keep it alive. Each request is answered by a POST of its own whose body is first a JSON line, ``{"status":
200}`` (with code, contentType and headers of a :class:`Reply`) or a refusal with message and reason, then the raw
bytes. ``{"id", "op": "cancel"}`` ends an answer whose reader is gone. When the channel breaks, answers under way go
on, and it is opened again with back-off.

At most ``MAX_STREAMS`` answers are under way; what is asked beyond that is refused with 429.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import anyio
import msgspec
from anyio.abc import TaskGroup

from kube_lite import clock
from kube_lite.errors import ApiError, InternalError, TooManyRequests

log = logging.getLogger(__name__)

MAX_STREAMS = 256

RETRY, RETRY_MAX = 0.5, 15.0
"""Seconds before the channel is opened again: doubling up to the second."""

SILENCE = 90.0
"""Seconds without even a blank line after which the channel counts as broken."""


class Reply(msgspec.Struct, frozen=True):
    """An answer to an HTTP request that came through the channel."""

    chunks: AsyncIterator[bytes]
    code: int = 200
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """What the first line of the answer tells of it."""
        return {"code": self.code, "contentType": self.content_type, "headers": dict(self.headers)}


def whole(
    body: bytes,
    content_type: str = "text/plain; charset=utf-8",
    *,
    code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """A reply of one piece."""

    async def once() -> AsyncIterator[bytes]:
        yield body

    return Reply(once(), code, content_type, headers or {})


Operation = Callable[[Mapping[str, str]], Awaitable[AsyncIterator[bytes] | Reply]]
"""Answers a request by its parameters. :raises ApiError: refused"""


class Transport(Protocol):
    """What the tunnel needs of a client; ``HttpClient`` has it."""

    def lines(
        self, path: str, *, params: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[list[bytes]]]:
        """GET a long answer by its lines; an empty batch for a blank one."""
        ...

    async def request_stream(
        self, method: str, path: str, content: AsyncIterator[bytes], *, params: Mapping[str, str] | None = None
    ) -> bytes:
        """A request whose body is sent as it comes."""
        ...


def text_params(params: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as query strings have them: numbers and booleans as text, null left out."""
    found: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, bool):
            found[key] = "true" if value else "false"
        elif value is not None:
            found[key] = str(value)
    return found


class Tunnel:
    """Answers what the API server asks of a node.

    :param operations: by ``op``
    """

    def __init__(self, transport: Transport, node_name: str, operations: Mapping[str, Operation]) -> None:
        self._transport = transport
        self._base = f"/apis/node.kube-lite.io/v1/nodes/{node_name}"
        self._operations = operations
        self._streams: dict[str, anyio.CancelScope] = {}

    async def run(self) -> None:
        """Hold the channel until cancelled."""
        delay = RETRY
        async with anyio.create_task_group() as tasks:
            while True:
                opened = clock.monotonic()
                try:
                    await self._hold(tasks)
                except (ApiError, OSError) as error:
                    log.info("tunnel: %s; again in %g s", error, delay)
                if clock.monotonic() - opened > RETRY_MAX:
                    delay = RETRY
                await anyio.sleep(delay)
                delay = min(delay * 2, RETRY_MAX)

    async def _hold(self, tasks: TaskGroup) -> None:
        async with self._transport.lines(f"{self._base}/tunnel") as batches:
            while True:
                with anyio.fail_after(SILENCE):
                    batch = await anext(batches, None)
                if batch is None:
                    return
                for line in batch:
                    self._asked(tasks, line)

    def _asked(self, tasks: TaskGroup, line: bytes) -> None:
        try:
            request = json.loads(line)
            stream, operation = str(request["id"]), str(request["op"])
            params = text_params(request.get("params") or {})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("tunnel: not a request: %s", error)
            return
        if operation == "cancel":
            if (scope := self._streams.get(stream)) is not None:
                scope.cancel()
        elif stream not in self._streams:
            self._streams[stream] = scope = anyio.CancelScope()
            tasks.start_soon(self._serve, stream, operation, params, scope)

    async def _serve(self, stream: str, operation: str, params: dict[str, str], scope: anyio.CancelScope) -> None:
        try:
            with scope:
                body = self._answer(operation, params)
                await self._transport.request_stream("POST", f"{self._base}/streams/{stream}", body)
        except (ApiError, OSError) as error:
            log.info("tunnel: %s %s: answer not delivered: %s", operation, stream, error)
        except Exception:
            log.exception("tunnel: %s %s failed", operation, stream)
        finally:
            del self._streams[stream]

    async def _answer(self, operation: str, params: dict[str, str]) -> AsyncIterator[bytes]:
        try:
            if len(self._streams) > MAX_STREAMS:
                raise TooManyRequests("the node answers too many requests already, please try again later")
            if operation not in self._operations:
                raise InternalError(f"the node does not know how to {operation}")
            found = await self._operations[operation](params)
        except ApiError as error:
            refusal = {"status": error.code, "message": error.message, "reason": error.reason}
            yield json.dumps(refusal).encode() + b"\n"
            return
        told = found.told() if isinstance(found, Reply) else {}
        yield json.dumps({"status": 200, **told}).encode() + b"\n"
        async for chunk in found.chunks if isinstance(found, Reply) else found:
            yield chunk
