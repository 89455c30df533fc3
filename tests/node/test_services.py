"""From Services, EndpointSlices and Nodes to what the network is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from kube_lite import clock
from kube_lite.client.informer import Informer
from kube_lite.node.proxy import ServiceSpec
from kube_lite.node.runtime import RuntimeFailure
from kube_lite.node.services import Routes, Services, endpoints_of, routes_of, specs_of
from kube_lite.node.settings import NodeSettings
from kube_lite.resources.views import EndpointSlice, Node, Service
from tests.node.fake_client import FakeClient
from tests.node.harness import run


def service(**spec: Any) -> Service:
    meta = {"name": "s", "namespace": "ns"}
    base = {"clusterIP": "10.96.0.9", "ports": [{"name": "web", "port": 80}]}
    return msgspec.convert({"metadata": meta, "spec": {**base, **spec}}, Service)


def piece(*endpoints: dict[str, Any], port: int = 8080, name: str = "web", kind: str = "IPv4") -> EndpointSlice:
    ports = [{"name": name, "port": port}]
    return msgspec.convert({"addressType": kind, "endpoints": list(endpoints), "ports": ports}, EndpointSlice)


def endpoint(address: str, node: str = "n1", **conditions: bool) -> dict[str, Any]:
    return {"addresses": [address], "nodeName": node, "conditions": conditions}


@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [
        ([endpoint("10.0.0.1"), endpoint("10.0.0.2", ready=True)], ["10.0.0.1", "10.0.0.2"]),
        ([endpoint("10.0.0.1", ready=True), endpoint("10.0.0.2", ready=False)], ["10.0.0.1"]),
        ([endpoint("10.0.0.1", ready=False, serving=True, terminating=True)], ["10.0.0.1"]),
        (
            [
                endpoint("10.0.0.1", ready=False, serving=True, terminating=True),
                endpoint("10.0.0.2", ready=True),
            ],
            ["10.0.0.2"],
        ),
        ([endpoint("10.0.0.1", ready=False, serving=False, terminating=True)], []),
        ([endpoint("10.0.0.1", ready=False, serving=True)], []),
    ],
)
def test_ready_endpoints_count_else_those_that_still_serve(
    endpoints: list[dict[str, Any]], expected: list[str]
) -> None:
    assert [address for address, _ in endpoints_of([piece(*endpoints)], "web")] == expected


def test_endpoints_come_from_all_slices_that_have_the_port() -> None:
    slices = [
        piece(endpoint("10.0.0.2"), port=1),
        piece(endpoint("10.0.0.1"), port=2),
        piece(endpoint("10.0.0.3"), name="other"),
        piece(endpoint("fd00::1"), kind="IPv6"),
    ]
    assert endpoints_of(slices, "web") == (("10.0.0.1", 2), ("10.0.0.2", 1))


def test_each_port_and_external_address_is_a_spec() -> None:
    ports = [{"name": "web", "port": 80, "nodePort": 30080}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    made = service(ports=ports, sessionAffinity="ClientIP", externalIPs=["192.0.2.7"])
    ends = (("10.0.0.1", 8080),)
    assert specs_of(made, [piece(endpoint("10.0.0.1"))], "n1") == {
        "ns/s:web": ServiceSpec("10.96.0.9", 80, "TCP", ends, 30080, 10800),
        "ns/s:web@192.0.2.7": ServiceSpec("192.0.2.7", 80, "TCP", ends, 0, 10800),
        "ns/s:dns": ServiceSpec("10.96.0.9", 53, "UDP", (), 0, 10800),
        "ns/s:dns@192.0.2.7": ServiceSpec("192.0.2.7", 53, "UDP", (), 0, 10800),
    }


@pytest.mark.parametrize("spec", [{"clusterIP": "None"}, {"clusterIP": ""}, {"type": "ExternalName"}])
def test_services_without_an_address_are_not_served(spec: dict[str, Any]) -> None:
    assert specs_of(service(**spec), [piece(endpoint("10.0.0.1"))], "n1") == {}


@pytest.mark.parametrize("label", ["service-proxy-name", "headless"])
def test_services_for_another_proxy_or_for_none_are_left_alone(label: str) -> None:
    made = service()
    labelled = msgspec.structs.replace(made.metadata, labels={f"service.kubernetes.io/{label}": ""})
    assert specs_of(made, [piece(endpoint("10.0.0.1"))], "n1")
    assert specs_of(msgspec.structs.replace(made, metadata=labelled), [piece(endpoint("10.0.0.1"))], "n1") == {}


def test_a_local_service_uses_endpoints_of_this_node_only() -> None:
    slices = [piece(endpoint("10.0.0.1"), endpoint("10.0.1.1", "n2"))]
    found = specs_of(service(internalTrafficPolicy="Local"), slices, "n2")
    assert found["ns/s:web"].endpoints == (("10.0.1.1", 8080),)


def test_routes_lead_to_other_nodes_that_have_a_pod_network_and_an_address() -> None:
    def node(name: str, cidr: str, address: str) -> Node:
        addresses = [{"type": "InternalIP", "address": address}] if address else []
        status = {"addresses": addresses}
        return msgspec.convert({"metadata": {"name": name}, "spec": {"podCIDR": cidr}, "status": status}, Node)

    nodes = [node("n1", "10.42.0.0/24", "192.0.2.1"), node("n2", "10.42.1.0/24", "192.0.2.2")]
    nodes += [node("n3", "", "192.0.2.3"), node("n4", "10.42.4.0/24", "")]
    assert routes_of(nodes, "n1") == {"10.42.1.0/24": "192.0.2.2"}


class Network:
    """Refuses every route by way of 192.0.2.3."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, list[str]]] = []

    async def set_routes(self, routes: Mapping[str, str]) -> None:
        self.asked.append((clock.monotonic(), list(routes.values())))
        if "192.0.2.3" in routes.values():
            raise RuntimeFailure("NetworkPluginNotReady", "no route to 10.42.3.0/24 by 192.0.2.3: unreachable")


