"""Service addresses and node ports: each handed out once, kept, given back, and not taken by what fails."""

from __future__ import annotations

import json
import random
from typing import Any

import anyio
import pytest

from kube_lite import clock, errors
from kube_lite.api import service_addresses
from kube_lite.api.plane import Plane, PlaneOptions
from kube_lite.store.memory import MemoryStore
from tests.api.wire import call, run
from tests.plane import admin

SERVICES = "/api/v1/namespaces/default/services"


def service(name: str, *ports: Any, **spec: Any) -> dict[str, Any]:
    """A Service; a port is a number, or a mapping."""
    made = [{"name": f"p{i}", "port": p} if isinstance(p, int) else {"name": f"p{i}", **p} for i, p in enumerate(ports)]
    return {"metadata": {"name": name}, "spec": {"ports": made or [{"port": 80}], **spec}}


async def create(plane: Plane, body: dict[str, Any]) -> dict[str, Any]:
    """Create; the stored spec."""
    made: dict[str, Any] = json.loads(await admin(plane).create("services", body, "default"))["spec"]
    return made


async def small(cidr: str) -> Plane:
    """An API with that range of ClusterIPs."""
    plane = Plane(MemoryStore(), PlaneOptions(service_cluster_ip_range=cidr), random.Random(0))
    await plane.start()
    return plane


def test_a_full_range_says_so_and_a_freed_address_is_found() -> None:
    async def story() -> None:
        plane = await small("10.0.0.0/29")
        taken = [(await create(plane, service(f"s{i}")))["clusterIP"] for i in range(5)]
        assert sorted(taken) == [f"10.0.0.{i}" for i in range(2, 7)]
        with pytest.raises(errors.InternalError, match="failed to allocate a serviceIP: range is full"):
            await create(plane, service("more"))
        await create(plane, service("headless", clusterIP="None"))
        await admin(plane).delete("services", "s3", "default")
        assert (await create(plane, service("more")))["clusterIP"] == taken[3]

    clock.run_virtual(story())


def test_addresses_that_are_none_of_the_range_are_refused() -> None:
    async def story() -> None:
        plane = await small("10.0.0.0/29")
        for address in ("10.0.1.1", "10.0.0.0", "10.0.0.7"):
            with pytest.raises(
                errors.Invalid, match=r"not in the valid range\. The range of valid IPs is 10\.0\.0\.0/29"
            ):
                await create(plane, service("s", clusterIP=address))
        with pytest.raises(errors.Invalid, match="provided IP is already allocated"):
            await create(plane, service("s", clusterIP="10.0.0.1"))
        with pytest.raises(errors.Invalid):
            await create(plane, service("s", clusterIP="not-an-address"))

    clock.run_virtual(story())


def test_creations_at_once_never_get_the_same() -> None:
    async def story() -> None:
        plane = await small("10.0.0.0/27")
        specs: list[dict[str, Any]] = []

        async def one(number: int) -> None:
            specs.append(await create(plane, service(f"s{number}", type="NodePort")))

        async with anyio.create_task_group() as tasks:
            for number in range(25):
                tasks.start_soon(one, number)
        assert len({spec["clusterIP"] for spec in specs}) == 25
        ports = {spec["ports"][0]["nodePort"] for spec in specs}
        assert len(ports) == 25
        assert all(30000 <= port <= 32767 for port in ports)

    clock.run_virtual(story())


def test_a_node_port_is_had_once_but_by_both_protocols_of_one_service() -> None:
    async def story(plane: Plane) -> None:
        both = [{"port": 53, "nodePort": 30053, "protocol": p} for p in ("TCP", "UDP")]
        made = await create(plane, service("dns", *both, type="NodePort"))
        assert [p["nodePort"] for p in made["ports"]] == [30053, 30053]
        with pytest.raises(errors.Invalid, match="provided port is already allocated"):
            await create(plane, service("other", {"port": 1, "nodePort": 30053}, type="NodePort"))
        with pytest.raises(errors.Invalid, match="The range of valid ports is 30000-32767"):
            await create(plane, service("other", {"port": 1, "nodePort": 80}, type="NodePort"))
        twice = [{"port": 1, "nodePort": 30001}, {"port": 2, "nodePort": 30001}]
        with pytest.raises(errors.Invalid):
            await create(plane, service("other", *twice, type="NodePort"))
        # the refusal has given back what it had taken on its way
        assert await create(plane, service("other", {"port": 1, "nodePort": 30001}, type="NodePort"))
        await admin(plane).delete("services", "dns", "default")
        assert await create(plane, service("again", {"port": 1, "nodePort": 30053}, type="NodePort"))

    run(story)


