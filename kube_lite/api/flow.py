"""Flow control: how many requests run at once, so that a flood leaves health checks and leases alone.

Long-running requests (watch, logs, exec, the nodes' tunnels) hold no seat. Administrators, node heartbeats and
health checks are exempt, as upstream's ``exempt`` level is.
"""

from __future__ import annotations

import anyio

from kube_lite.api.http import Request
from kube_lite.api.user import MASTERS, NODES
from kube_lite.errors import TooManyRequests

SEATS = 600
"""Requests at once: upstream's 400 reading and 200 writing."""
QUEUE = 2_000
"""Requests that may wait for a seat; beyond it they are refused with 429."""
QUEUE_SECONDS = 15.0
"""How long one may wait (upstream: a quarter of the request timeout)."""
RETRY_AFTER = 1
_LONG_SUBRESOURCES = ("log", "exec", "attach", "portforward", "proxy", "tunnel", "streams")


class FlowControl:
    """Seats for requests, handed out first come first served."""

    def __init__(self, seats: int = SEATS) -> None:
        self._seats = anyio.Semaphore(seats, fast_acquire=True)
        self._waiting = 0

    async def take(self, request: Request) -> anyio.Semaphore | None:
        """A seat for the request: what to release when it is done, None when it needs none.

        :raises TooManyRequests: none to be had in time
        """
        if self._exempt(request):
            return None
        try:
            self._seats.acquire_nowait()
        except anyio.WouldBlock:
            await self._wait()
        return self._seats

    @staticmethod
    def _exempt(request: Request) -> bool:
        info = request.info
        if not info.is_resource or info.verb == "watch" or info.subresource in _LONG_SUBRESOURCES:
            return True
        return info.resource == "leases" or MASTERS in request.user.groups or NODES in request.user.groups

    async def _wait(self) -> None:
        if self._waiting < QUEUE:
            self._waiting += 1
            try:
                with anyio.move_on_after(QUEUE_SECONDS):
                    await self._seats.acquire()
                    return
            finally:
                self._waiting -= 1
        raise TooManyRequests("too many requests, please try again later", {"retryAfterSeconds": RETRY_AFTER})
