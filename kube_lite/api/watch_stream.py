"""Watches on their way to a client: chunks of lines, bookmarks between them, until the timeout.

A watch is an async iterator of chunks; each chunk holds all events that were ready, so a burst is one send. Over a
connection of our own it is pushed instead: when there are events the cache calls each watcher, which writes to its
connection at once; what is written is made once for all that watch the same.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any, Final

from anyio.lowlevel import RunVar

from kube_lite import clock, errors
from kube_lite.api.flow import Turns
from kube_lite.api.http import Sink
from kube_lite.api.negotiate import PLAIN, Form
from kube_lite.api.storage import Storage
from kube_lite.api.watch import BOOKMARK_INTERVAL, Encoder, WatchQuery, WatchSource, in_parts
from kube_lite.resources.registry import Resource

SHORT: Final = 2.0
"""Seconds of a watch that ends without a bookmark: upstream sends its last one that long before the end."""


_shared: RunVar[Turns] = RunVar("watch_turns")


def _turns() -> Turns:
    try:
        return _shared.get()
    except LookupError:
        _shared.set(turns := Turns())
        return turns


class Stream:
    """The chunks of an opened watch, until its timeout."""

    def __init__(
        self, storage: Storage, resource: Resource, source: WatchSource, query: WatchQuery, form: Form = PLAIN
    ) -> None:
        self._source = source
        self._query = query
        self._encoder = Encoder(storage, resource, form, query.include)
        now = clock.monotonic()
        self._deadline = now + query.timeout
        self._next_bookmark = now + BOOKMARK_INTERVAL if query.bookmarks else math.inf
        self._ends_with_bookmark = query.bookmarks and query.timeout > SHORT
        self._chunks = self._generate()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def __anext__(self) -> bytes:
        return await anext(self._chunks)

    async def aclose(self) -> None:
        """Let go of the events."""
        self._source.close()
        await self._chunks.aclose()

    def _initial(self) -> Iterator[bytes]:
        source, encoder = self._source, self._encoder
        for part in in_parts(source.initial):
            yield encoder.joined(part)[0]
        source.initial = []
        if self._query.send_initial and self._query.bookmarks:
            yield encoder.bookmark(source.revision, initial_end=True)

    async def _generate(self) -> AsyncGenerator[bytes, None]:
        source, encoder = self._source, self._encoder
        try:
            for chunk in self._initial():
                yield chunk
            while (now := clock.monotonic()) < self._deadline:
                if now >= self._next_bookmark:
                    yield self._bookmark(now)
                try:
                    pieces = await source.pieces(max(self._wake_at() - now, 0.0), encoder)
                except errors.ApiError as error:
                    yield encoder.error(error)
                    return
                for piece in pieces:
                    yield piece
                if source.ended and not pieces:
                    return
            if self._ends_with_bookmark:
                yield encoder.bookmark(source.revision)
        finally:
            source.close()

    def _wake_at(self) -> float:
        return min(self._deadline, self._next_bookmark)

    def _bookmark(self, now: float) -> bytes:
        self._next_bookmark = now + BOOKMARK_INTERVAL
        return self._encoder.bookmark(self._source.revision)

    async def push_to(self, sink: Sink) -> None:
        """Write every chunk to ``sink`` as soon as its events are there; returns at the end of the watch."""
        for number, chunk in enumerate(self._initial()):
            if number:  # others are served in between, however many watches begin with however much
                await _turns().take()
            await sink.chunk(chunk)
        if not self._source.immediate:
            async for chunk in self:
                await sink.chunk(chunk)
            return
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        timer: asyncio.Handle | None = None

        def write() -> None:
            if sink.full or ended.done():
                return  # the events wait in the ring, where they are anyway
            try:
                for frame in self._source.frames(self._encoder, sink):
                    sink.push(frame)
                while self._source.pending and not sink.full:
                    for frame in self._source.frames(self._encoder, sink):
                        sink.push(frame)
            except errors.ApiError as error:
                sink.push(sink.frame(self._encoder.error(error)))
                end()
            if self._source.ended and not self._source.pending:
                end()

        def tick(itself: Callable[[Any], None]) -> None:
            # by its name it would hold itself, and the connection, until the cycle collector looks
            nonlocal timer
            now = clock.monotonic()
            write()
            if now >= self._deadline:
                if self._ends_with_bookmark and not sink.full:
                    sink.push(sink.frame(self._encoder.bookmark(self._source.revision)))
                end()
                return
            if now >= self._next_bookmark:
                bookmark = self._bookmark(now)
                if not sink.full:
                    sink.push(sink.frame(bookmark))
            timer = loop.call_later(self._wake_at() - now, itself, itself)

        def end() -> None:
            if not ended.done():
                ended.set_result(None)

        try:
            sink.on_writable = write
            self._source.listen(write)
            tick(tick)
            await ended
        finally:
            if timer is not None:
                timer.cancel()
            sink.on_writable = None
            self._source.close()
            timer = None
