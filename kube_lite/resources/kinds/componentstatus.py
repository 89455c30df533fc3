"""ComponentStatuses: a deprecated view of the control plane's health."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="ComponentStatus",
        plural="componentstatuses",
        definition="io.k8s.api.core.v1.ComponentStatus",
        namespaced=False,
        short_names=("cs",),
        verbs=("get", "list"),
        generation=False,
    ),
)
