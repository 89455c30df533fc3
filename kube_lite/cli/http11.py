"""The little HTTP/1.1 that a command needs: one request at a time over a kept connection.

Not ``http.client``: it imports the email package to read headers, 40 ms of the 150 that a command has. Bodies end by
Content-Length, by chunks, or with the connection; nothing is compressed, nothing is redirected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    import socket

LONGEST_LINE = 1 << 16
"""Bytes of a status line, header or chunk size: more is not HTTP."""


class Disconnected(ConnectionError):
    """The server closed the connection before or in the middle of an answer."""


class Opener(Protocol):
    """Connects to the server."""

    def __call__(self) -> socket.socket:
        """A connected socket. :raises OSError: it cannot be had"""


class Response:
    """An answer whose body is still to be read.

    ``headers`` has lower-case names, each with its values in order.
    """

    def __init__(self, status: int, reason: str, headers: dict[str, list[str]], source: BinaryIO) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self._source = source

    @property
    def keeps_connection(self) -> bool:
        """Whether another request may follow on the same connection."""
        closing = "close" in ",".join(self.headers.get("connection", ())).lower()
        return not closing and (self._chunked or "content-length" in self.headers or self.status == 204)

    @property
    def _chunked(self) -> bool:
        return "chunked" in ",".join(self.headers.get("transfer-encoding", ())).lower()

    def read(self) -> bytes:
        """The whole body. :raises Disconnected: it ended early"""
        if self.status == 204:
            return b""
        if self._chunked:
            return b"".join(self._chunks())
        if "content-length" in self.headers:
            length = int(self.headers["content-length"][0])
            data = self._source.read(length)
            if len(data) < length:
                raise Disconnected("the answer ended early")
            return data
        return self._source.read()

    def lines(self) -> Iterator[bytes]:
        """The body by lines, each as soon as it is there; the last may lack its end. :raises Disconnected:"""
        if not self._chunked:
            yield from self.read().splitlines(keepends=True)
            return
        rest = b""
        for chunk in self._chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line + b"\n"
        if rest:
            yield rest

    def _chunks(self) -> Iterator[bytes]:
        while True:
            line = _line(self._source)
            size = int(line.partition(b";")[0], 16)
            if size == 0:
                while _line(self._source):
                    continue  # trailers
                return
            data = self._source.read(size)
            if len(data) < size or self._source.read(2) != b"\r\n":
                raise Disconnected("the answer ended early")
            yield data


class Connection:
    """A connection that is opened on first use."""

    def __init__(self, opener: Opener) -> None:
        self._open = opener
        self._socket: socket.socket | None = None
        self._source: BinaryIO | None = None

    @property
    def used(self) -> bool:
        """Whether a request was sent on it before: the server may have closed it since."""
        return self._socket is not None

    def request(
        self, method: str, url: str, host: str, headers: Iterable[tuple[str, str]], body: bytes | None
    ) -> Response:
        """Send a request and read the head of its answer.

        :raises Disconnected: there was no answer
        :raises OSError: the server cannot be reached
        """
        if self._socket is None:
            self._socket = self._open()
            self._source = self._socket.makefile("rb")
        assert self._source is not None
        head = [f"{method} {url} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
        if body is not None:
            head.append(f"Content-Length: {len(body)}")
        self._socket.sendall("\r\n".join([*head, "", ""]).encode("latin-1") + (body or b""))
        return _response(self._source)

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._source is not None:
            self._source.close()
        if self._socket is not None:
            self._socket.close()
        self._socket = self._source = None


def _line(source: BinaryIO) -> bytes:
    line = source.readline(LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise Disconnected("the connection was closed without an answer")
    return line.rstrip(b"\r\n")


def _response(source: BinaryIO) -> Response:
    while True:
        version, _, rest = _line(source).decode("latin-1").partition(" ")
        code, _, reason = rest.partition(" ")
        if not version.startswith("HTTP/1.") or not code.isdigit():
            raise Disconnected("the server does not speak HTTP")
        headers: dict[str, list[str]] = {}
        while line := _line(source):
            name, _, value = line.decode("latin-1").partition(":")
            headers.setdefault(name.strip().lower(), []).append(value.strip())
        if int(code) >= 200:  # those below are interim
            return Response(int(code), reason, headers, source)
