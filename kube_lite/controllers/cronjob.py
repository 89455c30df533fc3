"""CronJob: a Job whenever the schedule says so (upstream: ``pkg/controller/cronjob``).

The Job is named after the minute that it is due, so that no time is ever served twice, whoever dies when: a Job that
was made but not noted is found by its name. Times that were missed are made up for by one Job, the latest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from kube_lite import clock
from kube_lite.client.events import NORMAL, WARNING
from kube_lite.controllers.base import Context, Controller, Requeue, key_of_controller, namespace_terminating
from kube_lite.controllers.cronjob_times import last_due, next_time
from kube_lite.controllers.job_status import COMPLETE, FAILED, Job, condition_status, is_finished
from kube_lite.controllers.ownership import CONTROLLER_INDEX, controlled_by, controller_reference, dependants
from kube_lite.errors import AlreadyExists, ApiError, NotFound
from kube_lite.resources import cron
from kube_lite.resources.meta import Obj, ObjectMeta, ObjectView, View

NAMES = ("cronjob", "cronjob-controller")

CRON_JOBS = "cronjobs.batch"
JOBS = "jobs.batch"

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
"""Annotation of a Job: the time that it was due, in the schedule's time zone."""

SLACK = 0.1
"""Seconds after a due time at which it is looked at, so that it has certainly come."""


class JobTemplate(View, frozen=True):
    """What each Job is made of; ``spec`` is copied, not read."""

    metadata: ObjectMeta = ObjectMeta()
    spec: msgspec.Raw = msgspec.Raw(b"{}")


class CronJobSpec(View, frozen=True):
    """What should run when."""

    schedule: str = ""
    time_zone: str | None = None
    starting_deadline_seconds: int | None = None
    concurrency_policy: str = "Allow"
    suspend: bool = False
    job_template: JobTemplate = JobTemplate()
    successful_jobs_history_limit: int | None = None
    failed_jobs_history_limit: int | None = None


class ActiveJob(View, frozen=True):
    """A Job that has not ended yet."""

    name: str = ""
    uid: str = ""
    namespace: str = ""
    kind: str = "Job"
    api_version: str = "batch/v1"
    resource_version: str = ""


class CronJobStatus(View, frozen=True):
    """What runs, and when it last began and succeeded."""

    active: list[ActiveJob] = []
    last_schedule_time: str | None = None
    last_successful_time: str | None = None


class CronJob(ObjectView, frozen=True):
    """A CronJob."""

    spec: CronJobSpec = CronJobSpec()
    status: CronJobStatus = CronJobStatus()


class _Plan(msgspec.Struct):
    """The schedule of a CronJob, read."""

    schedule: cron.Schedule
    zone: tzinfo

    def following(self, moment: datetime) -> datetime | None:
        """The first due time after ``moment``."""
        return next_time(self.schedule, self.zone, moment)


