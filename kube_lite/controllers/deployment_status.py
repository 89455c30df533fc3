"""What a Deployment says of itself: counts and the conditions Available, Progressing and ReplicaFailure.

Reasons and messages are upstream's (``pkg/controller/deployment/progress.go`` and ``sync.go``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from kube_lite import clock
from kube_lite.controllers.proportions import max_unavailable, spec_replicas
from kube_lite.controllers.replicas import REPLICA_FAILURE, condition_as_json
from kube_lite.resources.meta import Obj
from kube_lite.resources.views import Deployment, DeploymentStatus, ReplicaSet, WorkloadCondition

AVAILABLE = "Available"
PROGRESSING = "Progressing"

COMPLETE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"

NO_DEADLINE = 2**31 - 1
"""A progressDeadlineSeconds that stands for none."""

Conditions = list[WorkloadCondition]


def find(conditions: Iterable[WorkloadCondition], kind: str) -> WorkloadCondition | None:
    """The condition of that type."""
    return next((condition for condition in conditions if condition.type == kind), None)


def without(conditions: Iterable[WorkloadCondition], kind: str) -> Conditions:
    """All conditions but those of that type."""
    return [condition for condition in conditions if condition.type != kind]


def made(kind: str, status: str, reason: str, message: str) -> WorkloadCondition:
    """A condition as of now."""
    now = clock.timestamp()
    return WorkloadCondition(
        type=kind, status=status, reason=reason, message=message, last_update_time=now, last_transition_time=now
    )


def with_condition(conditions: Sequence[WorkloadCondition], new: WorkloadCondition) -> Conditions:
    """The conditions with ``new`` last; unchanged when it says what is known, and since the same time if so."""
    current = find(conditions, new.type)
    if current is not None and current.status == new.status:
        if current.reason == new.reason:
            return list(conditions)
        new = msgspec.structs.replace(new, last_transition_time=current.last_transition_time)
    return [*without(conditions, new.type), new]


def has_deadline(deployment: Deployment) -> bool:
    """Whether progress is watched at all."""
    return deployment.spec.progress_deadline_seconds not in (None, NO_DEADLINE)


def counted(deployment: Deployment, sets: Sequence[ReplicaSet], new: ReplicaSet | None) -> DeploymentStatus:
    """The status by counting ``sets``; of the conditions only Available is looked at."""
    available = sum(rs.status.available_replicas for rs in sets)
    if available >= deployment.spec.replicas - max_unavailable(deployment):
        condition = made(AVAILABLE, "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        text = "Deployment does not have minimum availability."
        condition = made(AVAILABLE, "False", "MinimumReplicasUnavailable", text)
    return DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=sum(rs.status.replicas for rs in sets),
        updated_replicas=new.status.replicas if new is not None else 0,
        ready_replicas=sum(rs.status.ready_replicas for rs in sets),
        available_replicas=available,
        unavailable_replicas=max(0, spec_replicas(sets) - available),
        collision_count=deployment.status.collision_count,
        conditions=with_condition(deployment.status.conditions, condition),
    )


def is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    """Whether all pods are of the current template and available, and none else is left."""
    replicas = deployment.spec.replicas
    return (
        status.updated_replicas == status.replicas == status.available_replicas == replicas
        and status.observed_generation >= deployment.metadata.generation
    )


def _has_progressed(deployment: Deployment, status: DeploymentStatus) -> bool:
    before = deployment.status
    return (
        status.updated_replicas > before.updated_replicas
        or status.replicas - status.updated_replicas < before.replicas - before.updated_replicas
        or status.ready_replicas > before.ready_replicas
        or status.available_replicas > before.available_replicas
    )


def _overdue_in(deployment: Deployment, progressing: WorkloadCondition) -> float:
    """Seconds until the deadline for progress passes."""
    since = progressing.last_update_time
    deadline = deployment.spec.progress_deadline_seconds or 0
    passed = (clock.now() - clock.parse_timestamp(since)).total_seconds() if since else 0.0
    return deadline - passed


def _timed_out(deployment: Deployment, status: DeploymentStatus) -> bool:
    progressing = find(status.conditions, PROGRESSING)
    if progressing is None or progressing.reason == COMPLETE:
        return False
    return progressing.reason == TIMED_OUT or _overdue_in(deployment, progressing) < 0


def rolled_out(deployment: Deployment, sets: Sequence[ReplicaSet], new: ReplicaSet | None) -> DeploymentStatus:
    """The status after a step of a rollout, with the conditions Progressing and ReplicaFailure."""
    status = counted(deployment, sets, new)
    conditions = status.conditions
    current = find(deployment.status.conditions, PROGRESSING)
    about = f'ReplicaSet "{new.metadata.name}"' if new is not None else f'Deployment "{deployment.metadata.name}"'
    if not has_deadline(deployment):
        conditions = without(conditions, PROGRESSING)
    elif not (status.replicas == status.updated_replicas and current is not None and current.reason == COMPLETE):
        if is_complete(deployment, status):
            done = made(PROGRESSING, "True", COMPLETE, f"{about} has successfully progressed.")
            conditions = with_condition(conditions, done)
        elif _has_progressed(deployment, status):
            step = made(PROGRESSING, "True", "ReplicaSetUpdated", f"{about} is progressing.")
            if current is not None and current.status == "True":
                step = msgspec.structs.replace(step, last_transition_time=current.last_transition_time)
            # replaced even if the reason is the same: its update time is what the deadline counts from
            conditions = [*without(conditions, PROGRESSING), step]
        elif _timed_out(deployment, status):
            late = made(PROGRESSING, "False", TIMED_OUT, f"{about} has timed out progressing.")
            conditions = with_condition(conditions, late)
    failure = _failure(sets, new)
    conditions = with_condition(conditions, failure) if failure else without(conditions, REPLICA_FAILURE)
    return msgspec.structs.replace(status, conditions=conditions)


def _failure(sets: Sequence[ReplicaSet], new: ReplicaSet | None) -> WorkloadCondition | None:
    """The failure of the new ReplicaSet, or of any other."""
    for rs in [new, *sets] if new is not None else sets:
        found = find(rs.status.conditions, REPLICA_FAILURE) if rs is not None else None
        if found is not None:
            return msgspec.structs.replace(found, last_update_time=found.last_transition_time)
    return None


def check_again_in(deployment: Deployment, status: DeploymentStatus) -> float | None:
    """Seconds after which a rollout that stands still must be looked at for its deadline; None when it need not."""
    progressing = find(deployment.status.conditions, PROGRESSING)
    if not has_deadline(deployment) or progressing is None:
        return None
    if is_complete(deployment, status) or progressing.reason == TIMED_OUT:
        return None
    # times in conditions have whole seconds
    return max(0.0, _overdue_in(deployment, progressing)) + 1


def status_as_json(status: DeploymentStatus) -> Obj:
    """The status as it stands in the API; null where a zero is left out."""
    return {
        "observedGeneration": status.observed_generation or None,
        "replicas": status.replicas or None,
        "updatedReplicas": status.updated_replicas or None,
        "readyReplicas": status.ready_replicas or None,
        "availableReplicas": status.available_replicas or None,
        "unavailableReplicas": status.unavailable_replicas or None,
        "collisionCount": status.collision_count,
        "conditions": [condition_as_json(condition) for condition in status.conditions] or None,
    }
