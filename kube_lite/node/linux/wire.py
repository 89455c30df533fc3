"""How executor and zygote talk: JSON objects, one a line, over a unix socket that only their user can open.

A request has ``op`` and ``seq``; its reply has the same ``seq`` and either ``ok`` or ``error`` with ``code``. The
zygote also sends events, which have ``event``. The first request is ``hello`` with the protocol version.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

PROTOCOL = 1
"""Raised with every incompatible change; a zygote of another version must be empty before it can be replaced."""

MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes; a longer message ends the connection."""

SOCKET_NAME = "zygote.sock"

Message = dict[str, Any]


class Splitter:
    """Cuts the byte stream into messages. :raises ValueError: too long, or not JSON objects"""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """The messages completed by ``data``."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_MESSAGE:
            raise ValueError("message too long")
        messages = [json.loads(line) for line in lines]
        if not all(isinstance(message, dict) for message in messages):
            raise ValueError("not an object")
        return messages


def encode(message: Message) -> bytes:
    """One message as it goes over the socket."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def address(directory_fd: int) -> str:
    """The socket's address through a descriptor of its directory: socket paths are limited to 107 bytes."""
    return f"/proc/self/fd/{directory_fd}/{SOCKET_NAME}"


def connect(directory: str) -> socket.socket:
    """Connect to the zygote of a state directory. :raises OSError: none is listening"""
    directory_fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(address(directory_fd))
    except OSError:
        connection.close()
        raise
    finally:
        os.close(directory_fd)
    return connection
