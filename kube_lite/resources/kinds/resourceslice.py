"""ResourceSlices: the devices of a node."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="ResourceSlice",
        plural="resourceslices",
        group="resource.k8s.io",
        definition="io.k8s.api.resource.v1.ResourceSlice",
        namespaced=False,
        allow_create_on_update=True,
    ),
)
