"""Admission of connections: exec, attach, port-forward and proxy are CONNECT, whatever the HTTP method.

What is asked for travels in the query, and webhooks and policies see it as an object (``PodExecOptions``). They are
asked before anybody looks for the pod, and may refuse; as the query stays what it is, nothing can be changed.
"""

from __future__ import annotations

from typing import Any, Final

from kube_lite.api.admission.plugin import AdmissionRequest
from kube_lite.api.http import Request
from kube_lite.api.verbs import Verbs
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource, Subresource

CONNECTED: Final = frozenset({"attach", "exec", "portforward", "proxy"})
"""Subresources that are connections."""
_FLAGS: Final = ("stdin", "stdout", "stderr", "tty")


async def admit(verbs: Verbs, request: Request, resource: Resource, sub: Subresource) -> None:
    """Ask whether the connection may be made. :raises ApiError: it may not"""
    info = request.info
    await verbs.admission.connect(
        AdmissionRequest(
            operation="CONNECT",
            resource=resource,
            subresource=sub.name,
            namespace=info.namespace,
            name=info.name,
            user=request.user,
            obj=options(request, resource, sub),
            warnings=request.warnings,
        ),
        verbs.objects,
    )


def options(request: Request, resource: Resource, sub: Subresource) -> Obj:
    """The options object of a connection, from the query."""
    info = request.info
    made: dict[str, Any] = {"kind": sub.kind, "apiVersion": resource.api_version}
    if sub.name == "proxy":
        return made | ({"path": f"/{info.rest}"} if info.rest else {})
    if sub.name == "portforward":
        ports = [int(p) for text in info.query.get("ports") or () for p in text.split(",") if p.isdecimal()]
        return made | ({"ports": ports} if ports else {})
    made |= {name: True for name in _FLAGS if info.flag(name)}
    if container := info.param("container"):
        made["container"] = container
    if command := info.query.get("command"):
        made["command"] = list(command)
    return made
