"""Addresses and ranges in fields that once took any form of them (apimachinery ``IsValidIPForLegacyField``).

Since v1.36 they are strict: what programs read differently is refused. What an object held before may stay as it is.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from kube_lite.resources import names
from kube_lite.resources.field import Errors, invalid
from kube_lite.resources.rules import BAD_IP, parse_cidr, parse_ip

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ZEROS: Final = re.compile(r"(?<![0-9A-Fa-f:])0+(?=[0-9])")
"""Leading zeros of an IPv4 octet or of a prefix length; upstream's older parser passes over them."""


def _bare(text: str) -> str:
    return _ZEROS.sub("", text)


def address_problem(text: str, bad: str = BAD_IP) -> str:
    """What is wrong with an address; '' when nothing.

    :param bad: what is said of a text that is no address at all
    """
    address = parse_ip(text)
    if address is None:
        return bad if parse_ip(_bare(text)) is None else "must not have leading 0s"
    return "must not be an IPv4-mapped IPv6 address" if _is_mapped(address) else ""


def range_problem(text: str, bad: str) -> str:
    """The same of a range, whose bits end where its prefix does."""
    network = parse_cidr(text)
    if network is None:
        return bad if parse_cidr(_bare(text)) is None else "must not have leading 0s in IP or prefix length"
    start, _, length = text.partition("/")
    if len(length) > 1 and length.startswith("0"):
        return "must not have leading 0s in IP or prefix length"
    address = parse_ip(start)
    if address is not None and _is_mapped(address):
        return "must not have an IPv4-mapped IPv6 address"
    return "" if address == network.network_address else "must not have bits set beyond the prefix length"


def _is_mapped(address: Address) -> bool:
    return isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None


def address_errors(text: str, path: str, bad: str = BAD_IP, held: Collection[str] = ()) -> Errors:
    """A field with an address.

    :param held: what the object held before, which may stay
    """
    problem = "" if text in held else address_problem(text, bad)
    return [invalid(path, text, problem)] if problem else []


def range_errors(text: str, path: str, bad: str, held: Collection[str] = ()) -> Errors:
    """A field with a range; see :func:`address_errors`."""
    problem = "" if text in held else range_problem(text, bad)
    return [invalid(path, text, problem)] if problem else []


def load_balancer_status(
    status: Mapping[str, Any], old: Mapping[str, Any], path: str = "status.loadBalancer"
) -> Errors:
    """Where a load balancer listens: addresses and names (upstream's ``ValidateLoadBalancerStatus``).

    :param old: the status before, whose addresses may stay as they are
    """
    held = {ingress.get("ip") for ingress in _ingresses(old)}
    found: Errors = []
    for i, ingress in enumerate(_ingresses(status)):
        at = f"{path}.ingress[{i}]"
        if (text := ingress.get("ip")) and text not in held:
            found.extend(address_errors(text, f"{at}.ip", "must be a valid IP address"))
        if name := ingress.get("hostname"):
            found.extend(invalid(f"{at}.hostname", name, problem) for problem in names.dns_subdomain(name))
            if parse_ip(name) is not None:
                found.append(invalid(f"{at}.hostname", name, "must be a DNS name, not an IP address"))
    return found


def _ingresses(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    return (status.get("loadBalancer") or {}).get("ingress") or []
