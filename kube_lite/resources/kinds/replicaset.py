"""ReplicaSets: a number of equal pods."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, ScalePaths, Subresource, status

RESOURCES = (
    Resource(
        kind="ReplicaSet",
        plural="replicasets",
        group="apps",
        definition="io.k8s.api.apps.v1.ReplicaSet",
        short_names=("rs",),
        categories=("all",),
        subresources={
            "status": status(),
            "scale": Subresource(name="scale", group="autoscaling", version="v1", kind="Scale"),
        },
        scale=ScalePaths(),
    ),
)
