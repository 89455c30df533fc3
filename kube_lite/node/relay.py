"""Lets pods reach an API server that listens on this machine's loopback only.

The ``kubernetes`` Service then has no endpoint, since no pod could use one. The node listens on its own address in
the pod network instead and passes bytes through, TLS and all: the server's certificate is valid for the Service's
name and address, so clients in pods notice nothing, and still need their token.
"""

from __future__ import annotations

import logging

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream

log = logging.getLogger(__name__)

SERVICE = "default/kubernetes"
CONNECTIONS = 512
"""At once; more wait in the kernel's backlog."""
CHUNK = 65536


class ApiRelay:
    """A TCP relay from ``address`` (any free port) to the API server.

    :param address: the node's address in the pod network
    :param host: where the API server listens
    :param port: its port
    """

    def __init__(self, address: str, host: str, port: int) -> None:
        self._address = address
        self._target = (host, port)
        self._limit = anyio.Semaphore(CONNECTIONS)
        self.endpoint: tuple[str, int] | None = None
        """Where pods find it, once it listens."""
        self.listening = anyio.Event()

    async def run(self) -> None:
        """Relay until cancelled. :raises OSError: the address cannot be listened on"""
        listener = await anyio.create_tcp_listener(local_host=self._address, local_port=0)
        self.endpoint = (self._address, listener.extra(SocketAttribute.local_port))
        self.listening.set()
        async with listener:
            await listener.serve(self._serve)

    async def _serve(self, client: SocketStream) -> None:
        async with self._limit, client:
            try:
                async with (
                    await anyio.connect_tcp(*self._target) as server,
                    anyio.create_task_group() as tasks,
                ):
                    tasks.start_soon(_pass, client, server)
                    await _pass(server, client)
                    tasks.cancel_scope.cancel()
            except OSError as error:
                log.debug("a pod's connection to the API server failed: %s", error)


async def _pass(source: ByteStream, target: ByteStream) -> None:
    try:
        while True:
            await target.send(await source.receive(CHUNK))
    except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        await target.aclose()
