"""EndpointSlices and Endpoints of Services: who is in them, with which ports and conditions."""

from __future__ import annotations

from typing import Any

import anyio

from kube_lite import clock
from kube_lite.controllers.settings import ControllerSettings
from kube_lite.resources.meta import Obj
from tests.controllers.world import NS, World, ready_condition, running

SLICES = "endpointslices.discovery.k8s.io"
BOTH = ("endpointslice", "endpoints")


def service(name: str = "s", ports: list[Obj] | None = None, **spec: Any) -> Obj:
    port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}
    defaults = {"selector": {"app": name}, "ports": [port] if ports is None else ports, "clusterIP": "10.96.0.9"}
    return {"metadata": {"name": name}, "spec": {**defaults, **spec}}


async def pod(world: World, name: str, ip: str, app: str = "s", ready: bool = True, **spec: Any) -> None:
    body = {"nodeName": "n1", "containers": [{"name": "c"}], **spec}
    await world.client.create("pods", {"metadata": {"name": name, "labels": {"app": app}}, "spec": body}, NS)
    await set_status(world, name, ip, ready)


async def set_status(world: World, name: str, ip: str, ready: bool = True, phase: str = "Running") -> None:
    status = {"phase": phase, "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [ready_condition(ready)]}
    await world.client.patch("pods", name, {"status": status}, NS, subresource="status")


async def world_with_node() -> World:
    world = World()
    labels = {"topology.kubernetes.io/zone": "z1"}
    await world.client.create("nodes", {"metadata": {"name": "n1", "labels": labels}})
    return world


def endpoints(world: World) -> list[Obj]:
    return [e for s in world.objects(SLICES) for e in s["endpoints"]]


def test_a_service_has_its_ready_pods_in_both_forms() -> None:
    async def main() -> None:
        world = await world_with_node()
        await world.client.create("services", service(), NS)
        await pod(world, "p", "10.0.0.5")
        async with running(world, BOTH, kubelet=False):
            await anyio.sleep(2)
            (found,) = world.objects(SLICES)
            uid = world.get("pods", "p")["metadata"]["uid"]
            reference = {"kind": "Pod", "namespace": NS, "name": "p", "uid": uid}
            assert found["metadata"]["name"].startswith("s-")
            assert found["metadata"]["labels"] == {
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": "s",
            }
            assert found["metadata"]["ownerReferences"][0]["kind"] == "Service"
            assert found["addressType"] == "IPv4"
            assert found["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]
            assert found["endpoints"] == [
                {
                    "addresses": ["10.0.0.5"],
                    "conditions": {"ready": True, "serving": True, "terminating": False},
                    "nodeName": "n1",
                    "targetRef": reference,
                    "zone": "z1",
                }
            ]
            old = world.get("endpoints", "s")
            assert list(old["metadata"]["annotations"]) == ["endpoints.kubernetes.io/last-change-trigger-time"]
            assert not old["metadata"]["labels"]
            seen = old["subsets"][0]["addresses"][0]["targetRef"].pop("resourceVersion")
            assert 0 < int(seen) < int(old["metadata"]["resourceVersion"])
            assert old["subsets"] == [
                {
                    "addresses": [{"ip": "10.0.0.5", "nodeName": "n1", "targetRef": reference}],
                    "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
                }
            ]

    clock.run_virtual(main())


def test_unready_terminating_and_finished_pods() -> None:
    async def main() -> None:
        world = await world_with_node()
        await world.client.create("services", service(), NS)
        await pod(world, "going", "10.0.0.1")
        await pod(world, "unready", "10.0.0.2", ready=False)
        await pod(world, "done", "10.0.0.3")
        await set_status(world, "done", "10.0.0.3", phase="Succeeded")
        await world.client.delete("pods", "going", NS)
        async with running(world, BOTH, kubelet=False):
            await anyio.sleep(2)
            assert {e["targetRef"]["name"]: e["conditions"] for e in endpoints(world)} == {
                "going": {"ready": False, "serving": True, "terminating": True},
                "unready": {"ready": False, "serving": False, "terminating": False},
            }
            (subset,) = world.get("endpoints", "s")["subsets"]
            assert "addresses" not in subset
            assert [a["ip"] for a in subset["notReadyAddresses"]] == ["10.0.0.2"]
            await world.client.patch("services", "s", {"spec": {"publishNotReadyAddresses": True}}, NS)
            await anyio.sleep(2)
            assert [e["conditions"]["ready"] for e in endpoints(world)] == [True, True]
            (subset,) = world.get("endpoints", "s")["subsets"]
            assert [a["ip"] for a in subset["addresses"]] == ["10.0.0.1", "10.0.0.2"]

    clock.run_virtual(main())


def test_services_without_pods_without_selector_and_headless() -> None:
    async def main() -> None:
        world = await world_with_node()
        await world.client.create("services", service("none"), NS)
        await world.client.create("services", service("hl", clusterIP="None"), NS)
        await world.client.create("services", service("own", selector={}), NS)
        await world.client.create("services", service("ext", type="ExternalName"), NS)
        async with running(world, BOTH, kubelet=False):
            await anyio.sleep(2)
            found = {s["metadata"]["labels"]["kubernetes.io/service-name"]: s for s in world.objects(SLICES)}
            assert sorted(found) == ["hl", "none"]
            assert (found["none"]["endpoints"], found["none"]["ports"]) == ([], [])
            assert found["hl"]["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
            assert [e["metadata"]["name"] for e in world.objects("endpoints")] == ["hl", "none"]
            assert "subsets" not in world.get("endpoints", "none")
            assert world.get("endpoints", "hl")["metadata"]["labels"]["service.kubernetes.io/headless"] == ""

    clock.run_virtual(main())


def test_named_ports_are_looked_up_in_each_pod() -> None:
    async def main() -> None:
        world = await world_with_node()
        ports = [{"name": "web", "port": 80, "protocol": "TCP", "targetPort": "http"}]
        await world.client.create("services", service(ports=ports), NS)
        for name, ip, number in (("a", "10.0.0.1", 8080), ("b", "10.0.0.2", 9090)):
            containers = [{"name": "c", "ports": [{"name": "http", "containerPort": number}]}]
            await pod(world, name, ip, containers=containers)
        await pod(world, "lacks", "10.0.0.3")
        async with running(world, BOTH, kubelet=False):
            await anyio.sleep(2)
            with_ports = [s for s in world.objects(SLICES) if s["ports"]]
            slices = {s["ports"][0]["port"]: [e["addresses"] for e in s["endpoints"]] for s in with_ports}
            assert slices == {8080: [["10.0.0.1"]], 9090: [["10.0.0.2"]]}
            subsets = world.get("endpoints", "s")["subsets"]
            assert [s["ports"][0]["port"] for s in subsets] == [8080, 9090]

    clock.run_virtual(main())


def test_a_change_of_one_pod_writes_one_slice() -> None:
    async def main() -> None:
        world = await world_with_node()
        await world.client.create("services", service(), NS)
        for number in range(25):
            await pod(world, f"p{number:02}", f"10.0.0.{number + 1}")
        async with running(
            world, ["endpointslice"], kubelet=False, settings=ControllerSettings(max_endpoints_per_slice=10)
        ):
            await anyio.sleep(2)
            assert sorted(len(s["endpoints"]) for s in world.objects(SLICES)) == [5, 10, 10]
            world.client.writes.clear()
            await set_status(world, "p03", "10.0.0.4", ready=False)
            await anyio.sleep(2)
            assert sum(of == SLICES for _, of, _ in world.client.writes) == 1
            await world.client.delete("pods", "p07", NS, grace_period_seconds=0)
            await pod(world, "new", "10.0.1.1")
            await anyio.sleep(2)
            assert sorted(len(s["endpoints"]) for s in world.objects(SLICES)) in ([5, 10, 10], [6, 9, 10])
            for number in range(25):
                if number != 7:
                    await world.client.delete("pods", f"p{number:02}", NS, grace_period_seconds=0)
            await anyio.sleep(2)
            assert [e["targetRef"]["name"] for e in endpoints(world)] == ["new"]

    clock.run_virtual(main())


def test_a_new_slice_that_the_cache_does_not_show_is_not_made_twice() -> None:
    async def main() -> None:
        world = await world_with_node()
        await world.client.create("services", service(), NS)
        async with running(world, ["endpointslice"], kubelet=False):
            await anyio.sleep(1)
            for number in range(10):
                await pod(world, f"p{number}", f"10.0.0.{number + 1}")
            await anyio.sleep(5)
            assert len(world.objects(SLICES)) == 1
            assert len(endpoints(world)) == 10

    clock.run_virtual(main())


def test_deleted_endpoints_come_back_and_those_of_a_deleted_service_go() -> None:
    async def main() -> None:
        world = await world_with_node()
        await world.client.create("services", service(), NS)
        await pod(world, "p", "10.0.0.5")
        async with running(world, BOTH, kubelet=False):
            await anyio.sleep(2)
            await world.client.delete("endpoints", "s", NS)
            await world.client.delete(SLICES, world.objects(SLICES)[0]["metadata"]["name"], NS)
            await anyio.sleep(2)
            assert world.get("endpoints", "s")["subsets"]
            assert len(endpoints(world)) == 1
            await world.client.create("endpoints", {"metadata": {"name": "mine"}}, NS)
            await world.client.delete("services", "s", NS)
            await anyio.sleep(2)
            assert [e["metadata"]["name"] for e in world.objects("endpoints")] == ["mine"]

    clock.run_virtual(main())


def test_a_pod_on_an_unknown_node_waits_for_it() -> None:
    async def main() -> None:
        world = World()
        await world.client.create("services", service(), NS)
        await pod(world, "p", "10.0.0.5")
        async with running(world, ["endpointslice"], kubelet=False):
            await anyio.sleep(2)
            assert endpoints(world) == []
            await world.client.create("nodes", {"metadata": {"name": "n1"}})
            await anyio.sleep(2)
            assert len(endpoints(world)) == 1

    clock.run_virtual(main())


def test_endpoints_are_cut_off_at_their_capacity() -> None:
    async def main() -> None:
        world = await world_with_node()
        await world.client.create("services", service(), NS)
        for number in range(8):
            await pod(world, f"p{number}", f"10.0.0.{number + 1}", ready=number >= 4)
        async with running(world, ["endpoints"], kubelet=False, settings=ControllerSettings(endpoints_capacity=5)):
            await anyio.sleep(2)
            found = world.get("endpoints", "s")
            assert found["metadata"]["annotations"]["endpoints.kubernetes.io/over-capacity"] == "truncated"
            (subset,) = found["subsets"]
            assert (len(subset["addresses"]), len(subset["notReadyAddresses"])) == (4, 1)

    clock.run_virtual(main())
