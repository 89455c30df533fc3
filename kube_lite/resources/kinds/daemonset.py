"""DaemonSets: a pod on every node."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="DaemonSet",
        plural="daemonsets",
        group="apps",
        definition="io.k8s.api.apps.v1.DaemonSet",
        short_names=("ds",),
        categories=("all",),
        subresources={"status": status()},
    ),
)
