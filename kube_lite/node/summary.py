"""A sample as the kubelet's ``/stats/summary`` (``k8s.io/kubelet/pkg/apis/stats/v1alpha1``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kube_lite import clock
from kube_lite.node.machine import Interface, Space
from kube_lite.node.measures import Disk
from kube_lite.node.sampling import ContainerSample, PodSample, Rated, Sample
from kube_lite.node.usage import ephemeral

Json = dict[str, Any]


def summary(name: str, sample: Sample, started: datetime) -> Json:
    """The whole answer.

    :param name: the node's
    :param started: when the node's executor began
    """
    time = clock.timestamp(sample.time)
    space = sample.disk
    node: Json = {
        "nodeName": name,
        "startTime": clock.timestamp(started),
        "cpu": _cpu(sample.node, time),
        "memory": _memory(sample.node, time, sample.memory_total),
    }
    if sample.interfaces:
        node["network"] = _network(sample.interfaces, time)
    node["fs"] = _fs(space, Disk(space.capacity - space.available, space.inodes - space.inodes_free), time)
    node["runtime"] = {"imageFs": _fs(space, Disk(sample.image_bytes, 0), time)}
    node["rlimit"] = {"time": time, "curproc": sample.node.usage.pids}
    return {"node": node, "pods": [_pod(pod, space, time) for pod in sample.pods]}


def _pod(sample: PodSample, space: Space, time: str) -> Json:
    meta = sample.pod.metadata
    found: Json = {
        "podRef": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
        "startTime": clock.timestamp(sample.started) if sample.started is not None else None,
        "containers": [_container(container, space, time) for container in sample.containers],
        "cpu": _cpu(sample.used, time),
        "memory": _memory(sample.used, time),
    }
    if sample.interfaces:
        found["network"] = _network(sample.interfaces, time)
    if sample.volumes:
        found["volume"] = [{**_fs(space, disk, time), "name": name} for name, disk in sorted(sample.volumes.items())]
    own = [disk for container in sample.containers for disk in (container.layer, container.logs)]
    found["ephemeral-storage"] = _fs(space, sum(own, ephemeral(sample.pod, sample.volumes)), time)
    found["process_stats"] = {"process_count": sample.used.usage.pids}
    return found


def _container(sample: ContainerSample, space: Space, time: str) -> Json:
    began = sample.state.started_at
    return {
        "name": sample.state.name,
        "startTime": clock.timestamp(began) if began is not None else None,
        "cpu": _cpu(sample.used, time),
        "memory": _memory(sample.used, time),
        "rootfs": _fs(space, sample.layer, time),
        "logs": _fs(space, sample.logs, time),
    }


def _cpu(used: Rated, time: str) -> Json:
    found: Json = {"time": time}
    if used.nano_cores is not None:
        found["usageNanoCores"] = used.nano_cores
    return {**found, "usageCoreNanoSeconds": used.usage.cpu_nanoseconds}


def _memory(used: Rated, time: str, total: int = 0) -> Json:
    usage = used.usage
    found: Json = {"time": time}
    if total:
        found["availableBytes"] = max(0, total - usage.working_set_bytes)
    return {
        **found,
        "usageBytes": usage.memory_bytes,
        "workingSetBytes": usage.working_set_bytes,
        "rssBytes": usage.rss_bytes,
        "pageFaults": usage.page_faults,
        "majorPageFaults": usage.major_page_faults,
    }


def _network(interfaces: Sequence[Interface], time: str) -> Json:
    told = [
        {
            "name": one.name,
            "rxBytes": one.received_bytes,
            "rxErrors": one.received_errors,
            "txBytes": one.sent_bytes,
            "txErrors": one.sent_errors,
        }
        for one in interfaces
    ]
    # the first is taken for the default one, whose numbers stand for the whole (kubelet: eth0)
    default = next((one for one in told if one["name"] == "eth0"), told[0])
    return {"time": time, **default, "interfaces": told}


def _fs(space: Space, used: Disk, time: str) -> Json:
    return {
        "time": time,
        "availableBytes": space.available,
        "capacityBytes": space.capacity,
        "usedBytes": used.bytes,
        "inodesFree": space.inodes_free,
        "inodes": space.inodes,
        "inodesUsed": used.inodes,
    }
