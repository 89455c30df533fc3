"""Pods whose emptyDir volumes outgrow their limit are evicted, as upstream words it."""

from __future__ import annotations

import os
from pathlib import Path

import anyio

from tests.node.harness import Node, pod, run, running_node

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
            assert [what for _, what, _ in node.runtime.log if what.startswith("stop")] == ["stop 30"]

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
