"""What a Service may say, but hardly means (upstream's ``pkg/api/service/warnings.go``)."""

from __future__ import annotations

import ipaddress

from kube_lite.resources.field import child, index, show
from kube_lite.resources.kinds.service.validation import TOPOLOGY_HINTS, TOPOLOGY_MODE
from kube_lite.resources.meta import Obj
from kube_lite.resources.rules import parse_ip

Texts = list[str]


def service_warnings(new: Obj, old: Obj | None) -> Texts:
    """About a new or changed Service."""
    spec, kind = new.get("spec") or {}, (new.get("spec") or {}).get("type")
    found: Texts = []
    if TOPOLOGY_HINTS in ((new.get("metadata") or {}).get("annotations") or {}):
        found.append(f"annotation {TOPOLOGY_HINTS} is deprecated, please use {TOPOLOGY_MODE} instead")
    ips, external = spec.get("clusterIPs") or (), spec.get("externalIPs") or ()
    if kind != "ExternalName" and spec.get("clusterIP") != "None":
        found.extend(text for i, ip in enumerate(ips) for text in ip_warnings(ip, index("spec.clusterIPs", i)))
    headless = kind == "ClusterIP" and spec.get("clusterIP") == "None"
    if headless:
        ignored = (
            ("loadBalancerIP", spec.get("loadBalancerIP")),
            ("externalIPs", external),
            ("SessionAffinity", spec.get("sessionAffinity") != "None"),
        )
        found.extend(f"spec.{name} is ignored for headless services" for name, given in ignored if given)
    found.extend(text for i, ip in enumerate(external) for text in ip_warnings(ip, index("spec.externalIPs", i)))
    if external and not headless and kind != "ExternalName":
        found.append("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
    if ip := spec.get("loadBalancerIP"):
        found.extend(ip_warnings(ip, "spec.loadBalancerIP"))
    for i, text in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        found.extend(_cidr_warnings(text, index("spec.loadBalancerSourceRanges", i)))
    if kind == "ExternalName" and external:
        found.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
    if kind != "ExternalName" and spec.get("externalName"):
        found.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    if spec.get("trafficDistribution") == "PreferClose":
        found.append(f'{child("spec", "trafficDistribution")}: "PreferClose" is deprecated; use "PreferSameZone"')
    return found


def ip_warnings(text: str, path: str) -> Texts:
    """About an address that is written in an unusual way."""
    address = parse_ip(text)
    if not isinstance(address, ipaddress.IPv6Address):
        return []
    if address.ipv4_mapped is not None:
        detail = "will be considered invalid in a future Kubernetes release"
        return [f"{path}: non-standard IP address {show(text)} {detail}: use {show(str(address.ipv4_mapped))}"]
    if str(address) != text:
        return [f"{path}: IPv6 address {show(text)} should be in RFC 5952 canonical format ({show(str(address))})"]
    return []


def _cidr_warnings(text: str, path: str) -> Texts:
    """About a range that is written as if it were one address."""
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        return []
    if interface.ip != interface.network.network_address:
        one = f"{interface.ip}/{interface.max_prefixlen}"
        choice = f"(should be {show(str(interface.network))} or {show(one)}?)"
        return [f"{path}: CIDR value {show(text)} is ambiguous in this context {choice}"]
    if interface.version == 6 and str(interface.network) != text:
        canonical = show(str(interface.network))
        return [f"{path}: IPv6 CIDR value {show(text)} should be in RFC 5952 canonical format ({canonical})"]
    return []
