"""EndpointSlices."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import BAD, NEEDED, TWICE, Cause, assert_causes, create, resource

KIND = resource("discovery.k8s.io", "endpointslices")
AT = "endpoints[0]"
TOO_MANY = "FieldValueTooMany"


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
    ("hints", "causes"),
    [
        ({"forZones": [{"name": "a"}], "forNodes": [{"name": "n"}]}, []),
        ({"forZones": [{"name": "a"}, {"name": "a"}]}, [(TWICE, f"{AT}.hints.forZones[1].name", '"a"')]),
        ({"forZones": [{"name": "-"}]}, [(BAD, f"{AT}.hints.forZones[0].name", "a valid label must be")]),
        ({"forNodes": [{"name": "B"}]}, [(BAD, f"{AT}.hints.forNodes[0].name", "RFC 1123 subdomain")]),
        ({"forZones": [{"name": "a"}] * 9}, [(TOO_MANY, f"{AT}.hints.forZones", "9: must have at most 8 items")]),
    ],
)
def test_hints_name_zones_and_nodes(hints: dict[str, Any], causes: list[Cause]) -> None:
    assert_causes(refused("IPv4", {"addresses": ["10.0.0.1"], "hints": hints}), causes)


def test_upstream_takes_any_number_of_a_port() -> None:
    assert not refused("IPv4", {"addresses": ["10.0.0.1"]}, ports=[{"port": 70000}])
