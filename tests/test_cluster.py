"""The composition root: a whole control plane in virtual time."""

from __future__ import annotations

import json
import random
from typing import Any

import anyio

from kube_lite import clock
from kube_lite.api.plane import PlaneOptions
from kube_lite.cluster import ClusterOptions, cluster
from kube_lite.store.memory import MemoryStore
from tests.plane import admin

DEPLOYMENT: dict[str, Any] = {
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"a": "web"}},
        "template": {
            "metadata": {"labels": {"a": "web"}},
            "spec": {"containers": [{"name": "c", "image": "nginx"}]},
        },
    },
}


def _told(seed: int) -> tuple[list[tuple[str, str]], int]:
    """Where a Deployment's pods run after a minute, and the store's revision then."""

    async def main() -> tuple[list[tuple[str, str]], int]:
        store = MemoryStore()
        options = ClusterOptions(plane=PlaneOptions(), sim_nodes=2, seed=seed)
        async with cluster(store, options, random.Random(seed)) as running:
            client = admin(running.plane)
            await client.create("deployments.apps", DEPLOYMENT, "default")
            await anyio.sleep(60)
            pods = [json.loads(item) for item in (await client.list("pods", "default")).items]
            assert [pod["status"]["phase"] for pod in pods] == ["Running"] * 3
            status = json.loads(await client.get("deployments.apps", "web", "default"))["status"]
            assert status["availableReplicas"] == 3
            return [(pod["metadata"]["name"], pod["spec"]["nodeName"]) for pod in pods], store.revision

    return clock.run_virtual(main())


def test_a_deployment_runs_on_simulated_nodes_and_the_same_seed_tells_the_same() -> None:
    first = _told(1)
    assert _told(1) == first
    assert _told(2) != first


def test_without_controllers_and_scheduler_nothing_happens_by_itself() -> None:
    async def main() -> None:
        options = ClusterOptions(controllers="", scheduler=False)
        async with cluster(MemoryStore(), options, random.Random(0)) as running:
            client = admin(running.plane)
            await client.create("deployments.apps", DEPLOYMENT, "default")
            await anyio.sleep(60)
            assert not (await client.list("pods", "default")).items
            assert running.scheduler is None
            assert running.fleet is None

    clock.run_virtual(main())
