"""CSINodes: the storage drivers of a node."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="CSINode",
        plural="csinodes",
        group="storage.k8s.io",
        definition="io.k8s.api.storage.v1.CSINode",
        namespaced=False,
        generation=False,
        allow_unconditional_update=False,
    ),
)
