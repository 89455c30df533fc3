"""PersistentVolumeClaims: requests for storage."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="PersistentVolumeClaim",
        plural="persistentvolumeclaims",
        definition="io.k8s.api.core.v1.PersistentVolumeClaim",
        short_names=("pvc",),
        subresources={"status": status()},
        generation=False,
    ),
)
