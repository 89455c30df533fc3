"""EndpointSlices of discovery.k8s.io/v1beta1: zone and node of an endpoint are labels in its topology.

The conversion is that of Kubernetes' ``pkg/apis/discovery/v1beta1``.
"""

from __future__ import annotations

from collections.abc import Callable

from kube_lite.resources.field import Errors
from kube_lite.resources.kinds import endpointslice
from kube_lite.resources.kinds.withdrawn import shown
from kube_lite.resources.kinds.withdrawn.legacy import Conversion, Release, legacy, renamed
from kube_lite.resources.meta import Obj

ZONE = "topology.kubernetes.io/zone"
HOSTNAME = "kubernetes.io/hostname"


def _endpoint_up(endpoint: Obj) -> Obj:
    topology = endpoint.get("topology")
    if topology is None:
        return endpoint
    made = {key: value for key, value in endpoint.items() if key != "topology"}
    kept = dict(topology)
    if ZONE in kept:
        made["zone"] = kept.pop(ZONE)
    if kept.get(HOSTNAME) is not None and kept[HOSTNAME] == endpoint.get("nodeName"):
        del kept[HOSTNAME]
    if kept:
        made["deprecatedTopology"] = kept
    return made


def _endpoint_down(endpoint: Obj) -> Obj:
    made = {key: value for key, value in endpoint.items() if key not in ("deprecatedTopology", "zone")}
    topology = dict(endpoint.get("deprecatedTopology") or {})
    if endpoint.get("zone") is not None:
        topology[ZONE] = endpoint["zone"]
    if endpoint.get("nodeName") is not None:
        topology[HOSTNAME] = endpoint["nodeName"]
    if topology:
        made["topology"] = topology
    return made


def _converted(obj: Obj, convert: Callable[[Obj], Obj]) -> Obj:
    endpoints = obj.get("endpoints")
    return {**obj, "endpoints": [convert(endpoint) for endpoint in endpoints]} if endpoints else obj


def up(obj: Obj) -> Obj:
    """The v1 form of a v1beta1 EndpointSlice."""
    return _converted(obj, _endpoint_up)


def down(obj: Obj) -> Obj:
    """The v1beta1 form of a v1 EndpointSlice."""
    return _converted(obj, _endpoint_down)


def _told(obj: Obj, problems: Errors) -> Errors:
    return renamed(problems, {"deprecatedTopology": "topology"})


RESOURCES = (
    legacy(
        endpointslice.RESOURCES[0],
        "v1beta1",
        Release("v1.21", "v1.25"),
        conversion=Conversion(up, down),
        errors=_told,
        shown=shown.endpoint_slice,
        prepare_create=lambda obj: None,
        prepare_update=lambda new, old: None,
    ),
)
