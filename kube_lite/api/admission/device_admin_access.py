"""Devices that are in use may be asked for too (``adminAccess``), but only in namespaces that are marked for it.

No plugin upstream, but a rule of the kinds that looks at the namespace (``pkg/registry/resource``): so it cannot be
switched off, and the refusal is that of an invalid object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kube_lite import errors
from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.resources.field import child, forbidden, index
from kube_lite.resources.meta import Obj, dig

LABEL: Final = "resource.kubernetes.io/admin-access"
CLAIMS: Final = "resourceclaims.resource.k8s.io"
TEMPLATES: Final = "resourceclaimtemplates.resource.k8s.io"


class DeviceAdminAccess:
    """Refuses claims and templates that ask for it elsewhere, and allocations that grant it there."""

    name = "DeviceAdminAccess"
    resources = frozenset({CLAIMS, TEMPLATES})

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Look where it is first asked for. :raises Invalid: the namespace has no such mark"""
        at = _asked(request)
        if at is None:
            return
        namespace = objects.lookup("namespaces", "", request.namespace) or {}
        if (dig(namespace, "metadata", "labels") or {}).get(LABEL) == "true":
            return
        resource, meta = request.resource, (request.obj or {}).get("metadata") or {}
        why = f"admin access to devices requires the `{LABEL}: true` label on the containing namespace"
        found = [forbidden(at, why)]
        raise errors.invalid(resource.kind, resource.group, request.name or meta.get("name") or "", found)


def _asked(request: AdmissionRequest) -> str | None:
    """The path of the first wish for admin access that a write adds; specs do not change afterwards."""
    obj = request.obj
    if obj is None:
        return None
    if request.operation == "CREATE" and not request.subresource:
        spec = ("spec",) if request.resource.group_resource == CLAIMS else ("spec", "spec")
        requests = dig(obj, *spec, "devices", "requests") or ()
        return _first([wish.get("exactly") or {} for wish in requests], "spec.devices.requests")
    if request.operation == "UPDATE" and request.is_(CLAIMS, "status"):
        at = "status.allocation.devices.results"
        before, after = (dig(o or {}, *at.split(".")) or () for o in (request.old, obj))
        return None if _first(before, at) is not None else _first(after, at)
    return None


def _first(items: Sequence[Obj], path: str) -> str | None:
    return next((child(index(path, i), "adminAccess") for i, item in enumerate(items) if item.get("adminAccess")), None)
