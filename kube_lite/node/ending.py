"""Ends containers: preStop hook, SIGTERM, and SIGKILL when the grace is over; all of a pod in parallel.

Sidecars end after the main containers, in the reverse order of their start, within the same grace. The hook and
the signal share the grace; a container always gets two seconds between the signals (upstream).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio

from kube_lite import clock
from kube_lite.node import restarts
from kube_lite.node.context import NodeContext
from kube_lite.node.hooks import Target
from kube_lite.node.status import PodView
from kube_lite.resources.kinds.pod.view import Container, Pod

log = logging.getLogger(__name__)


def grace_of(node: NodeContext, pod: Pod, *, gone: bool) -> float:
    """Seconds that the containers of a pod get, at least one."""
    if not pod.spec.containers:  # only the runtime still knew it
        return node.settings.orphan_grace
    asked = pod.metadata.deletion_grace_period_seconds if pod.terminating else None
    if asked is None or (gone and not asked):
        asked = pod.spec.termination_grace_period_seconds
    return float(max(asked, 1))


class Ending:
    """Ends the containers of one pod. Hooks run once, however often it is asked."""

    def __init__(self, node: NodeContext, view: PodView) -> None:
        self._node = node
        self._view = view
        self._hooked: set[tuple[str, int]] = set()

    async def end_all(self, pod: Pod, grace: float) -> None:
        """End every running container; returns when all have ended."""
        deadline = clock.monotonic() + grace
        sidecars = [c.name for c in pod.spec.init_containers if restarts.is_sidecar(c)]
        alive = [name for name, state in self._view.latest().items() if restarts.running(state)]
        async with anyio.create_task_group() as tasks:
            for name in alive:
                if name not in sidecars:
                    tasks.start_soon(self.end, pod, name, grace)
        for name in reversed(sidecars):
            if name in alive:
                await self.end(pod, name, deadline - clock.monotonic())

    async def end_list(self, pod: Pod, containers: Sequence[Container], grace: float) -> None:
        """End these containers one after the other within ``grace``."""
        deadline = clock.monotonic() + grace
        for container in containers:
            await self.end(pod, container.name, deadline - clock.monotonic())

    async def end(self, pod: Pod, name: str, grace: float, message: str = "") -> None:
        """End one container. :param message: of its Killing event, if it has a special one"""
        declared = {c.name: c for c in [*pod.spec.init_containers, *pod.spec.containers]}
        container = declared.get(name)
        self._node.event(pod, "Normal", "Killing", message or f"Stopping container {name}", container)
        deadline = clock.monotonic() + grace
        if container is not None:
            await self._pre_stop(pod, container, grace)
        left = max(deadline - clock.monotonic(), min(self._node.settings.minimum_grace, max(grace, 1.0)))
        await self._node.runtime.stop_container(pod.metadata.uid, name, left)

    async def _pre_stop(self, pod: Pod, container: Container, grace: float) -> None:
        hook = container.lifecycle.pre_stop if container.lifecycle else None
        state = self._view.latest().get(container.name)
        run = (container.name, state.attempt if state else -1)
        if hook is None or grace <= 0 or run in self._hooked:
            return
        self._hooked.add(run)
        target = Target(pod.metadata.uid, self._view.ip or self._view.host_ip, container)
        outcome = await self._node.handlers.run(target, hook, grace, sleep=hook.sleep)
        if not outcome.success:
            log.info("pod %s: preStop of %s: %s", pod.metadata.key, container.name, outcome.message)
            self._node.event(pod, "Warning", "FailedPreStopHook", "PreStopHook failed", container)
