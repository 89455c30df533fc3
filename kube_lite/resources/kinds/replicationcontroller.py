"""ReplicationControllers: the oldest way to keep a number of pods."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, ScalePaths, Subresource, status

RESOURCES = (
    Resource(
        kind="ReplicationController",
        plural="replicationcontrollers",
        definition="io.k8s.api.core.v1.ReplicationController",
        short_names=("rc",),
        categories=("all",),
        subresources={
            "status": status(),
            "scale": Subresource(name="scale", group="autoscaling", version="v1", kind="Scale"),
        },
        scale=ScalePaths(),
        default_propagation="Orphan",
    ),
)
