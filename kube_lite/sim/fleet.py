"""A fleet of simulated nodes: thousands of them in one task, one heap of timers and one informer of pods.

The heap is drained once per tick, so what is due at about the same time costs one turn of the event loop; a task
per node would cost one each. Timers and informer events only change what the simulated nodes and pods *are*; what
must be written then goes as a key into a work queue, emptied by a fixed number of writers. A key is held once, so
the queue is bounded by the number of nodes and pods, and a node whose last heartbeat has not been written yet
simply has none added. A refused or failed write is tried again with back-off.

A killed node stands still: it writes nothing, and its pods neither start nor end, until it is revived.
"""

from __future__ import annotations

import heapq
import ipaddress
import logging
import math
import random
from typing import Any

import anyio
import msgspec

from kube_lite import clock
from kube_lite.client.informer import Informers
from kube_lite.client.protocol import MERGE_PATCH, STRATEGIC_PATCH, Client
from kube_lite.client.workqueue import WorkQueue
from kube_lite.errors import AlreadyExists, ApiError, Conflict, NotFound
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.views import Node
from kube_lite.sim.podsim import SimPod, Step
from kube_lite.sim.simnode import SimNode, host_address
from kube_lite.sim.stages import FAST, Stages

log = logging.getLogger(__name__)

TICK = 0.05
"""Seconds to which timers are rounded up."""

LEASE_PERIOD = 10.0
"""Seconds between renewals of a node lease (kubelet's: a quarter of the lease)."""

STATUS_PERIOD = 300.0
"""Seconds between writes of an unchanged node status (kubelet's nodeStatusReportFrequency)."""

WRITERS = 32
"""Writes to the API at a time."""

RETRY_BASE, RETRY_MAX = 0.2, 10.0
"""Seconds of back-off after a failed write: first, and at most."""

LEASES = "leases.coordination.k8s.io"
LEASE_NAMESPACE = "kube-node-lease"

_node_decoder = msgspec.json.Decoder(Node)


