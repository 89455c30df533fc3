"""Settings of a node executor: every value with its unit, and why it is what it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec


class NodeSettings(msgspec.Struct, frozen=True):
    """What an operator may choose for one node. Durations are seconds."""

    name: str
    """Name of the Node object, a DNS subdomain."""
    data_dir: Path
    """Volumes live under ``data_dir/volumes/UID``; the runtime keeps its own state beside them."""
    address: str = "127.0.0.1"
    """InternalIP of the node, and hostIP of its pods."""
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Extra node labels."""
    capacity: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Overrides of the machine's own ``cpu``, ``memory``, ``pods``, ``ephemeral-storage``."""
    reserved: Mapping[str, str] = msgspec.field(default_factory=dict)
    """What allocatable is smaller by than capacity, for the system itself."""
    max_pods: int = 110
    """Upstream's default; a /24 holds 254."""
    cluster_dns: tuple[str, ...] = ()
    """Addresses of the cluster's DNS; empty when there is none, pods then use the node's."""
    cluster_domain: str = "cluster.local"
    """Suffix of Service names."""

    crash_backoff: float = 10.0
    """First delay before a container that keeps failing is started again; doubles (upstream)."""
    crash_backoff_max: float = 300.0
    """Longest such delay (upstream); a run of twice as long resets it."""
    pull_backoff: float = 10.0
    """First delay after an image could not be pulled; doubles (upstream)."""
    pull_backoff_max: float = 300.0
    """Longest such delay (upstream)."""
    config_retry: float = 10.0
    """Until a container whose ConfigMap or Secret is missing is tried again (upstream's back-off period)."""
    mount_backoff: float = 0.5
    """First delay after a volume could not be set up; doubles (upstream)."""
    mount_backoff_max: float = 122.0
    """Longest such delay (upstream: 2 min 2 s)."""
    volume_refresh: float = 60.0
    """Between refreshes of ConfigMap, Secret, downward API and token volumes (upstream's sync period)."""
    usage_period: float = 10.0
    """Between looks at how much a pod's emptyDir volumes hold (upstream's eviction manager)."""
    orphan_grace: float = 1.0
    """Grace of containers whose pod no longer exists in the API (upstream)."""
    minimum_grace: float = 2.0
    """Between SIGTERM and SIGKILL at least, even when a preStop hook used all of the grace (upstream)."""
    relist: float = 10.0
    """Between reads of the whole runtime state, a safety net under its own notifications."""
    status_delay: float = 0.1
    """How long a status that nobody waits for (still Pending) is held back, to be joined with the next."""
    status_retry: float = 1.0
    """First delay after a status could not be written; doubles up to 30 s."""

    heartbeat: float = 10.0
    """Between lease renewals and looks at the node's own status (upstream: a quarter of the lease)."""
    lease_duration: int = 40
    """``leaseDurationSeconds`` (upstream)."""
    status_period: float = 300.0
    """Longest time without a node status write when nothing changed (upstream)."""
    services_delay: float = 0.02
    """Changes of Services and endpoints within this time are applied together; the aim is 100 ms in all."""
