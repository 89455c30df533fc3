"""EndpointSlices of v1beta1: topology."""

from __future__ import annotations

import pytest

from tests.resources.kinds.cases import create, resource
from tests.resources.kinds.withdrawn.conversions import Obj, assert_same, shown_as, stored_as

HERE = ("discovery.k8s.io", "endpointslices", "v1beta1")
HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"


def endpoints(endpoint: Obj) -> Obj:
    return {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], **endpoint}]}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"topology": {ZONE: "z"}}, {"zone": "z"}),
        ({"nodeName": "n", "topology": {HOSTNAME: "n"}}, {"nodeName": "n"}),
        ({"topology": {HOSTNAME: "n"}}, {"deprecatedTopology": {HOSTNAME: "n"}}),
        (
            {"nodeName": "n", "topology": {HOSTNAME: "n", ZONE: "z", "rack": "r"}},
            {"nodeName": "n", "zone": "z", "deprecatedTopology": {"rack": "r"}},
        ),
        ({}, {}),
    ],
)
def test_topology_is_converted_both_ways(old: Obj, new: Obj) -> None:
    assert_same(*HERE, endpoints(old), endpoints(new))


def test_the_node_of_a_stored_endpoint_is_its_hostname() -> None:
    assert stored_as(*HERE, endpoints({"nodeName": "n"})) == endpoints({"nodeName": "n"})
    assert shown_as(*HERE, endpoints({"nodeName": "n"})) == endpoints({"nodeName": "n", "topology": {HOSTNAME: "n"}})


def test_refusals_name_the_topology() -> None:
    old = {**endpoints({"topology": {"bad key": "v"}}), "metadata": {"name": "x"}}
    _, causes = create(resource("discovery.k8s.io", "endpointslices", "v1beta1"), old)
    assert [cause[1] for cause in causes] == ["endpoints[0].topology"]


def test_ports_have_the_defaults_of_today() -> None:
    made, causes = create(
        resource("discovery.k8s.io", "endpointslices", "v1beta1"),
        {**endpoints({}), "ports": [{}], "metadata": {"name": "x"}},
    )
    assert not causes
    assert made["ports"] == [{"name": "", "protocol": "TCP"}]
