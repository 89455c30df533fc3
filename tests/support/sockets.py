"""Websockets to a running server, by a client library that knows nothing of it."""

from __future__ import annotations

from typing import Any

from websocket import WebSocket, create_connection

from tests.support.running import Server


def websocket(server: Server, path: str, **options: Any) -> WebSocket:
    """A websocket as the cluster's administrator."""
    pki = server.data_dir / "pki"
    files = {"ca_certs": "ca.crt", "certfile": "admin.crt", "keyfile": "admin.key"}
    trust = {name: str(pki / file) for name, file in files.items()}
    return create_connection(server.url.replace("https:", "wss:") + path, timeout=20, sslopt=trust, **options)
