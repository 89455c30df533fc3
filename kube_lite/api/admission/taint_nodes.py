"""TaintNodesByCondition: a new node takes no pods until its conditions have been seen."""

from __future__ import annotations

from kube_lite.api.admission.plugin import AdmissionRequest, Objects

NOT_READY = "node.kubernetes.io/not-ready"
EFFECT = "NoSchedule"


class TaintNodesByCondition:
    """Adds the taint that the node lifecycle takes away from a node that is ready."""

    name = "TaintNodesByCondition"

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Taint a node that is being created, unless it came with the taint."""
        if not request.is_("nodes") or request.operation != "CREATE" or request.obj is None:
            return
        spec = request.obj.setdefault("spec", {})
        present = spec.get("taints") or []
        if not any((taint.get("key"), taint.get("effect")) == (NOT_READY, EFFECT) for taint in present):
            spec["taints"] = [*present, {"key": NOT_READY, "effect": EFFECT}]
