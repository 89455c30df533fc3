"""What a command makes of servers that close, cut or hold back their answers."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence

import pytest

from kube_lite.cli.connection import Api, Unreachable
from kube_lite.cli.main import CommandError
from kube_lite.client.kubeconfig import Connection

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"


@contextlib.contextmanager
def serving(*connections: Sequence[bytes], hold: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """A URL whose connections, one after the other, answer so and are closed (or held); and what was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as held:

        def serve() -> None:
            for answers in connections:
                stream, _ = listener.accept()
                for answer in answers:
                    asked.append(stream.recv(65536).split(b" HTTP", 1)[0])
                    stream.sendall(answer)
                if hold:
                    held.enter_context(stream)
                else:
                    stream.close()

        server = threading.Thread(target=serve)
        server.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        server.join(10)


def test_a_connection_that_was_closed_meanwhile_is_opened_again() -> None:
    with serving([WHOLE], [WHOLE]) as (url, asked), contextlib.closing(Api(Connection(url))) as api:
        assert [api.get("/a"), api.post("/b", {})] == [{}, {}]
        assert asked == [b"GET /a", b"POST /b"]


def test_what_the_server_has_begun_to_answer_is_not_asked_twice() -> None:
    with serving([WHOLE, CUT]) as (url, asked), contextlib.closing(Api(Connection(url))) as api:
        api.get("/a")
        with pytest.raises(Unreachable, match="was lost: the answer ended early"):
            api.post("/b", {})
        assert asked == [b"GET /a", b"POST /b"]


def test_an_answer_that_stops_in_the_middle_ends_with_the_requests_time() -> None:
    late = pytest.raises(Unreachable, match="was lost: no more of the answer came in time")
    with serving([CUT], hold=True) as (url, _), contextlib.closing(Api(Connection(url), 0.2)) as api, late:
        api.get("/a")


@pytest.mark.parametrize("server", ["https://127.0.0.1:x", "https://[::1", "https://h:99999"])
def test_a_server_that_is_no_url_is_named(server: str) -> None:
    with pytest.raises(CommandError) as caught:
        Api(Connection(server))
    assert str(caught.value).startswith(f"the kubeconfig's server {server}: want a URL such as https://10.0.0.1:6443 (")
