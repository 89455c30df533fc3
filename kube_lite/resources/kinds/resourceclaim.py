"""ResourceClaims and their templates: devices that a pod needs."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="ResourceClaim",
        plural="resourceclaims",
        group="resource.k8s.io",
        definition="io.k8s.api.resource.v1.ResourceClaim",
        subresources={"status": status()},
    ),
    Resource(
        kind="ResourceClaimTemplate",
        plural="resourceclaimtemplates",
        group="resource.k8s.io",
        definition="io.k8s.api.resource.v1.ResourceClaimTemplate",
    ),
)
