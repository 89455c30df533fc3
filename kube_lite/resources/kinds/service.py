"""Services: a stable address for a set of pods.

Addresses and node ports are allocated elsewhere, between preparation and validation.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kube_lite.resources import names
from kube_lite.resources.ages import age
from kube_lite.resources.field import (
    Errors,
    child,
    duplicate,
    forbidden,
    index,
    invalid,
    key,
    not_supported,
    required,
)
from kube_lite.resources.go.types import go_value
from kube_lite.resources.labelselector import text_of_map
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.metadata import validate_labels
from kube_lite.resources.registry import (
    AGE_COLUMN,
    NAME_COLUMN,
    REPLACED,
    Cells,
    Column,
    Resource,
    Subresource,
    prepare_status_update,
    status,
)
from kube_lite.resources.rules import (
    BAD_IP,
    dns_label,
    dns_subdomain,
    load_balancer_status,
    parse_cidr,
    parse_ip,
    port_number,
    port_number_or_name,
    qualified_name,
)

TYPES = frozenset({"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"})
POLICIES = frozenset({"PreferDualStack", "RequireDualStack", "SingleStack"})
AFFINITY_TIMEOUT = 10800
"""Seconds (3 hours) that ClientIP affinity lasts by default."""
MAX_AFFINITY_TIMEOUT = 86400
_TRAFFIC = frozenset({"Cluster", "Local"})
_PROTOCOLS = frozenset({"SCTP", "TCP", "UDP"})
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
"""The annotation that was there before ``loadBalancerSourceRanges``."""


def externally_accessible(spec: Obj) -> bool:
    """Whether traffic from outside can arrive."""
    kind = spec.get("type")
    return kind in ("LoadBalancer", "NodePort") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def is_headless(spec: Obj) -> bool:
    """Whether it wants no address."""
    ips = spec.get("clusterIPs")
    return (ips[0] if ips else spec.get("clusterIP")) == "None"


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


def _port(port: Obj, path: str, needs_name: bool, seen: set[str]) -> Errors:
    found: Errors = []
    name = port.get("name", "")
    if not name:
        if needs_name:
            found.append(required(child(path, "name")))
    else:
        found.extend(dns_label(name, child(path, "name")))
        if name in seen:
            found.append(duplicate(child(path, "name"), name))
        seen.add(name)
    found.extend(port_number(port.get("port", 0), child(path, "port")))
    protocol = port.get("protocol", "")
    if protocol not in _PROTOCOLS:
        at = child(path, "protocol")
        found.append(not_supported(at, protocol, _PROTOCOLS) if protocol else required(at))
    found.extend(port_number_or_name(port.get("targetPort", 0), child(path, "targetPort")))
    if (application := port.get("appProtocol")) is not None:
        found.extend(qualified_name(application, child(path, "appProtocol")))
    return found


def _by_type(spec: Obj) -> Errors:
    found: Errors = []
    kind = spec.get("type")
    if kind == "LoadBalancer":
        for i, port in enumerate(spec.get("ports") or ()):
            if port.get("port") == 10250:
                detail = "may not expose port 10250 externally since it is used by kubelet"
                found.append(invalid(index("spec.ports", i), 10250, detail))
    if kind in ("LoadBalancer", "NodePort") and is_headless(spec):
        found.append(invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services"))
    if kind == "ExternalName":
        for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(name):
                found.append(forbidden(f"spec.{name}", "may not be set for ExternalName services"))
        external = spec.get("externalName", "").removesuffix(".")
        found.extend(dns_subdomain(external, "spec.externalName") if external else [required("spec.externalName")])
    return found


def _affinity(spec: Obj) -> Errors:
    affinity, config = spec.get("sessionAffinity", ""), spec.get("sessionAffinityConfig")
    at = "spec.sessionAffinityConfig"
    if not affinity:
        return [required("spec.sessionAffinity")]
    if affinity not in ("ClientIP", "None"):
        return [not_supported("spec.sessionAffinity", affinity, ("ClientIP", "None"))]
    if affinity == "None":
        return [forbidden(at, "must not be set when session affinity is None")] if config is not None else []
    if config is None:
        return [required(at, "when session affinity type is ClientIP")]
    client = config.get("clientIP")
    if client is None:
        return [required(f"{at}.clientIP", "when session affinity type is ClientIP")]
    seconds = client.get("timeoutSeconds")
    if seconds is None:
        return [required(f"{at}.clientIP.timeoutSeconds", "when session affinity type is ClientIP")]
    if not 0 < seconds <= MAX_AFFINITY_TIMEOUT:
        detail = f"must be greater than 0 and less than {MAX_AFFINITY_TIMEOUT}"
        return [invalid(f"{at}.clientIP.timeoutSeconds", seconds, detail)]
    return []


def _cluster_ips(spec: Obj) -> Errors:
    if spec.get("type") == "ExternalName":
        return []
    found: Errors = []
    ip, ips = spec.get("clusterIP", ""), spec.get("clusterIPs") or []
    if ip and not ips:
        found.append(required("spec.clusterIPs"))
    elif ips and not ip:
        found.append(invalid("spec.clusterIPs", ips, "must be empty when `clusterIP` is not specified"))
    elif ips and ips[0] != ip:
        found.append(invalid("spec.clusterIPs", ips, "first value must match `clusterIP`"))
    families = spec.get("ipFamilies") or []
    for i, family in enumerate(families):
        if family not in ("IPv4", "IPv6"):
            found.append(not_supported(index("spec.ipFamilies", i), family, ("IPv4", "IPv6")))
        elif family in families[:i]:
            found.append(duplicate(index("spec.ipFamilies", i), family))
    policy = spec.get("ipFamilyPolicy")
    if policy and policy not in POLICIES:
        found.append(not_supported("spec.ipFamilyPolicy", policy, POLICIES))
    if len(ips) > 2:
        found.append(invalid("spec.clusterIPs", ips, "may only hold up to 2 values"))
    for i, text in enumerate(ips):
        at = index("spec.clusterIPs", i)
        if text == "None":
            if i or len(ips) > 1:
                detail = "'None' must be the first and only value"
                found.append(invalid("spec.clusterIPs", ips, detail))
            continue
        parsed = parse_ip(text)
        if parsed is None:
            found.append(invalid(at, text, BAD_IP))
        elif i < len(families) and families[i] != f"IPv{parsed.version}":
            detail = f"expected an {families[i]} value as indicated by `ipFamilies[{i}]`"
            found.append(invalid(at, text, detail))
    return found


def validate_public_ip(text: str, path: str) -> Errors:
    """An address that others can reach: neither unspecified, loopback, link-local nor multicast."""
    parsed = parse_ip(text)
    if parsed is None:
        return [invalid(path, text, BAD_IP)]
    found: Errors = []
    if parsed.is_unspecified:
        found.append(invalid(path, text, f"may not be unspecified ({text})"))
    if parsed.is_loopback:
        found.append(invalid(path, text, "may not be in the loopback range (127.0.0.0/8)"))
    if parsed.is_link_local:
        found.append(invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
    if parsed.is_multicast and (parsed.version == 6 or text.startswith("224.0.0.")):
        detail = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        found.append(invalid(path, text, detail))
    return found


def _duplicate_ports(spec: Obj) -> Errors:
    found: Errors = []
    node_ports: set[tuple[Any, Any]] = set()
    ports: set[tuple[Any, Any]] = set()
    for i, port in enumerate(spec.get("ports") or ()):
        if number := port.get("nodePort"):
            pair = (port.get("protocol"), number)
            if pair in node_ports:
                found.append(duplicate(child(index("spec.ports", i), "nodePort"), number))
            node_ports.add(pair)
    for i, port in enumerate(spec.get("ports") or ()):
        pair = (port.get("protocol"), port.get("port"))
        if pair in ports:
            shown = go_value("core.ServicePort", {"protocol": pair[0], "port": pair[1], "targetPort": 0})
            found.append(duplicate(index("spec.ports", i), shown))
        ports.add(pair)
    return found


def _load_balancer(spec: Obj, annotations: dict[str, str]) -> Errors:
    found: Errors = []
    balancer = spec.get("type") == "LoadBalancer"
    at, ranges = "spec.LoadBalancerSourceRanges", spec.get("loadBalancerSourceRanges") or []
    shown = f"[{' '.join(ranges)}]"
    if not ranges and (annotation := annotations.get(SOURCE_RANGES)) is not None:
        at, shown = key("metadata.annotations", SOURCE_RANGES), annotation
        ranges = annotation.strip().split(",") if annotation.strip() else ["0.0.0.0/0"]
    if ranges:
        if not balancer:
            found.append(forbidden(at, "may only be used when `type` is 'LoadBalancer'"))
        if any(parse_cidr(text.strip()) is None for text in ranges):
            found.append(invalid(at, shown, "must be a list of IP ranges. For example, 10.240.0.0/24,10.250.0.0/24 "))
    if spec.get("allocateLoadBalancerNodePorts") is not None and not balancer:
        detail = "may only be used when `type` is 'LoadBalancer'"
        found.append(forbidden("spec.allocateLoadBalancerNodePorts", detail))
    if name := spec.get("loadBalancerClass"):
        if not balancer:
            found.append(forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'"))
        found.extend(qualified_name(name, "spec.loadBalancerClass"))
    return found


def _traffic(spec: Obj) -> Errors:
    found: Errors = []
    policy = spec.get("externalTrafficPolicy", "")
    at = "spec.externalTrafficPolicy"
    if policy and policy not in _TRAFFIC:
        found.append(invalid(at, policy, "ExternalTrafficPolicy must be empty, Cluster or Local"))
    elif policy and spec.get("type") in ("ClusterIP", "ExternalName") and not externally_accessible(spec):
        found.append(invalid(at, policy, "ExternalTrafficPolicy can only be set on NodePort and LoadBalancer service"))
    health = spec.get("healthCheckNodePort", 0)
    if health:
        if spec.get("type") != "LoadBalancer" or policy != "Local":
            detail = "HealthCheckNodePort can only be set on LoadBalancer service with ExternalTrafficPolicy=Local"
            if health < 0:
                detail = "HealthCheckNodePort must be not less than 0"
            found.append(invalid("spec.healthCheckNodePort", health, detail))
        else:
            found.extend(port_number(health, "spec.healthCheckNodePort"))
    internal = spec.get("internalTrafficPolicy")
    if internal is not None and internal not in _TRAFFIC:
        found.append(not_supported("spec.internalTrafficPolicy", internal, _TRAFFIC))
    return found


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    ports, kind = spec.get("ports") or [], spec.get("type", "")
    if not ports and not is_headless(spec) and kind != "ExternalName":
        found.append(required("spec.ports"))
    found.extend(_by_type(spec))
    seen: set[str] = set()
    for i, port in enumerate(ports):
        found.extend(_port(port, index("spec.ports", i), len(ports) > 1, seen))
    if selector := spec.get("selector"):
        found.extend(validate_labels(selector, "spec.selector"))
    found.extend(_affinity(spec))
    found.extend(_cluster_ips(spec))
    for i, text in enumerate(spec.get("externalIPs") or ()):
        found.extend(validate_public_ip(text, index("spec.externalIPs", i)))
    if not kind:
        found.append(required("spec.type"))
    elif kind not in TYPES:
        found.append(not_supported("spec.type", kind, TYPES))
    if kind == "ClusterIP":
        for i, port in enumerate(ports):
            if port.get("nodePort"):
                at = child(index("spec.ports", i), "nodePort")
                found.append(forbidden(at, "may not be used when `type` is 'ClusterIP'"))
    found.extend(_duplicate_ports(spec))
    found.extend(_load_balancer(spec, (obj.get("metadata") or {}).get("annotations") or {}))
    found.extend(_traffic(spec))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    after, before = new.get("spec") or {}, old.get("spec") or {}
    found: Errors = []
    if after.get("type") != "ExternalName" and before.get("type") != "ExternalName":
        now, was = after.get("clusterIPs") or [], before.get("clusterIPs") or []
        if was and not now:
            found.append(
                invalid("spec.clusterIPs[0]", go_value("[]string", None), "primary clusterIP can not be unset")
            )
        elif was and now[0] != was[0]:
            found.append(invalid("spec.clusterIPs[0]", now, "may not change once set"))
    both = after.get("type") == before.get("type") == "LoadBalancer"
    if both and after.get("loadBalancerClass") != before.get("loadBalancerClass"):
        found.append(invalid("spec.loadBalancerClass", after.get("loadBalancerClass"), "may not change once set"))
    return found + _validate(new)


def _external_ip(spec: Obj, state: Obj) -> str:
    kind, external = spec.get("type"), spec.get("externalIPs") or []
    if kind in ("ClusterIP", "NodePort"):
        return ",".join(external) or "<none>"
    if kind == "ExternalName":
        return str(spec.get("externalName", ""))
    if kind != "LoadBalancer":
        return "<unknown>"
    ingress = (state.get("loadBalancer") or {}).get("ingress") or ()
    given = {entry.get("ip") or entry.get("hostname") or "" for entry in ingress} - {""}
    return ",".join([*sorted(given), *external]) or "<pending>"


def _ports_text(spec: Obj) -> str:
    parts = []
    for port in spec.get("ports") or ():
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        parts.append(f"{port.get('port', 0)}{node_port}/{port.get('protocol', '')}")
    return ",".join(parts) or "<none>"


def _row(obj: Obj, now: datetime) -> Cells:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    ips = spec.get("clusterIPs")
    return [
        name_of(obj),
        spec.get("type", ""),
        (ips[0] if ips else spec.get("clusterIP")) or "<none>",
        _external_ip(spec, state),
        _ports_text(spec),
        age(obj, now),
        text_of_map(spec.get("selector")),
    ]


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
        allow_create_on_update=True,
        default=_default,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        validate=_validate,
        validate_update=_validate_update,
        columns=(
            NAME_COLUMN,
            Column("Type"),
            Column("Cluster-IP"),
            Column("External-IP"),
            Column("Port(s)"),
            AGE_COLUMN,
            Column("Selector", priority=1),
        ),
        row=_row,
        selectable=lambda obj: {
            "spec.clusterIP": (obj.get("spec") or {}).get("clusterIP", ""),
            "spec.type": (obj.get("spec") or {}).get("type", ""),
        },
        selectable_names=("spec.clusterIP", "spec.type"),
    ),
)
