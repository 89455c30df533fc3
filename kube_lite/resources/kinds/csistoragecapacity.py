"""CSIStorageCapacities: how much room a driver has where."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="CSIStorageCapacity",
        plural="csistoragecapacities",
        group="storage.k8s.io",
        definition="io.k8s.api.storage.v1.CSIStorageCapacity",
        generation=False,
        allow_unconditional_update=False,
    ),
)
