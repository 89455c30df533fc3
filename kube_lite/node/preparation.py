"""What a pod needs before its first container: volumes and a sandbox; and the refresh of its volumes later.

Both are made at the same time, and both are tried again, with upstream's back-off, until both are there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import anyio

from kube_lite import clock
from kube_lite.errors import ApiError
from kube_lite.node import specs
from kube_lite.node.context import NodeContext
from kube_lite.node.runtime import RuntimeFailure
from kube_lite.node.status import PodView
from kube_lite.node.volumes import VolumeError
from kube_lite.resources.kinds.pod.view import Pod


class Preparation:
    """The volumes and the sandbox of one pod; fills ``view.ip`` and ``view.sandbox``.

    :param pod: gives the newest version of the pod
    """

    def __init__(self, node: NodeContext, view: PodView, pod: Callable[[], Pod]) -> None:
        self._node = node
        self._view = view
        self._pod = pod
        self._refresh_at: datetime | None = None
        self._refreshing = anyio.Lock()
        self.done = False

    async def run(self) -> None:
        """Make both; returns when both are there."""
        settings = self._node.settings
        delay = settings.mount_backoff
        while True:
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._make_volumes)
                    tasks.start_soon(self._make_sandbox)
            except* (VolumeError, RuntimeFailure, ApiError, OSError) as problems:
                for problem in problems.exceptions:
                    self._report(problem)
            else:
                break
            await anyio.sleep(delay)
            delay = min(delay * 2, settings.mount_backoff_max)
        self.done = True
        if self._node.volumes.changes(self._pod()):
            self._refresh_at = clock.now() + timedelta(seconds=settings.volume_refresh)

    def _report(self, problem: Exception) -> None:
        if isinstance(problem, RuntimeFailure):
            message = f"Failed to create pod sandbox: {problem.message}"
            self._node.event(self._pod(), "Warning", "FailedCreatePodSandBox", message)
        else:
            self._node.event(self._pod(), "Warning", "FailedMount", str(problem))

    async def _make_volumes(self) -> None:
        pod = self._pod()
        if pod.spec.volumes:
            await self._node.volumes.setup(pod, self._node.placement(self._view.ip))

    async def _make_sandbox(self) -> None:
        pod = self._pod()
        with anyio.CancelScope(shield=True):
            state = await self._node.runtime.run_sandbox(specs.sandbox(pod, self._node.settings))
        self._view.sandbox = True
        self._view.ip = self._node.settings.address if pod.spec.host_network else state.ip

    def refresh_due(self) -> float | None:
        """Seconds until ``refresh`` is due, 0 for now, None for never."""
        if self._refresh_at is None:
            return None
        return max(0.0, (self._refresh_at - clock.now()).total_seconds())

    async def refresh(self) -> None:
        """Bring the volumes up to date, and plan the next time."""
        async with self._refreshing:
            await self._refresh()

    async def _refresh(self) -> None:
        self._refresh_at = clock.now() + timedelta(seconds=self._node.settings.volume_refresh)
        pod = self._pod()
        try:
            await self._node.volumes.refresh(pod, self._node.placement(self._view.ip))
        except (VolumeError, ApiError, OSError) as error:
            self._node.event(pod, "Warning", "FailedMount", str(error))
