"""PodTopologyLabels: a pod carries the zone and the region of the node on which it runs."""

from __future__ import annotations

from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.resources.meta import dig, metadata

LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class PodTopologyLabels:
    """Copies the labels to what is bound to a node; a binding hands them on to its pod."""

    name = "PodTopologyLabels"
    resources = frozenset({"pods"})

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Label the binding, or a pod that is created on a node. A node that is not there labels nothing."""
        if request.operation != "CREATE" or request.obj is None:
            return
        if request.is_("pods", "binding"):
            if dig(request.obj, "target", "kind") != "Node":
                return
            node = dig(request.obj, "target", "name")
        elif request.is_("pods"):
            node = dig(request.obj, "spec", "nodeName")
        else:
            return
        host = objects.lookup("nodes", "", node) if node else None
        carried = dig(host or {}, "metadata", "labels") or {}
        copied = {label: carried[label] for label in LABELS if label in carried}
        if copied:
            meta = metadata(request.obj)
            meta["labels"] = {**(meta.get("labels") or {}), **copied}
