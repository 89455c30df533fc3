"""One node with a fake runtime and a fake API, in virtual time: what the agent's tests are written with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from kube_lite import clock
from kube_lite.client.events import EventRecorder
from kube_lite.client.informer import Informer
from kube_lite.node.agent import Agent
from kube_lite.node.context import NodeContext
from kube_lite.node.dialer import Answer, DialError
from kube_lite.node.environment import Environment
from kube_lite.node.hooks import Handlers
from kube_lite.node.objects import ApiSource
from kube_lite.node.settings import NodeSettings
from kube_lite.node.volumes import Volumes
from kube_lite.node.volumes.content import Content, Tokens
from kube_lite.resources.kinds.pod.view import Pod
from tests.node.fake_client import FakeClient
from tests.node.fake_runtime import FakeRuntime

Json = dict[str, Any]


class FakeDialer:
    """Answers by URL or ``host:port``; what is not set refuses the connection."""

    def __init__(self) -> None:
        self.http: dict[str, int | Answer] = {}
        self.tcp: set[str] = set()
        self.asked: list[tuple[float, str]] = []

    async def http_get(self, url: str, headers: Mapping[str, str]) -> Answer:
        self.asked.append((clock.monotonic(), url))
        if url not in self.http:
            raise DialError(f'Get "{url}": dial tcp: connect: connection refused')
        answer = self.http[url]
        return answer if isinstance(answer, Answer) else Answer(answer)

    async def tcp_connect(self, host: str, port: int) -> None:
        self.asked.append((clock.monotonic(), f"{host}:{port}"))
        if f"{host}:{port}" not in self.tcp:
            raise DialError(f"dial tcp {host}:{port}: connect: connection refused")

    async def grpc_health(self, host: str, port: int, service: str) -> None:
        await self.tcp_connect(host, port)


class Node:
    """The parts of a node under test."""

    def __init__(self, root: Path, runtime: FakeRuntime, client: FakeClient) -> None:
        self.client = client
        self.runtime = runtime
        self.dialer = FakeDialer()
        self.settings = NodeSettings(name="n1", data_dir=root, address="192.0.2.1")
        source = ApiSource(client)
        tokens = Tokens(client)
        self.context = NodeContext(
            settings=self.settings,
            client=client,
            runtime=runtime,
            recorder=EventRecorder(client, "kubelet", "n1"),
            volumes=Volumes(root, Content(source, tokens)),
            tokens=tokens,
            environment=Environment(source),
            handlers=Handlers(runtime, self.dialer),
        )
        self.pods = Informer(client, "pods", Pod, field_selector="spec.nodeName=n1")
        self.agent = Agent(self.context, self.pods)

    def status(self, name: str = "p") -> Json:
        """A pod's status in the API."""
        found: Json = self.client.pod(name).get("status", {})
        return found

    def state(self, name: str = "p", container: int = 0) -> Json:
        """The state of a pod's container in the API."""
        found: Json = self.status(name)["containerStatuses"][container]["state"]
        return found

    def condition(self, kind: str, name: str = "p") -> Json:
        """A condition of a pod in the API."""
        found: Json = next(c for c in self.status(name)["conditions"] if c["type"] == kind)
        return found

    def reasons(self) -> list[str]:
        """The reasons of all events so far."""
        return [reason for reason, _, _ in self.client.events()]


@asynccontextmanager
async def running_node(runtime: FakeRuntime | None = None, client: FakeClient | None = None) -> AsyncIterator[Node]:
    """A node whose agent runs; what runtime and API hold may come from one before."""
    with TemporaryDirectory() as root:
        node = Node(Path(root), runtime or FakeRuntime(), client or FakeClient())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(node.pods.run)
            tasks.start_soon(node.context.recorder.run)
            tasks.start_soon(node.agent.run)
            yield node
            tasks.cancel_scope.cancel()


def run(story: Callable[[], Awaitable[None]]) -> None:
    """Run a test's story in virtual time."""

    async def main() -> None:
        await story()

    clock.run_virtual(main())


def pod(name: str = "p", *containers: Json, **spec: Any) -> Json:
    """A pod bound to this node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "generation": 1},
        "spec": {
            "nodeName": "n1",
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "containers": list(containers) or [container()],
            **spec,
        },
        "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]},
    }


def container(name: str = "c", image: str = "app", **fields: Any) -> Json:
    """A container."""
    return {"name": name, "image": image, **fields}


def deleted(obj: Json, grace: int = 30) -> Json:
    """The pod as the API shows it after a DELETE."""
    meta = {**obj["metadata"], "deletionTimestamp": clock.timestamp(), "deletionGracePeriodSeconds": grace}
    return {**obj, "metadata": meta}
