"""EndpointSlices."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.resources.kinds.cases import BAD, MANY, NEEDED, TWICE, Cause, assert_causes, changed, create, resource

KIND = resource("discovery.k8s.io", "endpointslices")
AT = "endpoints[0]"


def refused(kind: str, endpoint: dict[str, Any], **more: Any) -> list[Cause]:
    return create(KIND, {"metadata": {"name": "x"}, "addressType": kind, "endpoints": [endpoint], **more})[1]


@pytest.mark.parametrize(
    ("name", "causes"),
    [
        ("a.example.", []),
        ("", [(NEEDED, f"{AT}.addresses[0]", "")]),
        ("a", [(BAD, f"{AT}.addresses[0]", "should be a domain with at least two segments")]),
        ("A.b", [(BAD, f"{AT}.addresses[0]", "RFC 1123 subdomain")]),
    ],
)
def test_names_are_fully_qualified(name: str, causes: list[Cause]) -> None:
    assert_causes(refused("FQDN", {"addresses": [name]}), causes)


@pytest.mark.parametrize(
    ("kind", "address", "problem"),
    [
        ("IPv4", "2001:db8::1", "must be a valid IPv4 address"),
        ("IPv4", "10.0.0.01", "must not have leading 0s"),
        ("IPv4", "127.0.0.1", "may not be in the loopback range"),
        ("IPv6", "::ffff:10.0.0.1", "must not be an IPv4-mapped IPv6 address"),
    ],
)
def test_addresses_are_of_their_type(kind: str, address: str, problem: str) -> None:
    assert_causes(refused(kind, {"addresses": [address]}), [(BAD, f"{AT}.addresses[0]", problem)])


@pytest.mark.parametrize(
    ("hints", "causes"),
    [
        ({"forZones": [{"name": "a"}], "forNodes": [{"name": "n"}]}, []),
        ({"forZones": [{"name": "a"}, {"name": "a"}]}, [(TWICE, f"{AT}.hints.forZones[1].name", '"a"')]),
        ({"forZones": [{"name": "-"}]}, [(BAD, f"{AT}.hints.forZones[0].name", "a valid label must be")]),
        ({"forNodes": [{"name": "B"}]}, [(BAD, f"{AT}.hints.forNodes[0].name", "RFC 1123 subdomain")]),
        ({"forZones": [{"name": "a"}] * 9}, [(MANY, f"{AT}.hints.forZones", "9: must have at most 8 items")]),
    ],
)
def test_hints_name_zones_and_nodes(hints: dict[str, Any], causes: list[Cause]) -> None:
    assert_causes(refused("IPv4", {"addresses": ["10.0.0.1"], "hints": hints}), causes)


def test_upstream_takes_any_number_of_a_port() -> None:
    assert not refused("IPv4", {"addresses": ["10.0.0.1"]}, ports=[{"port": 70000}])


def test_the_places_of_v1beta1_are_not_written_but_its_nodes_are_kept() -> None:
    topology = {"kubernetes.io/hostname": "n1", "x": "y"}
    endpoint = {"addresses": ["10.0.0.1"], "deprecatedTopology": topology}
    slice_: dict[str, Any] = {"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints": [endpoint]}
    assert create(KIND, slice_)[0]["endpoints"] == [{"addresses": ["10.0.0.1"]}]
    same = copy.deepcopy(slice_)
    KIND.prepare_update(same, slice_)
    assert same == slice_
    other = changed(slice_, {"endpoints.0.addresses": ["10.0.0.2"]})
    KIND.prepare_update(other, slice_)
    assert other["endpoints"] == [{"addresses": ["10.0.0.2"], "nodeName": "n1"}]
    old = resource("discovery.k8s.io", "endpointslices", "v1beta1")
    beta = {"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints": [{"topology": topology}]}
    assert create(old, beta)[0]["endpoints"][0]["topology"] == topology
