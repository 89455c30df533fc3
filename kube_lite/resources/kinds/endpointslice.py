"""EndpointSlices: the backends of a Service."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from kube_lite.resources import names
from kube_lite.resources.addresses import address_errors
from kube_lite.resources.ages import age
from kube_lite.resources.field import (
    IMMUTABLE,
    Errors,
    child,
    duplicate,
    index,
    invalid,
    not_supported,
    required,
    too_many,
)
from kube_lite.resources.ip_warnings import ip_warnings
from kube_lite.resources.kinds.endpoints import SHOWN
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.metadata import validate_labels
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, UpdateCheck
from kube_lite.resources.rules import (
    dns_label,
    dns_subdomain,
    fully_qualified_name,
    parse_ip,
    qualified_name,
    validate_public_ip,
)

TYPES = frozenset({"FQDN", "IPv4", "IPv6"})
_PROTOCOLS = frozenset({"SCTP", "TCP", "UDP"})
MAX_ENDPOINTS = 1000
MAX_ADDRESSES = 100
MAX_PORTS = 20000
MAX_TOPOLOGY = 16
MAX_HINTS = 8
"""Zones, and nodes, that one endpoint is hinted for."""
_HOST = "kubernetes.io/hostname"
_CONTROLLERS = frozenset({"endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"})
"""Who writes slices whose addresses are those of Kubernetes."""


def _default(obj: Obj) -> None:
    for port in obj.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def _addresses(addresses: list[str], kind: str, held: Collection[str], path: str) -> Errors:
    found: Errors = []
    if not addresses:
        found.append(required(path, "must contain at least 1 address"))
    elif len(addresses) > MAX_ADDRESSES:
        found.append(too_many(path, len(addresses), MAX_ADDRESSES))
    for i, text in enumerate(addresses):
        at = index(path, i)
        if kind == "FQDN":
            found.extend(fully_qualified_name(text, at))
        elif kind in ("IPv4", "IPv6"):
            bad, parsed = f"must be a valid {kind} address", parse_ip(text)
            if parsed is not None and f"IPv{parsed.version}" != kind:
                found.append(invalid(at, text, bad))
            else:
                found.extend(address_errors(text, at, bad, held) or validate_public_ip(text, at))
    return found


def _endpoints(endpoints: list[Obj], kind: str, held: Collection[str]) -> Errors:
    found: Errors = []
    if len(endpoints) > MAX_ENDPOINTS:
        return [too_many("endpoints", len(endpoints), MAX_ENDPOINTS)]
    for i, endpoint in enumerate(endpoints):
        at = index("endpoints", i)
        found.extend(_addresses(endpoint.get("addresses") or [], kind, held, child(at, "addresses")))
        if (node := endpoint.get("nodeName")) is not None:
            found.extend(dns_subdomain(node, child(at, "nodeName")))
        topology, where = endpoint.get("deprecatedTopology") or {}, child(at, "deprecatedTopology")
        if len(topology) > MAX_TOPOLOGY:
            found.append(too_many(where, len(topology), MAX_TOPOLOGY))
        found.extend(validate_labels(topology, where))
        if (hostname := endpoint.get("hostname")) is not None:
            found.extend(dns_label(hostname, child(at, "hostname")))
        if (hints := endpoint.get("hints")) is not None:
            found.extend(_hints(hints, "forZones", names.label_value, child(at, "hints")))
            found.extend(_hints(hints, "forNodes", names.dns_subdomain, child(at, "hints")))
    return found


def _hints(hints: Obj, who: str, rule: Callable[[str], names.Problems], path: str) -> Errors:
    """The zones or nodes whose traffic an endpoint should take."""
    listed, at = hints.get(who) or [], child(path, who)
    if len(listed) > MAX_HINTS:
        return [too_many(at, len(listed), MAX_HINTS)]
    found: Errors = []
    seen: set[str] = set()
    for i, hint in enumerate(listed):
        where, name = child(index(at, i), "name"), hint.get("name", "")
        if name in seen:
            found.append(duplicate(where, name))
        seen.add(name)
        found.extend(invalid(where, name, problem) for problem in rule(name))
    return found


def _ports(ports: list[Obj]) -> Errors:
    found: Errors = []
    if len(ports) > MAX_PORTS:
        return [too_many("ports", len(ports), MAX_PORTS)]
    seen: set[str] = set()
    for i, port in enumerate(ports):
        at = index("ports", i)
        name = port.get("name", "")
        if name:
            found.extend(dns_label(name, child(at, "name")))
        if name in seen:
            found.append(duplicate(child(at, "name"), name))
        seen.add(name)
        if port.get("protocol") not in _PROTOCOLS:
            found.append(not_supported(child(at, "protocol"), port.get("protocol", ""), _PROTOCOLS))
        if (application := port.get("appProtocol")) is not None:
            found.extend(qualified_name(application, child(at, "appProtocol")))
    return found


def _validate(obj: Obj, held: Collection[str] = ()) -> Errors:
    found: Errors = []
    kind = obj.get("addressType", "")
    if not kind:
        found.append(required("addressType"))
    elif kind not in TYPES:
        found.append(not_supported("addressType", kind, TYPES))
    found.extend(_endpoints(obj.get("endpoints") or [], kind, held))
    found.extend(_ports(obj.get("ports") or []))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    held = {address for endpoint in old.get("endpoints") or () for address in endpoint.get("addresses") or ()}
    found = _validate(new, held)
    if new.get("addressType") != old.get("addressType"):
        found.append(invalid("addressType", new.get("addressType", ""), IMMUTABLE))
    return found


def _capped(items: list[str]) -> str:
    if not any(items):
        return "<unset>"
    more = f" + {len(items) - SHOWN} more..." if len(items) > SHOWN else ""
    return ",".join(items[:SHOWN]) + more


def _hosts(obj: Obj) -> set[str]:
    """Nodes that a slice names as v1beta1 did."""
    return {(one.get("deprecatedTopology") or {}).get(_HOST, "") for one in obj.get("endpoints") or ()} - {""}


def _drop_topology(new: Obj, old: Obj) -> None:
    """What v1beta1 knew of places cannot be written; a node that was named there is kept where it belongs."""
    if new.get("endpoints") == old.get("endpoints"):
        return
    known = _hosts(old)
    for endpoint in new.get("endpoints") or ():
        host = (endpoint.pop("deprecatedTopology", None) or {}).get(_HOST, "")
        if host in known and endpoint.get("nodeName") is None:
            endpoint["nodeName"] = host


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    found: list[str] = []
    if old is None and new.get("addressType") == "FQDN":
        found.append("spec.addressType: FQDN endpoints are deprecated")  # upstream's path
    if ((new.get("metadata") or {}).get("labels") or {}).get("endpointslice.kubernetes.io/managed-by") in _CONTROLLERS:
        return found
    for i, endpoint in enumerate(new.get("endpoints") or ()):
        for j, address in enumerate(endpoint.get("addresses") or ()):
            found.extend(ip_warnings(address, f"endpoints[{i}].addresses[{j}]"))
    return found


def _row(obj: Obj, now: datetime) -> Cells:
    ports = [str(port.get("port") or port.get("name", "*")) for port in obj.get("ports") or ()]
    addresses = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return [name_of(obj), obj.get("addressType", ""), _capped(ports), _capped(addresses), age(obj, now)]


RESOURCES = (
    Resource(
        kind="EndpointSlice",
        warnings=_warnings,
        update_checks=(UpdateCheck.METADATA,),
        plural="endpointslices",
        group="discovery.k8s.io",
        definition="io.k8s.api.discovery.v1.EndpointSlice",
        default=_default,
        prepare_create=lambda obj: _drop_topology(obj, {}),
        prepare_update=_drop_topology,
        validate=_validate,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, Column("AddressType"), Column("Ports"), Column("Endpoints"), AGE_COLUMN),
        row=_row,
    ),
)
