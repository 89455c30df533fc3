"""StorageObjectInUseProtection: volumes and claims are not removed while something uses them.

The finalizers are set here; whoever watches use (the protection controllers) takes them off.
"""

from __future__ import annotations

from kube_lite.api.admission.plugin import AdmissionRequest, Objects

FINALIZERS = {
    "persistentvolumes": "kubernetes.io/pv-protection",
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
}


class StorageObjectInUseProtection:
    """Puts the protection finalizer on new volumes and claims."""

    name = "StorageObjectInUseProtection"
    resources = frozenset(FINALIZERS)

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Add the finalizer."""
        finalizer = FINALIZERS.get(request.resource.group_resource)
        if finalizer is None or request.operation != "CREATE" or request.subresource or request.obj is None:
            return
        meta = request.obj["metadata"]
        present = meta.get("finalizers") or []
        if finalizer not in present:
            meta["finalizers"] = [*present, finalizer]
