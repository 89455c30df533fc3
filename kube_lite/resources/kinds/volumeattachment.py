"""VolumeAttachments: a volume that should be at a node."""

from __future__ import annotations

from kube_lite.resources.registry import Resource, status

RESOURCES = (
    Resource(
        kind="VolumeAttachment",
        plural="volumeattachments",
        group="storage.k8s.io",
        definition="io.k8s.api.storage.v1.VolumeAttachment",
        namespaced=False,
        subresources={"status": status()},
        generation=False,
        allow_unconditional_update=False,
    ),
)
