"""Network namespaces for tests: made, entered and removed, with sockets that live inside them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from kube_lite.node.linux.network.netns import entered

T = TypeVar("T")


def path(name: str) -> str:
    """Where the namespace called ``name`` is pinned."""
    return f"/run/netns/{name}"


@contextlib.contextmanager
def namespace(hint: str) -> Iterator[str]:
    """A fresh network namespace; yields its name, and removes it at the end."""
    name = f"kl-test-{hint}-{secrets.token_hex(3)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        ip(name, "link set lo up")
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def ip(name: str, arguments: str) -> str:
    """What ``ip ARGUMENTS`` answers inside the namespace."""
    done = subprocess.run(["ip", "-n", name, *arguments.split()], check=True, capture_output=True, text=True)
    return done.stdout


def nft(name: str, arguments: str) -> str:
    """What ``nft ARGUMENTS`` answers inside the namespace."""
    command = ["ip", "netns", "exec", name, "nft", *arguments.split()]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def run_inside(name: str, main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` on an event loop whose thread, and the threads it starts, live in the namespace."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            with entered(path(name)):
                outcome.append(asyncio.run(main))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def socket_inside(name: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket that belongs to the namespace, wherever it is used."""
    with entered(path(name)):
        made = socket.socket(socket.AF_INET, kind)
    made.settimeout(3)
    return made


@contextlib.contextmanager
def answering(name: str, word: str, port: int = 8080) -> Iterator[None]:
    """A TCP server in the namespace: answers every connection with ``word``, a space and the peer's address."""
    listener = socket_inside(name)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))
    listener.listen(64)
    listener.settimeout(None)

    def serve() -> None:
        while True:
            try:
                connection, peer = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(f"{word} {peer[0]}".encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def ask(name: str, address: str, port: int = 8080) -> tuple[str, str]:
    """Connect from the namespace; the server's word, and our address as it saw it."""
    with socket_inside(name) as connection:
        connection.connect((address, port))
        word, _, peer = connection.makefile().read().partition(" ")
        return word, peer


def needs_root() -> bool:
    """Whether these tests must be skipped."""
    return os.geteuid() != 0
