"""The whole control plane in virtual time, wired by cluster.py as the live one is: exact times, runs that repeat."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

import anyio
import msgspec

from kube_lite import clock
from kube_lite.client.protocol import Client
from kube_lite.cluster import ClusterOptions, cluster
from kube_lite.store.memory import MemoryStore
from kube_lite.store.store import Event
from tests.plane import ADMIN

NODES = 100
DEPLOYMENTS = 50
REPLICAS = 4
KILL_AT = 20.0
KILLED = 3
GRACE = 50.0
"""--node-monitor-grace-period."""
LOOK = 5.0
"""node_monitor_period."""
TOLERATION = 300.0
"""What DefaultTolerationSeconds gives every pod."""
END = 420.0


@dataclass
class Story:
    """What a run has seen."""

    log: list[str] = field(default_factory=list)
    """Every store event: virtual time, revision, type, key, digest of the value."""
    rolled_out: float = 0.0
    killed: dict[str, float] = field(default_factory=dict)
    """Node -> virtual time of its last heartbeat."""
    unknown: dict[str, float] = field(default_factory=dict)
    tainted: dict[str, float] = field(default_factory=dict)
    """Node -> virtual time at which the NoExecute taint was written."""
    evicted: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Pod -> its node, and the virtual time at which its deletion was asked for."""
    recovered: float = 0.0
    pods: list[dict[str, Any]] = field(default_factory=list)
    heartbeats: dict[str, float] = field(default_factory=dict)

    def record(self, events: Sequence[Event]) -> None:
        """Listen to the store."""
        moment = clock.monotonic()
        for event in events:
            kind = "DELETE" if event.deleted else "UPDATE" if event.previous else "CREATE"
            digest = hashlib.sha256(event.value).hexdigest()[:16]
            self.log.append(f"{moment:.6f} {event.revision} {kind} {event.key} {digest}")
            if "/leases/kube-node-lease/" in event.key:
                self.heartbeats[event.key.rpartition("/")[2]] = moment
            elif "/nodes/" in event.key or "/minions/" in event.key:
                self._node(msgspec.json.decode(event.value), moment)
            elif "/pods/" in event.key and not event.deleted:
                self._pod(msgspec.json.decode(event.value), moment)

    def _node(self, node: dict[str, Any], moment: float) -> None:
        name = node["metadata"]["name"]
        for condition in node.get("status", {}).get("conditions") or []:
            if condition["type"] == "Ready" and condition["status"] == "Unknown":
                self.unknown.setdefault(name, moment)
        for taint in node["spec"].get("taints") or []:
            if taint["effect"] == "NoExecute":
                self.tainted.setdefault(name, moment)

    def _pod(self, pod: dict[str, Any], moment: float) -> None:
        if "deletionTimestamp" in pod["metadata"]:
            self.evicted.setdefault(pod["metadata"]["name"], (pod["spec"]["nodeName"], moment))


def deployment(number: int) -> dict[str, Any]:
    """One of the Deployments."""
    labels = {"app": f"app-{number}"}
    container = {"name": "c", "image": "app:1", "resources": {"requests": {"cpu": "500m", "memory": "128Mi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"app-{number}"},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


async def listed(client: Client, resource: str) -> list[dict[str, Any]]:
    """All objects of the namespace."""
    found = await client.list(resource, "default")
    return [msgspec.json.decode(item) for item in found.items]


async def all_available(client: Client) -> float:
    """The virtual time at which every Deployment has all its replicas."""
    while True:
        items = await listed(client, "deployments.apps")
        if all(item["status"].get("availableReplicas") == REPLICAS for item in items):
            return clock.monotonic()
        await anyio.sleep(1)


async def story(seed: int, whole: bool = True) -> Story:
    """Roll out; when it is the ``whole`` story, kill nodes and wait for eviction and recovery."""
    told = Story()
    store = MemoryStore()
    store.subscribe(told.record)
    rng = random.Random(seed)
    async with cluster(store, ClusterOptions(sim_nodes=NODES, seed=seed), rng) as running:
        assert running.fleet is not None
        client = running.plane.client(ADMIN, "test")
        await running.fleet.wait_registered()
        for number in range(DEPLOYMENTS):
            await client.create("deployments.apps", deployment(number), "default")
        told.rolled_out = await all_available(client)
        if not whole:
            return told
        await anyio.sleep(KILL_AT - clock.monotonic())
        busy = sorted({pod["spec"]["nodeName"] for pod in await listed(client, "pods")})
        for name in rng.sample(busy, KILLED):
            running.fleet.kill(name)
            told.killed[name] = told.heartbeats[name]
        await anyio.sleep(END - clock.monotonic())
        told.recovered = await all_available(client)
        told.pods = await listed(client, "pods")
        return told


@cache
def told(seed: int, again: int = 0) -> Story:
    """A run; ``again`` tells several of one seed apart."""
    return clock.run_virtual(story(seed))


def test_fifty_deployments_are_rolled_out_over_a_hundred_nodes() -> None:
    assert told(1).rolled_out < 10.0
    used = {pod["spec"]["nodeName"] for pod in told(1).pods if "deletionTimestamp" not in pod["metadata"]}
    assert len(used) > 90, "the pods are spread"


def test_a_silent_node_is_unknown_at_the_first_look_after_the_grace_period() -> None:
    run = told(1)
    assert set(run.unknown) == set(run.killed)
    for name, last in run.killed.items():
        late = run.unknown[name] - (last + GRACE)
        assert 0 < late <= LOOK + 1e-6, name
        assert run.unknown[name] % LOOK == run.unknown[min(run.unknown)] % LOOK, "the looks are on one beat"


def test_pods_are_evicted_exactly_five_minutes_after_the_taint() -> None:
    run = told(1)
    assert set(run.tainted) == set(run.killed)
    expected = {name: moment + TOLERATION for name, moment in run.tainted.items()}
    assert run.evicted
    assert {name for name, _ in run.evicted.values()} == set(run.killed)
    for pod, (name, moment) in run.evicted.items():
        assert abs(moment - expected[name]) < 1e-6, (pod, name, moment)


def test_evicted_pods_come_back_elsewhere() -> None:
    run = told(1)
    assert run.recovered == END
    standing = [pod for pod in run.pods if "deletionTimestamp" not in pod["metadata"]]
    assert len(standing) == DEPLOYMENTS * REPLICAS
    assert not {pod["spec"]["nodeName"] for pod in standing} & set(run.killed)
    started = {clock.parse_timestamp(pod["status"]["startTime"]) for pod in standing}
    evictions = {clock.VIRTUAL_START + timedelta(seconds=int(moment)) for _, moment in run.evicted.values()}
    anew = {moment for moment in started if moment > clock.VIRTUAL_START + timedelta(seconds=KILL_AT)}
    second = timedelta(seconds=1)  # an eviction at the end of one second may start a pod in the next
    assert all(moment in evictions or moment - second in evictions for moment in anew)
    assert all(moment in anew or moment + second in anew for moment in evictions)


def _first_difference(one: list[str], other: list[str]) -> Callable[[], str]:
    def show() -> str:
        pairs = zip(one, other, strict=False)
        return next((f"{number}: {a} / {b}" for number, (a, b) in enumerate(pairs) if a != b), "lengths")

    return show


def test_the_same_seed_gives_the_same_log_byte_for_byte() -> None:
    first, second = told(1).log, told(1, again=1).log
    assert first == second, _first_difference(first, second)()


def test_another_seed_gives_another_log() -> None:
    rollout = clock.run_virtual(story(2, whole=False)).log
    assert rollout != told(1).log[: len(rollout)]
