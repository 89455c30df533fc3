"""What scheduler tests are made of: nodes and pods in one line, and an API stand-in that binds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import msgspec

from kube_lite import clock
from kube_lite.client.informer import Informers
from kube_lite.client.protocol import MERGE_PATCH, STRATEGIC_PATCH
from kube_lite.errors import ApiError, conflict
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import Obj
from kube_lite.resources.views import Node
from kube_lite.sched.nodes import NodeTable
from kube_lite.sched.podinfo import PodInfo, pod_info
from kube_lite.sched.scheduler import Scheduler
from tests.controllers.fake_client import FakeClient

_pods = msgspec.json.Decoder(Pod)
_nodes = msgspec.json.Decoder(Node)


def node_object(
    name: str,
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    *,
    labels: Mapping[str, str] | None = None,
    taints: Sequence[str] = (),
    unschedulable: bool = False,
    extended: Mapping[str, str] | None = None,
) -> Obj:
    """A node; taints as ``key=value:Effect``."""
    allocatable = {"cpu": cpu, "memory": memory, "pods": pods, "ephemeral-storage": "100Gi", **(extended or {})}
    spec: Obj = {"unschedulable": True} if unschedulable else {}
    if taints:
        spec["taints"] = [
            {"key": key, "value": value, "effect": effect}
            for pair, _, effect in (taint.partition(":") for taint in taints)
            for key, _, value in [pair.partition("=")]
        ]
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": spec,
        "status": {"capacity": allocatable, "allocatable": allocatable},
    }


def pod_object(
    name: str, cpu: str = "", memory: str = "", *, labels: Mapping[str, str] | None = None, **spec: Any
) -> Obj:
    """A pod with one container; further spec fields by their API names."""
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    container = {"name": "c", "image": "i", "resources": {"requests": requests} if requests else {}}
    return {
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-of-{name}", "labels": dict(labels or {})},
        "spec": {"containers": [container], **spec},
    }


def node_view(*args: Any, **kwargs: Any) -> Node:
    """``node_object`` as the scheduler sees it."""
    return _nodes.decode(json.dumps(node_object(*args, **kwargs)))


def info_of(obj: Obj) -> PodInfo:
    """A pod object as the scheduler sees it."""
    return pod_info(_pods.decode(json.dumps(obj)))


def info(*args: Any, **kwargs: Any) -> PodInfo:
    """``pod_object`` as the scheduler sees it."""
    return info_of(pod_object(*args, **kwargs))


def table(*nodes: Node, pods: Mapping[str, Sequence[PodInfo]] | None = None) -> NodeTable:
    """A node table with ``pods`` by the name of their node."""
    made = NodeTable()
    for node in nodes:
        made.put_node(node)
    for name, infos in (pods or {}).items():
        for each in infos:
            made.add_pod(each, name)
    return made


class BindingClient(FakeClient):
    """Binds pods and merges conditions, which the scheduler needs of an API server.

    ``bind_errors`` are raised by the next bindings, in order; ``bound`` lists (time, pod, node).
    """

    def __init__(self) -> None:
        super().__init__()
        self.bind_errors: list[ApiError] = []
        self.bound: list[tuple[float, str, str]] = []

    async def create(
        self, resource: str, obj: Mapping[str, Any], namespace: str = "", *, name: str = "", subresource: str = ""
    ) -> bytes:
        """As FakeClient, and ``pods/binding``."""
        if subresource != "binding":
            return await super().create(resource, obj, namespace, name=name, subresource=subresource)
        await anyio.lowlevel.checkpoint()
        if self.bind_errors:
            raise self.bind_errors.pop(0)
        pod = json.loads(json.dumps(self._find("pods", name, namespace)))
        if pod["spec"].get("nodeName"):
            raise conflict("pods/binding", "", name, f"pod {name} is already assigned to node")
        pod["spec"]["nodeName"] = obj["target"]["name"]
        status = pod.setdefault("status", {})
        status["conditions"] = [c for c in status.get("conditions", []) if c["type"] != "PodScheduled"]
        status["conditions"].append({"type": "PodScheduled", "status": "True"})
        self.writes.append(("bind", "pods", f"{namespace}/{name}"))
        self.bound.append((clock.monotonic(), name, obj["target"]["name"]))
        return self._commit("MODIFIED", "pods", pod)

    async def patch(
        self,
        resource: str,
        name: str,
        patch: Mapping[str, Any] | Sequence[Any],
        namespace: str = "",
        *,
        content_type: str = MERGE_PATCH,
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> bytes:
        """As FakeClient, and strategic patches whose only list is ``status.conditions``."""
        if content_type == STRATEGIC_PATCH:
            assert isinstance(patch, Mapping)
            old = self._find(resource, name, namespace)
            status = dict(patch.get("status") or {})
            fresh = {c["type"]: c for c in status.get("conditions", [])}
            kept = {c["type"]: c for c in old.get("status", {}).get("conditions", [])}
            if fresh:
                merged = [{**kept.get(t, {}), **fresh.get(t, {})} for t in {**kept, **fresh}]
                status["conditions"] = [{k: v for k, v in c.items() if v is not None} for c in merged]
            patch, content_type = {**patch, "status": status}, MERGE_PATCH
        return await super().patch(resource, name, patch, namespace, content_type=content_type, subresource=subresource)

    def node_of(self, pod: str) -> str:
        """The node that a pod in ``ns`` is bound to, or ''."""
        obj = self.peek("pods", f"ns/{pod}")
        return str(obj["spec"].get("nodeName", "")) if obj is not None else ""

    def condition_of(self, pod: str) -> Obj:
        """The PodScheduled condition of a pod in ``ns``."""
        obj = self.peek("pods", f"ns/{pod}")
        conditions = obj["status"].get("conditions", []) if obj is not None else []
        return next((c for c in conditions if c["type"] == "PodScheduled"), {})

    def events_of(self, pod: str) -> list[tuple[str, str, str]]:
        """(type, reason, message) of the events about a pod."""
        return [
            (e["type"], e["reason"], e["message"])
            for e in self.snapshot("events")
            if e["involvedObject"]["name"] == pod
        ]


@asynccontextmanager
async def scheduling(client: BindingClient, seed: int = 0) -> AsyncIterator[Scheduler]:
    """A running scheduler."""
    informers = Informers(client)
    scheduler = Scheduler(client, informers, seed=seed)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(informers.run)
        tasks.start_soon(scheduler.run)
        yield scheduler
        tasks.cancel_scope.cancel()
