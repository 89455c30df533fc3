"""Whether the Service behind an APIService can be asked at all: the ``Available`` condition, from objects alone.

Reasons and messages are those of kube-aggregator's ``AvailableConditionController``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from kube_lite import clock
from kube_lite.api.admission.plugin import Objects
from kube_lite.resources.meta import Obj, dig

SLICES: Final = "endpointslices.discovery.k8s.io"


class Availability(msgspec.Struct, frozen=True):
    """The state of one APIService."""

    available: bool
    reason: str
    message: str


LOCAL: Final = Availability(True, "Local", "Local APIServices are always available")
PASSED: Final = Availability(True, "Passed", "all checks passed")


def condition_of(api_service: Obj) -> Obj | None:
    """The ``Available`` condition as it is stored."""
    conditions = dig(api_service, "status", "conditions", default=[])
    return next((c for c in conditions if c.get("type") == "Available"), None)


def with_condition(api_service: Obj, state: Availability) -> Obj:
    """A copy of the object's status that tells ``state``; the transition time changes with the status only."""
    status = "True" if state.available else "False"
    old = condition_of(api_service)
    since = old.get("lastTransitionTime") if old is not None and old.get("status") == status else None
    told = {
        "type": "Available",
        "status": status,
        "lastTransitionTime": since or clock.timestamp(),
        "reason": state.reason,
        "message": state.message,
    }
    others = [c for c in dig(api_service, "status", "conditions", default=[]) if c.get("type") != "Available"]
    return {**(api_service.get("status") or {}), "conditions": [*others, told]}


def unreachable(api_service: Obj, objects: Objects) -> Availability | None:
    """Why the Service cannot be asked; None when it can."""
    wanted = api_service["spec"]["service"]
    namespace, name, port = wanted.get("namespace", ""), wanted.get("name", ""), wanted.get("port") or 443
    shown = f'service/{name} in "{namespace}"'
    service = objects.lookup("services", namespace, name)
    if service is None:
        return Availability(False, "ServiceNotFound", f"{shown} is not present")
    if dig(service, "spec", "type", default="ClusterIP") not in ("ClusterIP", "NodePort", "LoadBalancer"):
        return None
    found = next((p for p in dig(service, "spec", "ports", default=[]) if p.get("port") == port), None)
    if found is None:
        return Availability(False, "ServicePortError", f"{shown} is not listening on port {port}")
    pieces = [
        piece
        for piece in objects.select(SLICES, namespace)
        if dig(piece, "metadata", "labels", "kubernetes.io/service-name") == name
    ]
    if not pieces:
        return Availability(False, "EndpointsNotFound", f"cannot find endpoints for {shown}")
    port_name = found.get("name") or ""
    if not any(_has_addresses(piece, port_name) for piece in pieces):
        detail = f'endpoints for {shown} have no addresses with port name "{port_name}"'
        return Availability(False, "MissingEndpoints", detail)
    return None


def _has_addresses(piece: Obj, port_name: str) -> bool:
    if not any((port.get("name") or "") == port_name for port in piece.get("ports") or ()):
        return False
    ready = (e for e in piece.get("endpoints") or () if dig(e, "conditions", "ready") is not False)
    return any(endpoint.get("addresses") for endpoint in ready)
