"""Typed views of the kinds, other than Pod, that in-process parts read.

A view names only the fields that somebody reads. Add a field here when a controller needs it; never write a
view back. Parts of an object that are copied but not read (pod templates) are carried as ``msgspec.Raw``.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import field

from kube_lite.resources.meta import LabelSelector, ObjectView, View


class Taint(View, frozen=True):
    """A node's refusal."""

    key: str
    effect: str
    value: str = ""
    time_added: str | None = None


class NodeSpec(View, frozen=True):
    """What a node should be."""

    pod_cidr: str = field(default="", name="podCIDR")
    pod_cidrs: list[str] = field(default_factory=list, name="podCIDRs")
    unschedulable: bool = False
    taints: list[Taint] = []


class NodeCondition(View, frozen=True):
    """One condition; status True, False or Unknown."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_heartbeat_time: str | None = None
    last_transition_time: str | None = None


class NodeAddress(View, frozen=True):
    """An address of a node; type InternalIP, ExternalIP or Hostname."""

    type: str
    address: str


class ContainerImage(View, frozen=True):
    """An image that a node has."""

    names: list[str] = []
    size_bytes: int = 0


class NodeInfo(View, frozen=True):
    """What a kubelet says about itself and its machine."""

    operating_system: str = ""


class NodeStatus(View, frozen=True):
    """What a node is; quantities as text."""

    capacity: dict[str, str] = {}
    allocatable: dict[str, str] = {}
    conditions: list[NodeCondition] = []
    addresses: list[NodeAddress] = []
    images: list[ContainerImage] = []
    node_info: NodeInfo = NodeInfo()


class Node(ObjectView, frozen=True):
    """A node."""

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    def condition(self, kind: str) -> NodeCondition | None:
        """The condition of that type."""
        return next((c for c in self.status.conditions if c.type == kind), None)


class LeaseSpec(View, frozen=True):
    """Who holds it, since when; times RFC 3339 with microseconds."""

    renew_time: str | None = None


class Lease(ObjectView, frozen=True):
    """A heartbeat or an election."""

    spec: LeaseSpec = LeaseSpec()


class NamespaceSpec(View, frozen=True):
    """Finalizers of the namespace itself, apart from metadata.finalizers."""

    finalizers: list[str] = []


class NamespaceStatus(View, frozen=True):
    """Active or Terminating; conditions while its content goes."""

    phase: str = "Active"
    conditions: list[WorkloadCondition] = []


class Namespace(ObjectView, frozen=True):
    """A namespace."""

    spec: NamespaceSpec = NamespaceSpec()
    status: NamespaceStatus = NamespaceStatus()


class ServiceAccount(ObjectView, frozen=True):
    """A service account."""


class RollingUpdateDeployment(View, frozen=True):
    """Numbers or percentages."""

    max_surge: int | str | None = None
    max_unavailable: int | str | None = None


class DeploymentStrategy(View, frozen=True):
    """RollingUpdate or Recreate."""

    type: str = "RollingUpdate"
    rolling_update: RollingUpdateDeployment | None = None


class DeploymentSpec(View, frozen=True):
    """What a Deployment should run; ``template`` is copied, not read."""

    replicas: int = 1
    selector: LabelSelector = LabelSelector()
    template: msgspec.Raw = msgspec.Raw(b"{}")
    strategy: DeploymentStrategy = DeploymentStrategy()
    min_ready_seconds: int = 0
    revision_history_limit: int | None = 10
    progress_deadline_seconds: int | None = 600
    paused: bool = False


class WorkloadCondition(View, frozen=True):
    """A condition of a Deployment or ReplicaSet."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_update_time: str | None = None
    last_transition_time: str | None = None


class DeploymentStatus(View, frozen=True):
    """What a Deployment runs."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    collision_count: int | None = None
    conditions: list[WorkloadCondition] = []


class Deployment(ObjectView, frozen=True):
    """A deployment."""

    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


class ReplicaSetSpec(View, frozen=True):
    """What a ReplicaSet should run; ``template`` is copied, not read."""

    replicas: int = 1
    min_ready_seconds: int = 0
    selector: LabelSelector = LabelSelector()
    template: msgspec.Raw = msgspec.Raw(b"{}")


class ReplicaSetStatus(View, frozen=True):
    """What a ReplicaSet runs."""

    replicas: int = 0
    fully_labeled_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    observed_generation: int = 0
    conditions: list[WorkloadCondition] = []


class ReplicaSet(ObjectView, frozen=True):
    """A replica set."""

    spec: ReplicaSetSpec = ReplicaSetSpec()
    status: ReplicaSetStatus = ReplicaSetStatus()


class ServicePort(View, frozen=True):
    """A port of a Service; ``target_port`` a number or a container port's name."""

    port: int
    name: str = ""
    protocol: str = "TCP"
    target_port: int | str = 0
    node_port: int = 0
    app_protocol: str | None = None


class ServiceSpec(View, frozen=True):
    """What a Service offers."""

    type: str = "ClusterIP"
    cluster_ip: str = field(default="", name="clusterIP")
    cluster_ips: list[str] = field(default_factory=list, name="clusterIPs")
    external_ips: list[str] = field(default_factory=list, name="externalIPs")
    external_name: str = ""
    selector: dict[str, str] = {}
    ports: list[ServicePort] = []
    session_affinity: str = "None"
    session_affinity_config: dict[str, Any] | None = None
    ip_families: list[str] = []
    publish_not_ready_addresses: bool = False
    internal_traffic_policy: str = "Cluster"


class Service(ObjectView, frozen=True):
    """A service."""

    spec: ServiceSpec = ServiceSpec()


class EndpointConditions(View, frozen=True):
    """Whether an endpoint takes traffic; None counts as ready."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(View, frozen=True):
    """One backend of a Service."""

    addresses: list[str] = []
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    node_name: str | None = None


class EndpointPort(View, frozen=True):
    """A port that every endpoint of a slice has."""

    name: str | None = None
    protocol: str = "TCP"
    port: int | None = None
    app_protocol: str | None = None


class EndpointSlice(ObjectView, frozen=True):
    """Backends of a Service, named by the label ``kubernetes.io/service-name``."""

    address_type: str = "IPv4"
    stored_endpoints: list[Endpoint] | None = field(default=None, name="endpoints")
    stored_ports: list[EndpointPort] | None = field(default=None, name="ports")
    """Both are printed as null when empty, as upstream does; read them through the properties."""

    @property
    def endpoints(self) -> list[Endpoint]:
        """The backends."""
        return self.stored_endpoints or []

    @property
    def ports(self) -> list[EndpointPort]:
        """The ports that every backend has."""
        return self.stored_ports or []
