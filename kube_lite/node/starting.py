"""Starts one container: image, configuration, program, postStart hook; what goes wrong becomes a waiting reason.

A container that could not be started is tried again after a time that depends on why: an image after the pull
back-off, missing configuration after ten seconds, a program that cannot run after the crash back-off.
"""

from __future__ import annotations

import anyio
import msgspec

from kube_lite import clock
from kube_lite.node import specs
from kube_lite.node.context import NodeContext, pod_text
from kube_lite.node.durations import duration_text
from kube_lite.node.environment import ConfigError
from kube_lite.node.hooks import Target
from kube_lite.node.images import Images, PullFailure
from kube_lite.node.runtime import ContainerPhase, ContainerSpec, ContainerState, RuntimeFailure
from kube_lite.node.status import Waiting
from kube_lite.node.volumes import VolumeError
from kube_lite.resources.kinds.pod.view import Container, Pod

HOOK_LIMIT = 24 * 3600.0
"""Seconds after which a postStart hook is given up; upstream waits as long as the container lives."""


class NotStarted(msgspec.Struct, frozen=True):
    """A container that does not run yet: what to show, and seconds until the next attempt."""

    waiting: Waiting
    retry: float


class Starter:
    """Starts the containers of the pods of one node."""

    def __init__(self, node: NodeContext) -> None:
        self._node = node
        self._images = Images(node)

    async def start(self, pod: Pod, container: Container, attempt: int, pod_ip: str) -> ContainerState | NotStarted:
        """Start ``container`` for its ``attempt``. Cancellation takes effect before the program runs, not after."""
        try:
            await self._images.ensure(pod, container)
        except PullFailure as failure:
            self._node.event(pod, "Warning", "Failed", f"Error: {failure.reason}", container)
            return NotStarted(Waiting(failure.reason, failure.message), failure.retry)
        try:
            spec = await self._configure(pod, container, attempt, pod_ip)
        except (ConfigError, VolumeError) as error:
            self._node.event(pod, "Warning", "Failed", f"Error: {error}", container)
            waiting = Waiting("CreateContainerConfigError", str(error))
            return NotStarted(waiting, self._node.settings.config_retry)
        try:
            with anyio.CancelScope(shield=True):
                state = await self._node.runtime.start_container(pod.metadata.uid, spec)
        except RuntimeFailure as failure:
            self._node.event(pod, "Warning", "Failed", f"Error: {failure.message}", container)
            key = crash_key(pod, container)
            self._node.crash_backoff.next(key, clock.now())
            return NotStarted(Waiting(failure.reason, failure.message), self._node.crash_backoff.delay(key))
        if state.phase is ContainerPhase.EXITED and state.reason in ("StartError", "ContainerCannotRun"):
            self._node.event(pod, "Warning", "Failed", f"Error: {state.message}", container)
            return state
        self._node.event(pod, "Normal", "Created", "Container created", container)
        self._node.event(pod, "Normal", "Started", "Container started", container)
        return state

    async def _configure(self, pod: Pod, container: Container, attempt: int, pod_ip: str) -> ContainerSpec:
        node = self._node
        links = dict(node.service_variables(""))
        if pod.spec.enable_service_links:
            links.update(node.service_variables(pod.metadata.namespace))
        env = await node.environment.variables(pod, container, node.placement(pod_ip), links)
        mounts = await node.volumes.mounts(pod, container, env)
        return specs.container(pod, container, attempt, env, mounts)

    async def post_start(self, pod: Pod, container: Container, pod_ip: str) -> str:
        """Run the postStart hook; '' when there is none or it succeeded, else what went wrong."""
        hook = container.lifecycle.post_start if container.lifecycle else None
        if hook is None:
            return ""
        target = Target(pod.metadata.uid, pod_ip, container)
        outcome = await self._node.handlers.run(target, hook, HOOK_LIMIT, sleep=hook.sleep)
        if outcome.success:
            return ""
        self._node.event(pod, "Warning", "FailedPostStartHook", "PostStartHook failed", container)
        return outcome.message or "PostStartHook failed"

    def forget(self, uid: str) -> None:
        """Drop what is remembered of a pod."""
        self._images.forget(uid)
        self._node.crash_backoff.forget(uid)


def crash_key(pod: Pod, container: Container) -> str:
    """The key of a container's crash back-off; another image begins anew."""
    return f"{pod.metadata.uid}/{container.name}/{container.image}"


def crash_waiting(node: NodeContext, pod: Pod, container: Container) -> Waiting:
    """What a container shows that waits for its back-off."""
    delay = node.crash_backoff.delay(crash_key(pod, container))
    message = f"back-off {duration_text(round(delay))} restarting failed container={container.name} pod={pod_text(pod)}"
    return Waiting("CrashLoopBackOff", message)
