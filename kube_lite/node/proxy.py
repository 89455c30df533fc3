"""The seam between the node executor and whatever programs the node's network.

The executor says what should be: where other nodes' pods are, which Service address leads to which endpoints.
Each call carries the whole desired state, so a repeated or missed one does no harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One port of one Service: traffic to ``ip:port`` goes to one of ``endpoints``; none means reject."""

    ip: str
    port: int
    protocol: str
    endpoints: tuple[tuple[str, int], ...]
    node_port: int = 0
    affinity_seconds: int = 0


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
