"""DefaultStorageClass: a claim that names no class gets the cluster's default one."""

from __future__ import annotations

from kube_lite.api.admission.plugin import AdmissionRequest, Objects, default_class

CLASSES = "storageclasses.storage.k8s.io"
DEFAULT = "storageclass.kubernetes.io/is-default-class"
_LEGACY_DEFAULT = "storageclass.beta.kubernetes.io/is-default-class"
_LEGACY_CLASS = "volume.beta.kubernetes.io/storage-class"


class DefaultStorageClass:
    """Sets ``spec.storageClassName`` of new claims; of several defaults the newest counts, as upstream."""

    name = "DefaultStorageClass"
    resources = frozenset({"persistentvolumeclaims"})

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Give a claim without a class the default one. An empty name means none, and stays."""
        if not request.is_("persistentvolumeclaims") or request.operation != "CREATE" or request.obj is None:
            return
        spec = request.obj.setdefault("spec", {})
        annotations = request.obj["metadata"].get("annotations") or {}
        if spec.get("storageClassName") is not None or _LEGACY_CLASS in annotations:
            return
        found = default_class(objects.select(CLASSES), DEFAULT, _LEGACY_DEFAULT)
        if found is not None:
            spec["storageClassName"] = found["metadata"]["name"]
