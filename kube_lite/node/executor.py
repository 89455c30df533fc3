"""One node executor: everything that ``kube-lite node`` runs, put together.

The order is that of what needs what: register, learn the podCIDR, build runtime and network from it, say that the
node is ready, run pods. The executor knows the runtime only through its protocol; whoever starts it hands over
``build``. Stopping it leaves the containers alone unless ``build``'s parts end them when they are closed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import anyio
import msgspec

from kube_lite.client.events import EventRecorder
from kube_lite.client.informer import Informer
from kube_lite.client.protocol import Client
from kube_lite.node.agent import Agent
from kube_lite.node.context import NodeContext
from kube_lite.node.dialer import Dialer, NetworkDialer
from kube_lite.node.environment import Environment
from kube_lite.node.heartbeat import Heartbeat, ListImages
from kube_lite.node.hooks import Handlers
from kube_lite.node.kubelet import Kubelet
from kube_lite.node.log_service import LogService
from kube_lite.node.measures import Meter
from kube_lite.node.objects import ApiSource
from kube_lite.node.proxy import PodNetwork, ServiceProxy
from kube_lite.node.relay import ApiRelay
from kube_lite.node.runtime import ImageState, NodeRuntime
from kube_lite.node.sampling import Sampler
from kube_lite.node.services import Routes, Services
from kube_lite.node.settings import NodeSettings
from kube_lite.node.tunnel import Operation, Transport, Tunnel
from kube_lite.node.volumes import Mounter, Volumes
from kube_lite.node.volumes.content import Content, Tokens
from kube_lite.resources.kinds.pod.view import Pod
from kube_lite.resources.views import EndpointSlice, Node, Service


class NodeParts(msgspec.Struct, frozen=True):
    """What runs containers on this machine; all of it started."""

    runtime: NodeRuntime
    network: PodNetwork | None = None
    proxy: ServiceProxy | None = None
    images: ListImages | None = None
    """Lists the images that are here, for the Node's status."""
    mounter: Mounter | None = None
    """Mounts volumes that live in memory."""
    relay: ApiRelay | None = None
    """Lets pods reach an API server on this machine's loopback; None when they reach it themselves."""
    meter: Meter | None = None
    """Measures what pods use; None where nothing can."""
    close: Callable[[], Awaitable[None]] | None = None
    """Called when the executor stops."""


Build = Callable[[str], Awaitable[NodeParts]]
"""Makes the parts for a pod network such as ``10.42.0.0/24``."""


class NodeExecutor:
    """One node.

    :param transport: reaches the server for the control channel; None without one (no logs then)
    """

    def __init__(
        self,
        settings: NodeSettings,
        client: Client,
        build: Build,
        transport: Transport | None = None,
        dialer: Dialer | None = None,
    ) -> None:
        self.settings = settings
        self._client = client
        self._build = build
        self._transport = transport
        self._dialer = dialer or NetworkDialer()
        self._parts: NodeParts | None = None
        self.ready = anyio.Event()
        """Set once pods can run."""
        self.agent: Agent | None = None
        """The agent, once there is one."""
        self._heartbeat = Heartbeat(client, settings, self._images)
        self._nodes = Informer(client, "nodes", Node)
        self._nodes.on_change(self._see)

    def _see(self, old: Node | None, new: Node | None) -> None:
        if new is not None and new.metadata.name == self.settings.name:
            self._heartbeat.see(new)

    async def _images(self) -> Sequence[ImageState]:
        return await self._parts.images() if self._parts is not None and self._parts.images is not None else ()

    async def run(self) -> None:
        """Be a node until cancelled."""
        client, settings = self._client, self.settings
        services = Informer(client, "services", Service)
        slices = Informer(client, "endpointslices.discovery.k8s.io", EndpointSlice)
        pods = Informer(client, "pods", Pod, field_selector=f"spec.nodeName={settings.name}")
        recorder = EventRecorder(client, "kubelet", settings.name)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(services.run)
            tasks.start_soon(slices.run)
            tasks.start_soon(recorder.run)
            await self._heartbeat.register()
            tasks.start_soon(self._nodes.run)
            tasks.start_soon(pods.run)
            tasks.start_soon(self._heartbeat.run)
            parts = self._parts = await self._build(await self._pod_cidr())
            try:
                if parts.relay is not None:
                    tasks.start_soon(parts.relay.run)
                    await parts.relay.listening.wait()
                watcher = Services(settings, services, slices, parts.proxy, parts.relay)
                tasks.start_soon(watcher.run)
                if parts.network is not None:
                    tasks.start_soon(Routes(settings, self._nodes, parts.network).run)
                context = self._context(parts, recorder, watcher)
                self.agent = agent = Agent(context, pods)
                if self._transport is not None:
                    tasks.start_soon(Tunnel(self._transport, settings.name, self._operations(agent, context)).run)
                await services.wait_synced()  # pods get the addresses of Services that exist
                self._heartbeat.set_ready()
                self.ready.set()
                await agent.run()
            finally:
                if parts.close is not None:
                    with anyio.CancelScope(shield=True):
                        await parts.close()

    def _operations(self, agent: Agent, context: NodeContext) -> dict[str, Operation]:
        """What the server may ask for."""
        logs = LogService(agent)
        sampler = Sampler(context, context.meter) if context.meter is not None else None
        kubelet = Kubelet(self.settings, self._client, agent, logs, sampler, self._image_bytes)
        return {"logs": logs.open, "kubelet": kubelet.open}

    async def _image_bytes(self) -> int:
        return sum(image.size for image in await self._images())

    async def _pod_cidr(self) -> str:
        """The node's pod network, once the server has given it one."""
        known = anyio.Event()
        found = ""

        def look(old: Node | None, new: Node | None) -> None:
            nonlocal found
            if new is not None and new.metadata.name == self.settings.name and new.spec.pod_cidr:
                found = new.spec.pod_cidr
                known.set()

        self._nodes.on_change(look)
        await known.wait()
        return found

    def _context(self, parts: NodeParts, recorder: EventRecorder, services: Services) -> NodeContext:
        source = ApiSource(self._client)
        tokens = Tokens(self._client)
        return NodeContext(
            settings=self.settings,
            client=self._client,
            runtime=parts.runtime,
            recorder=recorder,
            volumes=Volumes(self.settings.data_dir, Content(source, tokens), parts.mounter),
            tokens=tokens,
            environment=Environment(source),
            handlers=Handlers(parts.runtime, self._dialer),
            service_variables=services.variables,
            allocatable=self._heartbeat.allocatable,
            node=lambda: self._nodes.get(self.settings.name),
            meter=parts.meter,
        )
