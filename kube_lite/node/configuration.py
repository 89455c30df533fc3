"""A node's settings as a ``KubeletConfiguration`` (``kubelet.config.k8s.io/v1beta1``), which ``/configz`` shows."""

from __future__ import annotations

from typing import Any

from kube_lite.node.durations import duration_text
from kube_lite.node.settings import NodeSettings


def configuration(settings: NodeSettings) -> dict[str, Any]:
    """What is set here, under upstream's names; what has no counterpart here is left out."""
    return {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "enableServer": False,
        "syncFrequency": duration_text(settings.volume_refresh),
        "nodeStatusUpdateFrequency": duration_text(settings.heartbeat),
        "nodeStatusReportFrequency": duration_text(settings.status_period),
        "nodeLeaseDurationSeconds": settings.lease_duration,
        "clusterDomain": settings.cluster_domain,
        "clusterDNS": list(settings.cluster_dns),
        "maxPods": settings.max_pods,
        "cgroupDriver": "cgroupfs",
        "cpuCFSQuota": True,
        "cpuCFSQuotaPeriod": "100ms",
        "resolvConf": "/etc/resolv.conf",
        "systemReserved": dict(settings.reserved),
        "crashLoopBackOff": {"maxContainerRestartPeriod": duration_text(settings.crash_backoff_max)},
    }
