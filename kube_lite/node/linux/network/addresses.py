"""Which pod has which address of this node's podCIDR.

One file per address, named by it and holding the pod's uid, in the node's data directory: making the file is
the allocation, so it survives the executor's restart and cannot be given twice. Nothing is synced: a power cut
ends the pods too. An address that was just freed is used again only after all others, so that a packet still
on its way to a dead pod does not reach a new one.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

from kube_lite.node.runtime import RuntimeFailure


class AddressPool:
    """Addresses of ``pod_cidr`` (IPv4); the network address, the first (the node's own) and the last are not given."""

    def __init__(self, pod_cidr: str, directory: Path) -> None:
        """:raises ValueError: not an IPv4 network of at least four addresses"""
        self._network = ipaddress.IPv4Network(pod_cidr)
        if self._network.num_addresses < 4:
            raise ValueError(f"pod CIDR {pod_cidr} is too small: at least a /30 is needed")
        self._directory = directory
        self._by_pod: dict[str, str] = {}
        self._used: set[int] = set()
        self._cursor = int(self._network.network_address) + 1

    @property
    def node_address(self) -> str:
        """The node's own address inside the pod network: the first of its podCIDR."""
        return str(self._network.network_address + 1)

    def load(self) -> None:
        """Read what an earlier executor allocated; files that are empty, foreign or double are removed."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        newest = -1
        for path in sorted(self._directory.iterdir()):
            uid = path.read_text()
            try:
                address = ipaddress.IPv4Address(path.name)
            except ValueError:
                address = None
            if address is None or address not in self._network or not uid or uid in self._by_pod:
                path.unlink()
                continue
            self._by_pod[uid] = path.name
            self._used.add(int(address))
            if path.stat().st_mtime_ns > newest:
                newest, self._cursor = path.stat().st_mtime_ns, int(address)

    def allocate(self, pod_uid: str) -> str:
        """The pod's address, a new one if it has none.

        :raises RuntimeFailure: FailedCreatePodSandBox when every address is taken
        """
        held = self._by_pod.get(pod_uid)
        if held is not None:
            return held
        first, last = int(self._network.network_address) + 2, int(self._network.broadcast_address) - 1
        size = last - first + 1
        for step in range(1, size + 1):
            candidate = first + (self._cursor - first + step) % size
            if candidate in self._used:
                continue
            address = str(ipaddress.IPv4Address(candidate))
            descriptor = os.open(self._directory / address, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, pod_uid.encode())
            finally:
                os.close(descriptor)
            self._by_pod[pod_uid] = address
            self._used.add(candidate)
            self._cursor = candidate
            return address
        raise RuntimeFailure("FailedCreatePodSandBox", f"no IP addresses available in range {self._network}")

    def release(self, pod_uid: str) -> str | None:
        """Give the pod's address back; returns it, or None when it had none."""
        address = self._by_pod.pop(pod_uid, None)
        if address is not None:
            self._used.discard(int(ipaddress.IPv4Address(address)))
            (self._directory / address).unlink(missing_ok=True)
        return address

    def pods(self) -> dict[str, str]:
        """A copy of what is allocated: pod uid to address."""
        return dict(self._by_pod)
