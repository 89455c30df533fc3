"""Requests and responses between the ASGI edge and the pipeline, free of any framework."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from kube_lite.api.request_info import RequestInfo
from kube_lite.api.user import ANONYMOUS, User
from kube_lite.errors import ApiError

JSON = "application/json"

encode_json = msgspec.json.Encoder().encode
decode_json = msgspec.json.Decoder().decode

USER = "kube_lite.user"
"""Key of the scope under which FastAPI's routes find who asks."""


class Seat(Protocol):
    """A place among the requests that run."""

    def release(self) -> None:
        """Give it back."""


class EarlyWarning(str):
    """A warning that servers gave before v1.21 too: its header is written in the capitals of theirs.

    HTTP does not tell them apart, but answers recorded from such servers have these capitals, and no later warning.
    """

    __slots__ = ()


class Request(msgspec.Struct):
    """One request on its way through the pipeline; stages fill in ``user`` and add ``warnings``."""

    info: RequestInfo
    headers: Mapping[bytes, bytes] = msgspec.field(default_factory=dict)
    read_body: Callable[[], Awaitable[bytes]] | None = None
    stream_body: Callable[[], AsyncIterator[bytes]] | None = None
    scope: Mapping[str, Any] = msgspec.field(default_factory=dict)
    user: User = ANONYMOUS
    own: bool = False
    """Whether the body was encoded in this process: then it names no field twice."""
    warnings: list[str] = msgspec.field(default_factory=list)
    audit_id: str = ""
    flow_headers: tuple[tuple[bytes, bytes], ...] = ()
    """Headers of the answer that say how flow control classified the request."""
    seat: Seat | None = None
    """What the request holds of flow control."""

    def header(self, name: str) -> str:
        """A request header by its lower-case name, '' when absent."""
        return self.headers.get(name.encode("latin-1"), b"").decode("latin-1")

    async def body(self) -> bytes:
        """The whole body, bounded. :raises RequestEntityTooLarge:"""
        return await self.read_body() if self.read_body is not None else b""

    def release_seat(self) -> None:
        """Let flow control give the seat to somebody else, if this request has one."""
        seat, self.seat = self.seat, None
        if seat is not None:
            seat.release()


class Sink(Protocol):
    """A connection that a stream may write to at any moment, without a task of its own."""

    on_writable: Callable[[], None] | None
    """Called when a sink that was full no longer is."""

    @property
    def full(self) -> bool:
        """Whether to wait before anything else is pushed."""

    def frame(self, data: bytes) -> bytes:
        """``data`` as it goes over the wire; the same for every sink of that class."""

    def push(self, frame: bytes) -> None:
        """Send what :meth:`frame` made."""

    async def chunk(self, data: bytes) -> None:
        """Send ``data``, waiting while the sink is full."""


@runtime_checkable
class PushStream(Protocol):
    """A stream that need not be asked for each chunk."""

    async def push_to(self, sink: Sink) -> None:
        """Write all chunks; returns at the stream's end."""


class BrokenOff(Exception):
    """Raised by a stream that ends before its end: the client must not take what it has for all of it."""


class LongBody:
    """Parts with commas between them, put together a slice at a time: a list of thousands is megabytes long.

    Whole, it would be copied once more than needed, into memory that has to be asked for first.
    """

    __slots__ = ("_length", "_parts")

    def __init__(self, parts: Sequence[bytes]) -> None:
        self._parts = parts
        self._length = sum(map(len, parts)) + max(len(parts) - 1, 0)

    def __len__(self) -> int:
        return self._length

    def slices(self, size: int) -> Iterator[bytes]:
        """The body in pieces of about ``size`` bytes."""
        parts = self._parts
        step = max(size * len(parts) // max(self._length, 1), 1)
        for start in range(0, len(parts), step):
            piece = b",".join(parts[start : start + step])
            yield piece if start + step >= len(parts) else piece + b","

    def __bytes__(self) -> bytes:
        return b",".join(self._parts)


class Response(msgspec.Struct):
    """An answer: either ``body``, or ``stream`` for chunks sent as they come."""

    code: int = 200
    body: bytes | LongBody = b""
    content_type: str = JSON
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None


def json_response(value: Any, code: int = 200) -> Response:
    """``value`` encoded as JSON."""
    return Response(code, encode_json(value))


def error_response(error: ApiError) -> Response:
    """The ``Status`` of an error; the only place where errors become answers."""
    response = Response(error.code, encode_json(error.to_status()))
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response
