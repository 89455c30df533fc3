"""Requests to the ASGI application itself, without sockets: as whom one likes, in virtual time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from kube_lite import clock
from kube_lite.api.app import App
from kube_lite.api.authn import PEER_UID
from kube_lite.api.plane import Plane
from tests.plane import started_plane

Message = MutableMapping[str, Any]


@dataclass
class Answer:
    """What came back."""

    code: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False

    def header(self, name: str) -> str:
        """The first header of that name."""
        return next((v for k, v in self.headers if k == name), "")

    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    def lines(self) -> list[Any]:
        """The decoded lines of a watch."""
        return [json.loads(line) for line in self.body.splitlines() if line.strip()]

    def refusal(self) -> tuple[int, str]:
        """Status code and reason of a ``Status`` body, which must agree with the HTTP code."""
        status = self.json()
        assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", self.code)
        return self.code, status.get("reason", "")

    async def take(self, message: Message) -> None:
        """ASGI's ``send``."""
        if message["type"] == "http.response.start":
            self.code = message["status"]
            self.headers = [(k.decode(), v.decode("latin-1")) for k, v in message["headers"]]
            return
        self.body += message.get("body", b"")
        self.complete = not message.get("more_body", False)


Headers = Mapping[str, str] | Sequence[tuple[str, str]]
"""By name, or as pairs where a name comes twice."""


def scope(method: str, target: str, headers: Headers, peer: Mapping[str, Any]) -> dict[str, Any]:
    """An HTTP scope; ``target`` is path and query."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in pairs],
        **peer,
    }


ROOT: Mapping[str, Any] = {PEER_UID: 0}
"""The scope of an administrator: root at the other end of a unix socket."""


async def call(
    app: App,
    method: str,
    target: str,
    body: Any = b"",
    headers: Headers | None = None,
    peer: Mapping[str, Any] = ROOT,
    chunks: Sequence[bytes] | None = None,
) -> Answer:
    """One request, answered in full; ``body`` is bytes, or an object to send as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    parts = list(chunks) if chunks is not None else [raw]
    messages = [{"type": "http.request", "body": p, "more_body": i < len(parts) - 1} for i, p in enumerate(parts)]
    answer = Answer()

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        await anyio.sleep_forever()
        raise AssertionError

    await app(scope(method, target, headers or {}, peer), receive, answer.take)
    return answer


async def ask(
    plane: Plane,
    path: str,
    *,
    method: str = "GET",
    token: str = "",
    headers: Sequence[tuple[str, str]] = (),
    body: Any = None,
    scope: Mapping[str, Any] | None = None,
) -> Answer:
    """One request by nobody in particular; ``scope`` adds what a listener knows, such as the peer's certificate."""
    bearer = [("Authorization", f"Bearer {token}")] if token else []
    return await call(plane.app, method, path, b"" if body is None else body, [*headers, *bearer], scope or {})


@asynccontextmanager
async def opened(app: App, target: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Answer]:
    """A GET that goes on while the block runs; leaving the block is the client hanging up."""
    answer, gone = Answer(), anyio.Event()
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app, scope("GET", target, headers or {}, ROOT), receive, answer.take)
        await anyio.sleep(0.01)
        try:
            yield answer
        finally:
            gone.set()


def run(story: Callable[[Plane], Awaitable[None]]) -> None:
    """Tell a story to a fresh API in virtual time."""

    async def main() -> None:
        await story(await started_plane(disabled=["ServiceAccount"]))

    clock.run_virtual(main())
