"""VolumeAttributesClasses: changeable properties of volumes."""

from __future__ import annotations

from kube_lite.resources.registry import Resource

RESOURCES = (
    Resource(
        kind="VolumeAttributesClass",
        plural="volumeattributesclasses",
        group="storage.k8s.io",
        definition="io.k8s.api.storage.v1.VolumeAttributesClass",
        namespaced=False,
        short_names=("vac",),
        generation=False,
    ),
)
