"""Addresses and ranges that are legal but written in an unusual way (apimachinery's ``GetWarningsForIP``)."""

from __future__ import annotations

import ipaddress

from kube_lite.resources.field import show
from kube_lite.resources.rules import parse_ip

Texts = list[str]


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


def cidr_warnings(text: str, path: str) -> Texts:
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
