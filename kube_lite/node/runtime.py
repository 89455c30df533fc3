"""The seam between the node agent and whatever runs containers.

``node/linux`` implements it with kernel namespaces and cgroups, ``sim`` with timers. The agent decides
*what* should run (restart policy, back-off, probes, order); the runtime only does it and says what is.
All durations are seconds, all sizes bytes, all times timezone-aware UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from kube_lite.node.keyring import Credential


class ContainerPhase(StrEnum):
    """Where a container is in its life; ``UNKNOWN`` when its record outlived a reboot."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"


class Resources(msgspec.Struct, frozen=True):
    """cgroup settings. None means no limit.

    ``cpu_shares`` follows upstream: milli-CPU requested x 1024 / 1000, at least 2.
    ``cpu_quota`` is microseconds of CPU per 100,000 us period.
    """

    cpu_shares: int = 2
    cpu_quota: int | None = None
    memory_limit: int | None = None
    pids_limit: int | None = 1024


class Mount(msgspec.Struct, frozen=True):
    """A host path bound into the container."""

    host_path: str
    container_path: str
    read_only: bool = False
    propagation: str = "None"


class Security(msgspec.Struct, frozen=True):
    """What a container may do; the defaults are those of an ordinary container engine."""

    user: int | None = None
    group: int | None = None
    supplemental_groups: Sequence[int] = ()
    privileged: bool = False
    read_only_root: bool = False
    no_new_privileges: bool = True
    capabilities_add: Sequence[str] = ()
    capabilities_drop: Sequence[str] = ()
    seccomp_unconfined: bool = False
    run_as_non_root: bool = False


class HostPort(msgspec.Struct, frozen=True):
    """A port of the node that leads to ``container_port`` of the pod; ``address`` is the node's, '' for all it has."""

    port: int
    container_port: int
    protocol: str = "TCP"
    address: str = ""


class SandboxSpec(msgspec.Struct, frozen=True):
    """What the containers of a pod share: network, ipc and uts namespaces, cgroup parent, hosts files."""

    pod_uid: str
    name: str
    namespace: str
    hostname: str
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    share_process_namespace: bool = False
    host_users: bool = True
    """False for a user namespace: root inside is nobody outside."""
    hosts: Mapping[str, Sequence[str]] = msgspec.field(default_factory=dict)
    dns_servers: Sequence[str] = ()
    dns_searches: Sequence[str] = ()
    dns_options: Sequence[str] = ()
    sysctls: Mapping[str, str] = msgspec.field(default_factory=dict)
    resources: Resources = msgspec.field(default_factory=Resources)
    host_ports: Sequence[HostPort] = ()
    """None on the host's network, where containers have the node's ports themselves."""


class ContainerSpec(msgspec.Struct, frozen=True):
    """One start of one container; ``attempt`` counts its restarts from 0 and names its log file."""

    name: str
    image: str
    attempt: int
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Mapping[str, str] = msgspec.field(default_factory=dict)
    working_dir: str = ""
    mounts: Sequence[Mount] = ()
    resources: Resources = msgspec.field(default_factory=Resources)
    security: Security = msgspec.field(default_factory=Security)
    stdin: bool = False
    tty: bool = False
    termination_message_path: str = "/dev/termination-log"


class ContainerState(msgspec.Struct, frozen=True):
    """What a container is doing, or how it ended. ``reason`` is OOMKilled, Error, Completed, ContainerCannotRun."""

    name: str
    attempt: int
    phase: ContainerPhase
    container_id: str
    image: str
    image_id: str = ""
    pid: int = 0
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""
    log_path: str = ""


class PodState(msgspec.Struct, frozen=True):
    """Everything the runtime knows of one pod; containers include earlier attempts that it still keeps."""

    pod_uid: str
    name: str
    namespace: str
    ip: str
    containers: Sequence[ContainerState] = ()


class ExecResult(msgspec.Struct, frozen=True):
    """Outcome of a command run inside a container; output is cut at 64 KiB each."""

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""


class ImageState(msgspec.Struct, frozen=True):
    """An image that is present: its digest id, size and the names it is known by."""

    image_id: str
    size: int
    names: Sequence[str] = ()


class RuntimeFailure(Exception):
    """Raised when the runtime could not do what was asked; ``reason`` is a kubelet reason such as ErrImagePull."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class NodeRuntime(Protocol):
    """Runs pods on one node. Every method is idempotent: asking for what already is, is no error."""

    on_change: Callable[[str], None] | None
    """Called with a pod uid when one of its containers ended by itself."""

    async def ensure_image(self, image: str, policy: str, credentials: Sequence[Credential] = ()) -> ImageState:
        """Have ``image`` here by ``policy`` (Always, IfNotPresent, Never).

        :param credentials: those of the pod, for any registry; the ones that fit are tried

        :raises RuntimeFailure: ErrImagePull, ErrImageNeverPull or InvalidImageName
        """
        ...

    async def run_sandbox(self, spec: SandboxSpec) -> PodState:
        """Make the pod's namespaces, cgroup and address."""
        ...

    async def start_container(self, pod_uid: str, spec: ContainerSpec) -> ContainerState:
        """Start one container; returns when its program has been executed.

        :raises RuntimeFailure: CreateContainerError or RunContainerError (e.g. the command does not exist)
        """
        ...

    async def stop_container(self, pod_uid: str, name: str, grace: float) -> None:
        """SIGTERM, wait up to ``grace`` seconds, SIGKILL; returns when it has ended."""
        ...

    async def remove_pod(self, pod_uid: str) -> None:
        """End what still runs and remove every trace: processes, mounts, cgroup, link, logs."""
        ...

    async def exec(self, pod_uid: str, name: str, command: Sequence[str], timeout: float) -> ExecResult:
        """Run a command inside a running container. :raises TimeoutError: it took longer than ``timeout``"""
        ...

    async def pods(self) -> list[PodState]:
        """Every pod this runtime has, also those started before the executor was restarted."""
        ...
