"""What every pod worker of a node shares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from kube_lite.client.events import EventRecorder
from kube_lite.client.protocol import Client
from kube_lite.node.environment import Environment, Placement
from kube_lite.node.hooks import Handlers
from kube_lite.node.measures import Meter
from kube_lite.node.restarts import BackOff
from kube_lite.node.runtime import NodeRuntime
from kube_lite.node.settings import NodeSettings
from kube_lite.node.volumes import Volumes
from kube_lite.node.volumes.content import Tokens
from kube_lite.resources.kinds.pod.view import Container, Pod
from kube_lite.resources.views import Node


async def _no_relist() -> None:
    return None


def _no_variables(namespace: str) -> Mapping[str, str]:
    return {}


def _no_node() -> Node | None:
    return None


@dataclass(slots=True)
class NodeContext:
    """The parts of one node executor that its pod workers use."""

    settings: NodeSettings
    client: Client
    runtime: NodeRuntime
    recorder: EventRecorder
    volumes: Volumes
    tokens: Tokens
    environment: Environment
    handlers: Handlers
    service_variables: Callable[[str], Mapping[str, str]] = _no_variables
    """The variables of Services for pods of a namespace; '' for those every pod gets."""
    allocatable: Mapping[str, str] = field(default_factory=dict)
    meter: Meter | None = None
    """Measures what pods use; None where nothing can."""
    node: Callable[[], Node | None] = _no_node
    """The Node object as last seen; None while it has not been."""
    relist: Callable[[], Awaitable[None]] = _no_relist
    """Reads the runtime's state and hands it to every worker; returns when they have it."""
    crash_backoff: BackOff = field(init=False)
    pull_backoff: BackOff = field(init=False)

    def __post_init__(self) -> None:
        self.crash_backoff = BackOff(self.settings.crash_backoff, self.settings.crash_backoff_max)
        self.pull_backoff = BackOff(self.settings.pull_backoff, self.settings.pull_backoff_max)

    def placement(self, pod_ip: str) -> Placement:
        """What the downward API tells of a pod here."""
        return Placement(self.settings.name, self.settings.address, pod_ip, self.allocatable)

    def event(self, pod: Pod, type: str, reason: str, message: str, container: Container | None = None) -> None:
        """Note an event about a pod, or about one of its containers."""
        path = ""
        if container is not None:
            inits = any(c.name == container.name for c in pod.spec.init_containers)
            path = f"spec.{'initContainers' if inits else 'containers'}{{{container.name}}}"
        self.recorder.event(pod, type, reason, message, field_path=path)


def pod_text(pod: Pod) -> str:
    """A pod as messages name it: ``name_namespace(uid)``."""
    return f"{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"
