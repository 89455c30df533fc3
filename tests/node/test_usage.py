"""Pods whose emptyDir volumes outgrow their limit are evicted, as upstream words it."""

from __future__ import annotations

import os
from pathlib import Path

import anyio

from kube_lite.node.measures import Disk, Usage
from tests.node.harness import Node, container, pod, run, running_node

MESSAGE = 'Usage of EmptyDir volume "cache" exceeds the limit "1Mi". '


def _volume(node: Node) -> Path:
    return node.settings.data_dir / "volumes" / "uid-p" / "kubernetes.io~empty-dir" / "cache"


def test_a_pod_whose_volume_outgrows_its_limit_is_evicted_at_the_next_look() -> None:
    async def story() -> None:
        async with running_node() as node:
            cache = {"name": "cache", "emptyDir": {"sizeLimit": "1Mi"}}
            node.client.put("pods", pod("p", volumes=[cache]))
            await anyio.sleep(1)
            (_volume(node) / "a").write_bytes(os.urandom(900_000))
            os.link(_volume(node) / "a", _volume(node) / "again")
            (_volume(node) / "elsewhere").symlink_to("/usr")
            await anyio.sleep(30)
            assert node.status()["phase"] == "Running"
            (_volume(node) / "b").write_bytes(os.urandom(900_000))
            await anyio.sleep(12)
            status = node.status()
            assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", MESSAGE)
            assert ("Evicted", MESSAGE, 1) in node.client.events()
            assert [what for _, what, _ in node.runtime.log if what.startswith("stop")] == ["stop 1"]

    run(story)


def test_volumes_without_a_limit_or_in_memory_are_not_looked_at() -> None:
    async def story() -> None:
        async with running_node() as node:
            kinds = [
                {"name": "cache", "emptyDir": {}},
                {"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "1"}},
            ]
            node.client.put("pods", pod("p", volumes=kinds))
            await anyio.sleep(1)
            (_volume(node) / "a").write_bytes(os.urandom(900_000))
            await anyio.sleep(60)
            assert node.status()["phase"] == "Running"

    run(story)


class _Written:
    """A meter that says what containers have written."""

    def __init__(self) -> None:
        self.layers: dict[str, int] = {}

    async def stats(self, pod_uid: str, container: str = "") -> Usage:
        return Usage(0, 0, 0)

    async def written(self, pod_uid: str, container: str) -> Disk:
        return Disk(self.layers.get(container, 0), 1)


def _limited(name: str, limit: str) -> dict[str, object]:
    return container(name, resources={"limits": {"ephemeral-storage": limit}})


def test_a_pod_whose_containers_and_volumes_take_more_than_all_limits_together_is_evicted() -> None:
    async def story() -> None:
        async with running_node() as node:
            meter = node.context.meter = _Written()
            cache = {"name": "cache", "emptyDir": {}}
            node.client.put("pods", pod("p", _limited("a", "1Mi"), _limited("b", "1Mi"), volumes=[cache]))
            await anyio.sleep(1)
            meter.layers = {"a": 1 << 20, "b": 700_000}
            await anyio.sleep(30)
            assert node.status()["phase"] == "Running"
            (_volume(node) / "a").write_bytes(os.urandom(900_000))
            await anyio.sleep(12)
            status = node.status()
            message = "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. "
            assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", message)
            assert {what for _, what, _ in node.runtime.log if what.startswith("stop")} == {"stop 1"}

    run(story)


def test_a_container_that_writes_more_than_its_own_limit_takes_the_pod_with_it() -> None:
    async def story() -> None:
        async with running_node() as node:
            meter = node.context.meter = _Written()
            node.client.put("pods", pod("p", _limited("a", "1Mi"), _limited("b", "1Gi")))
            await anyio.sleep(1)
            meter.layers = {"a": 2 << 20}
            await anyio.sleep(12)
            status = node.status()
            assert status["message"] == 'Container a exceeded its local ephemeral storage limit "1Mi". '
            assert ("Evicted", status["message"], 1) in node.client.events()

    run(story)
