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
from typing import TypeVar

import anyio
import anyio.lowlevel
import msgspec
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from kube_lite import clock
from kube_lite.client.events import NORMAL, WARNING, EventRecorder
from kube_lite.client.informer import Informers
from kube_lite.client.protocol import Client
from kube_lite.errors import ApiError, Conflict, NotFound
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.views import Namespace, Node
from kube_lite.sched.evaluate import Evaluator, Unschedulable
from kube_lite.sched.explain import Explanation, Explanations
from kube_lite.sched.framework import ClusterEvent, EventKind, Framework, Plugin, default_plugins
from kube_lite.sched.nodes import NodeTable
from kube_lite.sched.podinfo import PodInfo, pod_info
from kube_lite.sched.preemption import Preemption
from kube_lite.sched.queue import QueuedPod, SchedulingQueue
from kube_lite.sched.reporting import Reporter

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


class _Refusal(msgspec.Struct, frozen=True):
    """A pod that fits nowhere, and what is done about it: the pods that must leave ``node`` for it, if any."""

    info: PodInfo
    message: str
    node: str = ""
    victims: Sequence[PodInfo] = ()


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
        self._preemption = Preemption(client, self.nodes, self._events, name)
        self._assumed: dict[str, str] = {}
        """uid -> node of pods decided here and not yet seen as bound."""
        self._reporter = Reporter(client, self._events)
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
        status_in, status_out = anyio.create_memory_object_stream[_Refusal](MAX_STATUS_WRITES)
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
        refusals: MemoryObjectSendStream[_Refusal],
    ) -> None:
        decided = 0
        while True:
            queued = self.queue.pop_nowait() or await self.queue.pop()
            try:
                decision = self._decide(queued)
            except Exception:
                log.exception("scheduling %s", queued.info.key)
                self.queue.retry(queued)
                continue
            if isinstance(decision, _Refusal):
                await _send(refusals, decision)
            else:
                await _send(bindings, (queued, decision))
            decided += 1
            if decided % BURST == 0:
                await anyio.lowlevel.checkpoint()

    def _decide(self, queued: QueuedPod) -> str | _Refusal:
        """The node that ``queued`` was assumed on, or why it fits nowhere."""
        info = queued.info
        nominated = self._preemption.suspend(info.uid)
        evaluation = self._evaluator.select(info)
        if evaluation.row >= 0:
            node = evaluation.node
            self._preemption.forget(info.uid)
            self.explanations.note(info.key, info.uid, clock.now(), evaluation)
            refusal = self._reserve(info, node)
            if refusal is not None:
                self.queue.refuse(queued, frozenset({refusal[0]}))
                return _Refusal(info, unreserved_message(self.nodes.count, refusal[1]))
            self._assumed[info.uid] = node
            self.nodes.add_pod(info, node)
            return node
        unschedulable = self._evaluator.explain_refusal(info)
        self.explanations.note(info.key, info.uid, clock.now(), evaluation, unschedulable.message)
        self.queue.refuse(queued, unschedulable.plugins)
        return self._make_room(info, unschedulable, nominated)

    def _make_room(self, info: PodInfo, unschedulable: Unschedulable, nominated: str) -> _Refusal:
        """Ask the PostFilter plugins; who waits for victims that are leaving keeps its place."""
        if nominated and self._preemption.waits(info, nominated):
            self._preemption.reserve(info, nominated)
            return _Refusal(info, unschedulable.message)
        self._preemption.forget(info.uid)
        for plugin in self.framework.post_filters:
            result = plugin.post_filter(
                info, self.nodes, unschedulable.unresolvable, lambda row: self._evaluator.fits(info, row)
            )
            if result is not None:
                victims = self._preemption.begin(info, result)
                return _Refusal(info, unschedulable.message, result.node, victims)
        return _Refusal(info, unschedulable.message)

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
            await self._reporter.refused(info, refusal[1])
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
        self._reporter.forget(info.uid)
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

    async def _status_worker(self, refusals: MemoryObjectReceiveStream[_Refusal]) -> None:
        async for refusal in refusals:
            try:
                await self._reporter.refused(refusal.info, refusal.message, refusal.node)
                for victim in refusal.victims:
                    await self._preemption.evict(victim, refusal.info, refusal.node)
            except Exception:
                log.exception("reporting on %s", refusal.info.key)

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
        self._reporter.forget(uid)
        self._assumed.pop(uid, None)
        self._preemption.forget(uid)
        if self.nodes.remove_pod(uid) is not None:
            self.queue.notify(ClusterEvent(EventKind.POD_DELETE, pod=pod))

    def _assigned(self, old: Pod | None, new: Pod) -> None:
        uid = new.metadata.uid
        assumed = self._assumed.pop(uid, None)
        self.queue.remove(new.metadata.key)
        self._reporter.forget(uid)
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
