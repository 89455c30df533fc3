"""Endpoints: the older form of a Service's backends."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.addresses import address_errors
from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, child, index, invalid, not_supported, required
from kube_lite.resources.ip_warnings import ip_warnings
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, REPLACED, Cells, Column, Resource
from kube_lite.resources.rules import (
    dns_label,
    dns_subdomain,
    parse_ip,
    port_number,
    qualified_name,
    validate_public_ip,
)

_PROTOCOLS = frozenset({"SCTP", "TCP", "UDP"})
SHOWN = 3
"""Addresses that a table shows before it says how many more there are."""


def _default(obj: Obj) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"


def _address(address: Obj, path: str) -> Errors:
    ip, at = address.get("ip", ""), child(path, "ip")
    found: Errors = []
    known = parse_ip(ip) is not None
    found.extend(address_errors(ip, at))
    if hostname := address.get("hostname"):
        found.extend(dns_label(hostname, child(path, "hostname")))
    if (node := address.get("nodeName")) is not None:
        found.extend(dns_subdomain(node, child(path, "nodeName")))
    # Upstream looks at the address again, in other words.
    return found + (validate_public_ip(ip, at) if known else [invalid(at, ip, "must be a valid IP address")])


def _port(port: Obj, path: str, needs_name: bool) -> Errors:
    found: Errors = []
    name, protocol = port.get("name", ""), port.get("protocol", "")
    if name:
        found.extend(dns_label(name, child(path, "name")))
    elif needs_name:
        found.append(required(child(path, "name")))
    found.extend(port_number(port.get("port", 0), child(path, "port")))
    if protocol not in _PROTOCOLS:
        at = child(path, "protocol")
        found.append(not_supported(at, protocol, _PROTOCOLS) if protocol else required(at))
    if (application := port.get("appProtocol")) is not None:
        found.extend(qualified_name(application, child(path, "appProtocol")))
    return found


def _validate(obj: Obj) -> Errors:
    found: Errors = []
    for i, subset in enumerate(obj.get("subsets") or ()):
        at = index("subsets", i)
        addresses, others = subset.get("addresses") or [], subset.get("notReadyAddresses") or []
        if not addresses and not others:
            found.append(required(at, "must specify `addresses` or `notReadyAddresses`"))
        for name, listed in (("addresses", addresses), ("notReadyAddresses", others)):
            for j, address in enumerate(listed):
                found.extend(_address(address, index(child(at, name), j)))
        ports = subset.get("ports") or []
        for j, port in enumerate(ports):
            found.extend(_port(port, index(child(at, "ports"), j), len(ports) > 1))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    """Subsets that stay were valid once."""
    return [] if (new.get("subsets") or []) == (old.get("subsets") or []) else _validate(new)


def _shown(obj: Obj) -> str:
    listed: list[str] = []
    for subset in obj.get("subsets") or ():
        found = [address.get("ip", "") for address in subset.get("addresses") or ()]
        ports = [port.get("port", 0) for port in subset.get("ports") or ()]
        hosts = [f"[{ip}]" if ":" in ip else ip for ip in found]
        listed.extend([f"{host}:{port}" for port in ports for host in hosts] if ports else found)
    if not obj.get("subsets"):
        return "<none>"
    more = f" + {len(listed) - SHOWN} more..." if len(listed) > SHOWN else ""
    return ",".join(listed[:SHOWN]) + more


def _row(obj: Obj, now: datetime) -> Cells:
    return [name_of(obj), _shown(obj), age(obj, now)]


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    return [
        text
        for i, subset in enumerate(new.get("subsets") or ())
        for name in ("addresses", "notReadyAddresses")
        for j, address in enumerate(subset.get(name) or ())
        for text in ip_warnings(address.get("ip", ""), child(index(child(index("subsets", i), name), j), "ip"))
    ]


RESOURCES = (
    Resource(
        kind="Endpoints",
        update_checks=REPLACED,
        plural="endpoints",
        list_kind="EndpointsList",
        definition="io.k8s.api.core.v1.Endpoints",
        short_names=("ep",),
        generation=False,
        allow_create_on_update=True,
        default=_default,
        validate=_validate,
        validate_update=_validate_update,
        warnings=_warnings,
        deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
        columns=(NAME_COLUMN, Column("Endpoints"), AGE_COLUMN),
        row=_row,
    ),
)
