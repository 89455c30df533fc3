"""Services: a stable address for a set of pods.

Addresses and node ports are allocated elsewhere, between preparation and validation.
"""

from __future__ import annotations

from kube_lite.resources import names
from kube_lite.resources.kinds.service.columns import COLUMNS, row
from kube_lite.resources.kinds.service.validation import externally_accessible, validate, validate_update
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import REPLACED, Resource, Subresource, prepare_status_update, status
from kube_lite.resources.rules import load_balancer_status

AFFINITY_TIMEOUT = 10800
"""Seconds (3 hours) that ClientIP affinity lasts by default."""


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("sessionAffinity"):
        spec["sessionAffinity"] = "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if config.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_TIMEOUT}}
    kind = spec.setdefault("type", "ClusterIP") or "ClusterIP"
    spec["type"] = kind
    for port in spec.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port", 0)
    if kind in ("LoadBalancer", "NodePort") and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if kind == "LoadBalancer":
        for ingress in ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")


def _normalize(spec: Obj) -> None:
    """``clusterIP`` is the first of ``clusterIPs``; a client may know only one of them.

    There is one family of addresses, so what is said about families is dropped, as servers without dual stack do.
    """
    for name in ("ipFamilies", "ipFamilyPolicy"):
        spec.pop(name, None)
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"loadBalancer": {}}
    _normalize(obj.setdefault("spec", {}))


def _prepare_update(new: Obj, old: Obj) -> None:
    """Status stays; what was allocated and is not named by the client stays too."""
    new["status"] = old.get("status", {})
    spec, before = new.setdefault("spec", {}), old.get("spec") or {}
    kind, was = spec.get("type"), before.get("type")
    if kind != "ExternalName" and was != "ExternalName":
        if not spec.get("clusterIP") and not spec.get("clusterIPs"):
            for name in ("clusterIP", "clusterIPs"):
                if name in before:
                    spec[name] = before[name]
        elif spec.get("clusterIP") != before.get("clusterIP") and spec.get("clusterIPs") == before.get("clusterIPs"):
            # Only the old field was changed: let it lead.
            spec["clusterIPs"] = [spec["clusterIP"]] if spec.get("clusterIP") else []
        for name in ("ipFamilies", "ipFamilyPolicy"):
            if not spec.get(name) and name in before:
                spec[name] = before[name]
    _keep_ports(spec, before)
    _drop_of_other_types(spec, before)
    _normalize(spec)


def _keep_ports(spec: Obj, before: Obj) -> None:
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        known = {(p.get("protocol"), p.get("port")): p.get("nodePort") for p in before.get("ports") or ()}
        taken = {p.get("nodePort") for p in spec.get("ports") or ()}
        for port in spec.get("ports") or ():
            node_port = known.get((port.get("protocol"), port.get("port")))
            if not port.get("nodePort") and node_port and node_port not in taken:
                port["nodePort"] = node_port
    local = spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
    if local and not spec.get("healthCheckNodePort") and before.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = before["healthCheckNodePort"]


def _drop_of_other_types(spec: Obj, before: Obj) -> None:
    """Fields that the old type had and the new one may not have, where the client left them as they were."""
    kind, was = spec.get("type"), before.get("type")
    if kind == was:
        return
    if kind == "ExternalName":
        for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            if spec.get(name) == before.get(name):
                spec.pop(name, None)
    if kind in ("ClusterIP", "ExternalName"):
        old_ports = [port.get("nodePort") for port in before.get("ports") or ()]
        if [port.get("nodePort") for port in spec.get("ports") or ()] == old_ports:
            for port in spec.get("ports") or ():
                port.pop("nodePort", None)
        if not externally_accessible(spec) and spec.get("externalTrafficPolicy") == before.get("externalTrafficPolicy"):
            spec.pop("externalTrafficPolicy", None)
    if kind != "LoadBalancer":
        for name in ("allocateLoadBalancerNodePorts", "healthCheckNodePort", "loadBalancerClass"):
            if spec.get(name) == before.get(name):
                spec.pop(name, None)


RESOURCES = (
    Resource(
        kind="Service",
        update_checks=REPLACED,
        plural="services",
        definition="io.k8s.api.core.v1.Service",
        short_names=("svc",),
        categories=("all",),
        subresources={
            "status": status(
                prepare=prepare_status_update,
                validate=lambda new, old: load_balancer_status(new.get("status") or {}),
            ),
            "proxy": Subresource(
                name="proxy", verbs=("create", "delete", "get", "patch", "update"), kind="ServiceProxyOptions"
            ),
        },
        name_rule=names.label_1035_name,
        generation=False,
        returns_status=True,
        allow_create_on_update=True,
        default=_default,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        validate=validate,
        validate_update=validate_update,
        columns=COLUMNS,
        row=row,
        selectable=lambda obj: {
            "spec.clusterIP": (obj.get("spec") or {}).get("clusterIP", ""),
            "spec.type": (obj.get("spec") or {}).get("type", ""),
        },
        selectable_names=("spec.clusterIP", "spec.type"),
    ),
)
