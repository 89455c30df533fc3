"""The relay passes bytes both ways, and ends when either side does."""

from __future__ import annotations

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from kube_lite.node.relay import ApiRelay


def test_a_pod_talks_through_the_relay_as_if_to_the_server() -> None:
    async def echo(stream: SocketStream) -> None:
        async with stream:
            while True:
                try:
                    await stream.send(b"server: " + await stream.receive())
                except anyio.EndOfStream:
                    return

    async def main() -> None:
        server = await anyio.create_tcp_listener(local_host="127.0.0.1")
        async with server, anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, echo)
            relay = ApiRelay("127.0.0.1", "127.0.0.1", server.extra(SocketAttribute.local_port))
            tasks.start_soon(relay.run)
            await relay.listening.wait()
            assert relay.endpoint is not None
            async with await anyio.connect_tcp(*relay.endpoint) as pod:
                await pod.send(b"hello")
                assert await pod.receive() == b"server: hello"
                await pod.send(b"again")
                assert await pod.receive() == b"server: again"
            tasks.cancel_scope.cancel()

    anyio.run(main)


def test_a_server_that_is_gone_ends_the_connection() -> None:
    async def main() -> None:
        server = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = server.extra(SocketAttribute.local_port)
        await server.aclose()
        async with anyio.create_task_group() as tasks:
            relay = ApiRelay("127.0.0.1", "127.0.0.1", port)
            tasks.start_soon(relay.run)
            await relay.listening.wait()
            assert relay.endpoint is not None
            async with await anyio.connect_tcp(*relay.endpoint) as pod:
                with anyio.fail_after(5), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    await pod.receive()
            tasks.cancel_scope.cancel()

    anyio.run(main)
