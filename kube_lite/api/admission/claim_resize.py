"""PersistentVolumeClaimResize: only a claim whose class says so may grow."""

from __future__ import annotations

from kube_lite.api.admission.default_storage_class import CLASSES
from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.resources.kinds.persistentvolumeclaim import claim_class
from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.quantity import Quantity, parse


class PersistentVolumeClaimResize:
    """Refuses growth of claims that are not bound, or whose class does not support it."""

    name = "PersistentVolumeClaimResize"
    resources = frozenset({"persistentvolumeclaims"})

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Look at a claim that asks for more than before. :raises Forbidden: it may not"""
        if not request.is_("persistentvolumeclaims") or request.operation != "UPDATE":
            return
        new, old = request.obj, request.old
        if new is None or old is None or _asked(new) <= _asked(old):
            return
        if dig(old, "status", "phase") != "Bound":
            raise request.refused("Only bound persistent volume claims can be expanded")
        storage_class = claim_class(new)
        found = objects.lookup(CLASSES, "", storage_class) if storage_class else None
        if found is None or storage_class != claim_class(old) or not found.get("allowVolumeExpansion"):
            why = (
                "only dynamically provisioned pvc can be resized and "
                "the storageclass that provisions the pvc must support resize"
            )
            raise request.refused(why)


def _asked(claim: Obj) -> Quantity:
    return parse(dig(claim, "spec", "resources", "requests", "storage", default="") or "0")
