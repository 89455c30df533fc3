"""The scheduler: pop -> filter -> score -> select -> assume -> bind.

One loop takes pods from the queue and decides, without waiting for anything, so a decision always sees a
consistent table. The chosen node counts the pod at once ("assumed"); binding is left to a fixed number of
workers behind a bounded stream, and when that is full the loop waits: there is no use in deciding faster than the
API takes bindings. A binding that fails gives the node back and the pod another try. Informers feed the table and
the queue from the same event loop.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from kube_lite import clock
from kube_lite.client.events import NORMAL, WARNING, EventRecorder
from kube_lite.client.informer import Informers
from kube_lite.client.protocol import STRATEGIC_PATCH, Client
from kube_lite.errors import ApiError, Conflict, NotFound
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.views import Namespace, Node
from kube_lite.sched.evaluate import Evaluator
from kube_lite.sched.explain import Explanation, Explanations
from kube_lite.sched.framework import ClusterEvent, EventKind, Framework, Plugin, default_plugins
from kube_lite.sched.nodes import NodeTable
from kube_lite.sched.podinfo import PodInfo, pod_info
from kube_lite.sched.queue import QueuedPod, SchedulingQueue

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_BINDINGS = 64
"""Bindings on their way to the API at a time."""

MAX_STATUS_WRITES = 16
"""Conditions of refused pods on their way to the API at a time."""

MAX_EVENTS = 8192
"""Events waiting to be written; a large rollout is decided much faster than its events are written."""

BURST = 16
"""Decisions made before other tasks get a turn; a decision takes well under a millisecond."""


class Scheduler:
    """Assigns pods to nodes until cancelled.

    :param informers: shared informers; pods and nodes are taken from them
    :param seed: for breaking ties between equally good nodes
    :param name: the ``spec.schedulerName`` served
    """

    def __init__(
        self,
        client: Client,
        informers: Informers,
        *,
        seed: int = 0,
        name: str = "default-scheduler",
        plugins: Sequence[Plugin] | None = None,
    ) -> None:
        self.name = name
        self.nodes = NodeTable()
        self.framework = Framework(default_plugins() if plugins is None else plugins)
        self.queue = SchedulingQueue(self.framework)
        self.explanations = Explanations()
        self._client = client
        self._evaluator = Evaluator(self.framework, self.nodes, random.Random(seed))
        self._events = EventRecorder(client, name, limit=MAX_EVENTS)
        self._assumed: dict[str, str] = {}
        """uid -> node of pods decided here and not yet seen as bound."""
        self._refusals: dict[str, str] = {}
        """uid -> message last written into the pod's condition."""
        self._pods = informers.get("pods", Pod)
        self._nodes = informers.get("nodes", Node)
        self._namespaces = informers.get("namespaces", Namespace)

    def explain(self, pod: str) -> Explanation | None:
        """The last decision about ``namespace/name``, if it is still kept."""
        return self.explanations.get(pod)

    async def run(self) -> None:
        """Schedule until cancelled."""
        self._namespaces.on_change(self._on_namespace)
        await self._namespaces.wait_synced()
        self._nodes.on_change(self._on_node)
        await self._nodes.wait_synced()
        self._pods.on_change(self._on_pod)
        await self._pods.wait_synced()
        bind_in, bind_out = anyio.create_memory_object_stream[tuple[QueuedPod, str]](MAX_BINDINGS)
        status_in, status_out = anyio.create_memory_object_stream[tuple[PodInfo, str]](MAX_STATUS_WRITES)
        async with anyio.create_task_group() as tasks, bind_in, status_in, bind_out, status_out:
            tasks.start_soon(self._events.run)
            for _ in range(MAX_BINDINGS):
                tasks.start_soon(self._bind_worker, bind_out)
            for _ in range(MAX_STATUS_WRITES):
                tasks.start_soon(self._status_worker, status_out)
            await self._schedule(bind_in, status_in)

    # -- deciding

    async def _schedule(
        self,
        bindings: MemoryObjectSendStream[tuple[QueuedPod, str]],
        refusals: MemoryObjectSendStream[tuple[PodInfo, str]],
    ) -> None:
        decided = 0
        while True:
            queued = self.queue.pop_nowait() or await self.queue.pop()
            try:
                node, message = self._decide(queued)
            except Exception:
                log.exception("scheduling %s", queued.info.key)
                self.queue.retry(queued)
                continue
            if node:
                await _send(bindings, (queued, node))
            elif message:
                await _send(refusals, (queued.info, message))
            decided += 1
            if decided % BURST == 0:
                await anyio.lowlevel.checkpoint()

    def _decide(self, queued: QueuedPod) -> tuple[str, str]:
        """The node that ``queued`` was assumed on, or '' and why it fits nowhere."""
        info = queued.info
        evaluation = self._evaluator.select(info)
        if evaluation.row >= 0:
            node = evaluation.node
            self.explanations.note(info.key, info.uid, clock.now(), evaluation)
            refusal = self._reserve(info, node)
            if refusal is not None:
                self.queue.refuse(queued, frozenset({refusal[0]}))
                return "", unreserved_message(self.nodes.count, refusal[1])
            self._assumed[info.uid] = node
            self.nodes.add_pod(info, node)
            return node, ""
        unschedulable = self._evaluator.explain_refusal(info)
        self.explanations.note(info.key, info.uid, clock.now(), evaluation, unschedulable.message)
        self.queue.refuse(queued, unschedulable.plugins)
        return "", unschedulable.message

    def _reserve(self, info: PodInfo, node: str) -> tuple[str, str] | None:
        for plugin in self.framework.reserves:
            reason = plugin.reserve(info, node)
            if reason is not None:
                self._unreserve(info, node)
                return plugin.name, reason
        return None

    def _unreserve(self, info: PodInfo, node: str) -> None:
        for plugin in reversed(self.framework.reserves):
            plugin.unreserve(info, node)

    # -- binding

    async def _bind_worker(self, bindings: MemoryObjectReceiveStream[tuple[QueuedPod, str]]) -> None:
        async for queued, node in bindings:
            try:
                await self._bind(queued, node)
            except Exception:
                log.exception("binding %s to %s", queued.info.key, node)
                self._forget(queued.info, node)
                self.queue.retry(queued)

    async def _bind(self, queued: QueuedPod, node: str) -> None:
        info = queued.info
        refusal = await self._before_bind(info, node)
        if refusal is not None:
            self._forget(info, node)
            self.queue.refuse(queued, frozenset({refusal[0]}))
            await self._report(info, refusal[1])
            return
        try:
            for plugin in self.framework.binds:
                if await plugin.bind(self._client, info, node):
                    break
        except (NotFound, Conflict) as error:
            # The pod is gone, terminating or bound elsewhere: its informer event says what to do with it.
            log.info("binding %s to %s: %s", info.key, node, error)
            self._forget(info, node)
            self.queue.retry(queued)
            return
        except (ApiError, OSError) as error:
            log.warning("binding %s to %s: %s; trying again", info.key, node, error)
            self._forget(info, node)
            self.queue.retry(queued)
            self._events.event(info.pod, WARNING, "FailedScheduling", f"binding rejected: {error}")
            return
        self.queue.done(queued)
        self._refusals.pop(info.uid, None)
        for plugin in self.framework.post_binds:
            plugin.post_bind(info, node)
        self._events.event(info.pod, NORMAL, "Scheduled", f"Successfully assigned {info.key} to {node}")

    async def _before_bind(self, info: PodInfo, node: str) -> tuple[str, str] | None:
        for plugin in self.framework.permits:
            reason = await plugin.permit(info, node)
            if reason is not None:
                return plugin.name, reason
        for plugin in self.framework.pre_binds:
            reason = await plugin.pre_bind(self._client, info, node)
            if reason is not None:
                return plugin.name, reason
        return None

    def _forget(self, info: PodInfo, node: str) -> None:
        """Take back an assumption that did not come true; the room it held is free again."""
        if self._assumed.pop(info.uid, None) is not None:
            self._unreserve(info, node)
            self.nodes.remove_pod(info.uid)
            self.queue.notify(ClusterEvent(EventKind.POD_DELETE, pod=info.pod))

    # -- telling why not

    async def _status_worker(self, refusals: MemoryObjectReceiveStream[tuple[PodInfo, str]]) -> None:
        async for info, message in refusals:
            try:
                await self._report(info, message)
            except Exception:
                log.exception("reporting on %s", info.key)

    async def _report(self, info: PodInfo, message: str) -> None:
        """The event, and the PodScheduled condition where it says something else so far."""
        self._events.event(info.pod, WARNING, "FailedScheduling", message)
        condition = info.pod.condition("PodScheduled")
        if condition is not None and (condition.reason, condition.message) == ("Unschedulable", message):
            return
        if self._refusals.get(info.uid) == message:
            return
        meta = info.pod.metadata
        try:
            await self._client.patch(
                "pods",
                meta.name,
                {"metadata": {"uid": meta.uid}, "status": {"conditions": [self._unschedulable(info.pod, message)]}},
                meta.namespace,
                content_type=STRATEGIC_PATCH,
                subresource="status",
            )
            self._refusals[info.uid] = message
        except (NotFound, Conflict):
            return  # deleted, or another pod of that name by now
        except (ApiError, OSError) as error:
            log.warning("condition of %s: %s", info.key, error)

    def _unschedulable(self, pod: Pod, message: str) -> dict[str, Any]:
        before = pod.condition("PodScheduled")
        since = before.last_transition_time if before is not None and before.status == "False" else None
        condition: dict[str, Any] = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": since or clock.timestamp(),
        }
        if pod.metadata.generation:
            condition["observedGeneration"] = pod.metadata.generation
        return condition

    # -- what informers tell

    def _on_namespace(self, old: Namespace | None, new: Namespace | None) -> None:
        if new is not None:
            self.nodes.namespaces[new.metadata.name] = new.metadata.labels
        elif old is not None:
            self.nodes.namespaces.pop(old.metadata.name, None)

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            if old is not None:
                self.nodes.remove_node(old.metadata.name)
            return
        try:
            if not self.nodes.put_node(new):
                return
        except ValueError as error:
            log.error("node %s: %s; left out", new.metadata.name, error)
            self.nodes.remove_node(new.metadata.name)
            return
        for kind in node_changes(old, new):
            self.queue.notify(ClusterEvent(kind, node=new))

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        if new is None:
            if old is not None:
                self._gone(old)
        elif new.finished or (new.terminating and not new.spec.node_name):
            self._gone(new)
        elif new.spec.node_name:
            self._assigned(old, new)
        else:
            self._pending(old, new)

    def _gone(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        self.queue.remove(pod.metadata.key)
        self._refusals.pop(uid, None)
        self._assumed.pop(uid, None)
        if self.nodes.remove_pod(uid) is not None:
            self.queue.notify(ClusterEvent(EventKind.POD_DELETE, pod=pod))

    def _assigned(self, old: Pod | None, new: Pod) -> None:
        uid = new.metadata.uid
        assumed = self._assumed.pop(uid, None)
        self.queue.remove(new.metadata.key)
        self._refusals.pop(uid, None)
        known = old is not None and bool(old.spec.node_name)
        if known and old is not None and _alike(old, new):
            return
        same_group = old is not None and old.metadata.labels == new.metadata.labels and not new.terminating
        if assumed == new.spec.node_name and same_group:
            self.queue.notify(ClusterEvent(EventKind.POD_ADD, pod=new))
            return  # counted already, with the same requests
        info = self._info(new)
        if info is not None:
            self.nodes.add_pod(info, new.spec.node_name)
            self.queue.notify(ClusterEvent(EventKind.POD_UPDATE if known else EventKind.POD_ADD, pod=new))

    def _pending(self, old: Pod | None, new: Pod) -> None:
        if new.spec.scheduler_name != self.name or new.metadata.uid in self._assumed:
            return
        if old is not None and self.queue.place(new.metadata.key) and _alike(old, new):
            return  # only its status changed, most likely by us
        info = self._info(new)
        if info is not None:
            self.queue.add(info)

    def _info(self, pod: Pod) -> PodInfo | None:
        try:
            return pod_info(pod)
        except ValueError as error:
            log.error("pod %s: %s; left out", pod.metadata.key, error)
            return None


def _alike(old: Pod, new: Pod) -> bool:
    """Whether two revisions of a pod are the same to the scheduler."""
    return old.spec == new.spec and old.metadata.labels == new.metadata.labels and old.terminating == new.terminating


async def _send(stream: MemoryObjectSendStream[T], item: T) -> None:
    """Hand ``item`` over; gives other tasks a turn only where the stream is full."""
    try:
        stream.send_nowait(item)
    except anyio.WouldBlock:
        await stream.send(item)


def unreserved_message(nodes: int, reason: str) -> str:
    """What a pod is told when a plugin refused the node that was selected."""
    return f"0/{nodes} nodes are available: 1 {reason}."


def node_changes(old: Node | None, new: Node) -> list[EventKind]:
    """Which kinds of events the update of a node is."""
    if old is None:
        return [EventKind.NODE_ADD]
    kinds = []
    if old.status.allocatable != new.status.allocatable:
        kinds.append(EventKind.NODE_ALLOCATABLE)
    if old.metadata.labels != new.metadata.labels:
        kinds.append(EventKind.NODE_LABEL)
    if old.spec.taints != new.spec.taints or old.spec.unschedulable != new.spec.unschedulable:
        kinds.append(EventKind.NODE_TAINT)
    return kinds
