"""What replicas can follow: the kinds of metrics."""

from __future__ import annotations

from kube_lite.resources.meta import Obj

SOURCES = {
    "Resource": "resource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
    "ContainerResource": "containerResource",
}


def cpu_metric(percent: int) -> Obj:
    """CPU in use, in percent of what is requested."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}
