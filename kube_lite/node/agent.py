"""The node agent: watches the pods of its node and has one worker for each.

It owns the workers, keyed by pod uid, and the one reader of the runtime's state: however many containers end at
once, the state is read once and handed to all. Pods that the runtime has but the API does not were deleted while
the agent was away: they get a worker too, which ends and removes them. A pod that has been removed here is not
taken up again while finalizers keep its object in the API.

The number of workers is bounded by the pods that the API assigns to this node.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping

import anyio
import msgspec
from anyio.abc import TaskGroup

from kube_lite.client.informer import Informer
from kube_lite.errors import ApiError
from kube_lite.node import admission
from kube_lite.node.context import NodeContext
from kube_lite.node.runtime import PodState
from kube_lite.node.starting import Starter
from kube_lite.node.status import Verdict
from kube_lite.node.worker import PodWorker
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import ObjectMeta
from kube_lite.resources.views import Node

log = logging.getLogger(__name__)


class Agent:
    """Runs the pods of one node.

    :param pods: the pods assigned to this node; run by whoever made it
    """

    def __init__(self, node: NodeContext, pods: Informer[Pod]) -> None:
        self._node = node
        self._pods = pods
        self._starter = Starter(node)
        self._workers: dict[str, PodWorker] = {}
        self._removed: set[str] = set()
        self._states: dict[str, PodState] = {}
        self._tasks: TaskGroup | None = None
        self._dirty = anyio.Event()
        self._reading: anyio.Event | None = None
        self._again: anyio.Event | None = None
        node.relist = self.relist

    @property
    def workers(self) -> Mapping[str, PodWorker]:
        """The workers by pod uid."""
        return self._workers

    def find(self, namespace: str, name: str, uid: str = "") -> PodWorker | None:
        """The worker of a pod by its name, and uid where given."""
        for worker in self._workers.values():
            meta = worker.pod.metadata
            if (meta.namespace, meta.name) == (namespace, name) and uid in ("", meta.uid):
                return worker
        return None

    async def run(self) -> None:
        """Run pods until cancelled; containers keep running then."""
        self._node.runtime.on_change = self._on_change
        await self._pods.wait_synced()
        self._states = {state.pod_uid: state for state in await self._node.runtime.pods()}
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            self._pods.on_change(self._changed)
            for uid, state in self._states.items():
                if uid not in self._workers:
                    self._adopt(state)
            await self._watch_runtime()

    def _on_change(self, uid: str) -> None:
        self._dirty.set()

    async def _watch_runtime(self) -> None:
        while True:
            with anyio.move_on_after(self._node.settings.relist):
                await self._dirty.wait()
            self._dirty = anyio.Event()
            try:
                await self.relist()
            except Exception:
                log.exception("the runtime's state could not be read")
                await anyio.sleep(1)

    async def relist(self) -> None:
        """Read the runtime's state and hand it to every worker.

        A reading that began before the call does not count: those who come while one is under way share the next.
        """
        if self._reading is not None:
            if self._again is None:
                self._again = anyio.Event()
            await self._again.wait()
            return
        self._reading = anyio.Event()
        try:
            await self._read()
        finally:
            waiting, self._reading, self._again = self._again, None, None
            if waiting is not None:
                if self._tasks is not None:
                    self._tasks.start_soon(self._read_for, waiting)
                else:
                    waiting.set()

    async def _read_for(self, waiting: anyio.Event) -> None:
        try:
            await self.relist()
        except Exception:
            log.exception("the runtime's state could not be read")
        finally:
            waiting.set()

    async def _read(self) -> None:
        states = await self._node.runtime.pods()
        self._states = {state.pod_uid: state for state in states}
        for state in states:
            if (worker := self._workers.get(state.pod_uid)) is not None:
                worker.observe(state)

    def _changed(self, old: Pod | None, new: Pod | None) -> None:
        if new is None:
            assert old is not None
            uid = old.metadata.uid
            self._removed.discard(uid)
            if (worker := self._workers.get(uid)) is not None:
                worker.remove()
            return
        uid = new.metadata.uid
        if (worker := self._workers.get(uid)) is not None:
            worker.update(new)
        elif uid not in self._removed:
            self._begin(new, self._states.get(uid))

    def _adopt(self, state: PodState) -> None:
        """End and remove a pod that only the runtime knows."""
        meta = ObjectMeta(name=state.name, namespace=state.namespace, uid=state.pod_uid)
        worker = self._begin(Pod(metadata=meta), state)
        worker.remove()

    def _begin(self, pod: Pod, state: PodState | None) -> PodWorker:
        assert self._tasks is not None
        known = state is not None or pod.status.start_time is not None or pod.finished or pod.terminating
        rejection = None if known else self._refusal(pod, self._node.node())
        worker = PodWorker(self._node, self._starter, pod, state, rejection)
        self._workers[pod.metadata.uid] = worker
        self._tasks.start_soon(self._admit, worker, rejection)
        return worker

    def _refusal(self, pod: Pod, node: Node | None) -> Verdict | None:
        """Why a pod that is new here cannot run; None when it can, or while the Node object is not known."""
        if node is None:
            return None
        others = [worker.pod for worker in self._workers.values() if worker.active]
        allocatable = node.status.allocatable or self._node.allocatable
        return admission.refusal(pod, others, node.metadata.name, node.metadata.labels, allocatable)

    async def _admit(self, worker: PodWorker, rejection: Verdict | None) -> None:
        """Drive a worker. One rejected for its node's labels gets a second look: they may be newer than we know."""
        if rejection is not None and rejection.reason == admission.AFFINITY:
            with contextlib.suppress(ApiError, OSError):
                raw = await self._node.client.get("nodes", self._node.settings.name)
                rejection = self._refusal(worker.pod, msgspec.json.decode(raw, type=Node))
            if rejection is None:
                fresh = PodWorker(self._node, self._starter, worker.pod)
                if worker.gone:
                    fresh.remove()
                worker = self._workers[worker.pod.metadata.uid] = fresh
        if rejection is not None:
            self._node.event(worker.pod, "Warning", rejection.reason, rejection.message)
        await self._drive(worker)

    async def _drive(self, worker: PodWorker) -> None:
        """Run a worker to its end; one that fails is replaced by a new one, which finds out anew what is."""
        uid = worker.pod.metadata.uid
        while True:
            try:
                await worker.run()
                break
            except Exception:
                log.exception("pod %s: the worker failed and is replaced", worker.pod.metadata.key)
            await anyio.sleep(1)
            states = {state.pod_uid: state for state in await self._node.runtime.pods()}
            failed, worker = worker, PodWorker(self._node, self._starter, worker.pod, states.get(uid))
            if failed.gone:
                worker.remove()
            self._workers[uid] = worker
        del self._workers[uid]
        self._states.pop(uid, None)
        if not worker.gone:
            self._removed.add(uid)
