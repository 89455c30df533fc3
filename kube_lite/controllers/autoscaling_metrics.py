"""How many replicas a measured load calls for (upstream: ``podautoscaler/replica_calculator.go``).

The ratio of what is used to what is aimed at, times the pods that were measured. Pods that are not measured are
counted so that the answer is never bolder than what is known: as idle when growing, as fully used when shrinking.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from kube_lite import clock
from kube_lite.resources import quantity
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import ObjectView, View

TOLERANCE = 0.1
"""Ratios nearer to 1 than this change nothing (upstream: --horizontal-pod-autoscaler-tolerance)."""

CPU_INITIALIZATION = timedelta(minutes=5)
"""A pod's CPU use is believed after this long, or since it has been ready for a whole window (upstream's flag)."""

INITIAL_READINESS = timedelta(seconds=30)
"""A pod that became unready within this long after its start has never been ready (upstream's flag)."""


class MetricError(Exception):
    """A metric could not be had; the text goes into the condition."""


class ContainerMetrics(View, frozen=True):
    """What one container uses; quantities as text."""

    name: str = ""
    usage: dict[str, str] = {}


class PodMetrics(ObjectView, frozen=True):
    """What a pod used at ``timestamp``, over ``window``."""

    timestamp: str = ""
    window: str = "30s"
    containers: list[ContainerMetrics] = []


class Sample(msgspec.Struct, frozen=True):
    """The use of one pod in thousandths, measured until ``at`` over ``window``."""

    value: int
    at: datetime
    window: timedelta


class Proposal(msgspec.Struct, frozen=True):
    """What one metric calls for; ``average`` in thousandths per pod, ``utilization`` in percent of the requests."""

    replicas: int
    average: int
    utilization: int | None = None


def samples(metrics: Sequence[PodMetrics], resource: str, container: str = "") -> dict[str, Sample]:
    """The use of each pod; pods of which a container is not measured are left out."""
    found: dict[str, Sample] = {}
    for pod in metrics:
        chosen = [c for c in pod.containers if not container or c.name == container]
        if not chosen or any(resource not in c.usage for c in chosen):
            continue
        total = sum(quantity.milli(c.usage[resource]) for c in chosen)
        at = clock.parse_timestamp(pod.timestamp) if pod.timestamp else clock.now()
        seconds = pod.window.removesuffix("s")
        window = timedelta(seconds=float(seconds)) if seconds.replace(".", "", 1).isdigit() else timedelta(seconds=30)
        found[pod.metadata.name] = Sample(total, at, window)
    return found


class _Groups(msgspec.Struct):
    ready: int
    unready: list[str]
    missing: list[str]
    values: dict[str, int]


def _unready_cpu(pod: Pod, sample: Sample) -> bool:
    """Whether what a pod uses of CPU is still that of its start."""
    ready = pod.condition("Ready")
    if ready is None or pod.status.start_time is None or ready.last_transition_time is None:
        return True
    start = clock.parse_timestamp(pod.status.start_time)
    since = clock.parse_timestamp(ready.last_transition_time)
    if start + CPU_INITIALIZATION > clock.now():
        return ready.status == "False" or sample.at < since + sample.window
    return ready.status == "False" and start + INITIAL_READINESS > since


def _grouped(pods: Sequence[Pod], measured: Mapping[str, Sample], resource: str) -> _Groups:
    groups = _Groups(0, [], [], {})
    for pod in pods:
        name = pod.metadata.name
        if pod.terminating or pod.status.phase == "Failed":
            continue
        if pod.status.phase == "Pending":
            groups.unready.append(name)
        elif name not in measured:
            groups.missing.append(name)
        elif resource == "cpu" and _unready_cpu(pod, measured[name]):
            groups.unready.append(name)
        else:
            groups.ready += 1
            groups.values[name] = measured[name].value
    return groups


def requests_of(pod: Pod, resource: str, container: str = "") -> int:
    """What a pod asks for, in thousandths. :raises MetricError: a container does not say"""
    sidecars = [c for c in pod.spec.init_containers if c.restart_policy == "Always"]
    chosen = [c for c in (*pod.spec.containers, *sidecars) if not container or c.name == container]
    if container and not chosen:
        raise MetricError(f"container {container} not found in Pod {pod.metadata.name}")
    total = 0
    for each in chosen:
        if resource not in each.resources.requests:
            raise MetricError(f"missing request for {resource} in container {each.name} of Pod {pod.metadata.name}")
        total += quantity.milli(each.resources.requests[resource])
    return total


def by_utilization(
    current: int,
    target: int,
    pods: Sequence[Pod],
    measured: Mapping[str, Sample],
    resource: str,
    container: str = "",
    tolerances: tuple[float, float] = (TOLERANCE, TOLERANCE),
) -> Proposal:
    """Replicas for a use of ``target`` percent of the requests. :raises MetricError:"""
    groups = _grouped(pods, measured, resource)
    if not groups.values:
        raise MetricError("did not receive metrics for targeted pods (pods might be unready)")
    requests = {pod.metadata.name: requests_of(pod, resource, container) for pod in pods}
    fill = max(100, target)

    def ratio(values: Mapping[str, int]) -> float:
        asked = sum(requests[name] for name in values)
        if not asked:
            raise MetricError("no metrics returned matched known pods")
        return sum(values.values()) * 100 // asked / target

    average = sum(groups.values.values()) // len(groups.values)
    utilization = round(ratio(groups.values) * target)
    replicas = _replicas(current, groups, ratio, lambda name: requests[name] * fill // 100, tolerances)
    return Proposal(replicas, average, utilization)


def by_average(
    current: int,
    target: int,
    pods: Sequence[Pod],
    measured: Mapping[str, Sample],
    resource: str,
    tolerances: tuple[float, float] = (TOLERANCE, TOLERANCE),
) -> Proposal:
    """Replicas for a use of ``target`` thousandths by each pod. :raises MetricError:"""
    groups = _grouped(pods, measured, resource)
    if not groups.values:
        raise MetricError("did not receive metrics for targeted pods (pods might be unready)")

    def ratio(values: Mapping[str, int]) -> float:
        return sum(values.values()) // len(values) / target

    average = sum(groups.values.values()) // len(groups.values)
    return Proposal(_replicas(current, groups, ratio, lambda name: target, tolerances), average)


def _replicas(
    current: int,
    groups: _Groups,
    ratio_of: Callable[[Mapping[str, int]], float],
    full: Callable[[str], int],
    tolerances: tuple[float, float],
) -> int:
    """The count from the ratio of use; ``full`` is what an unmeasured pod counts for when shrinking."""

    def near(ratio: float) -> bool:
        up, down = tolerances
        return 1 - down <= ratio <= 1 + up

    ratio = ratio_of(groups.values)
    growing_unready = bool(groups.unready) and ratio > 1
    if not growing_unready and not groups.missing:
        return current if near(ratio) else math.ceil(ratio * groups.ready)
    values = dict(groups.values)
    if ratio < 1:
        values |= {name: full(name) for name in groups.missing}
    elif ratio > 1:
        values |= dict.fromkeys(groups.missing, 0)
    if growing_unready:
        values |= dict.fromkeys(groups.unready, 0)
    adjusted = ratio_of(values)
    if near(adjusted) or (ratio < 1 < adjusted) or (ratio > 1 > adjusted):
        return current
    wanted = math.ceil(adjusted * len(values))
    if (adjusted < 1 and wanted > current) or (adjusted > 1 and wanted < current):
        return current
    return wanted
