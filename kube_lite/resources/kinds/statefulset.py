"""StatefulSets: pods with a name and storage of their own."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, ScalePaths, Subresource, status

RESOURCES = (
    Resource(
        kind="StatefulSet",
        plural="statefulsets",
        group="apps",
        definition="io.k8s.api.apps.v1.StatefulSet",
        short_names=("sts",),
        categories=("all",),
        subresources={
            "status": status(),
            "scale": Subresource(name="scale", group="autoscaling", version="v1", kind="Scale"),
        },
        scale=ScalePaths(),
    ),
)
