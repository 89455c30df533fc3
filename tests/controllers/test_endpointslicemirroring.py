"""Endpoints made by hand reach those who read EndpointSlices, and go from there as they go."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from kube_lite import clock
from kube_lite.controllers.settings import ControllerSettings
from kube_lite.resources.meta import Obj
from tests.controllers.test_endpoints import SLICES, service
from tests.controllers.world import NS, World, running

ONE = {"addresses": [{"ip": "10.1.2.3"}], "ports": [{"name": "", "port": 80, "protocol": "TCP"}]}


def endpoints(*subsets: Obj, **metadata: Any) -> Obj:
    return {"metadata": {"name": "s", **metadata}, "subsets": list(subsets)}


async def world_with(selector: Obj, *subsets: Obj, **metadata: Any) -> World:
    world = World()
    await world.client.create("services", service(selector=selector), NS)
    await world.client.create("endpoints", endpoints(*subsets, **metadata), NS)
    return world


def seen(world: World) -> dict[str, list[tuple[str, bool]]]:
    """Address and readiness of the endpoints, by family and port."""
    return {
        f"{s['addressType']}:{','.join(str(p['port']) for p in s['ports'])}": [
            (e["addresses"][0], e["conditions"]["ready"]) for e in s["endpoints"]
        ]
        for s in world.objects(SLICES)
    }


def test_endpoints_are_mirrored_changed_and_taken_back() -> None:
    async def main() -> None:
        metadata = {
            "labels": {"a": "1"},
            "annotations": {"b": "2", "endpoints.kubernetes.io/last-change-trigger-time": "t"},
        }
        world = await world_with({}, ONE, **metadata)
        async with running(world, ["endpointslicemirroring"], kubelet=False):
            await anyio.sleep(2)
            (found,) = world.objects(SLICES)
            meta = found["metadata"]
            assert meta["name"].startswith("s-")
            assert meta["labels"] == {
                "a": "1",
                "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
                "kubernetes.io/service-name": "s",
            }
            assert meta["annotations"] == {"b": "2"}
            assert [(o["kind"], o["name"]) for o in meta["ownerReferences"]] == [("Endpoints", "s")]
            assert seen(world) == {"IPv4:80": [("10.1.2.3", True)]}
            changed = {**ONE, "addresses": [{"ip": "10.2.3.4", "nodeName": "n1", "hostname": "h"}]}
            await world.client.patch("endpoints", "s", {"metadata": {"annotations": None}, "subsets": [changed]}, NS)
            await anyio.sleep(2)
            (now,) = world.objects(SLICES)
            assert now["metadata"]["uid"] == meta["uid"]
            assert not now["metadata"].get("annotations")
            ready = {"conditions": {"ready": True}}
            assert now["endpoints"] == [{"addresses": ["10.2.3.4"], "nodeName": "n1", "hostname": "h", **ready}]
            await world.client.delete("endpoints", "s", NS)
            await anyio.sleep(2)
            assert world.objects(SLICES) == []

    clock.run_virtual(main())


def test_each_family_and_set_of_ports_is_a_slice() -> None:
    async def main() -> None:
        mixed = {
            "addresses": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
            "notReadyAddresses": [{"ip": "10.0.0.2"}],
            "ports": [{"port": 80}],
        }
        other = {"addresses": [{"ip": "10.0.0.3"}], "ports": [{"port": 90}]}
        same = {"addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.4"}], "ports": [{"port": 80}]}
        world = await world_with({}, mixed, other, same)
        async with running(world, ["endpointslicemirroring"], kubelet=False):
            await anyio.sleep(2)
            assert seen(world) == {
                "IPv4:80": [("10.0.0.1", True), ("10.0.0.2", False), ("10.0.0.4", True)],
                "IPv4:90": [("10.0.0.3", True)],
                "IPv6:80": [("fd00::1", True)],
            }
            await world.client.patch("endpoints", "s", {"subsets": [other]}, NS)
            await anyio.sleep(2)
            assert seen(world) == {"IPv4:90": [("10.0.0.3", True)]}

    clock.run_virtual(main())


@pytest.mark.parametrize(
    ("selector", "metadata"),
    [
        ({"app": "s"}, {}),
        ({}, {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}),
        ({}, {"annotations": {"control-plane.alpha.kubernetes.io/leader": "{}"}}),
    ],
)
def test_what_is_not_mirrored(selector: Obj, metadata: Obj) -> None:
    async def main() -> None:
        world = await world_with(selector, ONE, **metadata)
        async with running(world, ["endpointslicemirroring"], kubelet=False):
            await anyio.sleep(2)
            assert world.objects(SLICES) == []
            await world.client.patch("services", "s", {"spec": {"selector": {"app": None}}}, NS)
            plain = {"labels": None, "annotations": None}
            await world.client.patch("endpoints", "s", {"metadata": plain}, NS)
            await anyio.sleep(2)
            assert len(world.objects(SLICES)) == 1
            await world.client.patch("services", "s", {"spec": {"selector": {"app": "s"}}}, NS)
            await anyio.sleep(2)
            assert world.objects(SLICES) == []

    clock.run_virtual(main())


def test_at_most_so_many_addresses_of_a_subset_are_mirrored() -> None:
    async def main() -> None:
        addresses = [{"ip": f"10.0.0.{number}"} for number in range(1, 6)]
        world = await world_with({}, {"addresses": addresses, "ports": [{"port": 80}]})
        settings = ControllerSettings(max_mirrored_endpoints=3)
        async with running(world, ["endpointslicemirroring"], kubelet=False, settings=settings):
            await anyio.sleep(2)
            assert seen(world) == {"IPv4:80": [(f"10.0.0.{number}", True) for number in (1, 2, 3)]}
            (event,) = world.objects("events")
            assert (event["reason"], event["message"]) == (
                "TooManyAddressesToMirror",
                "A max of 3 addresses can be mirrored to EndpointSlices per Endpoints subset. 2 addresses were skipped",
            )

    clock.run_virtual(main())
