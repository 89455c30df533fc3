"""From a pod to what the runtime is asked for: resources, security, names, hosts and DNS. No I/O.

CPU shares and quota follow upstream's ``kuberuntime``: shares = milli-CPU requested x 1024 / 1000, at least 2; a
quota is given per 100 ms. The resources of the sandbox are those of the whole pod, and are limited only when all
its containers are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kube_lite.node.environment import expand, expand_all
from kube_lite.node.runtime import ContainerSpec, HostPort, Mount, Resources, SandboxSpec, Security
from kube_lite.node.settings import NodeSettings
from kube_lite.resources import quantity
from kube_lite.resources.kinds.pod.view import Container, Pod, ResourceRequirements
from kube_lite.resources.meta import dig

QUOTA_PERIOD = 100_000
"""Microseconds over which a CPU quota is counted (kernel default)."""

MIN_QUOTA = 1_000
"""The kernel takes no smaller quota, in microseconds."""

MIN_SHARES, MAX_SHARES = 2, 262_144
"""The kernel's range of cpu.shares."""


def shares(milli_cpu: int) -> int:
    """cpu.shares for milli-CPU requested."""
    return max(MIN_SHARES, min(MAX_SHARES, milli_cpu * 1024 // 1000))


def quota(milli_cpu: int) -> int | None:
    """Microseconds of CPU per period for a limit; None for no limit."""
    return max(MIN_QUOTA, milli_cpu * QUOTA_PERIOD // 1000) if milli_cpu > 0 else None


def _milli(amounts: Mapping[str, str], name: str) -> int:
    return quantity.milli(amounts[name]) if name in amounts else 0


def _bytes(amounts: Mapping[str, str], name: str) -> int:
    return quantity.value(amounts[name]) if name in amounts else 0


def container_resources(requirements: ResourceRequirements) -> Resources:
    """cgroup settings of one container; a request not given is the limit."""
    limits = requirements.limits
    requested = _milli(requirements.requests, "cpu") if "cpu" in requirements.requests else _milli(limits, "cpu")
    return Resources(
        cpu_shares=shares(requested),
        cpu_quota=quota(_milli(limits, "cpu")),
        memory_limit=_bytes(limits, "memory") or None,
    )


def pod_resources(pod: Pod) -> Resources:
    """cgroup settings of the whole pod: the larger of its main containers together and each init container."""
    sidecars = [c for c in pod.spec.init_containers if c.restart_policy == "Always"]
    lasting = [*pod.spec.containers, *sidecars]
    initial = [c for c in pod.spec.init_containers if c.restart_policy != "Always"]

    def total(read: Callable[[Container], int]) -> int:
        return max([sum(read(c) for c in lasting), *(read(c) + sum(read(s) for s in sidecars) for c in initial)])

    def all_have(name: str) -> bool:
        return all(name in c.resources.limits for c in [*lasting, *initial])

    cpu_request = total(lambda c: _milli(c.resources.requests or c.resources.limits, "cpu"))
    cpu_limit = total(lambda c: _milli(c.resources.limits, "cpu")) if all_have("cpu") else 0
    memory_limit = total(lambda c: _bytes(c.resources.limits, "memory")) if all_have("memory") else 0
    return Resources(
        cpu_shares=shares(cpu_request),
        cpu_quota=quota(cpu_limit),
        memory_limit=memory_limit or None,
        pids_limit=None,
    )


def security(pod: Pod, container: Container) -> Security:
    """The pod's and the container's security contexts, the container's taking precedence."""
    of_pod: Mapping[str, Any] = pod.spec.security_context or {}
    own: Mapping[str, Any] = container.security_context or {}

    def pick(field: str) -> Any:
        return own[field] if own.get(field) is not None else of_pod.get(field)

    groups = [int(g) for g in of_pod.get("supplementalGroups") or ()]
    if of_pod.get("fsGroup") is not None:
        groups.append(int(of_pod["fsGroup"]))
    privileged = bool(own.get("privileged"))
    seccomp = dig(own, "seccompProfile", "type") or dig(of_pod, "seccompProfile", "type") or ""
    allow_escalation = own.get("allowPrivilegeEscalation")
    added = [str(c) for c in dig(own, "capabilities", "add", default=())]
    user, group = pick("runAsUser"), pick("runAsGroup")
    return Security(
        user=None if user is None else int(user),
        group=None if group is None else int(group),
        supplemental_groups=tuple(groups),
        privileged=privileged,
        read_only_root=bool(own.get("readOnlyRootFilesystem")),
        no_new_privileges=not privileged and not allow_escalation and "SYS_ADMIN" not in added,
        capabilities_add=tuple(added),
        capabilities_drop=tuple(str(c) for c in dig(own, "capabilities", "drop", default=())),
        seccomp_unconfined=seccomp == "Unconfined",
        run_as_non_root=bool(pick("runAsNonRoot")),
    )


def hostname(pod: Pod, settings: NodeSettings) -> str:
    """The host name inside the pod, at most 63 characters."""
    if pod.spec.host_network:
        return settings.name[:63]
    name = (pod.spec.hostname or pod.metadata.name)[:63].rstrip("-.")
    if pod.spec.set_hostname_as_fqdn and (full := fqdn(pod, settings)):
        return full[:64]
    return name


def fqdn(pod: Pod, settings: NodeSettings) -> str:
    """``host.subdomain.namespace.svc.domain``, '' for a pod without a subdomain."""
    if not pod.spec.subdomain:
        return ""
    host = (pod.spec.hostname or pod.metadata.name)[:63].rstrip("-.")
    return f"{host}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{settings.cluster_domain}"


def dns(pod: Pod, settings: NodeSettings) -> tuple[list[str], list[str], list[str]]:
    """Name servers, search domains and options; all empty means the node's own."""
    policy = pod.spec.dns_policy
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    clustered = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not pod.spec.host_network)
    if clustered and settings.cluster_dns:
        domain = settings.cluster_domain
        servers = list(settings.cluster_dns)
        searches = [f"{pod.metadata.namespace}.svc.{domain}", f"svc.{domain}", domain]
        options = ["ndots:5"]
    config = pod.spec.dns_config or {}
    servers += [s for s in config.get("nameservers") or () if s not in servers]
    searches += [s for s in config.get("searches") or () if s not in searches]
    for option in config.get("options") or ():
        name, value = str(option.get("name")), option.get("value")
        options = [o for o in options if o.partition(":")[0] != name]
        options.append(f"{name}:{value}" if value is not None else name)
    return servers, searches, options


def sandbox(pod: Pod, settings: NodeSettings) -> SandboxSpec:
    """What the containers of ``pod`` share."""
    spec = pod.spec
    servers, searches, options = dns(pod, settings)
    hosts: dict[str, Sequence[str]] = {}
    for alias in spec.host_aliases:
        hosts[alias.ip] = [*hosts.get(alias.ip, ()), *alias.hostnames]
    return SandboxSpec(
        pod_uid=pod.metadata.uid,
        name=pod.metadata.name,
        namespace=pod.metadata.namespace,
        hostname=hostname(pod, settings),
        host_network=spec.host_network,
        host_pid=spec.host_pid,
        host_ipc=spec.host_ipc,
        share_process_namespace=spec.share_process_namespace,
        host_users=spec.host_users is not False,
        hosts=hosts,
        dns_servers=servers,
        dns_searches=searches,
        dns_options=options,
        sysctls={str(s["name"]): str(s["value"]) for s in dig(spec.security_context, "sysctls", default=())},
        resources=pod_resources(pod),
        host_ports=host_ports(pod),
    )


def host_ports(pod: Pod) -> tuple[HostPort, ...]:
    """The node's ports that lead to the pod; none on the host's network, nor of init containers that just end."""
    if pod.spec.host_network:
        return ()
    lasting = [declared for declared in pod.spec.init_containers if declared.restart_policy == "Always"]
    return tuple(
        HostPort(port.host_port, port.container_port, port.protocol or "TCP", port.host_ip)
        for declared in (*pod.spec.containers, *lasting)
        for port in declared.ports
        if port.host_port
    )


def container(
    pod: Pod, declared: Container, attempt: int, env: Mapping[str, str], mounts: Sequence[Mount]
) -> ContainerSpec:
    """One start of ``declared``."""
    return ContainerSpec(
        name=declared.name,
        image=declared.image,
        attempt=attempt,
        command=expand_all(declared.command, env),
        args=expand_all(declared.args, env),
        env=env,
        working_dir=expand(declared.working_dir, env),
        mounts=mounts,
        resources=container_resources(declared.resources),
        security=security(pod, declared),
        stdin=declared.stdin,
        tty=declared.tty,
        termination_message_path=declared.termination_message_path or "/dev/termination-log",
    )
