"""Makes the node known and keeps saying that it lives: the Node object, its status, and its Lease.

The Lease is renewed every ten seconds and is what liveness is judged by; the much larger status is written when
it changed, else every five minutes (upstream's division of work). Each of the two has its own task, so that a
slow status never delays a renewal.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio
import msgspec

from kube_lite import clock
from kube_lite.client.protocol import STRATEGIC_PATCH, Client
from kube_lite.errors import AlreadyExists, ApiError, NotFound
from kube_lite.node import machine
from kube_lite.node.runtime import ImageState, RuntimeFailure
from kube_lite.node.settings import NodeSettings
from kube_lite.resources.kinds.pod.requirements import is_extended
from kube_lite.resources.views import Node

log = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"

MAX_IMAGES = 50
"""Images listed in the status, the largest ones (upstream's ``nodeStatusMaxImages``)."""

REGISTER_RETRY = 0.2
REGISTER_RETRY_MAX = 7.0
"""Seconds between attempts to register: doubling up to this (upstream)."""

ListImages = Callable[[], Awaitable[Sequence[ImageState]]]

PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)
"""Type, reason and message of the conditions of a node that has enough of everything."""


class Heartbeat:
    """One node's presence in the API.

    :param images: lists the images that are here, None where nobody knows
    """

    def __init__(self, client: Client, settings: NodeSettings, images: ListImages | None = None) -> None:
        self._client = client
        self._settings = settings
        self._images = images
        self._capacity = machine.capacity(settings)
        self.allocatable: Mapping[str, str] = machine.allocatable(settings, self._capacity)
        self._advertised: dict[str, str | None] = {}
        self._not_ready = "container runtime network not ready: the node has no podCIDR yet"
        self._since: dict[str, tuple[str, str]] = {}
        self._written: dict[str, Any] = {}
        self._written_at = 0.0
        self._changed = anyio.Event()
        self._uid = ""

    def set_ready(self) -> None:
        """Say that pods can run here from now on; written at once."""
        self._not_ready = ""
        self._changed.set()

    def see(self, node: Node) -> None:
        """Take up extended resources that somebody has added to the node's capacity, and give up those that went.

        Whoever advertises them writes capacity; what pods may use of them is for the node to say (upstream:
        ``nodestatus.MachineInfo``).
        """
        capacity, allocatable = node.status.capacity, node.status.allocatable
        found: dict[str, str | None] = {name: None for name in allocatable if name not in capacity}
        found.update((name, amount) for name, amount in capacity.items() if name not in self._capacity)
        found = {name: amount for name, amount in found.items() if is_extended(name)}
        if found != self._advertised:
            self._advertised = found
            self._changed.set()

    @property
    def labels(self) -> dict[str, str]:
        """The labels that a node sets on itself."""
        return {
            "kubernetes.io/hostname": self._settings.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": machine.architecture(),
            "beta.kubernetes.io/os": "linux",
            "beta.kubernetes.io/arch": machine.architecture(),
            **self._settings.labels,
        }

    async def register(self) -> Node:
        """Make the Node object, or take up the one that is there; tried until it worked."""
        delay = REGISTER_RETRY
        while True:
            try:
                node = await self._register()
            except (ApiError, OSError) as error:
                log.warning("node %s: not registered: %s; again in %g s", self._settings.name, error, delay)
                await anyio.sleep(delay)
                delay = min(delay * 2, REGISTER_RETRY_MAX)
            else:
                break
        self._uid = node.metadata.uid
        for condition in node.status.conditions:
            self._since[condition.type] = (condition.status, condition.last_transition_time or clock.timestamp())
        return node

    async def _register(self) -> Node:
        name = self._settings.name
        body = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": name, "labels": self.labels}, "spec": {}}
        try:
            made = await self._client.create("nodes", body)
        except AlreadyExists:
            made = await self._client.patch("nodes", name, {"metadata": {"labels": self.labels}})
        return msgspec.json.decode(made, type=Node)

    async def run(self) -> None:
        """Keep lease and status up to date until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._every_beat, self._renew)
            tasks.start_soon(self._every_beat, self._report)

    async def _every_beat(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do it now and each heartbeat, the status also when it changed; a failure is tried again with the next."""
        due = clock.monotonic()
        while True:
            if act == self._report:
                self._changed = anyio.Event()
            try:
                with anyio.fail_after(self._settings.heartbeat):
                    await act()
            except (ApiError, OSError, RuntimeFailure) as error:  # OSError includes TimeoutError
                log.warning("node %s: heartbeat: %s", self._settings.name, error)
            due = max(due + self._settings.heartbeat, clock.monotonic())
            with anyio.move_on_after(due - clock.monotonic()):
                if act == self._report:
                    await self._changed.wait()
                    due = clock.monotonic() - self._settings.heartbeat
                else:
                    await anyio.sleep_forever()

    async def _renew(self) -> None:
        name = self._settings.name
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": self._settings.lease_duration,
            "renewTime": clock.timestamp_micro(),
        }
        try:
            await self._client.patch("leases.coordination.k8s.io", name, {"spec": spec}, LEASE_NAMESPACE)
        except NotFound:
            owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": self._uid}
            meta = {"name": name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner] if self._uid else []}
            lease = {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": meta, "spec": spec}
            await self._client.create("leases.coordination.k8s.io", lease, LEASE_NAMESPACE)

    async def _report(self) -> None:
        """Write what changed of the status; all of it when five minutes have passed."""
        status = await self._status()
        old = clock.monotonic() - self._written_at >= self._settings.status_period
        changes = {key: value for key, value in status.items() if old or self._written.get(key) != value}
        if not changes:
            return
        sent = dict(changes)
        if "conditions" in status:
            sent["conditions"] = [
                {**c, "lastHeartbeatTime": clock.timestamp(), "lastTransitionTime": self._since[c["type"]][1]}
                for c in status["conditions"]
            ]
        name = self._settings.name
        try:
            await self._client.patch(
                "nodes", name, {"status": sent}, content_type=STRATEGIC_PATCH, subresource="status"
            )
        except NotFound:  # somebody deleted the node: it is made again, as upstream does
            self._written = {}
            await self.register()
            self._changed.set()
            return
        self._written = status
        self._written_at = clock.monotonic()

    async def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = {
            "capacity": self._capacity,
            "allocatable": {**self.allocatable, **self._advertised},
            "conditions": self._conditions(),
            "addresses": [
                {"type": "InternalIP", "address": self._settings.address},
                {"type": "Hostname", "address": self._settings.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
            "nodeInfo": machine.node_info(),
        }
        if self._images is not None:
            found = sorted(await self._images(), key=lambda image: (-image.size, image.image_id))
            status["images"] = [
                {"names": list(image.names) or [image.image_id], "sizeBytes": image.size}
                for image in found[:MAX_IMAGES]
            ]
        return status

    def _conditions(self) -> list[dict[str, str]]:
        conditions = [
            {"type": kind, "status": "False", "reason": reason, "message": message}
            for kind, reason, message in PRESSURES
        ]
        if self._not_ready:
            ready = {"status": "False", "reason": "KubeletNotReady", "message": self._not_ready}
        else:
            ready = {"status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
        conditions.append({"type": "Ready", **ready})
        for condition in conditions:
            kind, value = condition["type"], condition["status"]
            if self._since.get(kind, ("", ""))[0] != value:
                self._since[kind] = (value, clock.timestamp())
        return conditions
