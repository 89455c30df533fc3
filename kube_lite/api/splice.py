"""Connections that a client and another server have switched to a protocol of their own, with this server between.

Bytes go both ways as they come, whatever they mean, until either side ends; what the client said last still arrives.
Each direction holds at most ``HELD`` bytes and a chunk: then whoever sends is not read any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

import anyio

from kube_lite.api.exchange import Exchange, Header

CHUNK: Final = 64 * 1024
"""Bytes read from the other server at once."""
HELD: Final = 256 * 1024
"""Bytes of the client that may wait for the other server."""
LAST_SECONDS: Final = 10.0
"""In which the other server must take what a client sent that has gone."""


class FarEnd(Protocol):
    """The connection to the other server, after the switch."""

    async def read(self) -> bytes:
        """What has come; nothing at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Send it. :raises OSError: the other server has gone"""
        ...

    async def aclose(self) -> None:
        """Hang up."""
        ...


class Spliced:
    """The stream of an answer 101: what the other server sends."""

    def __init__(self, far: FarEnd) -> None:
        self._far = far
        self._waiting = bytearray()
        self._news = anyio.Event()
        self._client_gone = False

    def __aiter__(self) -> Spliced:
        return self

    async def __anext__(self) -> bytes:
        data = await self._far.read()
        if not data:
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        """Hang up on the other server."""
        await self._far.aclose()

    async def splice(self, exchange: Exchange, headers: Iterable[Header]) -> None:
        """Switch the client's connection too, and copy until either side ends."""

        def received(data: bytes) -> None:
            self._waiting += data
            if len(self._waiting) > HELD:
                exchange.flow.pause_reading()
            self._news.set()

        def gone() -> None:
            self._client_gone = True
            self._news.set()

        exchange.on_disconnect = gone
        async with anyio.create_task_group() as tasks:
            await exchange.switch(headers, received)
            if exchange.disconnected:
                return
            tasks.start_soon(self._send, exchange, tasks.cancel_scope)
            async for data in self:
                if exchange.full:
                    await exchange.flow.drain()
                exchange.push(data)
            tasks.cancel_scope.cancel()

    async def _send(self, exchange: Exchange, scope: anyio.CancelScope) -> None:
        """What the client says, to the other server; the end of either ends all."""
        try:
            while self._waiting or not self._client_gone:
                if not self._waiting:
                    await self._news.wait()
                self._news = anyio.Event()
                data, self._waiting = bytes(self._waiting), bytearray()
                exchange.flow.resume_reading()
                if not self._client_gone:
                    await self._far.write(data)
                    continue
                with anyio.move_on_after(LAST_SECONDS):
                    await self._far.write(data)
        except OSError:
            return  # its end is read too
        scope.cancel()
