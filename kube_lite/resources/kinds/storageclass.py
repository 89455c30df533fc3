"""StorageClasses: how volumes are made."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="StorageClass",
        plural="storageclasses",
        group="storage.k8s.io",
        definition="io.k8s.api.storage.v1.StorageClass",
        namespaced=False,
        short_names=("sc",),
        generation=False,
    ),
)