class Fleet:
    """``nodes`` simulated nodes named ``prefix`` and a number, until cancelled.

    :param seed: for delays, failures and how heartbeats are spread
    :param cpu: capacity of each node, as are ``memory`` and ``pods`` (how many)
    :param start: what pods go through, see ``sim.stages``
    """

    def __init__(
        self,
        client: Client,
        informers: Informers,
        *,
        nodes: int,
        prefix: str = "sim-",
        seed: int = 0,
        cpu: str = "32",
        memory: str = "128Gi",
        pods: int = 110,
        start: Stages = FAST,
    ) -> None:
        self._client = client
        self._informer = informers.get("pods", Pod)
        self._rng = random.Random(seed)
        self._stages = start
        capacity = {"cpu": cpu, "memory": memory, "pods": str(pods), "ephemeral-storage": "100Gi"}
        self.nodes: dict[str, SimNode] = {
            name: SimNode(index, name, capacity, _labels(name, index))
            for index, name in enumerate(f"{prefix}{number}" for number in range(nodes))
        }
        self._by_index = list(self.nodes.values())
        self._pods: dict[str, SimPod] = {}
        self._timers: list[tuple[int, int, str]] = []
        self._sequence = 0
        self._deadlines: dict[str, int] = {}
        """Key -> sequence of its valid timer; others on the heap are leftovers."""
        self._wake = anyio.Event()
        self._queue = WorkQueue(RETRY_BASE, RETRY_MAX)
        self._unregistered = nodes
        self._registered = anyio.Event()

    async def wait_registered(self) -> None:
        """Return once every node has been registered."""
        await self._registered.wait()

    async def run(self) -> None:
        """Register the nodes, then be them until cancelled."""
        async with anyio.create_task_group() as tasks:
            for node in self._by_index:
                self._queue.add(f"node:{node.name}")
            for _ in range(min(WRITERS, max(len(self.nodes), 1))):
                tasks.start_soon(self._write_all)
            if self.nodes:
                await self._registered.wait()
            self._informer.on_change(self._on_pod)
            await self._run_timers()

    def kill(self, name: str) -> None:
        """The node falls silent: no heartbeat, no report, no pod begins or ends."""
        self.nodes[name].alive = False

    def revive(self, name: str) -> None:
        """The node is back: it reports at once and goes on with what it missed."""
        node = self.nodes[name]
        if node.alive:
            return
        node.alive = True
        node.ready_since = ""
        node.status_due = 0.0
        self._beat(node)
        for key in node.pods:
            pod = self._pods[key]
            if pod.due is not None:
                self._at(f"pod:{key}", max(pod.due, clock.monotonic()))
            if pod.version or pod.step is not Step.CREATING:
                pod.version += 1  # meanwhile others may have reported it not ready
                self._queue.add(f"pod:{key}")

    # -- timers

    def _at(self, key: str, moment: float) -> None:
        """Wake ``key`` at ``moment``, rounded up to a tick; an earlier timer of the key is void."""
        self._sequence += 1
        tick = math.ceil(moment / TICK - 1e-6)
        if not self._timers or tick < self._timers[0][0]:
            self._wake.set()
        self._deadlines[key] = self._sequence
        heapq.heappush(self._timers, (tick, self._sequence, key))

    async def _run_timers(self) -> None:
        while True:
            self._drain()
            self._wake = anyio.Event()
            timeout = self._timers[0][0] * TICK - clock.monotonic() if self._timers else None
            with anyio.move_on_after(timeout):
                await self._wake.wait()

    def _drain(self) -> None:
        tick = math.floor(clock.monotonic() / TICK + 1e-6)
        while self._timers and self._timers[0][0] <= tick:
            _, sequence, key = heapq.heappop(self._timers)
            if self._deadlines.get(key) == sequence:
                del self._deadlines[key]
                self._due(key)

    def _due(self, key: str) -> None:
        kind, _, name = key.partition(":")
        if kind == "node":
            node = self.nodes[name]
            if node.alive:
                self._beat(node)
            return
        pod = self._pods.get(name)
        if pod is None or not self._by_index[pod.node].alive:
            return
        stopping = pod.stopping
        pod.advance()
        if pod.due is not None:
            self._at(key, pod.due)
        if pod.step is Step.RUNNING:
            self._by_index[pod.node].use_images(c.image for c in pod.pod.spec.containers)
        if stopping or pod.version != pod.written:
            self._queue.add(key)

    def _beat(self, node: SimNode) -> None:
        self._queue.add(f"node:{node.name}")
        self._at(f"node:{node.name}", clock.monotonic() + LEASE_PERIOD)

    # -- pods

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        if new is None:
            if old is not None:
                self._forget(old.metadata.key)
            return
        node = self.nodes.get(new.spec.node_name)
        if node is None:
            return
        key = new.metadata.key
        pod = self._pods.get(key)
        if pod is None:
            pod = self._pods[key] = self._admit(new, node)
        pod.pod = new
        if new.terminating and not pod.stopping:
            pod.stop()
            if pod.due is not None:
                self._at(f"pod:{key}", pod.due)

    def _admit(self, pod: Pod, node: SimNode) -> SimPod:
        host = host_address(node.index)
        node.pods[pod.metadata.key] = None
        sim = SimPod(pod, node.index, host, host, self._stages, self._rng)
        if not pod.spec.host_network:
            sim.ip = pod.status.pod_ip or node.take_address()
        key = f"pod:{pod.metadata.key}"
        if pod.finished or pod.status.phase == "Running":
            sim.adopt()
        else:
            wanted = {c.image for c in (*pod.spec.init_containers, *pod.spec.containers)}
            sim.begin(wanted <= node.images.keys())
            if sim.version:
                self._queue.add(key)
        if sim.due is not None:
            self._at(key, sim.due)
        return sim

    def _forget(self, key: str) -> None:
        pod = self._pods.pop(key, None)
        if pod is None:
            return
        self._deadlines.pop(f"pod:{key}", None)
        node = self._by_index[pod.node]
        node.pods.pop(key, None)
        node.give_address(pod.ip)

    # -- writing

    async def _write_all(self) -> None:
        while True:
            key = await self._queue.get()
            kind, _, name = key.partition(":")
            try:
                if kind == "node":
                    await self._write_node(self.nodes[name])
                else:
                    await self._write_pod(name)
                self._queue.forget(key)
            except (ApiError, OSError) as error:
                delay = self._queue.add_rate_limited(key)
                log.warning("%s: %s; again in %.1f s", key, error, delay)
            finally:
                self._queue.done(key)

    async def _write_node(self, node: SimNode) -> None:
        if not node.registered:
            await self._register(node)
            return
        if not node.alive:
            return
        moment = clock.monotonic()
        if moment >= node.status_due:
            await self._client.patch(
                "nodes", node.name, {"status": node.status()}, content_type=STRATEGIC_PATCH, subresource="status"
            )
            node.status_due = moment + STATUS_PERIOD
        renewal = {"spec": {"holderIdentity": node.name, "renewTime": clock.timestamp_micro()}}
        try:
            await self._client.patch(LEASES, node.name, renewal, LEASE_NAMESPACE, content_type=MERGE_PATCH)
        except NotFound:
            await self._client.create(LEASES, node.lease(), LEASE_NAMESPACE)

    async def _register(self, node: SimNode) -> None:
        """Create the Node and its Lease, or take over what is there from before; then begin to beat."""
        try:
            known = _node_decoder.decode(await self._client.create("nodes", node.object()))
        except AlreadyExists:
            known = _node_decoder.decode(await self._client.get("nodes", node.name))
        ready = known.condition("Ready")
        if ready is None or ready.status != "True":
            await self._client.patch(
                "nodes", node.name, {"status": node.status()}, content_type=STRATEGIC_PATCH, subresource="status"
            )
        node.uid = known.metadata.uid
        node.prefix = _prefix(known.spec.pod_cidr, node.index)
        try:
            await self._client.create(LEASES, node.lease(), LEASE_NAMESPACE)
        except AlreadyExists:
            self._queue.add(f"node:{node.name}")
        node.registered = True
        node.status_due = clock.monotonic() + STATUS_PERIOD
        # Spread over the period, or a thousand nodes would all renew at once for ever.
        self._at(f"node:{node.name}", clock.monotonic() + self._rng.random() * LEASE_PERIOD)
        self._unregistered -= 1
        if not self._unregistered:
            self._registered.set()

    async def _write_pod(self, key: str) -> None:
        pod = self._pods.get(key)
        if pod is None or not self._by_index[pod.node].alive:
            return
        meta = pod.pod.metadata
        try:
            if pod.stopping and pod.due is None:
                if pod.version != pod.written and pod.step is Step.FINISHED:
                    await self._write_status(pod)
                await self._client.delete("pods", meta.name, meta.namespace, grace_period_seconds=0, uid=meta.uid)
                return
            if pod.version != pod.written:
                await self._write_status(pod)
                if pod.version != pod.written:
                    self._queue.add(f"pod:{key}")
        except (NotFound, Conflict) as error:
            log.debug("pod %s is gone or another: %s", key, error)

    async def _write_status(self, pod: SimPod) -> None:
        meta, version = pod.pod.metadata, pod.version
        patch: dict[str, Any] = {"metadata": {"uid": meta.uid}, "status": pod.status()}
        await self._client.patch(
            "pods", meta.name, patch, meta.namespace, content_type=STRATEGIC_PATCH, subresource="status"
        )
        pod.written = version


def _labels(name: str, index: int) -> dict[str, str]:
    return {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/region": "sim",
        "topology.kubernetes.io/zone": f"sim-{index % 3}",
        "kube-lite.io/simulated": "true",
    }


def _prefix(pod_cidr: str, index: int) -> str:
    """What pod addresses of a node begin with: its /24, or one of 10.128.0.0/9 while it has none."""
    if pod_cidr:
        return str(ipaddress.ip_network(pod_cidr).network_address).rsplit(".", 1)[0]
    return f"10.{128 + (index >> 8 & 127)}.{index & 255}"
