"""NetworkPolicies: which pods may talk."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from kube_lite.resources import names
from kube_lite.resources.addresses import range_errors
from kube_lite.resources.ages import age
from kube_lite.resources.field import (
    Errors,
    GoLiteral,
    child,
    forbidden,
    go_strings,
    index,
    invalid,
    not_supported,
    required,
)
from kube_lite.resources.ip_warnings import cidr_warnings
from kube_lite.resources.labelselector import validate_label_selector
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, TWICE, Cells, Column, Resource
from kube_lite.resources.rules import parse_cidr, port_number, port_number_or_name
from kube_lite.resources.selectors import format_label_selector

TYPES = ("Ingress", "Egress")
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_BAD_CIDR = "not a valid CIDR"


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for direction in ("ingress", "egress"):
        for rule in spec.get(direction) or ():
            for port in rule.get("ports") or ():
                port.setdefault("protocol", "TCP")


def _port(port: Obj, path: str) -> Errors:
    found: Errors = []
    protocol, number, end = port.get("protocol"), port.get("port"), port.get("endPort")
    if protocol is not None and protocol not in _PROTOCOLS:
        found.append(not_supported(child(path, "protocol"), protocol, _PROTOCOLS))
    if number is None:
        if end is not None:
            detail = "may not be specified when `port` is not specified"
            found.append(invalid(child(path, "endPort"), end, detail))
    elif isinstance(number, int):
        found.extend(port_number(number, child(path, "port")))
        if end is not None:
            if end < number:
                detail = "must be greater than or equal to `port`"
                found.append(invalid(child(path, "endPort"), number, detail))
            found.extend(port_number(end, child(path, "endPort")))
    else:
        if end is not None:
            detail = "may not be specified when `port` is non-numeric"
            found.append(invalid(child(path, "endPort"), end, detail))
        found.extend(port_number_or_name(number, child(path, "port")))
    return found


def _block(block: Obj, path: str, held: Collection[str]) -> Errors:
    cidr = block.get("cidr", "")
    if not cidr:
        return [required(child(path, "cidr"))]
    network = parse_cidr(cidr)
    found = range_errors(cidr, child(path, "cidr"), _BAD_CIDR, held)
    if network is None:
        return found
    for i, text_ in enumerate(block.get("except") or ()):
        at = index(child(path, "except"), i)
        inner = parse_cidr(text_)
        found.extend(range_errors(text_, at, _BAD_CIDR, held))
        if inner is None:
            return found  # the rest is not looked at
        if inner.version != network.version or not inner.subnet_of(network) or inner == network:  # type: ignore[arg-type]
            shown = GoLiteral(str(inner.network_address))
            found.append(invalid(at, shown, "must be a strict subset of `cidr`"))
    return found


def _peer(peer: Obj, path: str, held: Collection[str]) -> Errors:
    found: Errors = []
    selectors = 0
    for name in ("podSelector", "namespaceSelector"):
        if (selector := peer.get(name)) is not None:
            selectors += 1
            found.extend(validate_label_selector(selector, child(path, name)))
    block = peer.get("ipBlock")
    if block is not None:
        found.extend(_block(block, child(path, "ipBlock"), held))
        if selectors:
            detail = "may not specify both ipBlock and another peer"
            found.append(forbidden(path, detail))
    elif not selectors:
        found.append(required(path, "must specify a peer"))
    return found


def _blocks(obj: Obj) -> Iterator[tuple[Obj, str]]:
    """Every block of addresses, and where it stands."""
    for rules, peers in (("ingress", "from"), ("egress", "to")):
        for i, rule in enumerate((obj.get("spec") or {}).get(rules) or ()):
            for j, peer in enumerate(rule.get(peers) or ()):
                yield peer.get("ipBlock") or {}, f"spec.{rules}[{i}].{peers}[{j}].ipBlock"


def _validate_update(new: Obj, old: Obj) -> Errors:
    held = {text for block, _ in _blocks(old) for text in (block.get("cidr", ""), *(block.get("except") or ()))}
    return _validate(new, held)


def _validate(obj: Obj, held: Collection[str] = ()) -> Errors:
    spec = obj.get("spec") or {}
    found = validate_label_selector(spec.get("podSelector"), "spec.podSelector")
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for i, rule in enumerate(spec.get(direction) or ()):
            at = index(f"spec.{direction}", i)
            for j, port in enumerate(rule.get("ports") or ()):
                found.extend(_port(port, index(child(at, "ports"), j)))
            for j, peer in enumerate(rule.get(peers) or ()):
                found.extend(_peer(peer, index(child(at, peers), j), held))
    types = spec.get("policyTypes") or []
    if len(types) > len(TYPES):
        found.append(
            invalid(
                "spec.policyTypes",
                go_strings(types, "[]networking.PolicyType"),
                "may not specify more than two policyTypes",
            )
        )
        return found
    for i, kind in enumerate(types):
        if kind not in TYPES:
            found.append(not_supported(index("spec.policyTypes", i), kind, TYPES))
    return found


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    return [text for block, path in _blocks(new) for text in _block_warnings(block, path)]


def _block_warnings(block: Obj, path: str) -> list[str]:
    found = cidr_warnings(block.get("cidr", ""), child(path, "cidr"))
    for i, range_ in enumerate(block.get("except") or ()):
        found.extend(cidr_warnings(range_, index(child(path, "except"), i)))
    return found


def _row(obj: Obj, now: datetime) -> Cells:
    return [name_of(obj), format_label_selector((obj.get("spec") or {}).get("podSelector") or {}), age(obj, now)]


RESOURCES = (
    Resource(
        kind="NetworkPolicy",
        warnings=_warnings,
        counts_empty="spec",
        update_checks=TWICE,
        invalid_group="extensions",
        plural="networkpolicies",
        group="networking.k8s.io",
        definition="io.k8s.api.networking.v1.NetworkPolicy",
        short_names=("netpol",),
        name_rule=names.subdomain_name,
        default=_default,
        validate=_validate,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, Column("Pod-Selector"), AGE_COLUMN),
        row=_row,
    ),
)
