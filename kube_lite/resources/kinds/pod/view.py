"""The typed view of pods that scheduler, controllers and node agents read.

Field names follow the API; acronyms are spelled out because camelCase conversion cannot guess them.
"""

from __future__ import annotations

from typing import Any

from msgspec import field

from kube_lite.resources.meta import LabelSelector, ObjectView, View


class ContainerPort(View, frozen=True):
    """A declared port."""

    container_port: int
    name: str = ""
    host_port: int = 0
    host_ip: str = field(default="", name="hostIP")
    protocol: str = "TCP"


class EnvVar(View, frozen=True):
    """An environment variable; ``value_from`` as decoded JSON."""

    name: str
    value: str = ""
    value_from: dict[str, Any] | None = None


class ResourceRequirements(View, frozen=True):
    """Quantities as text; parse with ``resources.quantity``."""

    requests: dict[str, str] = {}
    limits: dict[str, str] = {}


class HTTPHeader(View, frozen=True):
    """A header of an HTTP probe."""

    name: str
    value: str = ""


class HTTPGetAction(View, frozen=True):
    """An HTTP GET; ``port`` is a number or a port name."""

    port: int | str
    path: str = "/"
    host: str = ""
    scheme: str = "HTTP"
    http_headers: list[HTTPHeader] = []


class TCPSocketAction(View, frozen=True):
    """A TCP connection."""

    port: int | str
    host: str = ""


class ExecAction(View, frozen=True):
    """A command run in the container."""

    command: list[str] = []


class SleepAction(View, frozen=True):
    """A pause in seconds."""

    seconds: int


class GRPCAction(View, frozen=True):
    """A gRPC health check."""

    port: int
    service: str | None = None


class Probe(View, frozen=True):
    """A probe with its thresholds; times in seconds."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    grpc: GRPCAction | None = None
    initial_delay_seconds: int = 0
    timeout_seconds: int = 1
    period_seconds: int = 10
    success_threshold: int = 1
    failure_threshold: int = 3
    termination_grace_period_seconds: int | None = None


class LifecycleHandler(View, frozen=True):
    """What a hook does."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(View, frozen=True):
    """Hooks of a container."""

    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None


class VolumeMount(View, frozen=True):
    """Where a volume appears in a container."""

    name: str
    mount_path: str
    read_only: bool = False
    sub_path: str = ""
    sub_path_expr: str = ""
    mount_propagation: str = ""


class Container(View, frozen=True):
    """A container or init container."""

    name: str
    image: str = ""
    command: list[str] = []
    args: list[str] = []
    working_dir: str = ""
    ports: list[ContainerPort] = []
    env: list[EnvVar] = []
    env_from: list[dict[str, Any]] = []
    resources: ResourceRequirements = ResourceRequirements()
    volume_mounts: list[VolumeMount] = []
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    termination_message_path: str = "/dev/termination-log"
    termination_message_policy: str = "File"
    image_pull_policy: str = "IfNotPresent"
    security_context: dict[str, Any] | None = None
    restart_policy: str = ""
    stdin: bool = False
    tty: bool = False


class Toleration(View, frozen=True):
    """What taint a pod stands."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class NodeSelectorRequirement(View, frozen=True):
    """One expression over node labels or fields."""

    key: str
    operator: str
    values: list[str] = []


class NodeSelectorTerm(View, frozen=True):
    """Expressions that must all hold."""

    match_expressions: list[NodeSelectorRequirement] = []
    match_fields: list[NodeSelectorRequirement] = []


class NodeSelector(View, frozen=True):
    """Terms of which one must hold."""

    node_selector_terms: list[NodeSelectorTerm] = []


class PreferredSchedulingTerm(View, frozen=True):
    """A wish with a weight of 1 to 100."""

    weight: int
    preference: NodeSelectorTerm = NodeSelectorTerm()


class NodeAffinity(View, frozen=True):
    """Which nodes a pod must or would like to be on."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: list[PreferredSchedulingTerm] = []


class PodAffinityTerm(View, frozen=True):
    """Pods to be near to, or away from."""

    topology_key: str = ""
    label_selector: LabelSelector | None = None
    namespaces: list[str] = []
    namespace_selector: LabelSelector | None = None
    match_label_keys: list[str] = []
    mismatch_label_keys: list[str] = []


class WeightedPodAffinityTerm(View, frozen=True):
    """A wish with a weight of 1 to 100."""

    weight: int
    pod_affinity_term: PodAffinityTerm = PodAffinityTerm()


