"""Services."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kube_lite.resources.kinds.service.validation import SOURCE_RANGES, TOPOLOGY_HINTS, TOPOLOGY_MODE
from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    TWICE,
    UNKNOWN,
    Cause,
    Change,
    assert_causes,
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
CLASS = "spec.loadBalancerClass"


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
        (
            "mapped",
            {"spec.externalIPs": ["::ffff:8.8.8.8"]},
            [(BAD, "spec.externalIPs[0]", "an IPv4-mapped IPv6 address")],
        ),
        (
            "mapped own",
            {"spec.clusterIP": "::ffff:8.8.8.8"},
            [(BAD, "spec.clusterIPs[0]", "an IPv4-mapped IPv6 address")],
        ),
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
            [(BAD, "spec.healthCheckNodePort", "may only be set when `type` is 'LoadBalancer' and")],
        ),
        ("class of nothing", {"spec.type": "LoadBalancer", "spec.loadBalancerClass": ""}, [(BAD, CLASS, "")] * 2),
        (
            "one family twice",
            {"spec.clusterIPs": ["10.0.0.1", "10.0.0.2"], "spec.clusterIP": "10.0.0.1"},
            [(BAD, "spec.clusterIPs", "no more than one IP for each IP family")],
        ),
        (
            "distribution",
            {"spec.trafficDistribution": "x"},
            [(UNKNOWN, "spec.trafficDistribution", '"PreferClose", "PreferSameZone", "PreferSameNode"')],
        ),
        (
            "two topologies",
            {"metadata.annotations": {TOPOLOGY_MODE: "Auto", TOPOLOGY_HINTS: "Disabled"}},
            [(BAD, f"metadata.annotations[{TOPOLOGY_MODE}]", "when both are specified")],
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
        (
            "range of one host",
            BALANCER,
            {"spec.loadBalancerSourceRanges": ["10.0.0.0/8", " 10.0.0.1/8"]},
            [
                (
                    BAD,
                    "spec.LoadBalancerSourceRanges[1]",
                    '"10.0.0.1/8": must not have bits set beyond the prefix length',
                )
            ],
        ),
        (
            "mapped range",
            changed(BALANCER, {"metadata.annotations": {SOURCE_RANGES: "::ffff:10.0.0.0/104"}}),
            {},
            [(BAD, f"metadata.annotations[{SOURCE_RANGES}]", "must not have an IPv4-mapped IPv6 address")],
        ),
        ("port of the kubelet", BALANCER, {"spec.ports.0.port": 10250}, []),
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


def test_odd_addresses_and_ranges_that_are_there_already_stay() -> None:
    old, _ = create(KIND, BALANCER)
    old["spec"] |= {"externalIPs": ["::ffff:8.8.8.8"], "loadBalancerSourceRanges": ["10.0.0.1/8"]}
    new = changed(old, {"spec.ports.0.port": 81, "spec.externalIPs.1": "::ffff:9.9.9.9"})
    got = [(e.reason, e.field, e.message) for e in KIND.validate_update(new, old)]
    assert_causes(got, [(BAD, "spec.externalIPs[1]", "must not be an IPv4-mapped IPv6 address")])


def test_the_address_never_changes() -> None:
    stored = changed(VALID, {"spec.clusterIP": "10.0.0.1"})
    assert_update(
        KIND, stored, {"spec.clusterIP": "10.0.0.2"}, [(BAD, "spec.clusterIPs[0]", "may not change once set")]
    )


LOCAL = changed(BALANCER, {"spec.externalTrafficPolicy": "Local", "spec.healthCheckNodePort": 30999})
OPEN = changed(NODE_PORT, {"spec.ports": [{"name": "a", "port": 80, "nodePort": 30080}]})


@pytest.mark.parametrize(
    ("stored", "change", "path", "value"),
    [
        (OPEN, {"spec.ports": [{"name": "a", "port": 81}]}, "ports", 30080),
        (OPEN, {"spec.ports": [{"name": "b", "port": 80}]}, "ports", None),
        (OPEN, {"spec.type": "ClusterIP"}, "ports", None),
        (LOCAL, {"spec.healthCheckNodePort": None}, "healthCheckNodePort", 30999),
        (LOCAL, {"spec.externalTrafficPolicy": "Cluster"}, "healthCheckNodePort", None),
        (LOCAL, {"spec.type": "ClusterIP"}, "externalTrafficPolicy", None),
        (
            changed(BALANCER, {"spec.loadBalancerClass": "a/b", "spec.allocateLoadBalancerNodePorts": False}),
            {"spec.type": "NodePort"},
            "loadBalancerClass",
            None,
        ),
        (changed(VALID, {"spec.clusterIP": "10.0.0.1"}), {"spec.clusterIP": ""}, "clusterIP", "10.0.0.1"),
    ],
)
def test_what_a_change_keeps_and_drops(stored: Change, change: Change, path: str, value: object) -> None:
    new, causes = update(KIND, stored, change)
    assert causes == []
    spec = new["spec"]
    assert (spec["ports"][0].get("nodePort") if path == "ports" else spec.get(path)) == value


def test_the_port_of_health_checks_stays() -> None:
    causes = [(NOT_HERE, "spec.healthCheckNodePort", "field is immutable")]
    assert_update(KIND, LOCAL, {"spec.healthCheckNodePort": 30998}, causes)


def test_a_service_without_balancer_has_none_in_its_status() -> None:
    old, _ = create(KIND, BALANCER)
    old["status"] = {"loadBalancer": {"ingress": [{"ip": "1.1.1.1"}]}}
    new = changed(old, {"spec.type": "NodePort"})
    KIND.prepare_update(new, old)
    assert new["status"] == {"loadBalancer": {}}


@pytest.mark.parametrize(
    ("obj", "ingress", "causes"),
    [
        (BALANCER, {"ip": "1.1.1.1", "ipMode": "VIP"}, []),
        (BALANCER, {"ip": "1.1.1.1"}, [(NEEDED, "status.loadBalancer.ingress[0].ipMode", "when `ip` is set")]),
        (BALANCER, {"ip": "1.1.1.1", "ipMode": "x"}, [(UNKNOWN, "status.loadBalancer.ingress[0].ipMode", "Proxy")]),
        (BALANCER, {"hostname": "a", "ipMode": "VIP"}, [(NOT_HERE, "status.loadBalancer.ingress[0].ipMode", "ip")]),
        (
            BALANCER,
            {"ip": "::ffff:1.1.1.1", "ipMode": "VIP"},
            [(BAD, "status.loadBalancer.ingress[0].ip", "IPv4-mapped")],
        ),
        (NODE_PORT, {"hostname": "a"}, [(NOT_HERE, "status.loadBalancer.ingress", "`spec.type` is 'LoadBalancer'")]),
        (NODE_PORT, {"hostname": "A"}, [(BAD, "status.loadBalancer.ingress[0].hostname", "RFC 1123 subdomain")]),
    ],
)
def test_a_status(obj: Change, ingress: Change, causes: list[Cause]) -> None:
    old, _ = create(KIND, obj)
    new = changed(old, {"status.loadBalancer.ingress": [ingress]})
    assert_causes([(e.reason, e.field, e.message) for e in KIND.subresources["status"].validate(new, old)], causes)


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ({}, []),
        ({"spec.externalIPs": ["8.8.8.8"]}, ["spec.externalIPs is deprecated and may no longer be implemented"]),
        ({"spec.externalName": "a"}, ['spec.externalName is ignored when spec.type is not "ExternalName"']),
        ({"spec.clusterIP": "FD00::1"}, ['spec.clusterIPs[0]: IPv6 address "FD00::1" should be in RFC 5952']),
        (
            {"spec.clusterIP": "None", "spec.sessionAffinity": "ClientIP"},
            ["spec.SessionAffinity is ignored for headless services"],
        ),
        (
            {"spec.type": "LoadBalancer", "spec.loadBalancerSourceRanges": ["FD00::/8"]},
            ['IPv6 CIDR value "FD00::/8" should be in RFC 5952 canonical format ("fd00::/8")'],
        ),
        ({"spec.trafficDistribution": "PreferClose"}, ['"PreferClose" is deprecated; use "PreferSameZone"']),
        ({"metadata.annotations": {TOPOLOGY_HINTS: "Auto"}}, [f"is deprecated, please use {TOPOLOGY_MODE} instead"]),
    ],
)
def test_what_is_told_of_all_the_same(change: Change, texts: list[str]) -> None:
    made, causes = create(KIND, changed(VALID, change))
    assert causes == []
    told = list(KIND.warnings(made, None))
    assert len(told) == len(texts)
    assert all(part in text for part, text in zip(texts, told, strict=True)), told


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