def test_node_ports_that_are_used_up_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_addresses, "NODE_PORTS", (30000, 30002))

    async def story(plane: Plane) -> None:
        made = await create(plane, service("s", 1, 2, 3, type="NodePort"))
        assert sorted(p["nodePort"] for p in made["ports"]) == [30000, 30001, 30002]
        with pytest.raises(errors.InternalError, match="failed to allocate a nodePort: range is full"):
            await create(plane, service("t", 1, type="LoadBalancer"))

    run(story)


def test_what_fails_or_is_only_tried_takes_nothing() -> None:
    async def story(plane: Plane) -> None:
        wanted = service("s", {"port": 80, "nodePort": 30080}, type="NodePort", clusterIP="10.96.7.7")
        tried = await call(plane.app, "POST", SERVICES + "?dryRun=All", wanted)
        assert (tried.code, tried.json()["spec"]["clusterIP"]) == (201, "10.96.7.7")
        tried = await call(plane.app, "POST", SERVICES + "?dryRun=All", service("s", 1))
        assert (tried.code, tried.json()["spec"].get("clusterIP")) == (201, None)
        assert (await call(plane.app, "POST", SERVICES, {**wanted, "metadata": {"name": "Not A Name"}})).code == 422
        bad = service("s", {"port": 99999, "nodePort": 30080}, type="NodePort", clusterIP="10.96.7.7")
        assert (await call(plane.app, "POST", SERVICES, bad)).code == 422
        assert (await call(plane.app, "POST", SERVICES, wanted)).code == 201
        assert (await call(plane.app, "POST", SERVICES, wanted)).code == 422
        assert (await call(plane.app, "GET", SERVICES + "/s")).json()["spec"]["clusterIP"] == "10.96.7.7"

    run(story)


def test_an_update_keeps_what_it_does_not_name_and_gives_back_what_it_drops() -> None:
    async def story(plane: Plane) -> None:
        client = admin(plane)

        async def patch(**spec: Any) -> dict[str, Any]:
            changed: dict[str, Any] = json.loads(await client.patch("services", "s", {"spec": spec}, "default"))["spec"]
            return changed

        first = await create(plane, service("s", 80))
        opened = await patch(type="NodePort")
        port = opened["ports"][0]["nodePort"]
        assert opened["clusterIP"] == first["clusterIP"]
        kept = await patch(ports=[{"name": "p0", "port": 80, "targetPort": 8080}])
        assert kept["ports"][0]["nodePort"] == port
        moved = await patch(ports=[{"name": "p0", "port": 80, "nodePort": 30099}])
        assert moved["ports"][0]["nodePort"] == 30099
        assert await create(plane, service("t", {"port": 1, "nodePort": port}, type="NodePort"))
        with pytest.raises(errors.Invalid, match="provided port is already allocated"):
            await patch(ports=[{"name": "p0", "port": 80, "nodePort": port}])
        closed = await patch(type="ClusterIP")
        assert "nodePort" not in closed["ports"][0]
        assert await create(plane, service("u", {"port": 1, "nodePort": 30099}, type="NodePort"))

    run(story)


def test_a_service_that_becomes_a_name_gives_its_address_back() -> None:
    async def story(plane: Plane) -> None:
        first = await create(plane, service("s", 80))
        body = {"spec": {"type": "ExternalName", "externalName": "example.com"}}
        named = json.loads(await admin(plane).patch("services", "s", body, "default"))["spec"]
        assert "clusterIP" not in named
        again = await create(plane, service("t", 80, clusterIP=first["clusterIP"]))
        assert again["clusterIP"] == first["clusterIP"]
        back = {"spec": {"type": "ClusterIP", "externalName": None}}
        returned = json.loads(await admin(plane).patch("services", "s", back, "default"))["spec"]
        assert returned["clusterIP"] not in ("", first["clusterIP"])

    run(story)


