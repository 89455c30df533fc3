"""A live node: the executor over the native runtime, on this machine.

Stopping it ends the containers; with ``keep_pods`` (or SIGKILL) they stay, looked after by the zygote, and the
next start finds them.
"""

from __future__ import annotations

import hashlib
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import msgspec

from kube_lite import clock
from kube_lite.client.http import HttpClient
from kube_lite.live import claims, directory
from kube_lite.node.executor import NodeExecutor, NodeParts
from kube_lite.node.join import Membership, join
from kube_lite.node.linux.images.store import ImageStore
from kube_lite.node.linux.network.pods import PodNetwork
from kube_lite.node.linux.network.services import ServiceProxy
from kube_lite.node.linux.runtime import LinuxRuntime
from kube_lite.node.linux.tmpfs import TmpfsMounter
from kube_lite.node.relay import ApiRelay
from kube_lite.node.settings import NodeSettings

logger = logging.getLogger(__name__)


class LiveNodeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a node is started."""

    server: str
    name: str
    data_dir: Path
    token_file: Path | None = None
    registry_mirrors: Mapping[str, str] = msgspec.field(default_factory=dict)
    insecure_registries: tuple[str, ...] = ()
    keep_pods: bool = False
    address: str = ""
    """InternalIP; '' finds it."""


def own_address(server: str) -> str:
    """This machine's address as other nodes see it: the one on the way to the server."""
    parts = urlsplit(server)
    host = parts.hostname or "127.0.0.1"
    target = "192.0.2.1" if host in ("localhost", "127.0.0.1", "::1") else host
    # no packet is sent: connecting a datagram socket only looks up the route
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, parts.port or 443))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


@asynccontextmanager
async def live_node(options: LiveNodeOptions) -> AsyncIterator[NodeExecutor]:
    """Run a node; entered when it has joined and runs, stopped when left.

    :raises JoinError: the server cannot be joined
    :raises Claimed: another node has the directory, the name or, later, the pod network
    :raises OSError: the directory cannot be had; says what to do
    """
    data_dir = options.data_dir.resolve()
    directory.prepare(data_dir, "volumes")  # which hold secrets and are readable inside: nobody else may get there
    async with AsyncExitStack() as claimed:
        claimed.enter_context(claims.directory(data_dir))
        claimed.enter_context(claims.node_name(options.name))
        yield await claimed.enter_async_context(_joined(options, data_dir, claimed))


@asynccontextmanager
async def _joined(options: LiveNodeOptions, data_dir: Path, claimed: AsyncExitStack) -> AsyncIterator[NodeExecutor]:
    member = await clock.run_in_thread(join, options.server, options.name, data_dir, options.token_file)
    settings = NodeSettings(
        name=options.name, data_dir=data_dir, address=options.address or own_address(options.server)
    )

    async def build(pod_cidr: str) -> NodeParts:
        claimed.enter_context(claims.pod_network(pod_cidr))
        return await _parts(options, settings, member, pod_cidr)

    async with HttpClient(member.connection, user_agent="kubelet") as client, anyio.create_task_group() as tasks:
        executor = NodeExecutor(settings, client, build, client)
        tasks.start_soon(executor.run)
        yield executor
        tasks.cancel_scope.cancel()


async def _parts(options: LiveNodeOptions, settings: NodeSettings, member: Membership, pod_cidr: str) -> NodeParts:
    data_dir = settings.data_dir
    # the images in use are the runtime's, which is made from the images: asked late
    runtime: LinuxRuntime | None = None
    images = ImageStore(
        data_dir,
        options.registry_mirrors,
        options.insecure_registries,
        in_use=lambda: runtime.images_in_use() if runtime is not None else [],
    )
    network = PodNetwork(pod_cidr, settings.name, data_dir, member.service_cidr)
    proxy = ServiceProxy(settings.name, pod_cidr, member.cluster_cidr, member.service_cidr)
    runtime = LinuxRuntime(data_dir, images=images, network=network, cgroup_root=_cgroup_root(settings))
    await images.start()
    await network.start()
    await proxy.start()
    await runtime.start()
    for warning in runtime.warnings:
        logger.warning("%s", warning)
    started = runtime
    mounter = TmpfsMounter(data_dir / "volumes")
    await network.retain([pod.pod_uid for pod in await started.pods()])

    async def close() -> None:
        await started.close(keep_pods=options.keep_pods)
        if not options.keep_pods:
            await clock.run_in_thread(mounter.unmount_all)
        await proxy.close(keep=options.keep_pods)
        await network.close(keep_pods=options.keep_pods)
        await images.close()

    return NodeParts(
        runtime=started,
        network=network,
        proxy=proxy,
        images=images.list,
        mounter=mounter,
        meter=started,
        relay=_relay(options.server, network.node_address),
        close=close,
    )


def _cgroup_root(settings: NodeSettings) -> str:
    """The node's cgroup: its own also beside a node of the same name in another data directory of this machine."""
    return f"kube-lite-{settings.name}-{hashlib.sha256(str(settings.data_dir).encode()).hexdigest()[:8]}"


def _relay(server: str, address: str) -> ApiRelay | None:
    """A relay to a server on loopback, where pods cannot reach it."""
    parts = urlsplit(server)
    host = parts.hostname or ""
    loopback = host == "localhost" or host == "::1" or host.startswith("127.")
    return ApiRelay(address, host, parts.port or 443) if loopback else None
