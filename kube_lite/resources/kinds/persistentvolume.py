"""PersistentVolumes: pieces of storage."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="PersistentVolume",
        plural="persistentvolumes",
        definition="io.k8s.api.core.v1.PersistentVolume",
        namespaced=False,
        short_names=("pv",),
        subresources={"status": status()},
        generation=False,
    ),
)
