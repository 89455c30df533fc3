"""Ingresses: HTTP routes to services."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="Ingress",
        plural="ingresses",
        group="networking.k8s.io",
        definition="io.k8s.api.networking.v1.Ingress",
        short_names=("ing",),
        subresources={"status": status()},
    ),
)
