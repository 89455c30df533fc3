"""The probes of one pod: a task for each probe of each running container, ended with the run it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import anyio
from anyio.abc import TaskGroup

from kube_lite import clock
from kube_lite.node.context import NodeContext
from kube_lite.node.hooks import Outcome, Target
from kube_lite.node.probes import ProbeKind, ProbeTask, probe_of
from kube_lite.node.runtime import ContainerState
from kube_lite.node.status import PodView
from kube_lite.resources.kinds.pod.view import Container, Pod


class Monitor:
    """Keeps a pod's ``view.ready`` and ``view.started`` true to its probes.

    :param on_change: called when a result changed
    :param on_unhealthy: called when a container is to be ended, with the probe's kind
    """

    def __init__(
        self,
        node: NodeContext,
        view: PodView,
        on_change: Callable[[], None],
        on_unhealthy: Callable[[Container, ProbeKind], None],
    ) -> None:
        self._node = node
        self._view = view
        self._on_change = on_change
        self._on_unhealthy = on_unhealthy
        self._running: dict[str, tuple[int, dict[ProbeKind, anyio.CancelScope]]] = {}

    def sync(self, tasks: TaskGroup, pod: Pod, running: Iterable[tuple[Container, ContainerState]]) -> None:
        """Probe exactly these running containers."""
        wanted = {container.name: (container, state) for container, state in running}
        for name, (attempt, _) in list(self._running.items()):
            if name not in wanted or wanted[name][1].attempt != attempt:
                self._end(name)
        for name, (container, state) in wanted.items():
            if name not in self._running:
                self._begin(tasks, pod, container, state)

    def stop(self, *, keep_readiness: bool = False) -> None:
        """End all probes; while a pod terminates its readiness is still probed, as upstream."""
        for name, (_, scopes) in list(self._running.items()):
            for kind, scope in scopes.items():
                if not (keep_readiness and kind is ProbeKind.READINESS):
                    scope.cancel()
            if not keep_readiness:
                self._end(name)

    def _end(self, name: str) -> None:
        _, scopes = self._running.pop(name)
        for scope in scopes.values():
            scope.cancel()
        self._view.ready.pop(name, None)
        self._view.started.pop(name, None)

    def _begin(self, tasks: TaskGroup, pod: Pod, container: Container, state: ContainerState) -> None:
        scopes: dict[ProbeKind, anyio.CancelScope] = {}
        self._running[container.name] = (state.attempt, scopes)
        begin = anyio.Event()
        if container.startup_probe is None:
            begin.set()
        else:
            self._view.started[container.name] = False
        if container.readiness_probe is not None:
            self._view.ready[container.name] = False
        target = Target(pod.metadata.uid, self._view.ip or self._view.host_ip, container)

        def on_result(kind: ProbeKind, success: bool) -> None:
            self._result(container, kind, success, begin)

        def on_complaint(kind: ProbeKind, outcome: Outcome) -> None:
            self._complain(pod, container, kind, outcome)

        for kind in ProbeKind:
            if probe_of(container, kind) is not None:
                started = state.started_at or clock.now()
                task = ProbeTask(self._node.handlers, target, kind, started, on_result, on_complaint)
                scopes[kind] = scope = anyio.CancelScope()
                tasks.start_soon(_run, task, begin, scope)

    def _result(self, container: Container, kind: ProbeKind, success: bool, begin: anyio.Event) -> None:
        if kind is ProbeKind.READINESS:
            self._view.ready[container.name] = success
        elif not success:
            self._on_unhealthy(container, kind)
        elif kind is ProbeKind.STARTUP:
            self._view.started[container.name] = True
            begin.set()
        self._on_change()

    def _complain(self, pod: Pod, container: Container, kind: ProbeKind, outcome: Outcome) -> None:
        if outcome.warning:
            self._node.event(pod, "Warning", "ProbeWarning", f"{kind} probe warning: {outcome.message}", container)
            return
        how = "errored and resulted in unknown state" if outcome.errored else "failed"
        self._node.event(pod, "Warning", "Unhealthy", f"{kind} probe {how}: {outcome.message}", container)


async def _run(task: ProbeTask, begin: anyio.Event, scope: anyio.CancelScope) -> None:
    with scope:
        await task.run(begin)
