"""Services: a stable address for a set of pods.

Addresses and node ports are allocated elsewhere, between preparation and validation.
"""

from __future__ import annotations

from kube_lite.resources import names
from kube_lite.resources.kinds.service.columns import COLUMNS, row
from kube_lite.resources.kinds.service.validation import (
    PORTED,
    externally_accessible,
    needs_health_check,
    validate,
    validate_status,
    validate_update,
)
from kube_lite.resources.kinds.service.warnings import service_warnings
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import REPLACED, Resource, Subresource, prepare_status_update, status

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
    if kind in PORTED and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if kind == "LoadBalancer":
        for ingress in ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")


def _prepare_create(obj: Obj) -> None:
    """``clusterIP`` is the first of ``clusterIPs``; a client may know only one of them."""
    obj["status"] = {"loadBalancer": {}}
    spec = obj.setdefault("spec", {})
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]


def _prepare_update(new: Obj, old: Obj) -> None:
    """Status stays; what was allocated and is not named by the client stays too."""
    new["status"] = old.get("status", {})
    spec, before = new.setdefault("spec", {}), old.get("spec") or {}
    if spec.get("type") != "ExternalName" and before.get("type") != "ExternalName":
        for name in ("clusterIP", "clusterIPs"):
            if not spec.get(name) and before.get(name):
                spec[name] = before[name]
    _keep_ports(spec, before)
    if spec.get("clusterIP", "") != before.get("clusterIP", "") and spec.get("clusterIPs") == before.get("clusterIPs"):
        # Only the old field was changed: let it lead.
        spec["clusterIPs"] = [spec["clusterIP"]] if spec.get("clusterIP") else []
    _drop_of_other_types(spec, before)
    if spec.get("type") != "LoadBalancer":
        new["status"] = {**new["status"], "loadBalancer": {}}


def _keep_ports(spec: Obj, before: Obj) -> None:
    """Node ports belong to the names of ports: another number or protocol is let through to the same."""
    if spec.get("type") in PORTED and before.get("type") in PORTED:
        known = {port.get("name", ""): port.get("nodePort") for port in before.get("ports") or ()}
        taken = {port.get("nodePort") for port in spec.get("ports") or ()}
        for port in spec.get("ports") or ():
            node_port = known.get(port.get("name", ""))
            if not port.get("nodePort") and node_port and node_port not in taken:
                port["nodePort"] = node_port
    health = needs_health_check(spec) and needs_health_check(before)
    if health and not spec.get("healthCheckNodePort") and before.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = before["healthCheckNodePort"]


def _drop_of_other_types(spec: Obj, before: Obj) -> None:
    """Fields that the old type had and the new one may not have, where the client left them as they were."""
    kind, was = spec.get("type"), before.get("type")
    gone: list[str] = []
    if kind == "ExternalName" != was:
        same = all(spec.get(name) == before.get(name) for name in ("clusterIP", "clusterIPs"))
        gone.extend(("clusterIP", "clusterIPs") if same else ())
        gone.append("internalTrafficPolicy")
    if kind not in PORTED and was in PORTED:
        held = {port.get("nodePort") for port in before.get("ports") or ()}
        if all(port.get("nodePort") in held for port in spec.get("ports") or () if port.get("nodePort")):
            for port in spec.get("ports") or ():
                port.pop("nodePort", None)
    if needs_health_check(before) and not needs_health_check(spec):
        gone.append("healthCheckNodePort")
    if kind != "LoadBalancer" == was:
        gone.extend(("allocateLoadBalancerNodePorts", "loadBalancerClass"))
    if externally_accessible(before) and not externally_accessible(spec):
        gone.append("externalTrafficPolicy")
    for name in gone:
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
                validate=validate_status,
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
        warnings=service_warnings,
        columns=COLUMNS,
        row=row,
        selectable=lambda obj: {
            "spec.clusterIP": (obj.get("spec") or {}).get("clusterIP", ""),
            "spec.type": (obj.get("spec") or {}).get("type", ""),
        },
        selectable_names=("spec.clusterIP", "spec.type"),
    ),
)
