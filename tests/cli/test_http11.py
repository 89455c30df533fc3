"""Answers as servers frame them, and connections that end early."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from kube_lite.cli.http11 import Connection, Disconnected


def _answering(*answers: bytes) -> Connection:
    """A connection whose server sends each answer to one request, and then closes."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs:
            for answer in answers:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += theirs.recv(65536)
                theirs.sendall(answer)

    threading.Thread(target=serve).start()
    return Connection(lambda: ours)


@pytest.fixture
def close() -> Iterator[list[Connection]]:
    """Connections to close."""
    opened: list[Connection] = []
    yield opened
    for connection in opened:
        connection.close()


def _get(connection: Connection, close: list[Connection]) -> bytes:
    close.append(connection)
    return connection.request("GET", "/", "h", {}, None).read()


def test_bodies_end_by_length_and_the_connection_is_kept(close: list[Connection]) -> None:
    connection = _answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nc"
    )
    assert [_get(connection, close), _get(connection, close)] == [b"ab", b"c"]


def test_chunks_are_joined_and_lines_taken_from_them(close: list[Connection]) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n4;x=y\r\nc\nde\r\n0\r\n\r\n"
    connection = _answering(answer)
    close.append(connection)
    assert list(connection.request("GET", "/", "h", {}, None).lines()) == [b"a\n", b"bc\n", b"de"]


def test_a_body_without_length_ends_with_the_connection(close: list[Connection]) -> None:
    connection = _answering(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    close.append(connection)
    response = connection.request("GET", "/", "h", {}, None)
    assert not response.keeps_connection
    assert response.read() == b"all of it"


def test_interim_answers_are_passed_over(close: list[Connection]) -> None:
    assert _get(_answering(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"), close) == b""


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nshort",
        b"SSH-2.0-OpenSSH\r\n",
    ],
)
def test_answers_that_end_early_are_no_answers(answer: bytes, close: list[Connection]) -> None:
    with pytest.raises(Disconnected):
        _get(_answering(answer), close)
