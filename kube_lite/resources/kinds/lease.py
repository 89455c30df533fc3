"""Leases: heartbeats and elections."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="Lease",
        plural="leases",
        group="coordination.k8s.io",
        definition="io.k8s.api.coordination.v1.Lease",
        generation=False,
        allow_create_on_update=True,
        allow_unconditional_update=False,
    ),
)
