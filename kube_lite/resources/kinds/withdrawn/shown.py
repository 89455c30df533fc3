"""What betas show of what our own controllers write in the versions of today.

Clients of a beta know neither the conditions nor the owners' versions that came after it. What is hidden here is kept:
only answers leave it out, not what a write is compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_lite.resources.meta import Obj

Show = Callable[[Obj], None]
"""Changes an object that is about to be answered, in place."""

_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
"""Where autoscaling/v1, in which controllers wrote then, keeps the conditions of an autoscaler."""


def _status_owned_in(obj: Obj, api_version: str) -> list[tuple[Obj, dict[str, Any]]]:
    """Entries of owners that write in a version, with what each owns."""
    entries = obj["metadata"].get("managedFields") or ()
    return [(entry, entry.get("fieldsV1") or {}) for entry in entries if entry.get("apiVersion") == api_version]


def _forget(owned: dict[str, Any], *path: str) -> bool:
    """Take a field out of a set, and what it leaves empty; whether it was there."""
    below = owned.get(path[0])
    if below is None:
        return False
    found = _forget(below, *path[1:]) if len(path) > 1 else True
    if len(path) == 1 or (found and not below):
        del owned[path[0]]
    return found


def budget(obj: Obj) -> None:
    """A budget of policy/v1beta1, which has no conditions."""
    (obj.get("status") or {}).pop("conditions", None)
    for entry, owned in _status_owned_in(obj, "policy/v1"):
        entry["apiVersion"] = "policy/v1beta1"
        _forget(owned, "f:status", "f:conditions")


def autoscaler(obj: Obj) -> None:
    """An autoscaler of a beta: who wrote its conditions wrote an annotation."""
    for entry, owned in _status_owned_in(obj, "autoscaling/v2"):
        if _forget(owned, "f:status", "f:conditions"):
            entry["apiVersion"] = "autoscaling/v1"
            owned.setdefault("f:metadata", {}).setdefault("f:annotations", {".": {}})[f"f:{_CONDITIONS}"] = {}


def endpoint_slice(obj: Obj) -> None:
    """A slice of discovery.k8s.io/v1beta1, of whose endpoints it is known whether they are ready, and no more."""
    for endpoint in obj.get("endpoints") or ():
        for name in ("serving", "terminating"):
            (endpoint.get("conditions") or {}).pop(name, None)
    for entry, _ in _status_owned_in(obj, "discovery.k8s.io/v1"):
        entry["apiVersion"] = "discovery.k8s.io/v1beta1"