class PodAffinity(View, frozen=True):
    """Also the shape of podAntiAffinity."""

    required_during_scheduling_ignored_during_execution: list[PodAffinityTerm] = []
    preferred_during_scheduling_ignored_during_execution: list[WeightedPodAffinityTerm] = []


class Affinity(View, frozen=True):
    """All three affinities."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class TopologySpreadConstraint(View, frozen=True):
    """How evenly pods spread over a topology."""

    max_skew: int
    topology_key: str
    when_unsatisfiable: str
    label_selector: LabelSelector | None = None
    min_domains: int | None = None
    node_affinity_policy: str = "Honor"
    node_taints_policy: str = "Ignore"
    match_label_keys: list[str] = []


class SchedulingGate(View, frozen=True):
    """A name that holds a pod back."""

    name: str


class HostAlias(View, frozen=True):
    """An extra line of the hosts file."""

    ip: str
    hostnames: list[str] = []


class LocalObjectReference(View, frozen=True):
    """A name in the same namespace."""

    name: str = ""


class PodReadinessGate(View, frozen=True):
    """A condition that readiness waits for."""

    condition_type: str


class PodSpec(View, frozen=True):
    """What should run."""

    containers: list[Container] = []
    init_containers: list[Container] = []
    volumes: list[dict[str, Any]] = []
    node_name: str = ""
    node_selector: dict[str, str] = {}
    restart_policy: str = "Always"
    termination_grace_period_seconds: int = 30
    active_deadline_seconds: int | None = None
    dns_policy: str = "ClusterFirst"
    dns_config: dict[str, Any] | None = None
    service_account_name: str = ""
    host_network: bool = False
    host_pid: bool = field(default=False, name="hostPID")
    host_ipc: bool = field(default=False, name="hostIPC")
    host_users: bool | None = None
    share_process_namespace: bool = False
    hostname: str = ""
    subdomain: str = ""
    host_aliases: list[HostAlias] = []
    set_hostname_as_fqdn: bool = field(default=False, name="setHostnameAsFQDN")
    security_context: dict[str, Any] | None = None
    image_pull_secrets: list[LocalObjectReference] = []
    affinity: Affinity | None = None
    tolerations: list[Toleration] = []
    topology_spread_constraints: list[TopologySpreadConstraint] = []
    scheduler_name: str = "default-scheduler"
    scheduling_gates: list[SchedulingGate] = []
    readiness_gates: list[PodReadinessGate] = []
    priority: int = 0
    preemption_policy: str = "PreemptLowerPriority"
    enable_service_links: bool = True
    overhead: dict[str, str] = {}


class PodCondition(View, frozen=True):
    """One condition; status True, False or Unknown."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None
    last_probe_time: str | None = None


class ContainerStateRunning(View, frozen=True):
    """Since when."""

    started_at: str | None = None


class ContainerStateTerminated(View, frozen=True):
    """How it ended."""

    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    container_id: str = field(default="", name="containerID")


class ContainerStateWaiting(View, frozen=True):
    """Why not yet."""

    reason: str = ""
    message: str = ""


class ContainerState(View, frozen=True):
    """One of three."""

    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None
    waiting: ContainerStateWaiting | None = None


class ContainerStatus(View, frozen=True):
    """What became of one container."""

    name: str
    ready: bool = False
    restart_count: int = 0
    image: str = ""
    image_id: str = field(default="", name="imageID")
    container_id: str = field(default="", name="containerID")
    started: bool | None = None
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodIP(View, frozen=True):
    """An address."""

    ip: str


class PodStatus(View, frozen=True):
    """What runs."""

    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    pod_ip: str = field(default="", name="podIP")
    pod_ips: list[PodIP] = field(default_factory=list, name="podIPs")
    host_ip: str = field(default="", name="hostIP")
    start_time: str | None = None
    qos_class: str = ""
    conditions: list[PodCondition] = []
    container_statuses: list[ContainerStatus] = []
    init_container_statuses: list[ContainerStatus] = []
    observed_generation: int = 0


class Pod(ObjectView, frozen=True):
    """A pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    def condition(self, kind: str) -> PodCondition | None:
        """The condition of that type."""
        return next((c for c in self.status.conditions if c.type == kind), None)

    @property
    def ready(self) -> bool:
        """Whether the Ready condition is True."""
        condition = self.condition("Ready")
        return condition is not None and condition.status == "True"

    @property
    def finished(self) -> bool:
        """Whether the phase is Succeeded or Failed."""
        return self.status.phase in ("Succeeded", "Failed")

    @property
    def terminating(self) -> bool:
        """Whether deletion has been asked for."""
        return self.metadata.deletion_timestamp is not None
