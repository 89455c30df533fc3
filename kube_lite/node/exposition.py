"""What a node's metrics endpoints tell, in the text format of Prometheus; names, labels and help as the kubelet's.

``/metrics/resource`` is what autoscaling lives on, ``/metrics/cadvisor`` what dashboards of containers read,
``/metrics`` is about the node's own process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from kube_lite.exposition import Exposition
from kube_lite.node.machine import Interface
from kube_lite.node.sampling import PodSample, Rated, Sample
from kube_lite.resources import quantity

PERIOD = 100_000
"""Microseconds over which a CPU quota counts, see ``linux/cgroups``."""


def _milliseconds(sample: Sample) -> int:
    return int(sample.time.timestamp() * 1000)


def _seconds(nanoseconds: int) -> float:
    return nanoseconds / 1_000_000_000


def resource_metrics(sample: Sample) -> bytes:
    """``/metrics/resource``."""
    out = Exposition(_milliseconds(sample))
    each = [(_container(pod, one.state.name), one) for pod in sample.pods for one in pod.containers]
    _usage(out, "container", [(labels, one.used) for labels, one in each])
    out.family(
        "container_start_time_seconds",
        "gauge",
        "[STABLE] Start time of the container since unix epoch in seconds",
        ((labels, one.state.started_at.timestamp()) for labels, one in each if one.state.started_at is not None),
        timed=False,
    )
    _usage(out, "node", [({}, sample.node)])
    _usage(out, "pod", [(_pod(pod), pod.used) for pod in sample.pods])
    about = "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise"
    out.family("resource_scrape_error", "gauge", about, [({}, 0)], timed=False)
    return out.text()


def _usage(out: Exposition, what: str, rows: Sequence[tuple[Mapping[str, str], Rated]]) -> None:
    """What each of a sort uses. :param what: ``container``, ``node`` or ``pod``"""
    about = f"[STABLE] Cumulative cpu time consumed by the {what} in core-seconds"
    cpu = ((labels, _seconds(used.usage.cpu_nanoseconds)) for labels, used in rows)
    out.family(f"{what}_cpu_usage_seconds_total", "counter", about, cpu)
    about = f"[STABLE] Current working set of the {what} in bytes"
    memory = ((labels, used.usage.working_set_bytes) for labels, used in rows)
    out.family(f"{what}_memory_working_set_bytes", "gauge", about, memory)


def _pod(pod: PodSample) -> dict[str, str]:
    return {"namespace": pod.pod.metadata.namespace, "pod": pod.pod.metadata.name}


def _container(pod: PodSample, name: str) -> dict[str, str]:
    return {"container": name, **_pod(pod)}


def container_metrics(sample: Sample) -> bytes:
    """``/metrics/cadvisor``."""
    out = Exposition(_milliseconds(sample))
    each = [
        (_cadvisor(pod, one.state.name, one.state.container_id, one.state.image), one)
        for pod in sample.pods
        for one in pod.containers
    ]
    groups = [(labels, one.used) for labels, one in each]
    groups += [(_cadvisor(pod), pod.used) for pod in sample.pods]
    groups.append(({"container": "", "id": "/", "image": "", "name": "", "namespace": "", "pod": ""}, sample.node))
    cumulative = "Cumulative cpu time consumed in seconds."
    rows = [({**labels, "cpu": "total"}, _seconds(used.usage.cpu_nanoseconds)) for labels, used in groups]
    out.family("container_cpu_usage_seconds_total", "counter", cumulative, rows)
    out.family(
        "container_memory_usage_bytes",
        "gauge",
        "Current memory usage in bytes, including all memory regardless of when it was accessed",
        ((labels, used.usage.memory_bytes) for labels, used in groups),
    )
    out.family(
        "container_memory_working_set_bytes",
        "gauge",
        "Current working set in bytes.",
        ((labels, used.usage.working_set_bytes) for labels, used in groups),
    )
    rss = ((labels, used.usage.rss_bytes) for labels, used in groups)
    out.family("container_memory_rss", "gauge", "Size of RSS in bytes.", rss)
    cache = ((labels, used.usage.cache_bytes) for labels, used in groups)
    out.family("container_memory_cache", "gauge", "Number of bytes of page cache memory.", cache)
    _limits(out, sample, groups)
    threads = "Number of threads running inside the container"
    out.family("container_threads", "gauge", threads, ((labels, used.usage.pids) for labels, used in groups))
    out.family(
        "container_fs_usage_bytes",
        "gauge",
        "Number of bytes that are consumed by the container on this filesystem.",
        ((labels, one.layer.bytes) for labels, one in each),
    )
    out.family(
        "container_start_time_seconds",
        "gauge",
        "Start time of the container since unix epoch in seconds.",
        ((labels, one.state.started_at.timestamp()) for labels, one in each if one.state.started_at is not None),
    )
    _network(out, sample)
    out.family("machine_cpu_cores", "gauge", "Number of logical CPU cores.", [({}, os.cpu_count() or 0)], timed=False)
    about = "Amount of memory installed on the machine."
    out.family("machine_memory_bytes", "gauge", about, [({}, sample.memory_total)], timed=False)
    return out.text()


def _limits(out: Exposition, sample: Sample, groups: Sequence[tuple[dict[str, str], Rated]]) -> None:
    """What containers may use, and how often they wanted more CPU than that."""
    limited = [(labels, used.usage) for labels, used in groups if used.usage.periods]
    periods = ((labels, used.periods) for labels, used in limited)
    about = "Number of elapsed enforcement period intervals."
    out.family("container_cpu_cfs_periods_total", "counter", about, periods)
    throttled = ((labels, used.throttled_periods) for labels, used in limited)
    about = "Number of throttled period intervals."
    out.family("container_cpu_cfs_throttled_periods_total", "counter", about, throttled)
    seconds = ((labels, _seconds(used.throttled_nanoseconds)) for labels, used in limited)
    about = "Total time duration the container has been throttled."
    out.family("container_cpu_cfs_throttled_seconds_total", "counter", about, seconds)
    memory, cpu = [], []
    for pod in sample.pods:
        declared = {c.name: c.resources.limits for c in (*pod.pod.spec.containers, *pod.pod.spec.init_containers)}
        for one in pod.containers:
            limits = declared.get(one.state.name, {})
            labels = _cadvisor(pod, one.state.name, one.state.container_id, one.state.image)
            memory.append((labels, quantity.value(limits["memory"]) if "memory" in limits else 0))
            if "cpu" in limits:
                cpu.append((labels, quantity.milli(limits["cpu"]) * PERIOD // 1000))
    out.family("container_spec_memory_limit_bytes", "gauge", "Memory limit for the container.", memory)
    out.family("container_spec_cpu_quota", "gauge", "CPU quota of the container.", cpu)
    period = [(labels, PERIOD) for labels, _ in cpu]
    out.family("container_spec_cpu_period", "gauge", "CPU period of the container.", period)


def _cadvisor(pod: PodSample, name: str = "", identity: str = "", image: str = "") -> dict[str, str]:
    meta = pod.pod.metadata
    group = f"/{meta.uid}/{name}" if name else f"/{meta.uid}"
    bare = identity.rpartition("//")[2]
    return {
        "container": name,
        "id": group,
        "image": image,
        "name": bare,
        "namespace": meta.namespace,
        "pod": meta.name,
    }


_DIRECTIONS = (
    ("receive", "received", ("received_bytes", "received_packets", "received_errors", "received_dropped")),
    ("transmit", "transmitted", ("sent_bytes", "sent_packets", "sent_errors", "sent_dropped")),
)


def _network(out: Exposition, sample: Sample) -> None:
    seen: list[tuple[dict[str, str], Interface]] = [({"id": "/"}, one) for one in sample.interfaces]
    seen += [(_cadvisor(pod), one) for pod in sample.pods for one in pod.interfaces]
    for direction, done, fields in _DIRECTIONS:
        for what, attribute in zip(("bytes", "packets", "errors", "packets_dropped"), fields, strict=True):
            about = f"Cumulative count of {what.replace('_', ' ')} {done}"
            rows = [({**labels, "interface": one.name}, getattr(one, attribute)) for labels, one in seen]
            out.family(f"container_network_{direction}_{what}_total", "counter", about, rows)


def own_metrics(name: str, pods: int, containers: Mapping[str, int]) -> bytes:
    """``/metrics``.

    :param pods: that have a container running
    :param containers: by state
    """
    out = Exposition()
    out.family("kubelet_node_name", "gauge", "[ALPHA] The node's name. The count is always 1.", [({"node": name}, 1)])
    about = "[ALPHA] Number of pods that have a running pod sandbox"
    out.family("kubelet_running_pods", "gauge", about, [({}, pods)])
    rows = [({"container_state": state}, count) for state, count in sorted(containers.items())]
    out.family("kubelet_running_containers", "gauge", "[ALPHA] Number of containers currently running", rows)
    out.process()
    return out.text()