class CronJobController(Controller):
    """Creates Jobs by the clock."""

    name = "cronjob"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self.workers = ctx.settings.workers
        self._client = ctx.client_for("cronjob-controller")
        self._recorder = ctx.recorder("cronjob-controller")
        self._cron_jobs = self.source(ctx.informers.get(CRON_JOBS, CronJob))
        self._jobs = ctx.informers.get(JOBS, Job)
        self._jobs.add_index(CONTROLLER_INDEX, controlled_by)
        self.source(self._jobs, key_of_controller("CronJob"))

    async def reconcile(self, key: str) -> Requeue | None:
        """Note what has ended, start what is due, and come back for what is due next."""
        if self._cron_jobs.get(key) is None:
            return None
        namespace, _, name = key.partition("/")
        try:
            # what was started and noted a moment ago must not look forgotten
            owner = _cron_job.decode(await self._client.get(CRON_JOBS, name, namespace))
        except NotFound:
            return None
        jobs = dependants(self._jobs, owner)
        await self._clean_up(owner, jobs)
        now = clock.now()
        plan = self._plan(owner) if owner.metadata.deletion_timestamp is None and not owner.spec.suspend else None
        due = self._due(owner, plan, now) if plan is not None else None
        status = await self._observed(owner, jobs, due)
        refusal: ApiError | None = None
        if due is not None and plan is not None:
            try:
                status = await self._start(owner, status, due, plan.zone)
            except ApiError as error:
                refusal = error
        await self._write(owner, status)
        if refusal is not None:
            raise refusal
        following = plan.following(now) if plan is not None else None
        return Requeue((following - now).total_seconds() + SLACK) if following is not None else None

    def _plan(self, owner: CronJob) -> _Plan | None:
        """The schedule; None when it cannot be read or never comes."""
        spec = owner.spec
        try:
            zone: tzinfo = ZoneInfo(spec.time_zone) if spec.time_zone else UTC
        except (ZoneInfoNotFoundError, ValueError, OSError):
            message = f'invalid timeZone: "{spec.time_zone}": unknown time zone {spec.time_zone}'
            self._recorder.event(owner, WARNING, "UnknownTimeZone", message)
            return None
        try:
            plan = _Plan(cron.parse(spec.schedule), zone)
        except ValueError as error:
            message = f'unparseable schedule: "{spec.schedule}" : {error}'
            self._recorder.event(owner, WARNING, "UnparseableSchedule", message)
            return None
        if plan.following(clock.now()) is None:
            # the 31st of February; upstream compares two times, both of which are none
            message = f"invalid schedule: {spec.schedule} : time difference between two schedules is less than 1 second"
            self._recorder.event(owner, WARNING, "InvalidSchedule", message)
            return None
        return plan

    def _due(self, owner: CronJob, plan: _Plan, now: datetime) -> datetime | None:
        """The latest due time that has not been served."""
        text = owner.status.last_schedule_time or owner.metadata.creation_timestamp
        since = clock.parse_timestamp(text) if text else now
        deadline = owner.spec.starting_deadline_seconds
        if deadline is not None:
            since = max(since, now - timedelta(seconds=deadline))
        found, too_many = last_due(plan.following, since, now)
        if too_many:
            message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            self._recorder.event(owner, WARNING, "TooManyMissedTimes", message)
        return found

    async def _observed(self, owner: CronJob, jobs: Sequence[Job], due: datetime | None) -> CronJobStatus:
        """The status without Jobs that have ended or are gone, with the time of the last success."""
        active = {entry.uid: entry for entry in owner.status.active}
        known = {job.metadata.uid for job in jobs}
        success = owner.status.last_successful_time
        for job in jobs:
            meta = job.metadata
            if not is_finished(job.status):
                if meta.uid not in active and (due is None or meta.name != job_name(owner, due)):
                    message = f"Saw a job that the controller did not create or forgot: {meta.name}"
                    self._recorder.event(owner, WARNING, "UnexpectedJob", message)
                continue
            succeeded = condition_status(job.status, COMPLETE) == "True"
            if active.pop(meta.uid, None) is not None:
                condition = COMPLETE if succeeded else FAILED
                message = f"Saw completed job: {meta.name}, condition: {condition}"
                self._recorder.event(owner, NORMAL, "SawCompletedJob", message)
            if succeeded and job.status.completion_time is not None:
                success = max(success or "", job.status.completion_time)
        for uid in [uid for uid in active if uid not in known]:
            entry = active[uid]
            if await self._is_gone(owner, entry):
                del active[uid]
                self._recorder.event(owner, NORMAL, "MissingJob", f"Active job went missing: {entry.name}")
        return msgspec.structs.replace(owner.status, active=list(active.values()), last_successful_time=success)

    async def _is_gone(self, owner: CronJob, entry: ActiveJob) -> bool:
        try:
            live = _job.decode(await self._client.get(JOBS, entry.name, owner.metadata.namespace))
        except NotFound:
            return True
        return live.metadata.uid != entry.uid

    async def _start(self, owner: CronJob, status: CronJobStatus, due: datetime, zone: tzinfo) -> CronJobStatus:
        """Create the Job that is due, unless one that runs forbids it; the status with it."""
        policy = owner.spec.concurrency_policy
        if policy == "Forbid" and status.active:
            message = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._recorder.event(owner, NORMAL, "JobAlreadyActive", message)
            return status
        if policy == "Replace":
            for entry in status.active:
                await self._delete(owner, entry.name, entry.uid)
            status = msgspec.structs.replace(status, active=[])
        job = await self._create(owner, due, zone)
        if job is None:
            return status
        meta = job.metadata
        entry = ActiveJob(
            name=meta.name, uid=meta.uid, namespace=meta.namespace, resource_version=meta.resource_version
        )
        active = [] if is_finished(job.status) else [entry]
        return msgspec.structs.replace(
            status, active=[*status.active, *active], last_schedule_time=clock.timestamp(due)
        )

    async def _create(self, owner: CronJob, due: datetime, zone: tzinfo) -> Job | None:
        """The Job of that time, made now or by a process that died; None when its name is another's."""
        name, namespace = job_name(owner, due), owner.metadata.namespace
        try:
            made = await self._client.create(JOBS, new_job(owner, due, zone), namespace)
        except AlreadyExists as error:
            live = _job.decode(await self._client.get(JOBS, name, namespace))
            controller = live.metadata.controller
            if controller is not None and controller.uid == owner.metadata.uid:
                return live
            self._recorder.event(owner, WARNING, "FailedCreate", f"Error creating job: {error.message}")
            return None
        except ApiError as error:
            if not namespace_terminating(error):
                self._recorder.event(owner, WARNING, "FailedCreate", f"Error creating job: {error.message}")
            raise
        self._recorder.event(owner, NORMAL, "SuccessfulCreate", f"Created job {name}")
        return _job.decode(made)

    async def _delete(self, owner: CronJob, name: str, uid: str) -> None:
        try:
            await self._client.delete(JOBS, name, owner.metadata.namespace, propagation_policy="Background", uid=uid)
        except NotFound:
            return
        except ApiError as error:
            self._recorder.event(owner, WARNING, "FailedDelete", f"Deleted job: {error.message}")
            raise
        self._recorder.event(owner, NORMAL, "SuccessfulDelete", f"Deleted job {name}")

    async def _clean_up(self, owner: CronJob, jobs: Iterable[Job]) -> None:
        """Delete the oldest ended Jobs above the limits."""
        ended: dict[str, list[Job]] = {COMPLETE: [], FAILED: []}
        for job in jobs:
            if is_finished(job.status) and job.metadata.deletion_timestamp is None:
                ended[COMPLETE if condition_status(job.status, COMPLETE) == "True" else FAILED].append(job)
        limits = {COMPLETE: owner.spec.successful_jobs_history_limit, FAILED: owner.spec.failed_jobs_history_limit}
        for outcome, limit in limits.items():
            if limit is None:
                continue
            oldest = sorted(ended[outcome], key=lambda job: (job.status.start_time or "", job.metadata.name))
            for job in oldest[: max(0, len(oldest) - limit)]:
                await self._delete(owner, job.metadata.name, job.metadata.uid)

    async def _write(self, owner: CronJob, status: CronJobStatus) -> None:
        if status == owner.status:
            return
        body: Obj = msgspec.to_builtins(status)
        body["active"] = body["active"] or None
        meta = owner.metadata
        patch = {"metadata": {"resourceVersion": meta.resource_version}, "status": body}
        await self._client.patch(CRON_JOBS, meta.name, patch, meta.namespace, subresource="status")


_cron_job = msgspec.json.Decoder(CronJob)
_job = msgspec.json.Decoder(Job)


def job_name(owner: CronJob, due: datetime) -> str:
    """The name of the Job of that time: the CronJob's, and the minutes since 1970."""
    return f"{owner.metadata.name}-{int(due.timestamp()) // 60}"


def new_job(owner: CronJob, due: datetime, zone: tzinfo) -> Obj:
    """The Job of that time."""
    template = owner.spec.job_template
    local = due.astimezone(zone)
    text = clock.timestamp(due) if zone is UTC else local.isoformat(timespec="seconds")
    meta: Obj = {
        "name": job_name(owner, due),
        "annotations": {**template.metadata.annotations, SCHEDULED: text},
        "ownerReferences": [controller_reference(owner, "batch/v1", "CronJob")],
    }
    if template.metadata.labels:
        meta["labels"] = dict(template.metadata.labels)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": msgspec.json.decode(template.spec)}


def build(ctx: Context) -> Controller:
    """The controller."""
    return CronJobController(ctx)
