"""Jobs: pods that run to completion."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="Job",
        plural="jobs",
        group="batch",
        definition="io.k8s.api.batch.v1.Job",
        categories=("all",),
        subresources={"status": status()},
        default_propagation="Orphan",
    ),
)
