"""Requests to an API as it is reached over HTTP, without a socket."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import msgspec

from kube_lite.api.plane import Plane

Header = tuple[str, str]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    code: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.raw)


async def call(
    plane: Plane,
    path: str,
    *,
    method: str = "GET",
    token: str = "",
    headers: Sequence[Header] = (),
    body: Any = None,
    scope: Mapping[str, Any] | None = None,
) -> Answer:
    """One request; ``scope`` adds what a listener knows, such as the peer's certificate."""
    path, _, query = path.partition("?")
    sent = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers]
    if token:
        sent.append((b"authorization", f"Bearer {token}".encode()))
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body) if body is not None else b""
    whole: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": sent,
        **(scope or {}),
    }
    messages: list[MutableMapping[str, Any]] = []

    unread = [raw]

    async def receive() -> MutableMapping[str, Any]:
        if not unread:
            await anyio.sleep_forever()  # the client stays, and says no more
        return {"type": "http.request", "body": unread.pop(), "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    await plane.app(whole, receive, send)
    start = messages[0]
    found = {k.decode(): v.decode() for k, v in start["headers"]}
    return Answer(start["status"], found, b"".join(m.get("body", b"") for m in messages[1:]))
