"""Endpoints: the older form of a Service's backends."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="Endpoints",
        plural="endpoints",
        definition="io.k8s.api.core.v1.Endpoints",
        short_names=("ep",),
        generation=False,
        allow_create_on_update=True,
    ),
)
