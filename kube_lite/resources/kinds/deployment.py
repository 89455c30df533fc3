"""Deployments: replica sets that follow a template."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, ScalePaths, Subresource, status

RESOURCES = (
    Resource(
        kind="Deployment",
        plural="deployments",
        group="apps",
        definition="io.k8s.api.apps.v1.Deployment",
        short_names=("deploy",),
        categories=("all",),
        subresources={
            "status": status(),
            "scale": Subresource(name="scale", group="autoscaling", version="v1", kind="Scale"),
        },
        scale=ScalePaths(),
    ),
)
