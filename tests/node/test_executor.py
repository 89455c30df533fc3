"""The whole executor: it becomes a node, waits for its pod network, runs pods, and feeds the network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from kube_lite.node.executor import NodeExecutor, NodeParts
from kube_lite.node.proxy import ServiceSpec
from kube_lite.node.runtime import ImageState
from kube_lite.node.settings import NodeSettings
from tests.node.fake_client import FakeClient
from tests.node.fake_runtime import FakeRuntime
from tests.node.harness import FakeDialer, pod, run

Json = dict[str, Any]


class FakeNetwork:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.services: list[Mapping[str, ServiceSpec]] = []
        self.routes: list[Mapping[str, str]] = []

    async def sync(self, services: Mapping[str, ServiceSpec]) -> None:
        self.services.append(dict(services))

    async def set_routes(self, routes: Mapping[str, str]) -> None:
        self.routes.append(dict(routes))


@asynccontextmanager
async def executing(root: Path, client: FakeClient) -> AsyncIterator[tuple[NodeExecutor, FakeNetwork, list[str]]]:
    network = FakeNetwork()
    built: list[str] = []

    async def images() -> list[ImageState]:
        return [ImageState("sha256:1", 5, ("app:1",))]

    async def close() -> None:
        built.append("closed")

    async def build(cidr: str) -> NodeParts:
        built.append(cidr)
        return NodeParts(FakeRuntime(), network, network, images, close=close)

    settings = NodeSettings(name="n1", data_dir=root, address="192.0.2.1", capacity={"cpu": "4"}, reserved={"cpu": "1"})
    executor = NodeExecutor(settings, client, build, dialer=FakeDialer())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(executor.run)
        yield executor, network, built
        tasks.cancel_scope.cancel()


def give_cidr(client: FakeClient, name: str = "n1", cidr: str = "10.42.0.0/24") -> None:
    node = client.objects["nodes", "", name]
    client.put("nodes", {**node, "spec": {**node.get("spec", {}), "podCIDR": cidr}})


def condition(client: FakeClient, kind: str) -> Json:
    found: Json = next(c for c in client.objects["nodes", "", "n1"]["status"]["conditions"] if c["type"] == kind)
    return found


def test_a_node_registers_and_becomes_ready_once_it_has_a_pod_network(tmp_path: Path) -> None:
    async def story() -> None:
        client = FakeClient()
        async with executing(tmp_path, client) as (executor, _, built):
            await anyio.sleep(1)
            node = client.objects["nodes", "", "n1"]
            assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "n1"
            assert node["status"]["capacity"]["cpu"] == "4"
            assert node["status"]["allocatable"]["cpu"] == "3"
            assert condition(client, "Ready")["reason"] == "KubeletNotReady"
            assert built == []
            give_cidr(client)
            await anyio.sleep(0.1)
            assert executor.ready.is_set()
            ready = condition(client, "Ready")
            assert (ready["status"], ready["lastTransitionTime"]) == ("True", "2026-01-01T00:00:01Z")
            images = [r for r in client.requests if r == ("patch", "nodes/status", "n1")]
            assert len(images) == 2
        assert built == ["10.42.0.0/24", "closed"]

    run(story)


def test_the_lease_is_renewed_every_ten_seconds_and_the_status_written_when_it_changed_or_every_five_minutes(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        client = FakeClient()
        async with executing(tmp_path, client):
            await anyio.sleep(0.1)
            give_cidr(client)
            await anyio.sleep(0.1)
            await anyio.sleep(20)
            client.requests.clear()
            await anyio.sleep(300)
            leases = [r for r in client.requests if r[1] == "leases.coordination.k8s.io"]
            assert leases == [("patch", "leases.coordination.k8s.io", "n1")] * 30
            assert client.requests.count(("patch", "nodes/status", "n1")) == 1
            lease = client.objects["leases.coordination.k8s.io", "kube-node-lease", "n1"]["spec"]
            assert lease == {
                "holderIdentity": "n1",
                "leaseDurationSeconds": 40,
                "renewTime": "2026-01-01T00:05:20.000000Z",
            }

    run(story)


def test_extended_resources_that_somebody_advertises_may_be_used_by_pods(tmp_path: Path) -> None:
    """They are written into the node's capacity by hand; the node says how much of it is for pods."""

    async def story() -> None:
        client = FakeClient()
        async with executing(tmp_path, client):
            await anyio.sleep(0.1)
            give_cidr(client)
            await anyio.sleep(1)
            for amount in ("3", "5", None):
                change = {"status": {"capacity": {"example.com/dongle": amount, "other": "1"}}}
                await client.patch("nodes", "n1", change, subresource="status")
                await anyio.sleep(1)
                allocatable = client.objects["nodes", "", "n1"]["status"]["allocatable"]
                assert allocatable.get("example.com/dongle") == amount
                assert allocatable["cpu"] == "3"
                assert "other" not in allocatable
            client.requests.clear()
            await anyio.sleep(60)
            assert ("patch", "nodes/status", "n1") not in client.requests

    run(story)


