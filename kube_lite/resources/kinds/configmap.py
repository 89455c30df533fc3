"""ConfigMaps: plain configuration."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="ConfigMap",
        plural="configmaps",
        definition="io.k8s.api.core.v1.ConfigMap",
        short_names=("cm",),
        generation=False,
    ),
)
