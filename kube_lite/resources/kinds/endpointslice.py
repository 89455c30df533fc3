"""EndpointSlices: the backends of a Service."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="EndpointSlice",
        plural="endpointslices",
        group="discovery.k8s.io",
        definition="io.k8s.api.discovery.v1.EndpointSlice",
    ),
)
