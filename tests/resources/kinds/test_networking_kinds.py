"""Kinds of networking.k8s.io: what is refused of them, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources import decode, schema
from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    Cause,
    Change,
    assert_causes,
    assert_create,
    changed,
    create,
    resource,
    update,
)

GROUP = "networking.k8s.io"
INGRESS, POLICY = resource(GROUP, "ingresses"), resource(GROUP, "networkpolicies")
ADDRESS, RANGE = resource(GROUP, "ipaddresses"), resource(GROUP, "servicecidrs")
BACKEND = {"service": {"name": "s", "port": {"number": 80}}}
PATH = {"path": "/", "pathType": "Prefix", "backend": BACKEND}
ROUTE: dict[str, Any] = {
    "metadata": {"name": "x"},
    "spec": {"ingressClassName": "a", "rules": [{"host": "h.example", "http": {"paths": [PATH]}}]},
}
RULE = "spec.rules[0]"
ANNOTATION: dict[str, str] = {"kubernetes.io/ingress.class": "a"}


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({}, []),
        ({"metadata.annotations": ANNOTATION}, []),
        (
            {"metadata.annotations": {"kubernetes.io/ingress.class": "b"}},
            [(BAD, "annotations.kubernetes.io/ingress.class", '"b": must match `ingressClassName` when both')],
        ),
        (
            {"spec.rules.0.host": "fe80::1"},
            [(BAD, f"{RULE}.host", "not an IP address"), (BAD, f"{RULE}.host", "RFC 1123 subdomain")],
        ),
        (
            {"spec.rules.0.http.paths.0.path": "a//b/.."},
            [
                (BAD, f"{RULE}.http.paths[0].path", "must be an absolute path"),
                (BAD, f"{RULE}.http.paths[0].path", "must not contain '//'"),
                (BAD, f"{RULE}.http.paths[0].path", "cannot end with '/..'"),
            ],
        ),
    ],
)
def test_a_new_ingress(change: Change, causes: list[Cause]) -> None:
    assert_create(INGRESS, ROUTE, change, causes)


@pytest.mark.parametrize(
    ("port", "causes"),
    [
        ({"port": 1, "endPort": 2}, []),
        ({"endPort": 2}, [(BAD, "endPort", "2: may not be specified when `port` is not specified")]),
        ({"port": "a", "endPort": 2}, [(BAD, "endPort", "2: may not be specified when `port` is non-numeric")]),
        ({"port": 3, "endPort": 2}, [(BAD, "endPort", "3: must be greater than or equal to `port`")]),
    ],
)
def test_ports_of_a_policy(port: dict[str, Any], causes: list[Cause]) -> None:
    policy = {"metadata": {"name": "x"}, "spec": {"podSelector": {}, "ingress": [{"ports": [port]}]}}
    wanted = [(reason, f"spec.ingress[0].ports[0].{field}", text) for reason, field, text in causes]
    assert_causes(create(POLICY, policy)[1], wanted)


@pytest.mark.parametrize(
    ("exceptions", "causes"),
    [
        (
            ["10.1.0.0/16", "11.0.0.0/16", "10.0.0.0/8"],
            [(1, "must be a strict subset"), (2, "must be a strict subset")],
        ),
        (["11.0.0.0/16", "x", "12.0.0.0/16"], [(0, "must be a strict subset"), (1, "not a valid CIDR")]),
    ],
)
def test_exceptions_of_a_block_are_looked_at_up_to_a_malformed_one(
    exceptions: list[str], causes: list[tuple[int, str]]
) -> None:
    block = {"cidr": "10.0.0.0/8", "except": exceptions}
    policy = {"metadata": {"name": "x"}, "spec": {"podSelector": {}, "egress": [{"to": [{"ipBlock": block}]}]}}
    at = "spec.egress[0].to[0].ipBlock.except"
    assert_causes(create(POLICY, policy)[1], [(BAD, f"{at}[{i}]", text) for i, text in causes])


def test_an_address_belongs_to_something_that_can_be_named() -> None:
    parent = {"group": "A", "name": "", "resource": "a/b", "namespace": "c%d"}
    at = "spec.parentRef"
    wanted = [
        (BAD, f"{at}.group", "RFC 1123 subdomain"),
        (BAD, f"{at}.resource", "may not contain '/'"),
        (NEEDED, f"{at}.name", ""),
        (BAD, f"{at}.namespace", "may not contain '%'"),
    ]
    assert_causes(create(ADDRESS, {"metadata": {"name": "10.0.0.1"}, "spec": {"parentRef": parent}})[1], wanted)


FAMILIES = "may specify no more than one IP for each IP family"


@pytest.mark.parametrize(
    ("ranges", "causes"),
    [
        (["10.0.0.0/24", "2001:db8::/64"], []),
        (
            ["10.0.0.0/24", "10.1.0.0/24"],
            [(BAD, "spec.cidrs", f'{{"cidrs":["10.0.0.0/24","10.1.0.0/24"]}}: {FAMILIES}')],
        ),
        (["10.0.0.0/24", "x"], [(BAD, "spec.cidrs", FAMILIES)]),
        (["x"], [(BAD, "spec.cidrs[0]", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")]),
        (["10.0.0.1/24"], [(BAD, "spec.cidrs[0]", "must not have bits set beyond the prefix length")]),
        (["2001:DB8::/64"], [(BAD, "spec.cidrs[0]", 'must be in canonical form ("2001:db8::/64")')]),
        (["a", "b", "c"], [(BAD, "spec.cidrs", "may only hold up to 2 values")]),
    ],
)
def test_ranges_of_services(ranges: list[str], causes: list[Cause]) -> None:
    assert_causes(create(RANGE, {"metadata": {"name": "x"}, "spec": {"cidrs": ranges}})[1], causes)


def test_a_range_of_the_other_family_may_be_added() -> None:
    first = {"metadata": {"name": "x"}, "spec": {"cidrs": ["10.0.0.0/24"]}}
    assert not update(RANGE, first, {"spec.cidrs": ["10.0.0.0/24", "2001:db8::/64"]})[1]
    for ranges, at in (
        (["10.1.0.0/24"], "spec.cidrs[0]"),
        (["2001:db8::/64", "10.0.0.0/24"], "spec.cidrs[0]"),
        ([], "spec.cidrs"),
    ):
        assert_causes(update(RANGE, first, {"spec.cidrs": ranges})[1], [(BAD, at, "field is immutable")])


def test_a_policy_may_keep_a_range_that_is_refused_of_a_new_one() -> None:
    peers = [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.5/16"]}}]
    policy = {"metadata": {"name": "x"}, "spec": {"podSelector": {}, "egress": [{"to": peers}]}}
    at = "spec.egress[0].to[0].ipBlock.except[0]"
    wanted = [(BAD, at, '"10.1.0.5/16": must not have bits set beyond the prefix length')]
    assert_causes(create(POLICY, policy)[1], wanted)
    assert not POLICY.validate_update(policy, policy)


def test_an_address_belongs_to_something() -> None:
    address: dict[str, Any] = {"metadata": {"name": "10.0.0.1"}, "spec": {}}
    decode.complete(schema.type_of(ADDRESS.definition), address, stored=False)
    assert_causes(create(ADDRESS, address)[1], [(NEEDED, "spec.parentRef", "")])


@pytest.mark.parametrize(("name", "fine"), [("1st", True), ("s-1", True), ("-s", False), ("S", False)])
def test_a_service_may_be_named_after_a_number(name: str, fine: bool) -> None:
    at = "spec.rules[0].http.paths[0].backend.service.name"
    found = create(INGRESS, changed(ROUTE, {"spec.rules.0.http.paths.0.backend.service.name": name}))[1]
    assert_causes(found, [] if fine else [(BAD, at, "a DNS-1035 label must consist of")])
