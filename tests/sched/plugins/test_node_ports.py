"""NodePorts."""

from __future__ import annotations

import pytest

from kube_lite.sched.framework import ClusterEvent, EventKind
from kube_lite.sched.plugins.node_ports import NodePorts
from kube_lite.sched.podinfo import PodInfo
from tests.sched.cluster import info, info_of, node_view, pod_object, table
from tests.sched.plugins.ask import refusals, refused


def _pod(name: str, *ports: str) -> PodInfo:
    """Ports as ``ip/protocol/number``."""
    obj = pod_object(name)
    obj["spec"]["containers"][0]["ports"] = [
        {"containerPort": 80, "hostIP": ip, "protocol": protocol, "hostPort": int(number)}
        for ip, protocol, number in (port.split("/") for port in ports)
    ]
    return info_of(obj)


@pytest.mark.parametrize(
    ("held", "wanted", "conflict"),
    [
        ("/TCP/80", "/TCP/80", True),
        ("/TCP/80", "/TCP/81", False),
        ("/TCP/80", "/UDP/80", False),
        ("10.0.0.1/TCP/80", "10.0.0.2/TCP/80", False),
        ("10.0.0.1/TCP/80", "10.0.0.1/TCP/80", True),
        ("/TCP/80", "10.0.0.1/TCP/80", True),
        ("10.0.0.1/TCP/80", "0.0.0.0/TCP/80", True),
    ],
)
def test_ports_conflict(held: str, wanted: str, conflict: bool) -> None:
    nodes = table(node_view("busy"), node_view("free"), pods={"busy": [_pod("there", held)]})
    assert refused(NodePorts(), _pod("p", wanted), nodes) == ("busy" if conflict else "")


def test_a_port_is_free_again_when_the_pod_has_gone() -> None:
    nodes = table(node_view("n"), pods={"n": [_pod("there", "/TCP/80")]})
    reason = "node(s) didn't have free ports for the requested pod ports"
    assert refusals(NodePorts(), _pod("p", "/TCP/80"), nodes) == {"n": [reason]}
    nodes.remove_pod("uid-of-there")
    assert refusals(NodePorts(), _pod("p", "/TCP/80"), nodes) == {}


def test_only_a_pod_that_held_the_port_wakes_who_waits_for_it() -> None:
    waiting = _pod("p", "/TCP/80")
    assert NodePorts().hint(ClusterEvent(EventKind.POD_DELETE, pod=_pod("a", "1.2.3.4/TCP/80").pod), waiting)
    assert not NodePorts().hint(ClusterEvent(EventKind.POD_DELETE, pod=info("b").pod), waiting)