def test_a_node_that_was_deleted_registers_again(tmp_path: Path) -> None:
    async def story() -> None:
        client = FakeClient()
        async with executing(tmp_path, client):
            await anyio.sleep(0.1)
            client.remove("nodes", "", "n1")
            await anyio.sleep(301)
            assert client.objects["nodes", "", "n1"]["status"]["conditions"]

    run(story)


def test_registration_is_tried_until_the_api_is_there(tmp_path: Path) -> None:
    async def story() -> None:
        client = FakeClient()
        client.failures["create", "nodes"] = [OSError("refused")] * 3
        async with executing(tmp_path, client):
            await anyio.sleep(5)
            assert ("nodes", "", "n1") in client.objects

    run(story)


def test_pods_run_with_the_variables_of_services(tmp_path: Path) -> None:
    async def story() -> None:
        client = FakeClient()
        spec = {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]}
        client.put("services", {"metadata": {"name": "kubernetes", "namespace": "default"}, "spec": spec})
        client.put("pods", pod())
        async with executing(tmp_path, client) as (executor, _, _):
            await anyio.sleep(0.1)
            give_cidr(client)
            await anyio.sleep(0.1)
            assert client.pod("p")["status"]["phase"] == "Running"
            assert executor.agent is not None

    run(story)


def test_services_and_routes_reach_the_network_within_100_ms(tmp_path: Path) -> None:
    async def story() -> None:
        client = FakeClient()
        address = [{"type": "InternalIP", "address": "192.0.2.2"}]
        client.put("nodes", {"metadata": {"name": "n2"}, "spec": {}, "status": {"addresses": address}})
        async with executing(tmp_path, client) as (_, network, _):
            await anyio.sleep(0.1)
            give_cidr(client)
            await anyio.sleep(0.1)
            assert network.routes == [{}]
            assert network.services == [{}]
            give_cidr(client, "n2", "10.42.1.0/24")
            ports = [{"name": "web", "port": 80, "targetPort": 8080}]
            meta = {"name": "s", "namespace": "default"}
            client.put("services", {"metadata": meta, "spec": {"clusterIP": "10.96.0.9", "ports": ports}})
            slice_meta = {"name": "s-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "s"}}
            endpoints = [{"addresses": ["10.42.0.5"], "conditions": {"ready": True}}]
            piece = {"metadata": slice_meta, "endpoints": endpoints, "ports": [{"name": "web", "port": 8080}]}
            client.put("endpointslices.discovery.k8s.io", piece)
            await anyio.sleep(0.1)
            assert network.routes[-1] == {"10.42.1.0/24": "192.0.2.2"}
            assert network.services[1:] == [
                {"default/s:web": ServiceSpec("10.96.0.9", 80, "TCP", (("10.42.0.5", 8080),))}
            ]
            client.remove("services", "default", "s")
            await anyio.sleep(0.1)
            assert network.services[-1] == {}

    run(story)
