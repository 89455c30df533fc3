"""One simulated node: its objects as the API sees them, its addresses, and the images it has."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from kube_lite import clock

LEASE_DURATION = 40
"""Seconds that a node lease stands for (kubelet's nodeLeaseDurationSeconds)."""

MOST_IMAGES = 256
"""Images that a node keeps."""

NODE_INFO = {
    "architecture": "amd64",
    "bootID": "sim",
    "containerRuntimeVersion": "sim://1",
    "kernelVersion": "sim",
    "kubeProxyVersion": "",
    "kubeletVersion": "v1.36.0-kube-lite-sim",
    "machineID": "sim",
    "operatingSystem": "linux",
    "osImage": "simulated",
    "systemUUID": "sim",
}

_HEALTHY = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


def host_address(index: int) -> str:
    """The address of node ``index``, out of 172.16.0.0/12."""
    return f"172.{16 + (index >> 16)}.{index >> 8 & 255}.{index & 255}"


class SimNode(msgspec.Struct, eq=False):
    """A node of the fleet. ``prefix`` is what its pods' addresses begin with; numbers from 2 to 254 follow."""

    index: int
    name: str
    capacity: dict[str, str]
    labels: dict[str, str]
    prefix: str = ""
    uid: str = ""
    alive: bool = True
    registered: bool = False
    ready_since: str = ""
    status_due: float = 0.0
    """When the status is written again although nothing changed."""
    images: dict[str, None] = msgspec.field(default_factory=dict)
    """Images that are here, the one used longest ago first."""
    pods: dict[str, None] = msgspec.field(default_factory=dict)
    """Keys of the pods here, in the order of arrival."""
    _addresses: deque[int] = msgspec.field(default_factory=lambda: deque(range(2, 255)))

    def take_address(self) -> str:
        """An address for a pod; '' when all are taken."""
        return f"{self.prefix}.{self._addresses.popleft()}" if self._addresses else ""

    def use_images(self, names: Iterable[str]) -> None:
        """Pods run of these images; of too many those used longest ago go, as a kubelet removes them."""
        for name in names:
            self.images.pop(name, None)
            self.images[name] = None
        while len(self.images) > MOST_IMAGES:
            del self.images[next(iter(self.images))]

    def give_address(self, ip: str) -> None:
        """A pod's address is free again; the one given back last is used again last."""
        prefix, _, number = ip.rpartition(".")
        if prefix == self.prefix and number.isdigit():
            self._addresses.append(int(number))

    def object(self) -> dict[str, Any]:
        """The Node to create."""
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": self.labels},
            "spec": {},
            "status": self.status(),
        }

    def status(self) -> dict[str, Any]:
        """The status as a kubelet writes it."""
        moment = clock.timestamp()
        self.ready_since = self.ready_since or moment
        conditions = [(kind, "False", reason, message) for kind, reason, message in _HEALTHY]
        conditions.append(("Ready", "True", "KubeletReady", "kubelet is posting ready status"))
        return {
            "capacity": self.capacity,
            "allocatable": self.capacity,
            "addresses": [
                {"type": "InternalIP", "address": host_address(self.index)},
                {"type": "Hostname", "address": self.name},
            ],
            "conditions": [
                {
                    "type": kind,
                    "status": status,
                    "reason": reason,
                    "message": message,
                    "lastHeartbeatTime": moment,
                    "lastTransitionTime": self.ready_since,
                }
                for kind, status, reason, message in conditions
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
            "nodeInfo": NODE_INFO,
        }

    def lease(self) -> dict[str, Any]:
        """The node lease to create."""
        owner = {"apiVersion": "v1", "kind": "Node", "name": self.name, "uid": self.uid}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self.name,
                "namespace": "kube-node-lease",
                **({"ownerReferences": [owner]} if self.uid else {}),
            },
            "spec": {
                "holderIdentity": self.name,
                "leaseDurationSeconds": LEASE_DURATION,
                "renewTime": clock.timestamp_micro(),
            },
        }
