"""Requests over connections of our own, which may be dropped at any moment."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kube_lite.client import kubeconfig
from kube_lite.client.tls import ssl_context

JSON = "application/json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Place:
    """Where a server listens: TCP with TLS, or a unix socket."""

    host: str
    port: int
    certified: ssl.SSLContext
    """With the administrator's certificate."""
    plain: ssl.SSLContext
    """Without any."""
    socket: Path

    @classmethod
    def of(cls, file: Path, socket: Path) -> Place:
        """The server of a kubeconfig."""
        connection = kubeconfig.load([file]).connection()
        host, _, port = connection.server.removeprefix("https://").rpartition(":")
        plain = ssl.create_default_context(cadata=(connection.ca or b"").decode())
        return cls(host, int(port), ssl_context(connection), plain, socket)


@dataclass
class Line:
    """One keep-alive connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every request."""

    @classmethod
    async def open(cls, place: Place, how: str = "certified", headers: Mapping[str, str] | None = None) -> Line:
        """Connect. :param how: ``certified``, ``plain`` (TLS without a certificate) or ``unix``"""
        if how == "unix":
            reader, writer = await asyncio.open_unix_connection(place.socket, limit=2**24)
        else:
            reader, writer = await asyncio.open_connection(place.host, place.port, ssl=getattr(place, how), limit=2**24)
        return cls(reader, writer, headers or {})

    def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Write a request."""
        head = {"Host": "kube", "User-Agent": "soak/1", **self.headers, **headers, "Content-Length": str(len(body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Code and headers of the answer."""
        raw = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = raw.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        return int(first.split()[1]), headers

    async def ask(self, method: str, path: str, body: Any = None, type_: str = JSON, **headers: str) -> tuple[int, Any]:
        """Code and body, decoded where it is JSON and no stream; names of ``headers`` are written with underscores."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self.send(method, path, raw, {"Content-Type": type_, **given})
        code, told = await self.head()
        if told.get("transfer-encoding") == "chunked":
            answer = b""
            while size := int(await self.reader.readline(), 16):
                answer += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readline()
            return code, answer
        answer = await self.reader.readexactly(int(told.get("content-length", "0")))
        return code, json.loads(answer) if told.get("content-type", "").startswith(JSON) and answer else answer

    async def must(self, method: str, path: str, body: Any = None, type_: str = JSON, **headers: str) -> Any:
        """The body of a request that succeeds. :raises AssertionError: it does not"""
        code, answer = await self.ask(method, path, body, type_, **headers)
        assert code < 300, f"{method} {path}: {code} {answer}"
        return answer

    def drop(self) -> None:
        """Be gone without a word."""
        self.writer.transport.abort()
