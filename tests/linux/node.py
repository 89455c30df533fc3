"""A node for tests: a runtime over fakes, and the few steps most tests share."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from kube_lite.node.linux.logs import log_files
from kube_lite.node.linux.runtime import LinuxRuntime
from kube_lite.node.linux.spec import ImageConfig
from kube_lite.node.runtime import ContainerPhase, ContainerSpec, ContainerState, SandboxSpec
from tests.linux.fakes import PYTHON, HostImages, LoopbackNetwork

_COUNT = itertools.count()
LIMIT = 30.0
"""Seconds after which a wait for a container has failed; nothing takes long, but machines are slow at times."""


def raw_log(path: str) -> str:
    """The current log file as it is."""
    return Path(path).read_text()


def read_log(path: str) -> str:
    """What a container wrote, without the CRI prefix, both streams in order."""
    text = ""
    for name in log_files(path):
        for line in Path(name).read_text(errors="surrogateescape").splitlines():
            _, _, tag, content = line.split(" ", 3)
            text += content + ("\n" if tag == "F" else "")
    return text


@dataclass
class Ended:
    """A container that ended: its state and output."""

    state: ContainerState
    output: str


@dataclass
class Node:
    """A runtime with its directories, and a pod for each call that wants one."""

    directory: Path
    configs: dict[str, ImageConfig] = field(default_factory=dict)
    cgroup_root: str = field(default_factory=lambda: f"kl-test-{os.getpid()}-{next(_COUNT)}")

    def __post_init__(self) -> None:
        self.images = HostImages(self.directory, self.configs)
        self.network = LoopbackNetwork()
        self.data = self.directory / "node"
        self.changed: dict[str, anyio.Event] = {}
        self.runtime = self.new_runtime()

    def text(self, name: str) -> str:
        """A file of the node's data directory."""
        return (self.data / name).read_text()

    def new_runtime(self) -> LinuxRuntime:
        """Another executor for the same node."""
        runtime = LinuxRuntime(self.data, images=self.images, network=self.network, cgroup_root=self.cgroup_root)
        runtime.on_change = self._on_change
        return runtime

    def _on_change(self, uid: str) -> None:
        self.changed.setdefault(uid, anyio.Event()).set()

    async def pod(self, **fields: Any) -> str:
        """A new sandbox; returns its uid."""
        uid: str = fields.pop("pod_uid", f"uid-{next(_COUNT)}")
        spec = {"name": "pod", "namespace": "default", "hostname": "pod", **fields}
        await self.runtime.run_sandbox(SandboxSpec(pod_uid=uid, **spec))
        return uid

    async def start(self, uid: str, command: Sequence[str] = (), **fields: Any) -> ContainerState:
        """Start a container, named ``c`` unless said otherwise."""
        spec = {"name": "c", "image": "host", "attempt": 0, "command": list(command), **fields}
        return await self.runtime.start_container(uid, ContainerSpec(**spec))

    async def state(self, uid: str, name: str = "c") -> ContainerState:
        """The newest attempt of a container."""
        [pod] = [pod for pod in await self.runtime.pods() if pod.pod_uid == uid]
        return [container for container in pod.containers if container.name == name][-1]

    async def ended(self, uid: str, name: str = "c") -> Ended:
        """Wait for a container's end."""
        with anyio.fail_after(LIMIT):
            while (state := await self.state(uid, name)).phase == ContainerPhase.RUNNING:
                event = self.changed[uid] = anyio.Event()
                if (await self.state(uid, name)).phase == ContainerPhase.RUNNING:
                    await event.wait()
        return Ended(state, read_log(state.log_path))

    async def run(self, command: Sequence[str], pod: Mapping[str, Any] | None = None, **fields: Any) -> Ended:
        """Run a command in a pod of its own to its end."""
        uid = await self.pod(**(pod or {}))
        try:
            await self.start(uid, command, **fields)
            return await self.ended(uid)
        finally:
            await self.runtime.remove_pod(uid)

    async def sh(self, script: str, pod: Mapping[str, Any] | None = None, **fields: Any) -> Ended:
        """:meth:`run` of a shell script."""
        return await self.run(["sh", "-c", script], pod, **fields)

    async def python(self, script: str, pod: Mapping[str, Any] | None = None, **fields: Any) -> Ended:
        """:meth:`run` of a Python script."""
        return await self.run([PYTHON, "-I", "-c", script], pod, **fields)

    async def logged(self, uid: str, text: str, name: str = "c") -> None:
        """Wait until a container has written ``text``."""
        with anyio.fail_after(LIMIT):
            while text not in read_log((await self.state(uid, name)).log_path):  # noqa: ASYNC110  # a file has no event
                await anyio.sleep(0.01)
