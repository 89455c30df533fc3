"""LimitRanges: bounds and defaults of what one pod may ask for."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="LimitRange",
        plural="limitranges",
        definition="io.k8s.api.core.v1.LimitRange",
        short_names=("limits",),
        generation=False,
        allow_create_on_update=True,
    ),
)
