"""What takes long for one pod, beside its worker: named tasks, one of each name at a time."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

log = logging.getLogger(__name__)

FAILURE_PAUSE = 1.0
"""Seconds after a job that failed before it is over, so that it is not tried again at once."""


class Jobs:
    """The jobs of one pod, in its worker's task group.

    :param owner: names the pod in log lines
    :param ended: called when a job is over, however it ended
    """

    def __init__(self, owner: str, ended: Callable[[], None]) -> None:
        self._owner = owner
        self._ended = ended
        self._scopes: dict[str, anyio.CancelScope] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._scopes

    def spawn(self, tasks: TaskGroup, name: str, call: Callable[[], Awaitable[None]]) -> None:
        """Run a job, unless one of that name is running."""
        if name in self._scopes:
            return
        scope = self._scopes[name] = anyio.CancelScope()
        tasks.start_soon(self._run, name, call, scope)

    async def _run(self, name: str, call: Callable[[], Awaitable[None]], scope: anyio.CancelScope) -> None:
        with scope:
            try:
                await call()
            except Exception:
                log.exception("pod %s: %s failed", self._owner, name)
                await anyio.sleep(FAILURE_PAUSE)
        if self._scopes.get(name) is scope:
            del self._scopes[name]
        self._ended()

    def cancel(self, *names: str) -> bool:
        """Cancel jobs; whether any of them still runs."""
        for name in names:
            if (scope := self._scopes.get(name)) is not None:
                scope.cancel()
        return any(name in self._scopes for name in names)
