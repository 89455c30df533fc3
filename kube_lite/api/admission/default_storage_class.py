"""DefaultStorageClass: a claim that names no class gets the cluster's default one."""

from __future__ import annotations

from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.resources.meta import Obj

CLASSES = "storageclasses.storage.k8s.io"
DEFAULT = "storageclass.kubernetes.io/is-default-class"
_LEGACY_DEFAULT = "storageclass.beta.kubernetes.io/is-default-class"
_LEGACY_CLASS = "volume.beta.kubernetes.io/storage-class"


def is_default(storage_class: Obj) -> bool:
    """Whether the class is marked as the default."""
    annotations = storage_class["metadata"].get("annotations") or {}
    return "true" in (annotations.get(DEFAULT), annotations.get(_LEGACY_DEFAULT))


class DefaultStorageClass:
    """Sets ``spec.storageClassName`` of new claims; of several defaults the newest counts, as upstream."""

    name = "DefaultStorageClass"

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Give a claim without a class the default one. An empty name means none, and stays."""
        if not request.is_("persistentvolumeclaims") or request.operation != "CREATE" or request.obj is None:
            return
        spec = request.obj.setdefault("spec", {})
        annotations = request.obj["metadata"].get("annotations") or {}
        if spec.get("storageClassName") is not None or _LEGACY_CLASS in annotations:
            return
        defaults = sorted(
            (c for c in objects.select(CLASSES) if is_default(c)),
            key=lambda c: str(c["metadata"]["name"]),
        )
        if defaults:
            newest = max(defaults, key=lambda c: str(c["metadata"].get("creationTimestamp") or ""))
            spec["storageClassName"] = newest["metadata"]["name"]
