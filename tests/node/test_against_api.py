"""The executor against the real API, as the identity of a node: what it writes is taken as it is meant."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from kube_lite.api.local import LocalClient
from kube_lite.api.plane import Plane
from kube_lite.api.user import EXECUTORS, NODES, User
from kube_lite.node.executor import NodeExecutor, NodeParts
from kube_lite.node.runtime import ExecResult, SandboxSpec
from kube_lite.node.settings import NodeSettings
from tests.node.fake_runtime import FakeRuntime, Program
from tests.node.harness import FakeDialer, run
from tests.plane import admin, started_plane

Json = dict[str, Any]


@asynccontextmanager
async def node_of_a_cluster(root: Path, runtime: FakeRuntime, plane: Plane | None = None) -> AsyncIterator[LocalClient]:
    """A Ready node ``n1``; gives an administrator's client."""
    plane = plane or await started_plane(disabled=["ServiceAccount"])

    async def build(cidr: str) -> NodeParts:
        return NodeParts(runtime)

    settings = NodeSettings(name="n1", data_dir=root, address="192.0.2.1")
    user = User("system:node:n1", groups=(NODES, EXECUTORS))
    client = admin(plane)
    executor = NodeExecutor(settings, plane.client(user, "kubelet"), build, dialer=FakeDialer())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(executor.run)
        await anyio.sleep(0.5)
        node = json.loads(await client.get("nodes", "n1"))
        if not node["spec"].get("podCIDR"):
            await client.patch("nodes", "n1", {"spec": {"podCIDR": "10.42.0.0/24", "podCIDRs": ["10.42.0.0/24"]}})
        with anyio.fail_after(5):
            await executor.ready.wait()
        yield client
        tasks.cancel_scope.cancel()


def against_api(root: Path, runtime: FakeRuntime, story: Callable[[LocalClient], Awaitable[None]]) -> None:
    async def main() -> None:
        async with node_of_a_cluster(root, runtime) as client:
            await story(client)

    run(main)


async def pod(client: LocalClient, name: str = "p") -> Json:
    """A pod as it is now."""
    found: Json = json.loads(await client.get("pods", name, "default"))
    return found


async def create(client: LocalClient, name: str = "p", **spec: Any) -> None:
    """A pod bound to the node."""
    full = {"nodeName": "n1", "containers": [{"name": "c", "image": "app"}], **spec}
    await client.create(
        "pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": full}, "default"
    )


def test_a_node_is_ready_in_the_api_and_renews_its_lease(tmp_path: Path) -> None:
    async def story(client: LocalClient) -> None:
        await anyio.sleep(15)
        node = json.loads(await client.get("nodes", "n1"))
        ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
        assert (ready["status"], ready["reason"]) == ("True", "KubeletReady")
        assert node["status"]["nodeInfo"]["operatingSystem"] == "linux"
        lease = json.loads(await client.get("leases.coordination.k8s.io", "n1", "kube-node-lease"))
        assert lease["spec"]["renewTime"] == "2026-01-01T00:00:10.000000Z"
        assert lease["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"]

    against_api(tmp_path, FakeRuntime(), story)


def test_the_status_of_a_pod_is_merged_into_what_others_wrote(tmp_path: Path) -> None:
    async def story(client: LocalClient) -> None:
        await create(client)
        gate = {"status": {"conditions": [{"type": "x/gate", "status": "True"}]}}
        await anyio.sleep(1)
        await client.patch(
            "pods",
            "p",
            gate,
            "default",
            content_type="application/strategic-merge-patch+json",
            subresource="status",
        )
        runtime.exit((await pod(client))["metadata"]["uid"], "c", 3)
        await anyio.sleep(1)
        status = (await pod(client))["status"]
        assert status["phase"] == "Running"
        assert {c["type"] for c in status["conditions"]} >= {"x/gate", "Ready", "PodReadyToStartContainers"}
        assert status["podIPs"] == [{"ip": "10.0.0.1"}]
        assert status["containerStatuses"][0]["restartCount"] == 1
        assert status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 3
        assert "observedGeneration" not in status  # pods count no generations here

    runtime = FakeRuntime()
    against_api(tmp_path, runtime, story)


