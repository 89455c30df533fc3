"""A small HTTP/1.1 client for load: keep-alive over TLS or a unix socket, little of its own to measure."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kube_lite.client import kubeconfig
from kube_lite.client.tls import ssl_context


@dataclass(frozen=True)
class Endpoint:
    """Where and as whom to call."""

    host: str
    port: int
    context: ssl.SSLContext | None
    path: str = ""
    """Of a unix socket, instead of host and port."""


def endpoint(kubeconfig_file: Path) -> Endpoint:
    """The server of a kubeconfig."""
    connection = kubeconfig.load([kubeconfig_file]).connection()
    parts = urlsplit(connection.server)
    return Endpoint(parts.hostname or "127.0.0.1", parts.port or 443, ssl_context(connection))


def unix_endpoint(socket: Path) -> Endpoint:
    """The server's unix socket, as its owner."""
    return Endpoint("", 0, None, str(socket))


class Connection:
    """One keep-alive connection; requests one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, target: Endpoint) -> Connection:
        """Connect."""
        if target.path:
            return cls(*await asyncio.open_unix_connection(target.path, limit=2**24))
        reader, writer = await asyncio.open_connection(target.host, target.port, ssl=target.context, limit=2**24)
        return cls(reader, writer)

    def send(self, method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> None:
        """Write one request."""
        head = f"{method} {path} HTTP/1.1\r\nHost: kube\r\nUser-Agent: bench\r\nContent-Type: {content_type}\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def head(self) -> tuple[int, dict[bytes, bytes]]:
        """Status and headers of the answer."""
        raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.split(b"\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in lines if b": " in line)
        return int(first.split()[1]), headers

    async def request(
        self, method: str, path: str, body: bytes = b"", content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        """Status and body."""
        self.send(method, path, body, content_type)
        status, headers = await self.head()
        return status, await self.reader.readexactly(int(headers[b"content-length"]))

    def close(self) -> None:
        """Let go."""
        self._writer.close()
