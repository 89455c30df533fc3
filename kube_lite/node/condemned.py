"""Runs of containers that are to be ended although nobody asked for the pod's end: a probe or a hook of them failed,
or the pod now names another image. A verdict holds for one run only; what follows it is the restart policy's, but for
another image, which is started whatever the policy says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from kube_lite.node import restarts
from kube_lite.node.context import NodeContext
from kube_lite.node.ending import Ending, grace_of
from kube_lite.node.probes import ProbeKind, probe_of
from kube_lite.node.runtime import ContainerState
from kube_lite.resources.kinds.pod.view import Container, Pod


class _Run(msgspec.Struct, frozen=True):
    """One run: its attempt, the seconds it gets to end, and the message of its Killing event."""

    attempt: int
    grace: float
    message: str
    changed: bool = False


class Condemned:
    """The condemned runs of one pod.

    :param pod: gives the newest version of the pod
    """

    def __init__(self, node: NodeContext, ending: Ending, pod: Callable[[], Pod]) -> None:
        self._node = node
        self._ending = ending
        self._pod = pod
        self._runs: dict[str, _Run] = {}

    def for_probe(self, container: Container, kind: ProbeKind, state: ContainerState) -> None:
        """Its liveness or startup probe failed; such a probe may have a grace of its own."""
        probe = probe_of(container, kind)
        own = probe.termination_grace_period_seconds if probe else None
        grace = float(own if own is not None else self._pod().spec.termination_grace_period_seconds)
        message = f"Container {container.name} failed {kind.lower()} probe, will be restarted"
        self._runs[container.name] = _Run(state.attempt, grace, message)

    def for_hook(self, name: str, attempt: int) -> None:
        """Its postStart hook failed."""
        grace = grace_of(self._node, self._pod(), gone=False)
        self._runs[name] = _Run(attempt, grace, "FailedPostStartHook")

    def for_images(self, latest: Mapping[str, ContainerState]) -> None:
        """Condemn every run of another image than the pod names now."""
        spec = self._pod().spec
        sidecars = [container for container in spec.init_containers if restarts.is_sidecar(container)]
        for container in (*sidecars, *spec.containers):
            state = latest.get(container.name)
            if state is None or not restarts.running(state) or state.image == container.image:
                continue
            known = self._runs.get(container.name)
            if known is None or known.attempt != state.attempt:
                grace = grace_of(self._node, self._pod(), gone=False)
                message = f"Container {container.name} definition changed, will be restarted"
                self._runs[container.name] = _Run(state.attempt, grace, message, changed=True)

    def among(self, latest: Mapping[str, ContainerState]) -> tuple[set[str], set[str]]:
        """Containers whose latest run is condemned, and those of them that are to run another image."""
        names = {name for name, run in self._runs.items() if name in latest and latest[name].attempt == run.attempt}
        return names, {name for name in names if self._runs[name].changed}

    async def end(self, name: str) -> None:
        """End the condemned run of a container, and see what is then."""
        run = self._runs[name]
        await self._ending.end(self._pod(), name, run.grace, run.message)
        await self._node.relist()
