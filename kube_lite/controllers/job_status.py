"""What a Job says of itself, and the rules by which it fails or waits."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kube_lite import clock
from kube_lite.controllers.job_failure_policy import PodFailurePolicy, verdict
from kube_lite.controllers.replicas import condition_as_json
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import LabelSelector, Obj, ObjectView, View
from kube_lite.resources.views import WorkloadCondition

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
DOMAIN = "batch.kubernetes.io/"
GENERATED_LABELS = ("controller-uid", "job-name")
"""Labels that the API gives the template of a job; its pods carry them with the domain too, as clients ask for both."""

COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"
SUCCESS_CRITERIA, FAILURE_TARGET = "SuccessCriteriaMet", "FailureTarget"

BACK_OFF = 10.0
"""Seconds after the first failed pod before the next is created (upstream: DefaultJobPodFailureBackOff)."""

MAX_BACK_OFF = 600.0
"""Seconds at most (upstream: MaxJobPodFailureBackOff)."""


class SuccessRule(View, frozen=True):
    """Indexes, or a number of them, whose success is enough."""

    succeeded_indexes: str = ""
    succeeded_count: int | None = None


class SuccessPolicy(View, frozen=True):
    """Rules of which one is enough."""

    rules: list[SuccessRule] = []


OURS = "kubernetes.io/job-controller"
"""``spec.managedBy`` of Jobs that this controller runs, where they say so at all."""


class JobSpec(View, frozen=True):
    """What a Job should run."""

    parallelism: int = 1
    completions: int | None = None
    backoff_limit: int = 6
    active_deadline_seconds: int | None = None
    ttl_seconds_after_finished: int | None = None
    suspend: bool = False
    completion_mode: str = "NonIndexed"
    selector: LabelSelector = LabelSelector()
    pod_failure_policy: PodFailurePolicy | None = None
    backoff_limit_per_index: int | None = None
    max_failed_indexes: int | None = None
    success_policy: SuccessPolicy | None = None
    pod_replacement_policy: str = ""
    managed_by: str = ""
    template: msgspec.Raw = msgspec.Raw(b"{}")

    @property
    def replaces_only_failed(self) -> bool:
        """Whether a pod that is being deleted is made up for only once it has failed."""
        return self.pod_replacement_policy == "Failed" or self.pod_failure_policy is not None


class Uncounted(View, frozen=True):
    """Uids of finished pods that are not in the counts yet."""

    succeeded: list[str] = []
    failed: list[str] = []


class JobStatus(View, frozen=True):
    """What a Job has run."""

    start_time: str | None = None
    completion_time: str | None = None
    active: int = 0
    ready: int = 0
    terminating: int = 0
    succeeded: int = 0
    failed: int = 0
    completed_indexes: str = ""
    failed_indexes: str | None = None
    uncounted_terminated_pods: Uncounted = Uncounted()
    conditions: list[WorkloadCondition] = []


class Job(ObjectView, frozen=True):
    """A Job."""

    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()


def condition_status(status: JobStatus, kind: str) -> str:
    """The status of a condition, '' when it is not there."""
    return next((condition.status for condition in status.conditions if condition.type == kind), "")


def is_finished(status: JobStatus) -> bool:
    """Whether the Job has completed or failed."""
    return "True" in (condition_status(status, COMPLETE), condition_status(status, FAILED))


def with_condition(status: JobStatus, kind: str, value: str, reason: str, message: str) -> JobStatus:
    """The status with that condition, since now unless it was so before."""
    if condition_status(status, kind) == value:
        return status
    others = [condition for condition in status.conditions if condition.type != kind]
    new = WorkloadCondition(
        type=kind, status=value, reason=reason, message=message, last_transition_time=clock.timestamp()
    )
    return msgspec.structs.replace(status, conditions=[*others, new])


def failure(job: Job, status: JobStatus, pods: Sequence[Pod], active: Sequence[Pod]) -> tuple[str, str] | None:
    """Reason and message when the Job has failed; what was decided once stays decided."""
    decided = next((c for c in status.conditions if c.type == FAILURE_TARGET), None)
    if decided is not None:
        return decided.reason, decided.message
    if condition_status(status, SUCCESS_CRITERIA) == "True":
        return None
    if message := verdict(job.spec.pod_failure_policy, pods):
        return "PodFailurePolicy", message
    failed = status.failed + len(status.uncounted_terminated_pods.failed)
    restarts = sum(s.restart_count for pod in active for s in pod.status.container_statuses)
    # with restartPolicy OnFailure failures show as restarts of a pod that lives on
    repeated = any(pod.spec.restart_policy == "OnFailure" for pod in active) and restarts > 0
    if failed > job.spec.backoff_limit or (repeated and restarts >= job.spec.backoff_limit):
        return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    limit = job.spec.active_deadline_seconds
    if limit is not None and status.start_time is not None and not job.spec.suspend:
        since = (clock.now() - clock.parse_timestamp(status.start_time)).total_seconds()
        if since >= limit:
            return "DeadlineExceeded", "Job was active longer than specified deadline"
    return None


def finished_at(pod: Pod) -> float:
    """When a pod's last container ended, in seconds."""
    ends = [s.state.terminated.finished_at for s in pod.status.container_statuses if s.state.terminated is not None]
    moments = [clock.parse_timestamp(end).timestamp() for end in ends if end]
    created = pod.metadata.creation_timestamp
    return max(moments, default=clock.parse_timestamp(created).timestamp() if created else 0.0)


def back_off(pods: Sequence[Pod]) -> float:
    """Seconds until the next pod may be created, twice as long after each failure since the last success."""
    ended = sorted((finished_at(pod), pod.status.phase == "Succeeded") for pod in pods if pod.finished)
    failures = 0
    for _, succeeded in reversed(ended):
        if succeeded:
            break
        failures += 1
    if not failures:
        return 0.0
    delay = min(BACK_OFF * 2.0 ** (failures - 1), MAX_BACK_OFF)
    return max(0.0, ended[-1][0] + delay - clock.now().timestamp())


def index_of(pod: Pod) -> int | None:
    """The completion index of a pod of an Indexed Job."""
    text = pod.metadata.annotations.get(INDEX, "")
    return int(text) if text.isdigit() else None


def parse_indexes(text: str) -> set[int | None]:
    """``0,2-4`` as a set."""
    found: set[int | None] = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def format_indexes(indexes: set[int | None]) -> str:
    """A set as ``0,2-4``; two in a row are written apart, as upstream does."""
    runs: list[list[int]] = []
    for index in sorted(index for index in indexes if index is not None):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    parts = [f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs]
    return ",".join(parts)


def status_as_json(status: JobStatus) -> Obj:
    """The status as it stands in the API; null where a zero is left out."""
    uncounted = status.uncounted_terminated_pods
    return {
        "startTime": status.start_time,
        "completionTime": status.completion_time,
        "active": status.active or None,
        "ready": status.ready,
        "terminating": status.terminating,
        "succeeded": status.succeeded or None,
        "failed": status.failed or None,
        "completedIndexes": status.completed_indexes or None,
        "failedIndexes": status.failed_indexes,
        "uncountedTerminatedPods": {"succeeded": uncounted.succeeded or None, "failed": uncounted.failed or None},
        "conditions": [condition_as_json(condition) for condition in status.conditions] or None,
    }