def test_refused_routes_are_tried_less_and_less_often_and_at_once_when_a_node_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def node(number: int) -> dict[str, Any]:
        addresses = [{"type": "InternalIP", "address": f"192.0.2.{number}"}]
        return {
            "metadata": {"name": f"n{number}"},
            "spec": {"podCIDR": f"10.42.{number}.0/24"},
            "status": {"addresses": addresses},
        }

    async def story() -> None:
        client, network = FakeClient(), Network()
        nodes = Informer(client, "nodes", Node)
        client.put("nodes", node(3))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(nodes.run)
            tasks.start_soon(Routes(NodeSettings("n1", tmp_path), nodes, network).run)
            await anyio.sleep(20)
            assert [round(at - network.asked[0][0]) for at, _ in network.asked] == [0, 1, 3, 7, 15]
            client.put("nodes", node(2))
            await anyio.sleep(0.5)
            assert sorted(network.asked[-1][1]) == ["192.0.2.2", "192.0.2.3"]
            await client.delete("nodes", "n3")
            await anyio.sleep(100)
            assert network.asked[-1][1] == ["192.0.2.2"]
            assert len(network.asked) == 7
            tasks.cancel_scope.cancel()

    run(story)
    assert caplog.messages[-1] == "no route to 10.42.3.0/24 by 192.0.2.3: unreachable; again in 1 s"
    assert not [record for record in caplog.records if record.exc_info]


class Proxy:
    """Refuses at first."""

    def __init__(self) -> None:
        self.refusals = 1
        self.seen: list[Mapping[str, ServiceSpec]] = []

    async def sync(self, services: Mapping[str, ServiceSpec]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise OSError("not now")
        self.seen.append(dict(services))


def test_what_the_proxy_refused_is_tried_again_and_a_burst_is_applied_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        client, proxy = FakeClient(), Proxy()
        services = Informer(client, "services", Service)
        slices = Informer(client, "endpointslices.discovery.k8s.io", EndpointSlice)
        watcher = Services(NodeSettings("n1", tmp_path), services, slices, proxy)
        async with anyio.create_task_group() as tasks:
            for part in (services, slices, watcher):
                tasks.start_soon(part.run)
            await anyio.sleep(2)
            assert proxy.seen == [{}]
            for n in range(50):
                spec = {"clusterIP": f"10.96.0.{n}", "ports": [{"port": 80}]}
                client.put("services", {"metadata": {"name": f"s{n}", "namespace": "ns"}, "spec": spec})
            await anyio.sleep(0.1)
            assert [len(applied) for applied in proxy.seen] == [0, 50]
            assert "S49_SERVICE_HOST" in watcher.variables("ns")
            assert watcher.variables("other") == {}
            tasks.cancel_scope.cancel()

    run(story)
