"""ResourceQuotas: bounds of what a namespace may ask for."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="ResourceQuota",
        plural="resourcequotas",
        definition="io.k8s.api.core.v1.ResourceQuota",
        short_names=("quota",),
        subresources={"status": status()},
        generation=False,
    ),
)
