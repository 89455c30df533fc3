"""All controllers at once on the real API, each under its own identity."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from kube_lite import clock
from kube_lite.api.user import AUTHENTICATED, User
from kube_lite.client.informer import Informers
from kube_lite.controllers.base import Context, ServedResource, discover, run_controllers
from kube_lite.errors import NotFound
from kube_lite.resources.meta import Obj
from tests.controllers.real_client import RealClient, real_client
from tests.controllers.test_deployment import DEPLOY, RS, conditions, deployment, set_image
from tests.controllers.world import NS, World, ready_condition, template

MANAGER = User("system:kube-controller-manager", groups=(AUTHENTICATED,), how="in-process")


@asynccontextmanager
async def everything(client: RealClient) -> AsyncIterator[World]:
    """A world with one node, its kubelet and every controller."""
    world = World(client)
    plane = client.plane
    context = Context(
        client_for=plane.controller_client,
        informers=Informers(plane.client(MANAGER, "kube-controller-manager")),
        resources=lambda: [
            ServedResource(r.group_resource, r.kind, r.api_version, r.namespaced, frozenset(r.verbs))
            for r in plane.registry
            if not r.answered_only and not r.storage_group and not r.storage_version
        ],
        ca_pem="PEM",
    )
    await client.create("nodes", {"metadata": {"name": "n1"}})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_controllers, context)
        tasks.start_soon(world.kubelet)
        tasks.start_soon(heartbeat, client)
        yield world
        tasks.cancel_scope.cancel()


async def heartbeat(client: RealClient) -> None:
    while True:
        condition = {**ready_condition(True), "lastHeartbeatTime": clock.timestamp(), "reason": "KubeletReady"}
        status = {"conditions": [condition], "nodeInfo": {"operatingSystem": "linux"}}
        await client.patch("nodes", "n1", {"status": status}, subresource="status")
        await anyio.sleep(10)


async def is_gone(world: World, resource: str, name: str, namespace: str = NS) -> bool:
    try:
        await world.client.get(resource, name, namespace)
    except NotFound:
        return True
    return False


def test_a_deployment_with_a_service_from_first_pod_to_last() -> None:
    async def main() -> None:
        async with everything(await real_client()) as world:
            port = {"name": "http", "port": 80, "targetPort": 8080}
            service: Obj = {"metadata": {"name": "s"}, "spec": {"selector": {"app": "d"}, "ports": [port]}}
            await world.client.create("services", service, NS)
            await anyio.sleep(5)  # a slice without endpoints, printed as null, is filled like any other
            await world.client.create(DEPLOY, deployment(3), NS)
            await anyio.sleep(15)
            assert world.ready() == 3
            await set_image(world, "img:2")
            await anyio.sleep(30)
            assert [(c["type"], c["reason"]) for c in conditions(world)] == [
                ("Available", "MinimumReplicasAvailable"),
                ("Progressing", "NewReplicaSetAvailable"),
            ]
            assert sorted(rs["spec"]["replicas"] for rs in world.objects(RS)) == [0, 3]
            slices = [s for s in world.objects("endpointslices.discovery.k8s.io") if s["metadata"]["namespace"] == NS]
            mine = [s for s in slices if s["metadata"]["labels"]["kubernetes.io/service-name"] == "s"]
            assert sum(len(s["endpoints"]) for s in mine) == 3
            assert len(world.get("endpoints", "s")["subsets"][0]["addresses"]) == 3
            assert world.get("nodes", "n1", "")["spec"]["podCIDR"] == "10.244.0.0/24"
            assert world.get("serviceaccounts", "default")
            assert world.get("configmaps", "kube-root-ca.crt")["data"] == {"ca.crt": "PEM"}
            revision = world.client.plane.storage.select(DEPLOY)[0]["metadata"]["resourceVersion"]
            await anyio.sleep(300)
            assert world.get(DEPLOY, "d")["metadata"]["resourceVersion"] == revision
            await world.client.delete(DEPLOY, "d", NS)
            await anyio.sleep(15)
            assert world.objects(RS) == []
            assert world.objects("pods") == []

    clock.run_virtual(main())


def test_foreground_deletion_of_a_deployment_ends_with_the_deployment() -> None:
    async def main() -> None:
        async with everything(await real_client()) as world:
            await world.client.create(DEPLOY, deployment(2), NS)
            await anyio.sleep(15)
            await world.client.delete(DEPLOY, "d", NS, propagation_policy="Foreground")
            await anyio.sleep(0.2)
            assert world.get(DEPLOY, "d")["metadata"]["finalizers"] == ["foregroundDeletion"]
            await anyio.sleep(15)
            assert world.objects(DEPLOY) == world.objects(RS) == world.objects("pods") == []

    clock.run_virtual(main())


def test_orphaned_pods_stay_and_are_adopted_again() -> None:
    async def main() -> None:
        async with everything(await real_client()) as world:
            selector = {"matchLabels": {"app": "r"}}
            spec: dict[str, Any] = {"replicas": 2, "selector": selector, "template": template({"app": "r"})}
            await world.client.create(RS, {"metadata": {"name": "r"}, "spec": spec}, NS)
            await anyio.sleep(10)
            uids = {pod["metadata"]["uid"] for pod in world.pods()}
            await world.client.delete(RS, "r", NS, propagation_policy="Orphan")
            await anyio.sleep(5)
            assert await is_gone(world, RS, "r")
            assert all("ownerReferences" not in pod["metadata"] for pod in world.pods())
            await world.client.create(RS, {"metadata": {"name": "r"}, "spec": spec}, NS)
            await anyio.sleep(5)
            assert {pod["metadata"]["uid"] for pod in world.pods()} == uids
            assert all(pod["metadata"]["ownerReferences"][0]["name"] == "r" for pod in world.pods())

    clock.run_virtual(main())


def test_a_namespace_goes_with_all_that_is_in_it() -> None:
    async def main() -> None:
        async with everything(await real_client()) as world:
            await world.client.create("namespaces", {"metadata": {"name": "x"}})
            await anyio.sleep(1)
            await world.client.create(DEPLOY, deployment(2), "x")
            held = {"metadata": {"name": "c", "finalizers": ["a.io/x"]}}
            await world.client.create("configmaps", held, "x")
            await anyio.sleep(10)
            assert world.ready() == 2
            await world.client.delete("namespaces", "x")
            await anyio.sleep(10)
            found = world.get("namespaces", "x", "")["status"]["conditions"]
            reasons = [(c["type"].removeprefix("Namespace"), c["status"], c["reason"]) for c in found]
            assert reasons == [
                ("DeletionDiscoveryFailure", "False", "ResourcesDiscovered"),
                ("DeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions"),
                ("DeletionContentFailure", "False", "ContentDeleted"),
                ("ContentRemaining", "True", "SomeResourcesRemain"),
                ("FinalizersRemaining", "True", "SomeFinalizersRemain"),
            ]
            await world.client.patch("configmaps", "c", {"metadata": {"finalizers": None}}, "x")
            await anyio.sleep(10)
            assert await is_gone(world, "namespaces", "x", "")

    clock.run_virtual(main())


def test_daemons_and_jobs_run_under_their_own_identities() -> None:
    async def main() -> None:
        async with everything(await real_client()) as world:
            await anyio.sleep(1)
            labels = {"app": "x"}
            spec = {"selector": {"matchLabels": labels}, "template": template(labels)}
            await world.client.create("daemonsets.apps", {"metadata": {"name": "x"}, "spec": spec}, NS)
            pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
            await world.client.create("jobs.batch", {"metadata": {"name": "j"}, "spec": {"template": pod}}, NS)
            budget = {"selector": {"matchLabels": labels}, "minAvailable": 0}
            await world.client.create("poddisruptionbudgets.policy", {"metadata": {"name": "b"}, "spec": budget}, NS)
            await anyio.sleep(10)
            assert world.get("daemonsets.apps", "x")["status"]["numberReady"] == 1
            assert world.get("jobs.batch", "j")["status"]["active"] == 1
            assert world.get("poddisruptionbudgets.policy", "b")["status"]["disruptionsAllowed"] == 1
            (name,) = [p["metadata"]["name"] for p in world.pods() if p["metadata"]["name"].startswith("j-")]
            await world.client.patch("pods", name, {"status": {"phase": "Succeeded"}}, NS, subresource="status")
            await anyio.sleep(5)
            status = world.get("jobs.batch", "j")["status"]
            assert (status["succeeded"], status["conditions"][-1]["type"]) == (1, "Complete")

    clock.run_virtual(main())


def test_two_runs_from_one_seed_write_the_same_objects_in_the_same_order() -> None:
    async def main() -> list[tuple[str, str, str]]:
        async with everything(await real_client()) as world:
            await world.client.create(DEPLOY, deployment(4), NS)
            await anyio.sleep(10)
            await set_image(world, "img:2")
            await anyio.sleep(30)
            resources = (DEPLOY, RS, "pods", "endpointslices.discovery.k8s.io", "events", "nodes", "serviceaccounts")
            return [
                (obj["metadata"]["name"], obj["metadata"]["uid"], obj["metadata"]["resourceVersion"])
                for resource in resources
                for obj in world.objects(resource)
            ]

    first = clock.run_virtual(main())
    assert len(first) > 20
    assert clock.run_virtual(main()) == first


def test_every_controller_has_upstreams_name_and_its_aliases() -> None:
    assert {"deployment", "replicaset", "endpointslice", "garbagecollector", "namespace", "nodelifecycle"} <= set(
        discover()
    )
