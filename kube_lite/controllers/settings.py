"""Settings of the controllers. Every duration is in seconds; defaults are kube-controller-manager's (v1.36)."""

from __future__ import annotations

import msgspec


class ControllerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What may be set on controllers; the reason for each default stands beside it."""

    workers: int = 5
    """Keys of one controller worked on at once (upstream: ``--concurrent-*-syncs=5``)."""

    burst_replicas: int = 500
    """Pods that a ReplicaSet creates or deletes in one reconcile, so that one set cannot fill the API's queues."""

    expectation_timeout: float = 300.0
    """Seconds until a ReplicaSet stops waiting for watch events of its own writes: they were lost."""

    node_monitor_period: float = 5.0
    """Seconds between two looks at the heartbeats of the nodes."""

    node_monitor_grace_period: float = 50.0
    """Seconds of silence until a node counts as gone; several times its heartbeat of 10 s."""

    node_startup_grace_period: float = 60.0
    """The same for a node that has never reported."""

    node_eviction_rate: float = 0.1
    """Nodes a second that get the NoExecute taint when a few fail: one node each ten seconds."""

    secondary_node_eviction_rate: float = 0.01
    """The same when most nodes of a zone fail: it is likelier that the network is broken than the nodes."""

    large_cluster_size_threshold: int = 50
    """Up to so many nodes in a zone, nothing is evicted at all when most of them fail."""

    unhealthy_zone_threshold: float = 0.55
    """Share of failed nodes above which most of a zone counts as failed (and at least three nodes)."""

    cluster_cidr: str = "10.244.0.0/16"
    """Addresses of pods, handed to the nodes piece by piece."""

    node_cidr_mask_size: int = 24
    """Size of a node's piece: 254 pods."""

    terminated_pod_gc_threshold: int = 12500
    """Finished pods that may lie about before the oldest are deleted; 0 never deletes."""

    pod_gc_period: float = 20.0
    """Seconds between two looks for pods that nobody owns any more."""

    orphan_quarantine: float = 40.0
    """Seconds that a pod's node must be missing before the pod is deleted, in case the node comes back."""

    gc_max_share: float = 0.1
    """Share of a kind that may be collected within a minute on an absent owner's word alone; see garbagecollector."""

    namespace_retry: float = 5.0
    """Seconds between two attempts to empty a namespace whose contents take their time."""

    legacy_service_account_tokens: bool = False
    """Whether every ServiceAccount gets a token Secret, as before Kubernetes 1.24."""

    max_endpoints_per_slice: int = 100
    """Endpoints in one EndpointSlice: a change of one endpoint rewrites a slice of bounded size."""

    max_mirrored_endpoints: int = 1000
    """Addresses of one subset of an Endpoints that are mirrored (upstream: mirroring-max-endpoints-per-subset)."""

    endpoints_capacity: int = 1000
    """Addresses in one Endpoints object; the rest is cut off, as the object would grow without bound."""
