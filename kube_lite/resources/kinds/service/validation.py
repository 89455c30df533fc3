"""Rules of Services beyond the schema."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kube_lite.resources.addresses import address_errors, load_balancer_status, range_errors
from kube_lite.resources.field import (
    IMMUTABLE,
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
from kube_lite.resources.meta import Obj
from kube_lite.resources.metadata import validate_labels
from kube_lite.resources.rules import (
    BAD_IP,
    dns_label,
    dns_subdomain,
    parse_cidr,
    parse_ip,
    port_number,
    port_number_or_name,
    qualified_name,
    validate_public_ip,
)

TYPES = frozenset({"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"})
POLICIES = frozenset({"PreferDualStack", "RequireDualStack", "SingleStack"})
MAX_AFFINITY_TIMEOUT = 86400
_TRAFFIC = frozenset({"Cluster", "Local"})
_PROTOCOLS = frozenset({"SCTP", "TCP", "UDP"})
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
"""The annotation that was there before ``loadBalancerSourceRanges``."""


PORTED = ("LoadBalancer", "NodePort")
"""Types whose ports are open on every node."""
TOPOLOGY_HINTS = "service.kubernetes.io/topology-aware-hints"
TOPOLOGY_MODE = "service.kubernetes.io/topology-mode"
"""The annotation that came after it."""
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_IP_MODES = ("Proxy", "VIP")
_RANGES = "must be a list of IP ranges. For example, 10.240.0.0/24,10.250.0.0/24 "
_ONLY_BALANCER = "may only be used when `type` is 'LoadBalancer'"


def needs_health_check(spec: Obj) -> bool:
    """Whether load balancers must ask each node if it has pods."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def externally_accessible(spec: Obj) -> bool:
    """Whether traffic from outside can arrive."""
    kind = spec.get("type")
    return kind in PORTED or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def is_headless(spec: Obj) -> bool:
    """Whether it wants no address."""
    ips = spec.get("clusterIPs")
    return (ips[0] if ips else spec.get("clusterIP")) == "None"


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
    if kind in PORTED and is_headless(spec):
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


def _cluster_ips(spec: Obj, known: Collection[str]) -> Errors:
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
        elif odd := address_errors(text, at, held=known):
            found.extend(odd)
        elif i < len(families) and families[i] != f"IPv{parsed.version}":
            detail = f"expected an {families[i]} value as indicated by `ipFamilies[{i}]`"
            found.append(invalid(at, text, detail))
    versions = [parsed.version for parsed in map(parse_ip, ips) if parsed is not None]
    if len(versions) == len(ips) == 2 and versions[0] == versions[1]:
        found.append(invalid("spec.clusterIPs", ips, "may specify no more than one IP for each IP family"))
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


def _load_balancer(spec: Obj, annotations: dict[str, str], known: Collection[str]) -> Errors:
    found: Errors = []
    balancer = spec.get("type") == "LoadBalancer"
    at, ranges = "spec.LoadBalancerSourceRanges", spec.get("loadBalancerSourceRanges") or []
    listed, shown = bool(ranges), f"[{' '.join(ranges)}]"
    if not ranges and (annotation := annotations.get(SOURCE_RANGES)) is not None:
        at, shown = key("metadata.annotations", SOURCE_RANGES), annotation
        ranges = annotation.strip().split(",") if annotation.strip() else ["0.0.0.0/0"]
    if ranges:
        if not balancer:
            found.append(forbidden(at, _ONLY_BALANCER))
        if any(parse_cidr(text.strip()) is None for text in ranges):
            found.append(invalid(at, shown, _RANGES))
        for i, text in enumerate(ranges):
            if parse_cidr(text.strip()) is not None:
                found.extend(range_errors(text.strip(), index(at, i) if listed else at, _RANGES, known))
    if spec.get("allocateLoadBalancerNodePorts") is not None and not balancer:
        found.append(forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_BALANCER))
    if (name := spec.get("loadBalancerClass")) is not None:
        at = "spec.loadBalancerClass"
        found.extend(qualified_name(name, at) if balancer else [forbidden(at, _ONLY_BALANCER)])
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
            detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            found.append(invalid("spec.healthCheckNodePort", health, detail))
        else:
            found.extend(port_number(health, "spec.healthCheckNodePort"))
    internal = spec.get("internalTrafficPolicy")
    if internal is not None and internal not in _TRAFFIC:
        found.append(not_supported("spec.internalTrafficPolicy", internal, _TRAFFIC))
    wish = spec.get("trafficDistribution")
    if wish is not None and wish not in _DISTRIBUTIONS:
        found.append(not_supported("spec.trafficDistribution", wish, _DISTRIBUTIONS))
    return found


def validate(obj: Obj) -> Errors:
    """The rules for a new Service."""
    return _validate(obj, {})


def _ranges(spec: Obj, annotations: Mapping[str, str]) -> list[str]:
    listed = spec.get("loadBalancerSourceRanges") or (annotations.get(SOURCE_RANGES) or "").split(",")
    return [text.strip() for text in listed]


def _validate(obj: Obj, old: Obj) -> Errors:
    """What holds for new and changed Services; addresses and ranges of ``old`` may stay."""
    before, marked = old.get("spec") or {}, (old.get("metadata") or {}).get("annotations") or {}
    spec, annotations = obj.get("spec") or {}, (obj.get("metadata") or {}).get("annotations") or {}
    found: Errors = []
    if TOPOLOGY_MODE in annotations and annotations.get(TOPOLOGY_HINTS, annotations[TOPOLOGY_MODE]) != (
        mode := annotations[TOPOLOGY_MODE]
    ):
        detail = f"must match annotations[{TOPOLOGY_HINTS}] when both are specified"
        found.append(invalid(key("metadata.annotations", TOPOLOGY_MODE), mode, detail))
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
    found.extend(_cluster_ips(spec, before.get("clusterIPs") or ()))
    for i, text in enumerate(spec.get("externalIPs") or ()):
        at = index("spec.externalIPs", i)
        found.extend(address_errors(text, at, held=before.get("externalIPs") or ()) or validate_public_ip(text, at))
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
    found.extend(_load_balancer(spec, annotations, _ranges(before, marked)))
    found.extend(_traffic(spec))
    return found


def validate_update(new: Obj, old: Obj) -> Errors:
    """The rules for a changed Service: its address and its load balancer's class stay."""
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
    checked = needs_health_check(before) and needs_health_check(after)
    if checked and after.get("healthCheckNodePort") != before.get("healthCheckNodePort"):
        found.append(forbidden("spec.healthCheckNodePort", IMMUTABLE))
    return found + _validate(new, old)


def validate_status(new: Obj, old: Obj) -> Errors:
    """Where a load balancer listens, which only Services of that type have."""
    status = new.get("status") or {}
    ingress = (status.get("loadBalancer") or {}).get("ingress") or ()
    at = "status.loadBalancer.ingress"
    found = load_balancer_status(status, old.get("status") or {})
    if ingress and (new.get("spec") or {}).get("type") != "LoadBalancer":
        return found or [forbidden(at, "may only be used when `spec.type` is 'LoadBalancer'")]
    for i, point in enumerate(ingress):
        mode, where = point.get("ipMode"), child(index(at, i), "ipMode")
        if mode is None:
            found.extend([required(where, "must be specified when `ip` is set")] if point.get("ip") else [])
        elif not point.get("ip"):
            found.append(forbidden(where, "may not be specified when `ip` is not set"))
        elif mode not in _IP_MODES:
            found.append(not_supported(where, mode, _IP_MODES))
    return found
