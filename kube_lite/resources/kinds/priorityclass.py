"""PriorityClasses: names for pod priorities."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="PriorityClass",
        plural="priorityclasses",
        group="scheduling.k8s.io",
        definition="io.k8s.api.scheduling.v1.PriorityClass",
        namespaced=False,
        short_names=("pc",),
    ),
)
