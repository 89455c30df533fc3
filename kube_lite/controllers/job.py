"""Job: run pods until enough of them have succeeded (upstream: ``pkg/controller/job``).

No finished pod is counted twice or forgotten, whoever deletes it and whenever this process dies: pods carry a
finalizer. A finished pod's uid is first written into the status as uncounted, then its finalizer is removed, and
only when that is seen does it move from the list into the count.

Completion is by number of successes; ``completionMode: Indexed`` gives each pod an index of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any

import msgspec

from kube_lite import clock
from kube_lite.client.events import NORMAL, WARNING
from kube_lite.controllers import job_indexes
from kube_lite.controllers.base import Context, Controller, Requeue, key_of_controller, outcomes
from kube_lite.controllers.expectations import Expectations
from kube_lite.controllers.job_pods import HELD_INDEX, held_for, is_ignored, may_count, pod_of, selects
from kube_lite.controllers.job_status import (
    COMPLETE,
    FAILED,
    FAILURE_TARGET,
    FINALIZER,
    OURS,
    SUCCESS_CRITERIA,
    SUSPENDED,
    Job,
    JobStatus,
    Uncounted,
    back_off,
    condition_status,
    failure,
    format_indexes,
    index_of,
    is_finished,
    parse_indexes,
    status_as_json,
    with_condition,
)
from kube_lite.controllers.ownership import (
    CONTROLLER_INDEX,
    controlled_by,
    controller_reference,
    dependants,
    orphans,
    reference_as_json,
)
from kube_lite.controllers.pods import deletion_order, is_active, is_terminating
from kube_lite.controllers.removal import lift_finalizer
from kube_lite.errors import ApiError, NotFound, conflict
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import LabelSelector, Obj, ObjectView

NAMES = ("job", "job-controller")

JOBS = "jobs.batch"

_object = msgspec.json.Decoder(ObjectView)


class JobController(Controller):
    """Creates, counts and ends the pods of Jobs."""

    name = "job"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self.workers = ctx.settings.workers
        self._burst = ctx.settings.burst_replicas
        self._client = ctx.client_for("job-controller")
        self._recorder = ctx.recorder("job-controller")
        self._expectations = Expectations(ctx.settings.expectation_timeout)
        self._jobs = self.source(ctx.informers.get(JOBS, Job))
        self._pods = ctx.informers.get("pods", Pod)
        self._pods.add_index(CONTROLLER_INDEX, controlled_by)
        self._pods.add_index(HELD_INDEX, held_for)
        self._pods.on_change(self._observe)
        self.source(self._pods, self._keys_of_pod)

    def _keys_of_pod(self, pod: Pod) -> Iterable[str]:
        if pod.metadata.controller is not None:
            return key_of_controller("Job")(pod)
        held = list(held_for(pod))
        if pod.terminating:
            return held
        return [*held, *(job.metadata.key for job in self._jobs.list(pod.metadata.namespace) if selects(job, pod))]

    def _observe(self, old: Pod | None, new: Pod | None) -> None:
        pod = new or old
        for key in key_of_controller("Job")(pod) if pod is not None else ():
            if old is None:
                self._expectations.created(key)
            if pod is not None and (new is None or new.terminating):
                self._expectations.deleted(key, pod.metadata.uid)

    async def reconcile(self, key: str) -> Requeue | None:
        """Count what has finished, decide whether the Job has, and else keep the right number of pods running."""
        job = self._jobs.get(key)
        if job is not None and job.spec.managed_by not in ("", OURS):
            return None  # another controller runs it, finalizers and all
        await self._free(key, job)
        if job is None:
            self._expectations.forget(key)
            return None
        pods = dependants(self._pods, job)
        if is_finished(job.status) or job.metadata.deletion_timestamp is not None:
            await self._release(pod for pod in pods if pod.finished or is_finished(job.status))
            return None
        if await self._take_in(job):
            return None  # and count them with the rest when their new owner shows
        pods = await self._let_go(job, pods)
        ignored = {pod.metadata.uid for pod in pods if is_ignored(job, pod)}
        status = self._counted(job, pods, ignored)
        active = [pod for pod in pods if is_active(pod)]
        status = self._started(job, status)
        status, ended = self._judged(job, status, pods, active)
        wait: float | None = None
        if ended or job.spec.suspend:
            await self._delete(job, active)
            active = []
        elif self._expectations.satisfied(key):
            counted = [pod for pod in pods if pod.metadata.uid not in ignored]
            wait = await self._manage(job, status, counted, active)
        else:
            wait = self._expectations.remaining(key)
        await self._write(job, status, pods, active)
        uncounted = {*status.uncounted_terminated_pods.succeeded, *status.uncounted_terminated_pods.failed}
        done = (uncounted | ignored) - (set() if ended else job_indexes.held(job, status, pods))
        await self._release(pod for pod in pods if pod.metadata.uid in done)
        deadline = self._deadline_in(job, status)
        waits = [seconds for seconds in (wait, deadline) if seconds is not None]
        return Requeue(max(min(waits), 0.0)) if waits else None

    async def _free(self, key: str, job: Job | None) -> None:
        """Take the finalizer off pods that no Job counts any more: it would hold them for good."""
        left = [pod for pod in self._pods.by_index(HELD_INDEX, key) if job is None or not may_count(job, pod)]
        if not left:
            return
        namespace, _, name = key.partition("/")
        try:
            uid = _object.decode(await self._client.get(JOBS, name, namespace)).metadata.uid
        except NotFound:
            uid = ""
        # a pod may show in the cache before its Job does
        await self._release(p for p in left if p.metadata.controller is None or p.metadata.controller.uid != uid)

    async def _take_in(self, job: Job) -> bool:
        """Adopt pods that match and that nobody controls; whether there were any."""
        namespace = job.metadata.namespace
        strangers = [pod for pod in orphans(self._pods, namespace) if not pod.terminating and selects(job, pod)]
        if strangers:
            live = _object.decode(await self._client.get(JOBS, job.metadata.name, namespace)).metadata
            if live.uid != job.metadata.uid or live.deletion_timestamp is not None:
                raise conflict("jobs", "batch", job.metadata.name, "it is being deleted or was replaced")
        for pod in strangers:
            own = [reference_as_json(reference) for reference in pod.metadata.owner_references]
            await self._own(pod, [*own, controller_reference(job, "batch/v1", "Job")], [FINALIZER])
        return bool(strangers)

    async def _let_go(self, job: Job, pods: Sequence[Pod]) -> list[Pod]:
        """Release pods that no longer match; the others."""
        if job.spec.selector == LabelSelector():
            return list(pods)
        kept: list[Pod] = []
        for pod in pods:
            if selects(job, pod):
                kept.append(pod)
                continue
            others = [reference for reference in pod.metadata.owner_references if reference.uid != job.metadata.uid]
            await self._own(pod, [reference_as_json(reference) for reference in others], [])
        return kept

    async def _own(self, pod: Pod, references: list[Obj], finalizers: list[str]) -> None:
        """Set owners, and with them the finalizer that keeps a pod until it is counted."""
        meta = pod.metadata
        rest = [finalizer for finalizer in meta.finalizers if finalizer != FINALIZER] + finalizers
        change = {"ownerReferences": references or None, "finalizers": rest or None}
        patch = {"metadata": {"resourceVersion": meta.resource_version, **change}}
        try:
            await self._client.patch("pods", meta.name, patch, meta.namespace)
        except NotFound:
            return

    def _counted(self, job: Job, pods: Sequence[Pod], ignored: Collection[str]) -> JobStatus:
        """The status with pods that have newly finished as uncounted, and settled ones counted."""
        held = {pod.metadata.uid for pod in pods if FINALIZER in pod.metadata.finalizers}
        before = job.status.uncounted_terminated_pods
        listed = {*before.succeeded, *before.failed}
        succeeded = [uid for uid in before.succeeded if uid in held]
        failed = [uid for uid in before.failed if uid in held]
        indexes = parse_indexes(job.status.completed_indexes)
        settled = len(before.succeeded) - len(succeeded)
        lost = parse_indexes(job.status.failed_indexes or "") | job_indexes.newly_failed(job, pods, ignored)
        for pod in pods:
            uid = pod.metadata.uid
            if uid not in held or uid in listed or uid in ignored or not (pod.finished or pod.terminating):
                continue
            index = index_of(pod)
            if pod.status.phase == "Succeeded":
                if index is None or index not in indexes:
                    succeeded.append(uid)
                    indexes |= {index} if index is not None else set()
            elif pod.finished or not pod.spec.node_name:
                failed.append(uid)
        return msgspec.structs.replace(
            job.status,
            succeeded=job.status.succeeded + settled,
            failed=job.status.failed + len(before.failed) - len([u for u in before.failed if u in held]),
            uncounted_terminated_pods=Uncounted(succeeded=succeeded, failed=failed),
            completed_indexes=format_indexes(indexes),
            failed_indexes=None if job.spec.backoff_limit_per_index is None else format_indexes(lost - indexes),
        )

    def _started(self, job: Job, status: JobStatus) -> JobStatus:
        """The status with its start, or with the condition Suspended."""
        suspended = condition_status(status, SUSPENDED)
        if job.spec.suspend:
            if suspended != "True":
                self._recorder.event(job, NORMAL, "Suspended", "Job suspended")
            status = with_condition(status, SUSPENDED, "True", "JobSuspended", "Job suspended")
            return msgspec.structs.replace(status, start_time=None)
        if suspended == "True":
            self._recorder.event(job, NORMAL, "Resumed", "Job resumed")
            status = with_condition(status, SUSPENDED, "False", "JobResumed", "Job resumed")
        return msgspec.structs.replace(status, start_time=status.start_time or clock.timestamp())

    def _judged(
        self, job: Job, status: JobStatus, pods: Sequence[Pod], active: Sequence[Pod]
    ) -> tuple[JobStatus, bool]:
        """The status with the Job's end, if it has come; an end waits until all pods are counted and gone."""
        succeeded = status.succeeded + len(status.uncounted_terminated_pods.succeeded)
        verdict = failure(job, status, pods, active)
        if verdict is None and not condition_status(status, SUCCESS_CRITERIA):
            verdict = job_indexes.failed_by_indexes(job, status)
        target, final, reason, message = FAILURE_TARGET, FAILED, *(verdict or ("", ""))
        if verdict is None:
            target, final = SUCCESS_CRITERIA, COMPLETE
            met = _success(job, status, succeeded, active)
            if met is None:
                return status, False
            reason, message = met
        status = with_condition(status, target, "True", reason, message)
        uncounted = status.uncounted_terminated_pods
        if not active and not uncounted.succeeded and not uncounted.failed:
            status = with_condition(status, final, "True", reason, message)
            if final == COMPLETE:
                status = msgspec.structs.replace(status, completion_time=clock.timestamp())
                self._recorder.event(job, NORMAL, "Completed", "Job completed")
            else:
                self._recorder.event(job, WARNING, reason, message)
        return status, True

    def _deadline_in(self, job: Job, status: JobStatus) -> float | None:
        if job.spec.active_deadline_seconds is None or status.start_time is None or is_finished(status):
            return None
        since = (clock.now() - clock.parse_timestamp(status.start_time)).total_seconds()
        return job.spec.active_deadline_seconds - since

    async def _manage(self, job: Job, status: JobStatus, pods: Sequence[Pod], active: Sequence[Pod]) -> float | None:
        """Create or delete pods; seconds to wait before the next, when failures hold it back."""
        succeeded = status.succeeded + len(status.uncounted_terminated_pods.succeeded)
        wanted = job.spec.parallelism
        if job.spec.completions is None:
            wanted = len(active) if succeeded else wanted
        else:
            lost = len(parse_indexes(status.failed_indexes or ""))
            wanted = min(wanted, job.spec.completions - succeeded - lost)
        surplus = len(active) - max(0, wanted)
        if surplus > 0:
            await self._delete(job, deletion_order(active, {})[:surplus])
        if job.spec.replaces_only_failed:
            leaving = [pod for pod in pods if is_terminating(pod)]
            surplus, active = surplus + len(leaving), [*active, *leaving]
        if surplus >= 0:
            return None
        if job.spec.backoff_limit_per_index is not None:
            return await self._create_by_index(job, status, pods, active, min(-surplus, self._burst))
        wait = back_off(pods)
        if wait > 0:
            return wait
        indexes = job_indexes.next_indexes(job, status, active, min(-surplus, self._burst))
        await self._create(job, [pod_of(job, index) for index in indexes])
        return None

    async def _create_by_index(
        self, job: Job, status: JobStatus, pods: Sequence[Pod], active: Sequence[Pod], count: int
    ) -> float | None:
        """Create pods for indexes that need not wait; seconds until the next of the others need not either."""
        last = job_indexes.last_failures(pods)
        waits: list[float] = []
        bodies: list[Obj] = []
        for index in job_indexes.next_indexes(job, status, active, job.spec.completions or 0):
            if index is None or len(bodies) == count:
                break
            before = last.get(index)
            if (wait := job_indexes.wait_of(before)) > 0:
                waits.append(wait)
                continue
            body = pod_of(job, index)
            ignored = before is not None and is_ignored(job, before)
            failures = job_indexes.next_failures(before, ignored=ignored)
            body["metadata"]["annotations"][job_indexes.FAILURES] = str(failures)
            bodies.append(body)
        await self._create(job, bodies)
        return min(waits, default=None)

    async def _create(self, job: Job, bodies: Sequence[Obj]) -> None:
        key = job.metadata.key
        self._expectations.expect_creations(key, len(bodies))
        for result in await outcomes(partial(self._create_one, job, body) for body in bodies):
            if isinstance(result, ApiError):
                raise result

    async def _create_one(self, job: Job, pod: Obj) -> None:
        try:
            created = await self._client.create("pods", pod, job.metadata.namespace)
        except ApiError as error:
            self._expectations.created(job.metadata.key)
            self._recorder.event(job, WARNING, "FailedCreate", f"Error creating: {error.message}")
            raise
        name = _object.decode(created).metadata.name
        self._recorder.event(job, NORMAL, "SuccessfulCreate", f"Created pod: {name}")

    async def _delete(self, job: Job, pods: Sequence[Pod]) -> None:
        if not pods:
            return
        key = job.metadata.key
        self._expectations.expect_deletions(key, [pod.metadata.uid for pod in pods])

        async def one(pod: Pod) -> None:
            meta = pod.metadata
            try:
                await self._client.delete("pods", meta.name, meta.namespace, uid=meta.uid)
            except ApiError as error:
                self._expectations.deleted(key, meta.uid)
                if not isinstance(error, NotFound):
                    raise
            else:
                self._recorder.event(job, NORMAL, "SuccessfulDelete", f"Deleted pod: {meta.name}")

        for result in await outcomes(partial(one, pod) for pod in pods):
            if isinstance(result, ApiError):
                raise result

    async def _release(self, pods: Iterable[Pod]) -> None:
        """Take the finalizer off pods whose end is on record."""
        for pod in pods:
            if FINALIZER in pod.metadata.finalizers:
                await lift_finalizer(self._client, "pods", pod.metadata, FINALIZER)

    async def _write(self, job: Job, status: JobStatus, pods: Sequence[Pod], active: Sequence[Pod]) -> None:
        status = msgspec.structs.replace(
            status,
            active=len(active),
            ready=sum(pod.ready for pod in active),
            terminating=sum(is_terminating(pod) for pod in pods),
        )
        if status == job.status:
            return
        meta = job.metadata
        # counts are sums of what was read: a stale one must not be written
        patch: dict[str, Any] = {"metadata": {"resourceVersion": meta.resource_version}}
        patch["status"] = status_as_json(status)
        await self._client.patch(JOBS, meta.name, patch, meta.namespace, subresource="status")


def _success(job: Job, status: JobStatus, succeeded: int, active: Sequence[Pod]) -> tuple[str, str] | None:
    """Reason and message when the Job has succeeded; what was decided once stays decided."""
    decided = next((c for c in status.conditions if c.type == SUCCESS_CRITERIA), None)
    if decided is not None:
        return decided.reason, decided.message
    if met := job_indexes.success(job, status):
        return "SuccessPolicy", met
    enough = job.spec.completions if job.spec.completions is not None else 1
    if succeeded < enough or (job.spec.completions is None and active):
        return None
    return "CompletionsReached", "Reached expected number of succeeded pods"


def build(ctx: Context) -> Controller:
    """The controller."""
    return JobController(ctx)
