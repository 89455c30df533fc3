"""One pod on this node, from its assignment to its removal: a task that compares what should be with what is.

``_sync`` decides, and never waits: it looks at the pod, at the containers as the runtime last told, and at the
time, starts jobs for what takes long (setting up, starting, ending), and says when to look again. Every change
wakes it: a new version of the pod, a container that ended, a probe, a job that is done. Jobs belong to the
worker's task group; starting and ending never run at the same time. Lost memory does no harm: a worker that is
made anew finds its containers through the runtime and goes on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import anyio
from anyio.abc import TaskGroup

from kube_lite import clock
from kube_lite.errors import ApiError, Conflict, NotFound
from kube_lite.node import logs, restarts, status
from kube_lite.node.condemned import Condemned
from kube_lite.node.context import NodeContext, pod_text
from kube_lite.node.ending import Ending, grace_of
from kube_lite.node.jobs import Jobs
from kube_lite.node.monitor import Monitor
from kube_lite.node.preparation import Preparation
from kube_lite.node.probes import ProbeKind
from kube_lite.node.publisher import StatusPublisher
from kube_lite.node.runtime import ContainerPhase, ContainerState, PodState
from kube_lite.node.starting import NotStarted, Starter, crash_key, crash_waiting
from kube_lite.node.usage import UsageWatch
from kube_lite.resources.kinds.pod.view import Container, Pod

log = logging.getLogger(__name__)

DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"

_ORDER = {ContainerPhase.CREATED: 0, ContainerPhase.RUNNING: 1, ContainerPhase.EXITED: 2, ContainerPhase.UNKNOWN: 2}


class PodWorker:
    """Drives one pod.

    :param state: what the runtime already has of it
    :param rejection: why it cannot run here at all
    """

    def __init__(
        self,
        node: NodeContext,
        starter: Starter,
        pod: Pod,
        state: PodState | None = None,
        rejection: status.Verdict | None = None,
    ) -> None:
        self.pod = pod
        self.gone = False
        began = pod.status.start_time
        self.view = status.PodView(
            host_ip=node.settings.address, start_time=clock.parse_timestamp(began) if began else clock.now()
        )
        if pod.status.phase == "Failed" and pod.status.reason:  # decided before this executor began
            self.view.verdict = status.Verdict(pod.status.reason, pod.status.message)
        self._node = node
        self._starter = starter
        self._publisher = StatusPublisher(node.client, pod, node.settings)
        self._transitions = status.Transitions(pod)
        self._monitor = Monitor(node, self.view, self.wake, self._unhealthy)
        self._ending = Ending(node, self.view)
        self._wake = anyio.Event()
        self._tasks: TaskGroup | None = None
        self._jobs = Jobs(pod.metadata.key, self.wake)
        self._preparation = Preparation(node, self.view, lambda: self.pod)
        self._usage = UsageWatch(node, self.view, lambda: self.pod)
        self._starting: set[str] = set()
        self._retry_at: dict[str, datetime] = {}
        self._condemned = Condemned(node, self._ending, lambda: self.pod)
        self._grace: float | None = None
        self._done = False
        if rejection is not None:
            self.view.verdict, self.view.rejected, self.view.finished = rejection, True, True
        if state is not None:
            self.observe(state)
            self._restore_backoff()

    @property
    def done(self) -> bool:
        """Whether nothing is left of the pod here."""
        return self._done

    @property
    def active(self) -> bool:
        """Whether the pod holds what it asked for: it was admitted, and has not ended for good."""
        return not self.view.rejected and not self.pod.finished

    # --- what others tell ---

    def wake(self) -> None:
        """Look at everything again."""
        self._wake.set()

    def update(self, pod: Pod) -> None:
        """The pod as the API now has it."""
        self.pod = pod
        self.wake()

    def remove(self) -> None:
        """The pod is no longer in the API."""
        self.gone = True
        self._publisher.stop()
        self.wake()

    def observe(self, state: PodState) -> None:
        """The pod as the runtime now has it. What has ended stays ended, whatever an older reading says."""
        self.view.ip = state.ip or self.view.ip
        for container in state.containers:
            self._note(container)
        self.wake()

    def _note(self, state: ContainerState) -> None:
        tries = self.view.attempts.setdefault(state.name, {})
        known = tries.get(state.attempt)
        if known is None or _ORDER[state.phase] >= _ORDER[known.phase]:
            tries[state.attempt] = self._with_message(state)
        for old in sorted(tries)[:-2]:
            del tries[old]

    def _with_message(self, state: ContainerState) -> ContainerState:
        """With the end of its log as message where the container asks for that."""
        declared = next((c for c in self._declared() if c.name == state.name), None)
        if (
            declared is None
            or state.phase is not ContainerPhase.EXITED
            or state.exit_code == 0
            or state.message
            or declared.termination_message_policy != "FallbackToLogsOnError"
            or not state.log_path
        ):
            return state
        return replace(state, message=logs.tail_text(state.log_path))

    def _declared(self) -> list[Container]:
        return [*self.pod.spec.init_containers, *self.pod.spec.containers]

    def _restore_backoff(self) -> None:
        latest = self.view.latest()
        for container in self._declared():
            state = latest.get(container.name)
            if state is not None and state.started_at is not None:
                self._node.crash_backoff.restore(crash_key(self.pod, container), state.attempt, state.started_at)

    # --- the loop ---

    async def run(self) -> None:
        """Drive the pod until it has been removed from this node."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._publisher.run)
            while not self._done:
                self._wake = anyio.Event()
                delay: float | None
                try:
                    delay = self._sync(tasks)
                except Exception:
                    log.exception("pod %s: could not be looked at", self.pod.metadata.key)
                    delay = 1.0
                with anyio.move_on_after(delay):
                    await self._wake.wait()
            tasks.cancel_scope.cancel()

    def _spawn(self, name: str, call: Callable[[], Awaitable[None]]) -> None:
        """Run a job, unless one of that name is running; the worker looks again when it ends."""
        if self._tasks is not None:
            self._jobs.spawn(self._tasks, name, call)

    def _sync(self, tasks: TaskGroup) -> float | None:
        """Decide what to do now; seconds until the next look, None for when something happens."""
        pod = self.pod
        self.view.again = ()
        if pod.terminating or self.gone:
            self._terminate()
            self._publish_end(urgent=False)  # readiness may still change
            return None
        if pod.finished and not self.view.finished:
            if not self._running():
                return None  # ended before this executor started
            self.view.verdict = status.Verdict(pod.status.reason, pod.status.message)
        delays = [self._check_deadline()]
        if self.view.verdict is not None:
            if self.view.finished or self._jobs.cancel("setup", "start"):
                self._publish()
            else:
                self._spawn("halt", self._halt)
            return None
        if not self._preparation.done:
            self._spawn("setup", self._preparation.run)
            self._publish()
            return delays[0]
        latest = self.view.latest()
        self._condemned.for_images(latest)
        failed, changed = self._condemned.among(latest)
        for name in failed:
            if restarts.running(latest[name]):
                self._spawn(f"end {name}", partial(self._condemned.end, name))
        decision = restarts.decide(pod, latest, self.view.is_started, failed, changed)
        self.view.initialized = decision.initialized
        self.view.again = restarts.against_policy(pod, decision.start, latest)
        if decision.stop:
            self._spawn("sidecars", lambda: self._stop_sidecars(decision.stop))
        self.view.finished = decision.finished and not decision.stop
        delays += self._start(decision.start, latest)
        self._monitor.sync(tasks, pod, self._running())
        if self.view.finished:
            self._monitor.stop()
        delays += [self._refresh(), self._look_at_usage()]
        self._publish()
        return min((d for d in delays if d is not None), default=None)

    def _running(self) -> list[tuple[Container, ContainerState]]:
        latest = self.view.latest()
        return [(c, latest[c.name]) for c in self._declared() if restarts.running(latest.get(c.name))]

    def _publish(self) -> None:
        current = status.build(self.pod, self.view)
        self._transitions.stamp(current)
        creating = ("setup" in self._jobs and not self.view.waiting) or "start" in self._jobs
        self._publisher.submit(current, urgent=not creating)

    def _check_deadline(self) -> float | None:
        seconds = self.pod.spec.active_deadline_seconds
        if seconds is None or self.view.verdict is not None or self.view.finished:
            return None
        left = (self.view.start_time + timedelta(seconds=seconds) - clock.now()).total_seconds()
        if left > 0:
            return left
        self._node.event(self.pod, "Normal", "DeadlineExceeded", DEADLINE_MESSAGE)
        self.view.verdict = status.Verdict("DeadlineExceeded", DEADLINE_MESSAGE)
        return None

    # --- starting ---

    def _start(self, wanted: list[Container], latest: dict[str, ContainerState]) -> list[float | None]:
        """Start what is due; the delays of what is not."""
        due: list[Container] = []
        delays: list[float | None] = []
        now = clock.now()
        for container in wanted:
            if container.name in self._starting:
                continue
            state = latest.get(container.name)
            left = 0.0
            if container.name in self._retry_at:
                left = (self._retry_at[container.name] - now).total_seconds()
            elif state is not None and restarts.ended(state):
                left = self._node.crash_backoff.remaining(crash_key(self.pod, container), state.finished_at or now)
                if left > 0 and container.name not in self.view.waiting:
                    self.view.waiting[container.name] = crash_waiting(self._node, self.pod, container)
                    text = f"Back-off restarting failed container {container.name} in pod {pod_text(self.pod)}"
                    self._node.event(self.pod, "Warning", "BackOff", text, container)
            if left > 0:
                delays.append(left)
            else:
                due.append(container)
        if due and "start" not in self._jobs:
            self._starting = {container.name for container in due}
            self._spawn("start", lambda: self._start_all(due))
        return delays

    async def _start_all(self, containers: list[Container]) -> None:
        """One after the other, as they are declared: a postStart hook holds up those that follow."""
        try:
            for container in containers:
                await self._start_one(container)
                self._starting.discard(container.name)
                self.wake()
        finally:
            self._starting.clear()

    async def _start_one(self, container: Container) -> None:
        pod, name = self.pod, container.name
        state = self.view.latest().get(name)
        if state is not None and restarts.running(state):
            return
        attempt = self._next_attempt(name, state)
        if state is not None and restarts.ended(state) and name not in self._retry_at:
            self._node.crash_backoff.next(crash_key(pod, container), state.finished_at or clock.now())
        if attempt > 0 and self._preparation.refresh_due() is not None:
            await self._preparation.refresh()  # a sub path shows its file as it was when the container started
        ip = self.view.ip or self.view.host_ip
        result = await self._starter.start(pod, container, attempt, ip)
        if isinstance(result, NotStarted):
            self.view.waiting[name] = result.waiting
            self._retry_at[name] = clock.now() + timedelta(seconds=result.retry)
            return
        self.view.waiting.pop(name, None)
        self._retry_at.pop(name, None)
        self._note(result)
        if await self._starter.post_start(pod, container, ip):
            self._condemned.for_hook(name, attempt)

    def _next_attempt(self, name: str, state: ContainerState | None) -> int:
        if state is not None:
            return state.attempt + (state.phase is not ContainerPhase.CREATED)
        known = [*self.pod.status.init_container_statuses, *self.pod.status.container_statuses]
        return status.attempts_known(next((old for old in known if old.name == name), None))

    def _refresh(self) -> float | None:
        """Bring volumes up to date when it is time; seconds until then."""
        left = None if self.view.finished else self._preparation.refresh_due()
        if left == 0:
            self._spawn("refresh", self._preparation.refresh)
            return None  # the end of the job wakes
        return left

    def _look_at_usage(self) -> float | None:
        """See whether volumes have outgrown their limits when it is time; seconds until then."""
        left = self._usage.due()
        if left == 0:
            self._spawn("usage", self._usage.look)
            return None  # the end of the job wakes
        return left

    # --- ending ---

    def _unhealthy(self, container: Container, kind: ProbeKind) -> None:
        """Condemn a container whose liveness or startup probe failed; the restart policy does the rest."""
        state = self.view.latest().get(container.name)
        if state is None or not restarts.running(state):
            return
        self._condemned.for_probe(container, kind, state)
        self.wake()

    async def _stop_sidecars(self, sidecars: list[Container]) -> None:
        await self._ending.end_list(self.pod, sidecars, grace_of(self._node, self.pod, gone=False))
        await self._node.relist()

    async def _halt(self) -> None:
        """End all containers of a pod that has been given up, and keep it for its status and logs."""
        self._monitor.stop()
        verdict = self.view.verdict
        given = verdict.grace if verdict is not None else None
        grace = grace_of(self._node, self.pod, gone=False) if given is None else given
        await self._ending.end_all(self.pod, grace)
        await self._node.relist()
        self.view.finished = True

    def _terminate(self) -> None:
        """See to it that the pod ends and is removed, sooner when the grace has become shorter."""
        grace = grace_of(self._node, self.pod, gone=self.gone)
        if self._grace is not None and grace < self._grace:
            self._jobs.cancel("terminate")
        if self._jobs.cancel("setup", "start", "halt", "refresh", "usage") or "terminate" in self._jobs:
            return
        self._grace = grace
        self._spawn("terminate", self._end_and_remove)

    async def _end_and_remove(self) -> None:
        self._monitor.stop(keep_readiness=True)
        pod = self.pod
        await self._ending.end_all(pod, self._grace or 1.0)
        await self._node.relist()
        self._monitor.stop()
        self.view.finished = True
        self.view.sandbox = False
        if not self.gone:
            self._publish_end(urgent=True)
            await self._publisher.flush()
        with anyio.CancelScope(shield=True):
            await self._node.runtime.remove_pod(pod.metadata.uid)
        await self._node.volumes.remove(pod.metadata.uid)
        self._node.tokens.forget(pod.metadata.uid)
        self._starter.forget(pod.metadata.uid)
        if not self.gone:
            await self._delete(pod)
        self._done = True

    def _publish_end(self, *, urgent: bool) -> None:
        """The status of a pod that ends; the last one says that nothing runs any more, and its phase is an end."""
        if self.gone or (self.pod.finished and not self.view.attempts):
            return
        current = status.build(self.pod, self.view)
        self._transitions.stamp(current)
        self._publisher.submit(current, urgent=urgent)

    async def _delete(self, pod: Pod) -> None:
        """Tell the API that nothing is left of the pod here."""
        delay = self._node.settings.status_retry
        while not self.gone:
            try:
                meta = pod.metadata
                await self._node.client.delete("pods", meta.name, meta.namespace, grace_period_seconds=0, uid=meta.uid)
            except (NotFound, Conflict):
                return
            except (ApiError, OSError) as error:
                log.warning("pod %s: not deleted: %s; again in %g s", pod.metadata.key, error, delay)
                await anyio.sleep(delay)
                delay = min(delay * 2, 30.0)
            else:
                return
