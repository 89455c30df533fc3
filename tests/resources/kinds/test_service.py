"""Services."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kube_lite.resources.kinds.service.validation import SOURCE_RANGES
from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    TWICE,
    UNKNOWN,
    Cause,
    Change,
    assert_create,
    assert_update,
    changed,
    create,
    resource,
    update,
)

KIND = resource("", "services")
VALID: dict[str, Any] = {"metadata": {"name": "x"}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}}
NODE_PORT = changed(VALID, {"spec.type": "NodePort"})
BALANCER = changed(VALID, {"spec.type": "LoadBalancer"})


def test_defaults() -> None:
    made, errors = create(KIND, VALID)
    assert not errors
    assert made["spec"] == {
        "selector": {"a": "b"},
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "type": "ClusterIP",
        "sessionAffinity": "None",
    }
    assert made["status"] == {"loadBalancer": {}}


@pytest.mark.parametrize(
    ("change", "path", "value"),
    [
        ({"spec.type": "NodePort"}, ("externalTrafficPolicy",), "Cluster"),
        ({"spec.externalIPs": ["8.8.8.8"]}, ("externalTrafficPolicy",), None),
        ({"spec.type": "LoadBalancer"}, ("allocateLoadBalancerNodePorts",), None),
        ({"spec.sessionAffinity": "ClientIP"}, ("sessionAffinityConfig", "clientIP", "timeoutSeconds"), 10800),
        ({"spec.clusterIP": "None"}, ("clusterIPs",), ["None"]),
        ({"spec.clusterIP": "fd00::1"}, ("ipFamilies",), None),
        ({"spec.type": "ExternalName", "spec.externalName": "a.b"}, ("internalTrafficPolicy",), None),
    ],
)
def test_defaults_that_follow_the_type(change: Change, path: tuple[str, ...], value: Any) -> None:
    found: Any = create(KIND, changed(VALID, change))[0]["spec"]
    for step in path:
        found = found.get(step)
    assert found == value


PORT = "spec.ports[0]"


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("name digit", {"metadata.name": "1a"}, [(BAD, "metadata.name", "a DNS-1035 label")]),
        ("no ports", {"spec.ports": []}, [(NEEDED, "spec.ports", "")]),
        ("headless without ports", {"spec.ports": [], "spec.clusterIP": "None"}, []),
        (
            "port",
            {"spec.ports.0.port": 0},
            [(BAD, f"{PORT}.port", "between 1 and 65535"), (BAD, f"{PORT}.targetPort", "")],
        ),
        ("target name", {"spec.ports.0.targetPort": "A_b"}, [(BAD, f"{PORT}.targetPort", "alpha-numeric")]),
        ("protocol", {"spec.ports.0.protocol": "HTTP"}, [(UNKNOWN, f"{PORT}.protocol", '"SCTP", "TCP", "UDP"')]),
        ("app protocol", {"spec.ports.0.appProtocol": "a b"}, [(BAD, f"{PORT}.appProtocol", "name part")]),
        ("unnamed", {"spec.ports.1": {"port": 81}}, [(NEEDED, f"{PORT}.name", ""), (NEEDED, "spec.ports[1].name", "")]),
        (
            "name twice",
            {"spec.ports": [{"name": "a", "port": 1}, {"name": "a", "port": 2}]},
            [(TWICE, "spec.ports[1].name", '"a"')],
        ),
        (
            "port twice",
            {"spec.ports": [{"name": "a", "port": 1}, {"name": "b", "port": 1}]},
            [
                (
                    TWICE,
                    "spec.ports[1]",
                    'core.ServicePort{Name:"", Protocol:"TCP", AppProtocol:(*string)(nil), Port:1, ',
                )
            ],
        ),
        ("type", {"spec.type": "Nope"}, [(UNKNOWN, "spec.type", "ExternalName")]),
        ("selector", {"spec.selector": {"a b": "c"}}, [(BAD, "spec.selector", "name part")]),
        ("affinity", {"spec.sessionAffinity": "Cookie"}, [(UNKNOWN, "spec.sessionAffinity", '"ClientIP", "None"')]),
        (
            "affinity timeout",
            {"spec.sessionAffinity": "ClientIP", "spec.sessionAffinityConfig.clientIP.timeoutSeconds": 86401},
            [(BAD, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", "less than 86400")],
        ),
        ("address", {"spec.clusterIP": "x"}, [(BAD, "spec.clusterIPs[0]", "must be a valid IP address")]),
        (
            "three addresses",
            {
                "spec.clusterIPs": ["10.0.0.1", "fd00::1", "10.0.0.2"],
                "spec.clusterIP": "10.0.0.1",
                "spec.ipFamilies": ["IPv4"],
            },
            [(BAD, "spec.clusterIPs", "up to 2 values")],
        ),
        ("families are dropped", {"spec.ipFamilies": ["IPv4"], "spec.ipFamilyPolicy": "RequireDualStack"}, []),
        ("external ip", {"spec.externalIPs": ["127.0.0.1"]}, [(BAD, "spec.externalIPs[0]", "loopback range")]),
        ("node port", {"spec.ports.0.nodePort": 30000}, [(NOT_HERE, f"{PORT}.nodePort", "'ClusterIP'")]),
        (
            "traffic",
            {"spec.externalTrafficPolicy": "Local"},
            [(BAD, "spec.externalTrafficPolicy", "NodePort and LoadBalancer")],
        ),
        ("traffic text", {"spec.externalTrafficPolicy": "x"}, [(BAD, "spec.externalTrafficPolicy", "must be empty")]),
        (
            "ranges in the annotation",
            {"spec.type": "LoadBalancer", "metadata.annotations": {SOURCE_RANGES: "1.2.3.4/33"}},
            [(BAD, f"metadata.annotations[{SOURCE_RANGES}]", "must be a list of IP ranges")],
        ),
        (
            "internal",
            {"spec.internalTrafficPolicy": "x"},
            [(UNKNOWN, "spec.internalTrafficPolicy", '"Cluster", "Local"')],
        ),
        (
            "ranges",
            {"spec.loadBalancerSourceRanges": ["10.0.0.0/8"]},
            [(NOT_HERE, "spec.LoadBalancerSourceRanges", "")],
        ),
        ("class", {"spec.loadBalancerClass": "a/b"}, [(NOT_HERE, "spec.loadBalancerClass", "LoadBalancer")]),
        (
            "health",
            {"spec.healthCheckNodePort": 30000},
            [(BAD, "spec.healthCheckNodePort", "can only be set on LoadBalancer service")],
        ),
        ("no external name", {"spec.type": "ExternalName"}, [(NEEDED, "spec.externalName", "")]),
        (
            "external name with address",
            {"spec.type": "ExternalName", "spec.externalName": "a.b", "spec.clusterIP": "10.0.0.1"},
            [(NOT_HERE, "spec.clusterIPs", "ExternalName services")],
        ),
    ],
)
def test_a_new_service(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


@pytest.mark.parametrize(
    ("name", "obj", "change", "causes"),
    [
        ("headless", NODE_PORT, {"spec.clusterIP": "None"}, [(BAD, "spec.clusterIPs[0]", "NodePort services")]),
        (
            "node port twice",
            NODE_PORT,
            {"spec.ports": [{"name": "a", "port": 1, "nodePort": 30001}, {"name": "b", "port": 2, "nodePort": 30001}]},
            [(TWICE, "spec.ports[1].nodePort", "30001")],
        ),
        ("policy", NODE_PORT, {"spec.externalTrafficPolicy": "x"}, [(BAD, "spec.externalTrafficPolicy", "Local")]),
        (
            "range",
            BALANCER,
            {"spec.loadBalancerSourceRanges": ["x"]},
            [(BAD, "spec.LoadBalancerSourceRanges", '"[x]": must be a list of IP ranges')],
        ),
        ("kubelet", BALANCER, {"spec.ports.0.port": 10250}, [(BAD, PORT, "used by kubelet")]),
    ],
)
def test_services_of_other_types(name: str, obj: Change, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, obj, change, causes)


def test_an_update_keeps_what_was_allocated() -> None:
    stored = changed(NODE_PORT, {"spec.clusterIP": "10.0.0.1", "spec.ports.0.nodePort": 30123})
    new, causes = update(KIND, stored, {"spec.clusterIP": "", "spec.clusterIPs": [], "spec.ports": [{"port": 80}]})
    assert not causes
    assert new["spec"]["clusterIP"] == "10.0.0.1"
    assert new["spec"]["ports"][0]["nodePort"] == 30123


def test_the_address_never_changes() -> None:
    stored = changed(VALID, {"spec.clusterIP": "10.0.0.1"})
    assert_update(
        KIND, stored, {"spec.clusterIP": "10.0.0.2"}, [(BAD, "spec.clusterIPs[0]", "may not change once set")]
    )


@pytest.mark.parametrize(
    ("change", "external", "ports"),
    [
        ({}, "<none>", "80/TCP"),
        ({"spec.type": "NodePort", "spec.ports.0.nodePort": 30080}, "<none>", "80:30080/TCP"),
        ({"spec.type": "LoadBalancer"}, "<pending>", "80/TCP"),
        ({"spec.type": "ExternalName", "spec.externalName": "a.b", "spec.ports": []}, "a.b", "<none>"),
        ({"spec.externalIPs": ["8.8.8.8", "9.9.9.9"]}, "8.8.8.8,9.9.9.9", "80/TCP"),
    ],
)
def test_a_row(change: Change, external: str, ports: str) -> None:
    made, _ = create(KIND, changed(VALID, change))
    assert KIND.row is not None
    cells = KIND.row(made, datetime(2026, 1, 1, tzinfo=UTC))
    assert cells[3:5] == [external, ports]
