"""What controllers ask about pods: are they active, ready, available, and which should go first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from kube_lite import clock
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import Obj

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
"""Annotation: pods with a lower number are deleted first."""


def is_active(pod: Pod) -> bool:
    """Whether a pod counts as a replica: not finished, not being deleted."""
    return not pod.finished and not pod.terminating


def is_terminating(pod: Pod) -> bool:
    """Whether a pod is being deleted and has not finished yet."""
    return pod.terminating and not pod.finished


def ready_since(pod: Pod) -> datetime | None:
    """When the pod became ready, if it is and says so."""
    condition = pod.condition("Ready")
    if condition is None or condition.status != "True" or condition.last_transition_time is None:
        return None
    return clock.parse_timestamp(condition.last_transition_time)


def available_in(pod: Pod, min_ready_seconds: int) -> float:
    """Seconds until the pod counts as available: 0 when it does, infinite when it is not ready."""
    if not pod.ready:
        return math.inf
    if min_ready_seconds == 0:
        return 0.0
    since = ready_since(pod)
    if since is None:
        return math.inf
    return max(0.0, min_ready_seconds - (clock.now() - since).total_seconds())


def template_labels(template: msgspec.Raw) -> dict[str, str]:
    """The labels that pods of this template get."""
    labels: dict[str, str] = (msgspec.json.decode(template).get("metadata") or {}).get("labels") or {}
    return labels


def pod_from_template(template: msgspec.Raw, generate_name: str, owner: Obj) -> Obj:
    """A pod as the template says, named by the server, controlled by ``owner``."""
    decoded: dict[str, Any] = msgspec.json.decode(template)
    meta = decoded.get("metadata") or {}
    kept = {key: meta[key] for key in ("labels", "annotations", "finalizers") if meta.get(key)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": generate_name, **kept, "ownerReferences": [owner]},
        "spec": decoded.get("spec") or {},
    }


_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def _deletion_cost(pod: Pod) -> int:
    try:
        return int(pod.metadata.annotations.get(DELETION_COST, "0"))
    except ValueError:
        return 0


def _age_bucket(moment: datetime | None, now: datetime) -> float:
    """Ages by powers of two, so that no pod is picked for being a second younger (LogarithmicScaleDown)."""
    if moment is None:
        return -1.0  # an unknown time sorts as just now
    nanoseconds = (now - moment).total_seconds() * 1e9
    return float(int(math.log2(nanoseconds))) if nanoseconds > 0 else -1.0


def deletion_order(pods: Sequence[Pod], on_node: Mapping[str, int]) -> list[Pod]:
    """Pods by how little is lost with them, first to go first (upstream: ``ActivePodsWithRanks``).

    Unassigned before assigned, Pending before Running, not ready before ready, low deletion cost, many replicas on
    the same node, short ready, many restarts, young; the uid decides between equals.

    :param on_node: replicas of the same owner by node name
    """
    now = clock.now()

    def rank(pod: Pod) -> tuple[Any, ...]:
        created = pod.metadata.creation_timestamp
        restarts = max((s.restart_count for s in pod.status.container_statuses), default=0)
        return (
            bool(pod.spec.node_name),
            _PHASES.get(pod.status.phase, 1),
            pod.ready,
            _deletion_cost(pod),
            -on_node.get(pod.spec.node_name, 0),
            _age_bucket(ready_since(pod), now) if pod.ready else 0.0,
            -restarts,
            _age_bucket(clock.parse_timestamp(created) if created else None, now),
            pod.metadata.uid,
        )

    return sorted(pods, key=rank)
