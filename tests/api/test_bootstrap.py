"""What a cluster has from the start, made once and kept up to date."""

from __future__ import annotations

import json
import random

from kube_lite import clock
from kube_lite.api.plane import Plane, PlaneOptions
from kube_lite.store.memory import MemoryStore
from tests.plane import admin


async def _started(store: MemoryStore, address: str, port: int = 6443) -> Plane:
    plane = Plane(store, PlaneOptions(advertise_address=address, port=port), random.Random(0))
    await plane.start()
    return plane


def test_a_second_start_writes_nothing() -> None:
    async def story() -> None:
        store = MemoryStore()
        await _started(store, "192.0.2.1")
        before = store.revision
        plane = await _started(store, "192.0.2.1")
        assert store.revision == before
        client = admin(plane)
        names = {json.loads(n)["metadata"]["name"] for n in (await client.list("namespaces")).items}
        assert names == {"default", "kube-node-lease", "kube-public", "kube-system"}
        service = json.loads(await client.get("services", "kubernetes", "default"))
        assert service["spec"]["clusterIP"] == "10.96.0.1"
        shown = json.loads(await client.get("servicecidrs.networking.k8s.io", "kubernetes"))
        assert shown["spec"] == {"cidrs": ["10.96.0.0/12"]}
        assert [(c["type"], c["status"]) for c in shown["status"]["conditions"]] == [("Ready", "True")]
        await client.delete("servicecidrs.networking.k8s.io", "kubernetes")
        assert json.loads(await client.get("servicecidrs.networking.k8s.io", "kubernetes"))["spec"]

    clock.run_virtual(story())


def test_a_server_that_moved_is_found_where_it_is() -> None:
    async def story() -> None:
        store = MemoryStore()
        await _started(store, "192.0.2.1")
        client = admin(await _started(store, "192.0.2.2", 7443))
        endpoints = json.loads(await client.get("endpoints", "kubernetes", "default"))
        assert endpoints["subsets"] == [
            {"addresses": [{"ip": "192.0.2.2"}], "ports": [{"name": "https", "port": 7443, "protocol": "TCP"}]}
        ]
        found = json.loads(await client.get("endpointslices.discovery.k8s.io", "kubernetes", "default"))
        assert (found["endpoints"][0]["addresses"], found["ports"][0]["port"]) == (["192.0.2.2"], 7443)

    clock.run_virtual(story())


def test_what_was_deleted_comes_back_and_what_was_changed_stays() -> None:
    async def story() -> None:
        store = MemoryStore()
        client = admin(await _started(store, "127.0.0.1"))
        assert not (await client.list("endpoints")).items  # pods cannot reach loopback
        await client.delete("services", "kubernetes", "default")
        await client.patch("namespaces", "default", {"metadata": {"labels": {"mine": "1"}}})
        client = admin(await _started(store, "127.0.0.1"))
        assert await client.get("services", "kubernetes", "default")
        assert json.loads(await client.get("namespaces", "default"))["metadata"]["labels"]["mine"] == "1"

    clock.run_virtual(story())


def test_the_servers_service_follows_its_port_and_the_family_of_its_address() -> None:
    async def story() -> None:
        store = MemoryStore()
        await _started(store, "10.0.0.1", 6443)
        plane = await _started(store, "fd00::1", 7443)
        service = json.loads(await admin(plane).get("services", "kubernetes", "default"))
        assert [port["targetPort"] for port in service["spec"]["ports"]] == [7443]
        slices = "endpointslices.discovery.k8s.io"
        there = json.loads(await admin(plane).get(slices, "kubernetes", "default"))
        assert (there["addressType"], there["endpoints"][0]["addresses"]) == ("IPv6", ["fd00::1"])
        assert there["ports"][0]["port"] == 7443

    clock.run_virtual(story())
