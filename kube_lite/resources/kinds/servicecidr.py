"""ServiceCIDRs: ranges that service addresses come from."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="ServiceCIDR",
        plural="servicecidrs",
        group="networking.k8s.io",
        definition="io.k8s.api.networking.v1.ServiceCIDR",
        namespaced=False,
        subresources={"status": status()},
    ),
)
