"""Nodes that fall silent: Ready becomes Unknown, taints keep pods away and drive them off, Services learn of it.

A node speaks through its Lease and its status. What counts is when a change of either was *seen*, by this
process's monotonic clock: a node's wrong clock, or a jump of ours, makes no node fail. A controller that starts
gives every node the whole grace period. Upstream: ``pkg/controller/nodelifecycle``.

One look at all nodes each period decides what each should be; the writing is done by reconcile, one node at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from functools import partial

import anyio
import msgspec

from kube_lite import clock
from kube_lite.client.events import NORMAL, WARNING
from kube_lite.controllers import zones
from kube_lite.controllers.base import Context, Controller, Requeue, outcomes
from kube_lite.controllers.node_taints import (
    NO_EXECUTE,
    condition_taints,
    execute_taint,
    is_lifecycle_taint,
    taint_as_json,
)
from kube_lite.controllers.zones import Limiter, rate_of, state_of, zone_of
from kube_lite.errors import ApiError, NotFound
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.meta import Obj
from kube_lite.resources.views import Lease, Node, NodeCondition

log = logging.getLogger(__name__)

NAMES = ("nodelifecycle", "node-lifecycle-controller")

LEASE_NAMESPACE = "kube-node-lease"

REPORTED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
"""Conditions that a node reports, and that become Unknown when it is silent."""


class _Heard(msgspec.Struct):
    """When a node was last heard of, in loop seconds, and by what."""

    at: float
    heartbeat: str = ""
    renewed: str = ""


class NodeLifecycleController(Controller):
    """Watches heartbeats, writes conditions and taints."""

    name = "nodelifecycle"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self.workers = ctx.settings.workers
        self._settings = ctx.settings
        self._client = ctx.client_for("node-controller")
        self._recorder = ctx.recorder("node-controller")
        self._heard: dict[str, _Heard] = {}
        self._limiters: dict[str, Limiter] = {}
        self._driven_off: set[str] = set()
        self._was_disrupted = False
        self._looked = False
        self._failing: set[str] = set()
        self._leases = self.reads(ctx.informers.get("leases.coordination.k8s.io", Lease, namespace=LEASE_NAMESPACE))
        self._leases.on_change(self._lease_changed)
        self._nodes = ctx.informers.get("nodes", Node)
        self._nodes.on_change(self._node_changed)
        self.source(self._nodes)
        self._pods = self.reads(ctx.informers.get("pods", Pod))
        self._pods.add_index("node", _node_of)

    # --- hearing ---

    def _lease_changed(self, old: Lease | None, new: Lease | None) -> None:
        if new is None:
            return
        heard = self._heard.get(new.metadata.name)
        renewed = new.spec.renew_time or ""
        if heard is not None and renewed != heard.renewed:
            heard.renewed, heard.at = renewed, clock.monotonic()

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            if old is not None:
                self._heard.pop(old.metadata.name, None)
                self._driven_off.discard(old.metadata.name)
                self._failing.discard(old.metadata.name)
            return
        ready = new.condition("Ready")
        before = old.condition("Ready") if old is not None else None
        if before is not None and ready is not None and (before.status, ready.status) == ("True", "False"):
            self._failing.add(new.metadata.name)
        heartbeat = (ready.last_heartbeat_time or "") if ready is not None else ""
        heard = self._heard.get(new.metadata.name)
        if heard is None:
            lease = self._leases.get(f"{LEASE_NAMESPACE}/{new.metadata.name}")
            renewed = (lease.spec.renew_time or "") if lease is not None else ""
            self._heard[new.metadata.name] = _Heard(clock.monotonic(), heartbeat, renewed)
        elif heartbeat != heard.heartbeat:
            heard.heartbeat, heard.at = heartbeat, clock.monotonic()

    def _is_silent(self, node: Node) -> bool:
        heard = self._heard.get(node.metadata.name)
        known = node.condition("Ready") is not None
        grace = self._settings.node_monitor_grace_period if known else self._settings.node_startup_grace_period
        return heard is not None and clock.monotonic() - heard.at > grace

    def _readiness(self, node: Node) -> str:
        """True, False or Unknown, as it should be shown now."""
        ready = node.condition("Ready")
        if self._is_silent(node):
            return "Unknown"
        return ready.status if ready is not None else "Unknown"

    # --- looking ---

    async def background(self) -> None:
        """Look at all nodes each period."""
        while True:
            self._look()
            await anyio.sleep(self._settings.node_monitor_period)

    def _look(self) -> None:
        self._looked = True
        nodes = self._nodes.list()
        readiness = {node.metadata.name: self._readiness(node) for node in nodes}
        by_zone: dict[str, list[Node]] = {}
        for node in nodes:
            by_zone.setdefault(zone_of(node), []).append(node)
        states = {zone: self._state(members, readiness) for zone, members in by_zone.items()}
        disrupted = bool(states) and all(state == zones.FULL for state in states.values())
        if self._was_disrupted and not disrupted:
            # a node is back, so it was the network or we: every node gets its whole grace period again
            for heard in self._heard.values():
                heard.at = clock.monotonic()
        self._was_disrupted = disrupted
        if disrupted:
            self._driven_off.clear()
        for zone, members in by_zone.items():
            self._choose(zone, members, states[zone], readiness, disrupted)
        for node in nodes:
            if readiness[node.metadata.name] != "True" or node.spec.taints or self._is_silent(node):
                self.queue.add(node.metadata.name)

    def _state(self, members: Iterable[Node], readiness: dict[str, str]) -> str:
        answers = (readiness[node.metadata.name] == "True" for node in members)
        return state_of(answers, self._settings.unhealthy_zone_threshold)

    def _choose(self, zone: str, members: list[Node], state: str, readiness: dict[str, str], disrupted: bool) -> None:
        """Say which failed nodes lose their pods; as many as the zone's rate allows."""
        now = clock.monotonic()
        rate = 0.0 if disrupted else rate_of(state, len(members), self._settings)
        limiter = self._limiters.setdefault(zone, Limiter(rate, at=now))
        limiter.change(rate, now)
        for node in members:
            name = node.metadata.name
            if readiness[name] == "True":
                self._driven_off.discard(name)
            elif name not in self._driven_off and not disrupted:
                tainted = any(t.effect == NO_EXECUTE and is_lifecycle_taint(t) for t in node.spec.taints)
                # an Unknown from before this process or a wide outage is not believed before it is seen anew
                failed = readiness[name] == "False" or self._is_silent(node)
                if tainted or (failed and limiter.take(now)):
                    self._driven_off.add(name)

    # --- writing ---

    async def reconcile(self, key: str) -> Requeue | None:
        """Write the node's conditions and taints as they should be, and tell its pods."""
        node = self._nodes.get(key)
        if node is None or node.metadata.deletion_timestamp is not None:
            return None
        if not self._looked:
            self._look()  # else taints of an earlier process would be taken away for a moment
        if self._is_silent(node):
            node = await self._mark_unknown(node)
        await self._write_taints(node)
        if key in self._failing or self._is_silent(node):
            await self._mark_pods(node)
            self._failing.discard(key)
        return None

    async def _mark_unknown(self, node: Node) -> Node:
        """Give a silent node its Unknown conditions."""
        now = clock.timestamp()
        known = {condition.type: condition for condition in node.status.conditions}
        wanted = dict(known)
        for kind in REPORTED:
            before = known.get(kind)
            if before is None:
                wanted[kind] = NodeCondition(
                    type=kind,
                    status="Unknown",
                    reason="NodeStatusNeverUpdated",
                    message="Kubelet never posted node status.",
                    last_heartbeat_time=node.metadata.creation_timestamp,
                    last_transition_time=now,
                )
            elif before.status != "Unknown":
                wanted[kind] = msgspec.structs.replace(
                    before,
                    status="Unknown",
                    reason="NodeStatusUnknown",
                    message="Kubelet stopped posting node status.",
                    last_transition_time=now,
                )
        if wanted == known:
            return node
        meta = node.metadata
        body = [_condition_as_json(condition) for condition in wanted.values()]
        patch = {"metadata": {"resourceVersion": meta.resource_version}, "status": {"conditions": body}}
        answer = await self._client.patch("nodes", meta.name, patch, subresource="status")
        if (ready := known.get("Ready")) is not None and ready.status == "True":
            self._recorder.event(node, NORMAL, "NodeNotReady", f"Node {meta.name} status is now: NodeNotReady")
        return _node.decode(answer)

    async def _write_taints(self, node: Node) -> None:
        """Set the taints that follow from conditions, ``unschedulable`` and the choice of ``_look``."""
        wanted = condition_taints(node)
        name = node.metadata.name
        execute = execute_taint(node)
        if execute is not None and name in self._driven_off:
            wanted.append(execute)
        have = {(taint.key, taint.effect): taint for taint in node.spec.taints}
        want = {(taint.key, taint.effect): taint for taint in wanted}
        kept = [t for pair, t in have.items() if pair in want or not is_lifecycle_taint(t)]
        now = clock.timestamp()
        added = [msgspec.structs.replace(t, time_added=now) for pair, t in want.items() if pair not in have]
        if len(kept) == len(have) and not added:
            return
        taints = [taint_as_json(taint) for taint in [*kept, *added]]
        patch = {"metadata": {"resourceVersion": node.metadata.resource_version}, "spec": {"taints": taints or None}}
        await self._client.patch("nodes", name, patch)

    async def _mark_pods(self, node: Node) -> None:
        """Nobody can say that the pods of a silent node are ready: take them out of their Services."""
        pods = [pod for pod in self._pods.by_index("node", node.metadata.name) if pod.ready]
        results = await outcomes(partial(self._mark_pod, pod) for pod in pods)
        for result in results:
            if isinstance(result, ApiError) and not isinstance(result, NotFound):
                raise result

    async def _mark_pod(self, pod: Pod) -> None:
        meta = pod.metadata
        patch: list[Obj] = []
        for position, condition in enumerate(pod.status.conditions):
            if condition.type == "Ready":
                path = f"/status/conditions/{position}"
                patch = [
                    # naming the revision makes a change in between a conflict
                    {"op": "replace", "path": "/metadata/resourceVersion", "value": meta.resource_version},
                    {"op": "replace", "path": f"{path}/status", "value": "False"},
                    {"op": "add", "path": f"{path}/lastTransitionTime", "value": clock.timestamp()},
                ]
        await self._client.patch(
            "pods", meta.name, patch, meta.namespace, content_type="application/json-patch+json", subresource="status"
        )
        self._recorder.event(pod, WARNING, "NodeNotReady", "Node is not ready")


def _node_of(pod: Pod) -> Collection[str]:
    return (pod.spec.node_name,) if pod.spec.node_name else ()


def _condition_as_json(condition: NodeCondition) -> Obj:
    entry: Obj = {"type": condition.type, "status": condition.status}
    for field, value in (
        ("lastHeartbeatTime", condition.last_heartbeat_time),
        ("lastTransitionTime", condition.last_transition_time),
        ("reason", condition.reason),
        ("message", condition.message),
    ):
        if value:
            entry[field] = value
    return entry


_node = msgspec.json.Decoder(Node)


def build(ctx: Context) -> Controller:
    """The controller."""
    return NodeLifecycleController(ctx)