def test_local_traffic_gets_a_port_for_health_checks() -> None:
    async def story(plane: Plane) -> None:
        spec = await create(plane, service("s", 80, type="LoadBalancer", externalTrafficPolicy="Local"))
        health = spec["healthCheckNodePort"]
        assert 30000 <= health <= 32767
        with pytest.raises(errors.Invalid, match="already allocated"):
            await create(plane, service("t", {"port": 1, "nodePort": health}, type="NodePort"))

    run(story)


def test_ports_of_two_protocols_share_the_port_of_the_node() -> None:
    async def story(plane: Plane) -> None:
        both = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
        made = await create(plane, service("dns", *both, type="NodePort"))
        assert len({port["nodePort"] for port in made["ports"]}) == 1
        named = [both[0], {**both[1], "nodePort": 30053}]
        made = await create(plane, service("named", *named, type="NodePort"))
        assert [port["nodePort"] for port in made["ports"]] == [30053, 30053]

    run(story)


def test_a_balancer_that_wants_no_node_ports_gets_none_but_those_it_names() -> None:
    async def story(plane: Plane) -> None:
        ports = [{"port": 1}, {"port": 2, "nodePort": 30002}]
        made = await create(plane, service("s", *ports, type="LoadBalancer", allocateLoadBalancerNodePorts=False))
        assert [port.get("nodePort") for port in made["ports"]] == [None, 30002]

    run(story)


def test_a_port_of_health_checks_can_be_named_once() -> None:
    async def story(plane: Plane) -> None:
        wanted: dict[str, Any] = {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Local",
            "healthCheckNodePort": 30999,
        }
        await create(plane, service("s", 80, **wanted))
        with pytest.raises(errors.InternalError, match="failed to allocate requested HealthCheck NodePort 30999"):
            await create(plane, service("t", 80, **wanted))
        cluster = {"spec": {"externalTrafficPolicy": "Cluster"}}
        spec = json.loads(await admin(plane).patch("services", "s", cluster, "default"))["spec"]
        assert "healthCheckNodePort" not in spec
        assert (await create(plane, service("t", 80, **wanted)))["healthCheckNodePort"] == 30999

    run(story)


def test_what_is_picked_leaves_the_lower_part_of_a_range_to_be_named() -> None:
    async def story(plane: Plane) -> None:
        for i in range(40):
            spec = await create(plane, service(f"s{i}", 80, type="NodePort"))
            assert spec["ports"][0]["nodePort"] >= 30086
            assert spec["clusterIP"].split(".")[2] != "0"

    run(story)


def test_a_family_that_the_cluster_has_not_is_refused() -> None:
    async def story(plane: Plane) -> None:
        with pytest.raises(errors.Invalid, match=r'spec\.ipFamilies\[0\].*"IPv6": not configured on this cluster'):
            await create(plane, service("s", ipFamilies=["IPv6"]))
        made = await create(plane, service("s", ipFamilies=["IPv4"], ipFamilyPolicy="PreferDualStack"))
        assert "ipFamilies" not in made
        assert "ipFamilyPolicy" not in made

    run(story)


def test_what_stored_services_hold_is_taken_after_a_restart() -> None:
    async def story() -> None:
        plane = await small("10.0.0.0/29")
        spec = await create(plane, service("s", {"port": 1, "nodePort": 30500}, type="NodePort"))
        store = plane.storage.store
        again = Plane(store, PlaneOptions(service_cluster_ip_range="10.0.0.0/29"), random.Random(0))
        await again.start()
        with pytest.raises(errors.Invalid, match="provided IP is already allocated"):
            await create(again, service("t", clusterIP=spec["clusterIP"]))
        with pytest.raises(errors.Invalid, match="provided port is already allocated"):
            await create(again, service("t", {"port": 1, "nodePort": 30500}, type="NodePort"))

    clock.run_virtual(story())
