"""The seam between the node executor and whatever programs the node's network.

The executor says what should be: where other nodes' pods are, which Service address leads to which endpoints.
Each call carries the whole desired state, so a repeated or missed one does no harm.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Protocol

import msgspec

PROTOCOLS = ("TCP", "UDP", "SCTP")


class ServiceSpec(msgspec.Struct, frozen=True):
    """One port of one Service: traffic to ``ip:port`` goes to one of ``endpoints``; none means reject.

    :param ip: the cluster IP; empty when only the node port is wanted
    :param node_port: 0 for none
    :param affinity_seconds: how long a client stays with its endpoint after its last connection; 0 for no affinity
    :raises ValueError: something that could not stand in a rule
    """

    ip: str
    port: int
    protocol: str = "TCP"
    endpoints: tuple[tuple[str, int], ...] = ()
    node_port: int = 0
    affinity_seconds: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no address or port: it would become part of a command."""
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"unknown protocol {self.protocol!r}")
        for address in (*([self.ip] if self.ip else []), *(ip for ip, _ in self.endpoints)):
            ipaddress.IPv4Address(address)
        for port in (self.port, *(port for _, port in self.endpoints)):
            if not 0 < port < 65536:
                raise ValueError(f"not a port: {port}")
        if not 0 <= self.node_port < 65536 or self.affinity_seconds < 0:
            raise ValueError(f"not a node port or affinity: {self.node_port}, {self.affinity_seconds}")


class ServiceProxy(Protocol):
    """Sends Service addresses to endpoints."""

    async def sync(self, services: Mapping[str, ServiceSpec]) -> None:
        """Serve exactly these, keyed ``namespace/name:port-name``."""
        ...


class PodNetwork(Protocol):
    """Reaches the pods of other nodes."""

    async def set_routes(self, routes: Mapping[str, str]) -> None:
        """Reach exactly these pod networks of other nodes, each through a node address."""
        ...
