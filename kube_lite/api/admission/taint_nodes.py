"""TaintNodesByCondition: a new node takes no pods before it has said that it is ready.

Without the taint, pods could be bound between a node's creation and its first report. The node lifecycle
controller takes it away as soon as the node's conditions ask for no such taint.
"""

from __future__ import annotations

from kube_lite.api.admission.plugin import AdmissionRequest, Objects

TAINT = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class TaintNodesByCondition:
    """Puts the not-ready taint on new nodes."""

    name = "TaintNodesByCondition"
    resources = frozenset({"nodes"})

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Add the taint, unless it is there."""
        if not request.is_("nodes") or request.operation != "CREATE" or request.obj is None:
            return
        spec = request.obj.get("spec") or {}
        taints = spec.get("taints") or []
        if not any(taint.get("key") == TAINT["key"] and taint.get("effect") == TAINT["effect"] for taint in taints):
            request.obj["spec"] = {**spec, "taints": [*taints, dict(TAINT)]}
