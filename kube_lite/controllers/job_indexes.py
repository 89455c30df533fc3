"""Indexed Jobs whose indexes fail or succeed for themselves: back-off limit per index, and success policy.

How often an index has failed is written on its pods, so that it outlives them only as far as it is needed: the
last failed pod of an index keeps its finalizer until the index is done with or has a new pod, which carries the
count on. Upstream: ``pkg/controller/job/backoff_utils.go``, ``indexed_job_utils.go``, ``success_policy.go``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kube_lite import clock
from kube_lite.controllers.job_failure_policy import FAIL_INDEX, judge
from kube_lite.controllers.job_status import (
    BACK_OFF,
    MAX_BACK_OFF,
    Job,
    JobStatus,
    finished_at,
    index_of,
    parse_indexes,
)
from kube_lite.controllers.pods import is_active
from kube_lite.resources.kinds.pod.view import Pod

FAILURES = "batch.kubernetes.io/job-index-failure-count"
"""Annotation of a pod: how often its index had failed when the pod was made."""


def failures_before(pod: Pod) -> int:
    """How often the pod's index had failed before it."""
    text = pod.metadata.annotations.get(FAILURES, "")
    return int(text) if text.isdigit() else 0


def newly_failed(job: Job, pods: Iterable[Pod], ignored: Iterable[str]) -> set[int | None]:
    """Indexes that have failed for good by what these pods show."""
    limit = job.spec.backoff_limit_per_index
    if limit is None:
        return set()
    found: set[int | None] = set()
    for pod in pods:
        index = index_of(pod)
        if index is None or pod.status.phase != "Failed" or pod.metadata.uid in ignored:
            continue
        given_up = judge(job.spec.pod_failure_policy, pod)[0] == FAIL_INDEX
        if given_up or failures_before(pod) >= limit:
            found.add(index)
    return found


def next_indexes(job: Job, status: JobStatus, active: Sequence[Pod], count: int) -> list[int | None]:
    """Up to ``count`` indexes that need a pod; so many None where pods have no index."""
    if job.spec.completion_mode != "Indexed":
        return [None] * count
    taken = parse_indexes(status.completed_indexes) | {index_of(pod) for pod in active}
    taken |= parse_indexes(status.failed_indexes or "")
    free = [index for index in range(job.spec.completions or 0) if index not in taken]
    return list(free[:count])


def last_failures(pods: Iterable[Pod]) -> dict[int, Pod]:
    """The pod of each index that failed last."""
    found: dict[int, Pod] = {}
    for pod in pods:
        index = index_of(pod)
        if index is None or pod.status.phase != "Failed":
            continue
        if index not in found or finished_at(pod) >= finished_at(found[index]):
            found[index] = pod
    return found


def next_failures(last: Pod | None, *, ignored: bool) -> int:
    """What the next pod of an index carries, after ``last`` failed (None: there was none)."""
    return 0 if last is None else failures_before(last) + (not ignored)


def wait_of(last: Pod | None) -> float:
    """Seconds until an index may have its next pod, twice as long after each failure."""
    if last is None:
        return 0.0
    delay = min(BACK_OFF * 2.0 ** min(failures_before(last), 30), MAX_BACK_OFF)
    return max(0.0, finished_at(last) + delay - clock.now().timestamp())


def held(job: Job, status: JobStatus, pods: Sequence[Pod]) -> set[str]:
    """Uids of failed pods that must stay, for the next pod of their index is still to carry on their count."""
    if job.spec.backoff_limit_per_index is None:
        return set()
    done = parse_indexes(status.completed_indexes) | parse_indexes(status.failed_indexes or "")
    going = {index_of(pod) for pod in pods if is_active(pod)}
    return {pod.metadata.uid for index, pod in last_failures(pods).items() if index not in done | going}


def failed_by_indexes(job: Job, status: JobStatus) -> tuple[str, str] | None:
    """Reason and message when failed indexes fail the Job."""
    failed = len(parse_indexes(status.failed_indexes or ""))
    if job.spec.backoff_limit_per_index is None or not failed:
        return None
    most = job.spec.max_failed_indexes
    if most is not None and failed > most:
        return "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
    if failed + len(parse_indexes(status.completed_indexes)) >= (job.spec.completions or 0):
        return "FailedIndexes", "Job has failed indexes"
    return None


def success(job: Job, status: JobStatus) -> str:
    """Why the Job is successful although not all its indexes are; '' when it is not."""
    if job.spec.success_policy is None:
        return ""
    succeeded = parse_indexes(status.completed_indexes)
    for position, rule in enumerate(job.spec.success_policy.rules):
        counted = succeeded
        enough = rule.succeeded_count
        if rule.succeeded_indexes:
            wanted = parse_indexes(rule.succeeded_indexes)
            counted = succeeded & wanted
            enough = len(wanted) if enough is None else enough
        if enough is not None and len(counted) >= enough:
            return f"Matched rules at index {position}"
    return ""
