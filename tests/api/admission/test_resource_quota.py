"""ResourceQuota: exact under any number of creators, and nothing is lost when a write fails."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from kube_lite import clock, errors
from kube_lite.api.admission.resource_quota import ResourceQuota
from kube_lite.api.local import LocalClient
from kube_lite.api.options import WriteOptions
from kube_lite.api.plane import Plane
from kube_lite.api.target import Target
from kube_lite.client.protocol import Client
from tests.api.admission.stories import WITHOUT, Json, made, play, pod, read
from tests.contracts.test_client import http
from tests.plane import ADMIN, started_plane


def quota(name: str = "q", scopes: list[str] | None = None, selector: Json | None = None, **hard: str) -> Json:
    spec: Json = {"hard": {k.replace("__", "/").replace("_", "."): v for k, v in hard.items()}}
    if scopes:
        spec["scopes"] = scopes
    if selector:
        spec["scopeSelector"] = {"matchExpressions": [selector]}
    return {"metadata": {"name": name}, "spec": spec}


async def used(client: LocalClient, name: str = "q") -> Json:
    found: Json = (await read(client, "resourcequotas", name))["status"]["used"]
    return found


async def refusal(client: LocalClient, resource: str, obj: Json) -> str:
    with pytest.raises(errors.Forbidden) as caught:
        await made(client, resource, obj)
    return caught.value.message


async def crowd(client: Client, creators: int) -> list[bool]:
    """Everybody creates a pod at once: who got one."""
    outcome: list[bool] = []

    async def create(number: int) -> None:
        try:
            await client.create("pods", pod(f"p{number}"), "default")
            outcome.append(True)
        except errors.Forbidden as error:
            outcome.append("exceeded quota" not in error.message)

    async with anyio.create_task_group() as tasks:
        for number in range(creators):
            tasks.start_soon(create, number)
    return outcome


def test_of_200_creators_exactly_as_many_succeed_as_the_tightest_quota_allows() -> None:
    async def story(client: LocalClient) -> None:
        for name, count in (("a", "80"), ("b", "50"), ("c", "120")):
            await made(client, "resourcequotas", quota(name, pods=count))
        outcome = await crowd(client, 200)
        assert outcome.count(True) == 50
        for name in ("a", "b", "c"):
            assert await used(client, name) == {"pods": "50"}
        assert len((await client.list("pods", "default")).items) == 50

    play(story)


def test_200_creators_over_http_are_counted_exactly(tmp_path: Path) -> None:
    async def main() -> None:
        plane = await started_plane(disabled=WITHOUT)
        async with http(plane, tmp_path) as client:
            await client.create("resourcequotas", quota(pods="50"), "default")
            outcome = await crowd(client, 200)
            assert outcome.count(True) == 50
            assert json.loads(await client.get("resourcequotas", "q", "default"))["status"]["used"] == {"pods": "50"}
            assert len((await client.list("pods", "default")).items) == 50

    anyio.run(main)


def test_usage_is_raised_with_each_write_and_the_refusal_names_the_figures() -> None:
    async def story(client: LocalClient) -> None:
        await made(client, "resourcequotas", quota(requests_cpu="1", limits_memory="1Gi"))
        await made(client, "pods", pod("a", requests={"cpu": "600m"}, limits={"memory": "512Mi"}))
        large = pod("b", requests={"cpu": "600m"}, limits={"memory": "768Mi"})
        assert await refusal(client, "pods", large) == (
            'pods "b" is forbidden: exceeded quota: q, requested: limits.memory=768Mi,requests.cpu=600m, '
            "used: limits.memory=512Mi,requests.cpu=600m, limited: limits.memory=1Gi,requests.cpu=1"
        )
        await made(client, "pods", pod("c", requests={"cpu": "100m"}, limits={"memory": "100Mi"}))
        assert await used(client) == {"limits.memory": "612Mi", "requests.cpu": "700m"}

    play(story)


def test_what_is_limited_must_be_stated() -> None:
    async def story(client: LocalClient) -> None:
        await made(client, "resourcequotas", quota(requests_cpu="1", limits_memory="1Gi"))
        assert await refusal(client, "pods", pod("a")) == (
            'pods "a" is forbidden: failed quota: q: must specify limits.memory,requests.cpu'
        )

    play(story)


def test_of_a_pod_that_is_bounded_as_a_whole_nobody_asks_the_containers() -> None:
    async def story(client: LocalClient) -> None:
        await made(client, "resourcequotas", quota(cpu="1", memory="1Gi"))
        await made(client, "pods", pod("a", spec={"resources": {"requests": {"cpu": "600m"}}}))
        assert await used(client) == {"cpu": "600m", "memory": "0"}

    play(story)


def test_a_write_that_fails_later_gives_its_share_back() -> None:
    async def story(client: LocalClient) -> None:
        await made(client, "resourcequotas", quota(configmaps="3"))
        await made(client, "configmaps", {"metadata": {"name": "a"}})
        before = await used(client)
        for _ in range(3):
            with pytest.raises(errors.AlreadyExists):
                await made(client, "configmaps", {"metadata": {"name": "a"}})
        assert await used(client) == before == {"configmaps": "1"}

    play(story)


def test_dry_runs_are_checked_and_not_counted() -> None:
    async def story(client: LocalClient) -> None:
        (plane,) = planes
        await made(client, "resourcequotas", quota(configmaps="1"))
        options = WriteOptions(dry_run=True)
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
        target = Target(plane.registry.at("", "v1", "configmaps"), "default", "")  # type: ignore[arg-type]
        for _ in range(2):
            await plane.verbs.create(target, copy.deepcopy(obj), ADMIN, options)
        await made(client, "configmaps", {"metadata": {"name": "a"}})
        with pytest.raises(errors.Forbidden, match="exceeded quota"):
            await plane.verbs.create(target, obj | {"metadata": {"name": "b"}}, ADMIN, options)

    planes: list[Plane] = []
    play(story, prepare=planes.append)


def deployment(name: str) -> Json:
    template = {"metadata": {"labels": {"a": name}}, "spec": pod("x")["spec"]}
    return {
        "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": name}}, "template": template},
    }


def test_objects_of_any_kind_are_counted() -> None:
    async def story(client: LocalClient) -> None:
        await made(client, "resourcequotas", quota(count__deployments_apps="1"))
        await made(client, "deployments.apps", deployment("a"))
        assert await refusal(client, "deployments.apps", deployment("b")) == (
            'deployments.apps "b" is forbidden: exceeded quota: q, requested: count/deployments.apps=1, '
            "used: count/deployments.apps=1, limited: count/deployments.apps=1"
        )

    play(story)


def service(name: str, kind: str = "ClusterIP", ports: int = 1) -> Json:
    listed = [{"name": f"p{n}", "port": 80 + n} for n in range(ports)]
    return {"metadata": {"name": name}, "spec": {"type": kind, "ports": listed}}


def test_node_ports_are_counted_by_port_also_when_a_service_changes() -> None:
    async def story(client: LocalClient) -> None:
        await made(client, "resourcequotas", quota(services_nodeports="2", services_loadbalancers="0", services="5"))
        await made(client, "services", service("a", "NodePort", 2))
        await made(client, "services", service("b"))
        with pytest.raises(errors.Forbidden, match=r"requested: services\.nodeports=1, used: services\.nodeports=2"):
            await client.patch("services", "b", {"spec": {"type": "NodePort"}}, "default")
        assert "services.loadbalancers=1" in await refusal(client, "services", service("c", "LoadBalancer"))
        assert await used(client) == {
            "services": "3",
            "services.loadbalancers": "0",
            "services.nodeports": "2",
        }

    play(story)


def test_claims_are_counted_by_size_and_by_class() -> None:
    async def story(client: LocalClient) -> None:
        hard = {"gold.storageclass.storage.k8s.io/requests.storage": "1Gi", "requests.storage": "10Gi"}
        await made(client, "resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": hard}})
        claim = {
            "metadata": {"name": "v"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "gold",
                "resources": {"requests": {"storage": "2Gi"}},
            },
        }
        message = await refusal(client, "persistentvolumeclaims", claim)
        assert "requested: gold.storageclass.storage.k8s.io/requests.storage=2Gi, used: gold" in message

    play(story)


def test_part_of_a_byte_counts_as_one() -> None:
    async def story(client: LocalClient) -> None:
        await made(client, "resourcequotas", quota(requests_storage="1Gi"))
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1500m"}}}
        await made(client, "persistentvolumeclaims", {"metadata": {"name": "v"}, "spec": spec})
        assert await used(client) == {"requests.storage": "2"}

    play(story)


def devices(name: str, *requests: Json) -> Json:
    named = [{"name": f"r{number}", **request} for number, request in enumerate(requests)]
    return {"metadata": {"name": name}, "spec": {"devices": {"requests": named}}}


def test_devices_are_counted_by_class_and_of_alternatives_the_most() -> None:
    gpu = "gpu.deviceclass.resource.k8s.io/devices"
    kind = "resourceclaims.resource.k8s.io"

    async def story(client: LocalClient) -> None:
        await made(client, "resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {gpu: "8"}}})
        choices = [{"name": f"c{count}", "deviceClassName": "gpu", "count": count} for count in (1, 3)]
        exactly = {"exactly": {"deviceClassName": "gpu", "count": 2}}
        await made(client, kind, devices("a", exactly, {"firstAvailable": choices}))
        assert await used(client) == {gpu: "5"}
        everything = devices("b", {"exactly": {"deviceClassName": "gpu", "allocationMode": "All"}})
        assert f"requested: {gpu}=32, used: {gpu}=5" in await refusal(client, kind, everything)

    play(story)


def test_devices_asked_for_as_resources_and_by_claims_are_counted_together() -> None:
    name = "deviceclass.resource.kubernetes.io/gpu"

    async def story(client: LocalClient) -> None:
        await made(client, "resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {f"requests.{name}": "4"}}})
        exactly = {"exactly": {"deviceClassName": "gpu", "count": 2}}
        await made(client, "resourceclaims.resource.k8s.io", devices("a", exactly))
        await made(client, "pods", pod("p", requests={name: "1"}, limits={name: "1"}))
        assert await used(client) == {f"requests.{name}": "3"}

    play(story)


def test_a_pod_that_comes_under_a_quota_by_a_change_is_counted_whole() -> None:
    async def story(client: LocalClient) -> None:
        await made(client, "resourcequotas", quota(pods="1", scopes=["Terminating"]))
        deadline = {"spec": {"activeDeadlineSeconds": 100}}
        for name in ("a", "b"):
            await made(client, "pods", pod(name))
        await client.patch("pods", "a", deadline, "default")
        assert await used(client) == {"pods": "1"}
        with pytest.raises(errors.Forbidden, match="requested: pods=1, used: pods=1, limited: pods=1"):
            await client.patch("pods", "b", deadline, "default")
        await client.patch("pods", "a", {"metadata": {"labels": {"a": "b"}}}, "default")
        assert await used(client) == {"pods": "1"}

    play(story)


@pytest.mark.parametrize(
    ("scoped", "inside", "outside"),
    [
        ({"scopes": ["Terminating"]}, pod("a", spec={"activeDeadlineSeconds": 5}), pod("b")),
        ({"scopes": ["NotTerminating"]}, pod("a"), pod("b", spec={"activeDeadlineSeconds": 5})),
        ({"scopes": ["BestEffort"]}, pod("a"), pod("b", requests={"cpu": "1m"})),
        ({"scopes": ["NotBestEffort"]}, pod("a", requests={"cpu": "1m"}), pod("b")),
        (
            {"selector": {"scopeName": "PriorityClass", "operator": "In", "values": ["system-node-critical"]}},
            pod("a", spec={"priorityClassName": "system-node-critical"}),
            pod("b"),
        ),
    ],
)
def test_a_scoped_quota_concerns_only_what_is_in_scope(scoped: Json, inside: Json, outside: Json) -> None:
    async def story(client: LocalClient) -> None:
        await made(client, "resourcequotas", quota(pods="0", **scoped))
        await made(client, "pods", outside)
        assert "exceeded quota: q, requested: pods=1" in await refusal(client, "pods", inside)

    play(story)


def test_a_new_quota_starts_with_what_is_there() -> None:
    async def story(client: LocalClient) -> None:
        await made(client, "pods", pod("a"))
        await made(client, "resourcequotas", quota(pods="2"))
        await made(client, "pods", pod("b"))
        assert "used: pods=2, limited: pods=2" in await refusal(client, "pods", pod("c"))

    play(story)


def test_somebody_else_writing_the_quota_meanwhile_loses_nothing() -> None:
    async def story(client: LocalClient) -> None:
        await made(client, "resourcequotas", quota(pods="100"))
        stop = anyio.Event()

        async def meddle() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                await client.patch("resourcequotas", "q", {"metadata": {"labels": {"n": str(number)}}}, "default")
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(meddle)
            outcome = await crowd(client, 60)
            stop.set()
        assert outcome.count(True) == 60
        assert await used(client) == {"pods": "60"}

    play(story)


def test_a_count_that_cannot_know_of_a_write_under_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        plane = await started_plane(disabled=WITHOUT)
        client = plane.client(ADMIN, "test")
        await made(client, "resourcequotas", quota(pods="1"))
        write, reached, go_on = plane.storage.store.write, anyio.Event(), anyio.Event()

        async def held_up(key: str, *args: Any, **options: Any) -> Any:
            if "/pods/" in key:
                reached.set()
                await go_on.wait()
            return await write(key, *args, **options)

        monkeypatch.setattr(plane.storage.store, "write", held_up)
        nothing = {"status": {"hard": {"pods": "1"}, "used": {"pods": "0"}}}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.create, "pods", pod("p"), "default")
            await reached.wait()
            with pytest.raises(errors.Conflict):
                await client.patch("resourcequotas", "q", nothing, "default", subresource="status")
            go_on.set()
        assert await used(client) == {"pods": "1"}
        await client.patch("resourcequotas", "q", nothing, "default", subresource="status")
        assert await used(client) == {"pods": "0"}

    anyio.run(main)


def test_namespaces_that_come_and_go_leave_no_ledger() -> None:
    async def main() -> None:
        plane = await started_plane(disabled=WITHOUT)
        client = plane.client(ADMIN, "test")
        for number in range(3):
            name = f"n{number}"
            await made(client, "namespaces", {"metadata": {"name": name}}, "")
            await made(client, "resourcequotas", quota(pods="1"), name)
            await made(client, "pods", pod("a"), name)
            for refused in (pod("b"), pod("c", cpu={"x": "1"}), {}):
                with pytest.raises(errors.ApiError):
                    await made(client, "pods", refused, name)
        plugin = next(p for p in plane.verbs.admission.validating if isinstance(p, ResourceQuota))
        assert plugin._ledgers == {}

    clock.run_virtual(main())
