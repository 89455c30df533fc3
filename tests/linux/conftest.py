"""Tests against the real kernel: they need root and a kernel that lets root make namespaces."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kube_lite.node.linux.spec import ImageConfig
from tests.linux.node import Node

CONFIGS = {
    "entry": ImageConfig(entrypoint=["echo", "entry"], cmd=["cmd"], env={"FROM": "image", "BOTH": "image"}),
    "placed": ImageConfig(cmd=["pwd"], working_dir="/srv/made/here"),
    "web": ImageConfig(cmd=["id"], user="web"),
    "uid": ImageConfig(cmd=["id"], user="1234:4321"),
    "ghost": ImageConfig(cmd=["id"], user="ghost"),
    "usr1": ImageConfig(stop_signal="SIGUSR1"),
    "nothing": ImageConfig(),
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop a module."""
    return "asyncio"


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Node]:
    """A node shared by the tests of a module; each test has pods of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    node = Node(tmp_path_factory.mktemp("node"), CONFIGS)
    await node.runtime.start()
    yield node
    await node.runtime.close(keep_pods=False)


@pytest.fixture
async def own_node(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Node]:
    """A node for one test that kills or restarts parts of it."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    node = Node(tmp_path, CONFIGS)
    await node.runtime.start()
    yield node
    await node.runtime.close(keep_pods=False)
