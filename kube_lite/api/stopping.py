"""How a server ends without cutting anybody off: what is told when, and which answers are not waited for.

The order is upstream's. First ``/readyz`` fails, so that load balancers look elsewhere, while all is served as
before (``--shutdown-delay-duration``). Then no connection is accepted any more, watches and other answers that have
no end of their own are ended as if their time were over, and the requests under way are finished; see
``listener.Listener``, which does it to the connections.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio

from kube_lite import clock
from kube_lite.api.request_info import RequestInfo

STREAM_SECONDS: Final = 2.0
"""In which a client must take the end of a watch."""
REQUEST_SECONDS: Final = 10.0
"""In which requests under way must be answered (upstream: ``--request-timeout``, 60 s)."""


def endless(info: RequestInfo) -> bool:
    """Whether the answer to a request goes on until somebody ends it: watches, followed logs, control channels."""
    if info.verb == "watch" or info.subresource == "tunnel":
        return True
    logs = info.subresource == "log" or (info.resource == "nodes" and info.subresource == "proxy")
    return logs and info.flag("follow")


class Stopping:
    """Whether the server is about to end, and the answers that have to be ended then."""

    def __init__(self) -> None:
        self.begun = False
        """Whether it has been told to end: it is not ready any more, but serves."""
        self.began = 0.0
        """When that was, on the monotonic clock."""
        self.streams_ended = False
        self._streams: set[anyio.CancelScope] = set()

    def begin(self) -> None:
        """Be not ready from now on; the second time changes nothing."""
        if not self.begun:
            self.begun, self.began = True, clock.monotonic()

    @contextmanager
    def during(self, info: RequestInfo | None = None) -> Iterator[anyio.CancelScope]:
        """Around the sending of a stream: a scope that is cancelled when an endless answer has to end.

        :param info: the request that it answers; None for one that is endless whatever was asked
        """
        with anyio.CancelScope() as scope:
            if info is None or endless(info):
                self._streams.add(scope)
                if self.streams_ended:
                    scope.cancel()
            try:
                yield scope
            finally:
                self._streams.discard(scope)

    def end_streams(self) -> None:
        """End every endless answer, and those that are yet to begin."""
        self.streams_ended = True
        for stream in list(self._streams):
            stream.cancel()
