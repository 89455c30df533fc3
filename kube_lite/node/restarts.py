"""Which containers of a pod should be started now: pure decisions, no clock and no I/O but for the back-off.

Init containers run one after the other to success; those with restartPolicy Always (sidecars) stay running
beside what follows. Main containers start when all of that has happened, and are started again as the restart
policy says. A pod is finished when no main container runs and none will be started again.

Back-off follows client-go's ``flowcontrol.Backoff`` as the kubelet uses it: the first restart is immediate, the
second waits 10 s after the end of the container, then 20 s and so on up to 5 min; a container whose run ended
more than twice the maximum after its start begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kube_lite import clock
from kube_lite.node.runtime import ContainerPhase, ContainerState
from kube_lite.resources.kinds.pod.view import Container, Pod

Latest = Mapping[str, ContainerState]
"""The newest attempt of each container that ever ran."""


def is_sidecar(container: Container) -> bool:
    """Whether an init container keeps running beside the main ones."""
    return container.restart_policy == "Always"


def ended(state: ContainerState | None) -> bool:
    """Whether this attempt is over; one whose record outlived a reboot is."""
    return state is not None and state.phase in (ContainerPhase.EXITED, ContainerPhase.UNKNOWN)


def running(state: ContainerState | None) -> bool:
    """Whether this attempt is running."""
    return state is not None and state.phase is ContainerPhase.RUNNING


def succeeded(state: ContainerState | None) -> bool:
    """Whether this attempt ended with exit code 0."""
    return state is not None and state.phase is ContainerPhase.EXITED and state.exit_code == 0


def will_restart(policy: str, state: ContainerState, failed_probe: bool = False) -> bool:
    """Whether a container that has ended is started again under ``policy``.

    :param failed_probe: it was ended because of its liveness or startup probe, which counts as failure
    """
    if policy == "Always":
        return True
    if policy == "OnFailure":
        return failed_probe or not succeeded(state)
    return False


@dataclass(frozen=True, slots=True)
class Decision:
    """What should happen to the containers of a pod."""

    start: list[Container] = field(default_factory=list)
    """To start, in this order; those that ran before wait for their back-off."""
    stop: list[Container] = field(default_factory=list)
    """Sidecars to stop, in this order, because the main containers are done."""
    initialized: bool = False
    """Whether the init containers are through."""
    finished: bool = False
    """Whether the pod's main containers have ended for good (or an init container failed for good)."""


def _decide_init(pod: Pod, latest: Latest, started: Callable[[str], bool]) -> Decision:
    """Until the init containers are through."""
    for container in pod.spec.init_containers:
        state = latest.get(container.name)
        if running(state):
            if is_sidecar(container) and started(container.name):
                continue
            return Decision()
        if is_sidecar(container):
            return Decision(start=[container])
        if succeeded(state):
            continue
        if ended(state) and pod.spec.restart_policy == "Never":
            return Decision(finished=True, stop=_sidecars(pod, latest))
        return Decision(start=[container])
    return Decision(initialized=True)


def _sidecars(pod: Pod, latest: Latest) -> list[Container]:
    return [c for c in reversed(pod.spec.init_containers) if is_sidecar(c) and running(latest.get(c.name))]


def decide(
    pod: Pod,
    latest: Latest,
    started: Callable[[str], bool] = lambda name: True,
    failed: Collection[str] = (),
    changed: Collection[str] = (),
) -> Decision:
    """What to start and stop, from what runs.

    :param started: whether a running container has passed its startup probe
    :param failed: containers whose latest attempt was ended because a probe failed
    :param changed: those whose latest attempt was ended because they are to run another image, whatever the policy
    """
    spec = pod.spec
    if not any(c.name in latest for c in spec.containers):
        decision = _decide_init(pod, latest, started)
        if not decision.initialized:
            return decision
    start: list[Container] = []
    alive = False
    for container in spec.containers:
        state = latest.get(container.name)
        if state is None or state.phase is ContainerPhase.CREATED:
            start.append(container)
        elif running(state):
            alive = True
        elif container.name in changed or will_restart(
            container.restart_policy or spec.restart_policy, state, container.name in failed
        ):
            start.append(container)
    if not start and not alive:
        return Decision(initialized=True, finished=True, stop=_sidecars(pod, latest))
    dead = [c for c in spec.init_containers if is_sidecar(c) and not running(latest.get(c.name))]
    return Decision(start=dead + start, initialized=True)


def against_policy(pod: Pod, start: Sequence[Container], latest: Latest) -> frozenset[str]:
    """Those of the containers to start that have ended and whose restart policy alone would leave them so."""
    return frozenset(
        container.name
        for container in start
        if (state := latest.get(container.name)) is not None
        and ended(state)
        and not is_sidecar(container)
        and not will_restart(container.restart_policy or pod.spec.restart_policy, state)
    )


class BackOff:
    """Delays that double, one for each key."""

    def __init__(self, initial: float, maximum: float) -> None:
        self._initial = timedelta(seconds=initial)
        self._maximum = timedelta(seconds=maximum)
        self._entries: dict[str, tuple[timedelta, datetime]] = {}

    def _expired(self, event: datetime, updated: datetime) -> bool:
        return event - updated > 2 * self._maximum

    def remaining(self, key: str, event: datetime) -> float:
        """Seconds still to wait when what failed ended at ``event``; 0 for none."""
        entry = self._entries.get(key)
        if entry is None or self._expired(event, entry[1]):
            return 0.0
        return max(0.0, (event + entry[0] - clock.now()).total_seconds())

    def since_update(self, key: str) -> float:
        """Seconds still to wait since the last ``next``."""
        entry = self._entries.get(key)
        return max(0.0, (entry[1] + entry[0] - clock.now()).total_seconds()) if entry else 0.0

    def delay(self, key: str) -> float:
        """The present delay in seconds, 0 when there is none."""
        entry = self._entries.get(key)
        return entry[0].total_seconds() if entry else 0.0

    def next(self, key: str, event: datetime) -> None:
        """Count a new attempt, made now, after a failure at ``event``."""
        entry = self._entries.get(key)
        fresh = entry is None or self._expired(event, entry[1])
        delay = self._initial if entry is None or fresh else min(entry[0] * 2, self._maximum)
        self._entries[key] = (delay, clock.now())

    def restore(self, key: str, attempt: int, started: datetime) -> None:
        """Know again, after a restart of the executor, the delay of a container in its ``attempt``."""
        if attempt > 0 and key not in self._entries:
            self._entries[key] = (min(self._initial * 2 ** min(attempt - 1, 16), self._maximum), started)

    def forget(self, prefix: str) -> None:
        """Drop every key that begins with ``prefix``."""
        for key in [k for k in self._entries if k.startswith(prefix)]:
            del self._entries[key]
