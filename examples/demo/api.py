"""A few calls to the API over its unix socket, with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Api:
    """The API server behind ``DIR/api.sock``: its owner needs no token there."""

    def __init__(self, data_dir: Path) -> None:
        self._socket = data_dir / "api.sock"

    def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """The decoded answer. :raises RuntimeError: the server refused, with its message"""
        connection = _UnixConnection(self._socket)
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, {"Content-Type": content_type})
            answer = connection.getresponse()
            decoded = json.loads(answer.read() or b"{}")
        finally:
            connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {decoded.get('message', answer.status)}")
        return decoded

    def pods(self, selector: str = "app=web") -> list[Any]:
        """The pods that match, oldest first."""
        items = self.call("GET", f"/api/v1/namespaces/default/pods?labelSelector={selector}")["items"]
        return sorted(items, key=lambda pod: pod["metadata"]["creationTimestamp"])

    def patch(self, path: str, change: Any) -> Any:
        """A merge patch."""
        return self.call("PATCH", path, change, "application/merge-patch+json")


def ready(pod: Any) -> bool:
    """Whether a pod takes traffic."""
    conditions = pod["status"].get("conditions", [])
    going = "deletionTimestamp" in pod["metadata"]
    return not going and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