def test_a_deleted_pod_ends_with_its_grace_and_leaves_the_api(tmp_path: Path) -> None:
    async def story(client: LocalClient) -> None:
        await create(client)
        await anyio.sleep(1)
        await client.delete("pods", "p", "default")
        await anyio.sleep(4)
        assert (await pod(client))["metadata"]["deletionGracePeriodSeconds"] == 30
        await anyio.sleep(2)
        left = await client.list("pods", "default")
        assert left.items == []
        assert await runtime.pods() == []

    runtime = FakeRuntime()
    runtime.programs["app"] = Program(term=5)
    against_api(tmp_path, runtime, story)


def test_config_and_events_pass_the_nodes_authorization(tmp_path: Path) -> None:
    async def story(client: LocalClient) -> None:
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"a": "1"}}
        await client.create("configmaps", config, "default")
        reference = {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "a"}}}
        volume = {"name": "v", "configMap": {"name": "conf"}}
        await create(client, containers=[{"name": "c", "image": "app", "env": [reference]}], volumes=[volume])
        await anyio.sleep(1)
        assert (await pod(client))["status"]["phase"] == "Running"
        assert runtime.specs[0].env["A"] == "1"
        assert runtime.specs[0].env["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
        found = await client.list("events", "default")
        reasons = [json.loads(item)["reason"] for item in found.items]
        assert reasons == ["Pulling", "Pulled", "Created", "Started"]

    runtime = FakeRuntime()
    against_api(tmp_path, runtime, story)


def test_a_condition_loses_its_reason_when_it_becomes_true(tmp_path: Path) -> None:
    async def story(client: LocalClient) -> None:
        probe = {"exec": {"command": ["sleep", "1"]}, "timeoutSeconds": 5}
        await create(client, containers=[{"name": "c", "image": "app", "readinessProbe": probe}])
        await anyio.sleep(0.5)
        conditions = {c["type"]: c for c in (await pod(client))["status"]["conditions"]}
        assert conditions["Ready"]["reason"] == "ContainersNotReady"
        await anyio.sleep(1)
        conditions = {c["type"]: c for c in (await pod(client))["status"]["conditions"]}
        assert conditions["Ready"]["status"] == "True"
        assert "reason" not in conditions["Ready"]
        assert "message" not in conditions["ContainersReady"]

    against_api(tmp_path, FakeRuntime(), story)


def test_a_pod_forced_out_of_the_api_while_it_ends_is_still_removed_here(tmp_path: Path) -> None:
    async def story(client: LocalClient) -> None:
        await create(client)
        await anyio.sleep(1)
        await client.delete("pods", "p", "default")
        await anyio.sleep(1)
        await client.delete("pods", "p", "default", grace_period_seconds=0)
        await anyio.sleep(40)
        assert await runtime.pods() == []

    runtime = FakeRuntime()
    runtime.programs["app"] = Program(term=1000)
    against_api(tmp_path, runtime, story)


def test_a_pod_that_is_made_anew_shows_nothing_of_what_it_was_before(tmp_path: Path) -> None:
    async def main() -> None:
        plane = await started_plane(disabled=["ServiceAccount"])
        probe = {"exec": {"command": ["check"]}, "periodSeconds": 1}
        before = FakeRuntime()
        before.execs[("check",)] = lambda: ExecResult(1)
        async with node_of_a_cluster(tmp_path, before, plane) as client:
            await create(client, containers=[{"name": "c", "image": "app", "readinessProbe": probe}])
            await anyio.sleep(1)
            status = (await pod(client))["status"]
            assert status["podIPs"] == [{"ip": "10.0.0.1"}]
        after = FakeRuntime()  # everything was lost with the machine
        await after.run_sandbox(SandboxSpec(pod_uid="x", name="x", namespace="x", hostname="x"))
        async with node_of_a_cluster(tmp_path, after, plane) as client:
            await anyio.sleep(1)
            status = (await pod(client))["status"]
            assert status["podIPs"] == [{"ip": "10.0.0.2"}]
            assert status["podIP"] == "10.0.0.2"
            ready = next(c for c in status["conditions"] if c["type"] == "Ready")
            assert ready["status"] == "True"
            assert "reason" not in ready
            assert "message" not in ready
            assert status["containerStatuses"][0]["restartCount"] == 1

    run(main)
