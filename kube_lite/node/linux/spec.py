"""From what the agent asks to what the zygote does: images and pod specs become plans.

Also the two seams of this package: whoever keeps images implements :class:`Images`, whoever connects pods
:class:`Network`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kube_lite.node.keyring import Credential
from kube_lite.node.linux import capabilities
from kube_lite.node.linux.plan import MountPlan, ProcessPlan
from kube_lite.node.runtime import ContainerSpec, HostPort, ImageState, Mount, RuntimeFailure, SandboxSpec

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says about running it. ``user`` is as in a Dockerfile; ``stop_signal`` a name or number."""

    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""


@dataclass(frozen=True, slots=True)
class Rootfs:
    """An image ready to run: read-only layer directories, top first, and further read-only binds."""

    layers: Sequence[str]
    binds: Sequence[Mount]
    config: ImageConfig
    image_id: str


class Images(Protocol):
    """Where images come from."""

    async def ensure(self, image: str, policy: str, credentials: Sequence[Credential] = ()) -> ImageState:
        """Have the image here. :raises RuntimeFailure: ErrImagePull, ErrImageNeverPull, InvalidImageName"""
        ...

    async def rootfs(self, image_id: str) -> Rootfs:
        """The unpacked layers of an image that is here. :raises RuntimeFailure: it is not"""
        ...


class Network(Protocol):
    """How pods are connected."""

    async def attach(self, pod_uid: str, netns_path: str, host_ports: Sequence[HostPort] = ()) -> str:
        """Connect a network namespace, and ports of the node to it; returns the pod's IPv4 address. Idempotent."""
        ...

    async def detach(self, pod_uid: str) -> None:
        """Undo :meth:`attach`; a pod that is not attached is fine."""
        ...


def image_reference(name: str, image: ImageState) -> str:
    """What a container's ``imageID`` shows, in containerd's form: ``repository@digest`` where it was pulled from a
    registry, under the name asked for if there are several; else the image's id."""
    pinned = [known for known in image.names if "@" in known]
    repository = name.partition("@")[0]
    head, _, tag = repository.rpartition(":")
    repository = head if head and "/" not in tag else repository
    same = [known for known in pinned if f"/{known.partition('@')[0]}".endswith(f"/{repository}")]
    return (same or pinned or [image.image_id])[0]


def command_line(spec: ContainerSpec, image: ImageConfig) -> list[str]:
    """``command`` replaces the image's entrypoint and its cmd, ``args`` alone only the cmd.

    :raises RuntimeFailure: there is nothing to run
    """
    own = [*spec.command, *spec.args]
    argv = own if spec.command else [*image.entrypoint, *(spec.args or image.cmd)]
    if not argv:
        raise RuntimeFailure("CreateContainerError", "no command specified")
    return argv


def environment(spec: ContainerSpec, image: ImageConfig, hostname: str) -> list[str]:
    """PATH, HOSTNAME, then the image's variables, then the container's; nothing of the executor's.

    :raises RuntimeFailure: a name or value that no environment can hold
    """
    variables = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname, **image.env, **spec.env}
    if spec.tty:
        variables.setdefault("TERM", "xterm")
    for name, value in variables.items():
        if not name or "=" in name or "\0" in name + value:
            raise RuntimeFailure("CreateContainerError", f"invalid environment variable {name!r}")
    return [f"{name}={value}" for name, value in variables.items()]


def check_non_root(pod: SandboxSpec, spec: ContainerSpec, image_user: str) -> None:
    """Hold ``runAsNonRoot``, with the kubelet's messages. :raises RuntimeFailure: CreateContainerConfigError"""
    if not spec.security.run_as_non_root:
        return
    about = f'(pod: "{pod.name}_{pod.namespace}({pod.pod_uid})", container: {spec.name})'
    if spec.security.user is not None:
        why = "container's runAsUser breaks non-root policy" if spec.security.user == 0 else ""
    else:
        name = image_user.partition(":")[0]
        if name and not name.isdigit():
            why = f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
        else:
            root = not name or int(name) == 0
            why = "container has runAsNonRoot and image will run as root" if root else ""
    if why:
        raise RuntimeFailure("CreateContainerConfigError", f"{why} {about}")


def user_of(spec: ContainerSpec, image_user: str) -> str:
    """Whom to run as: the pod's choice before the image's."""
    security = spec.security
    name, _, group = image_user.partition(":")
    if security.user is not None:
        name, group = str(security.user), ""
    if security.group is not None:
        group = str(security.group)
    return f"{name or '0'}:{group}" if group else name or "0"


def process_plan(pod: SandboxSpec, spec: ContainerSpec, image: ImageConfig) -> ProcessPlan:
    """The program with everything it may do. :raises RuntimeFailure: the spec cannot be met"""
    security = spec.security
    check_non_root(pod, spec, image.user)
    try:
        granted = capabilities.effective(
            security.capabilities_add, security.capabilities_drop, privileged=security.privileged
        )
    except ValueError as error:
        raise RuntimeFailure("CreateContainerError", str(error)) from None
    return ProcessPlan(
        argv=command_line(spec, image),
        env=environment(spec, image, pod.hostname),
        cwd=spec.working_dir or image.working_dir or "/",
        user=user_of(spec, image.user),
        groups=list(security.supplemental_groups),
        capabilities=granted,
        no_new_privileges=security.no_new_privileges and not security.privileged,
        seccomp=not (security.seccomp_unconfined or security.privileged),
        tty=spec.tty,
    )


def mount_plan(mount: Mount, *, read_only: bool | None = None) -> MountPlan:
    """A bind as the zygote takes it. :raises RuntimeFailure: a relative path"""
    if not mount.host_path.startswith("/"):
        raise RuntimeFailure("CreateContainerError", f"host path {mount.host_path!r} must be absolute")
    return MountPlan(
        source=os.path.normpath(mount.host_path),
        target="/" + mount.container_path.lstrip("/"),
        read_only=mount.read_only if read_only is None else read_only,
        propagation=mount.propagation,
    )


def signal_number(name: str) -> int:
    """``SIGQUIT``, ``QUIT`` or ``3``; SIGTERM when empty or unknown, as upstream falls back."""
    if name.isdigit() and 0 < int(name) < 65:
        return int(name)
    full = name.upper() if name.upper().startswith("SIG") else "SIG" + name.upper()
    return int(getattr(signal.Signals, full, signal.SIGTERM)) if name else int(signal.SIGTERM)


def hosts_file(pod: SandboxSpec, ip: str) -> str:
    """The pod's /etc/hosts, in the kubelet's form."""
    lines = ["# Kubernetes-managed hosts file."]
    lines += ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", "fe00::0\tip6-localnet"]
    lines += ["fe00::0\tip6-mcastprefix", "fe00::1\tip6-allnodes", "fe00::2\tip6-allrouters"]
    if ip:
        lines.append(f"{ip}\t{pod.hostname}")
    if pod.hosts:
        lines += ["", "# Entries added by HostAliases."]
        lines += ["\t".join((address, *names)) for address, names in pod.hosts.items()]
    return "\n".join(lines) + "\n"


def resolv_conf(pod: SandboxSpec) -> str:
    """The pod's /etc/resolv.conf."""
    lines = []
    if pod.dns_searches:
        lines.append("search " + " ".join(pod.dns_searches))
    lines += [f"nameserver {server}" for server in pod.dns_servers]
    if pod.dns_options:
        lines.append("options " + " ".join(pod.dns_options))
    return "".join(line + "\n" for line in lines)
