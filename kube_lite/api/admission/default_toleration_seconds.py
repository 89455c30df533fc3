"""DefaultTolerationSeconds: pods stay five minutes on a node that is not ready or unreachable."""

from __future__ import annotations

from typing import Any

from kube_lite.api.admission.plugin import AdmissionRequest, Objects

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
SECONDS = 300
"""Upstream's default for both tolerations."""


def _tolerates(tolerations: list[dict[str, Any]], key: str) -> bool:
    return any(
        (t.get("key") == key or not t.get("key")) and t.get("effect") in (None, "", "NoExecute") for t in tolerations
    )


class DefaultTolerationSeconds:
    """Adds the two NoExecute tolerations that a pod does not already have."""

    name = "DefaultTolerationSeconds"
    resources = frozenset({"pods"})

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Add what is missing to a pod."""
        if not request.is_("pods") or request.operation not in ("CREATE", "UPDATE") or request.obj is None:
            return
        spec = request.obj.setdefault("spec", {})
        present = spec.get("tolerations") or []
        added = [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}
            for key in (NOT_READY, UNREACHABLE)
            if not _tolerates(present, key)
        ]
        if added:
            spec["tolerations"] = [*present, *added]
