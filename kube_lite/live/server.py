"""A live server: a data directory, a store, certificates and listeners around one cluster.

Start-up order matters: the directory is locked first (by the store), then the socket is bound, so that a wrong
flag or a second server fails before anything is written. FastAPI is built when somebody asks for its routes.
"""

from __future__ import annotations

import importlib
import logging
import os
import random
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import msgspec
from msgspec.structs import replace

from kube_lite import clock
from kube_lite.api import certs, listener
from kube_lite.api.aggregation.aggregator import Aggregator
from kube_lite.api.aggregation.proxying import Proxying
from kube_lite.api.audit import AuditLog
from kube_lite.api.authn import read_token_file
from kube_lite.api.nodes import NodeEndpoints
from kube_lite.api.plane import PlaneOptions
from kube_lite.api.receive import Receive, Scope
from kube_lite.api.send import Send
from kube_lite.api.user import User
from kube_lite.client import kubeconfig
from kube_lite.cluster import Cluster, ClusterOptions, cluster
from kube_lite.controllers.settings import ControllerSettings
from kube_lite.live import collector, directory
from kube_lite.node.linux import allocator
from kube_lite.settings import ServerSettings
from kube_lite.store.compaction import HistorySettings, compact_regularly
from kube_lite.store.sqlite import open_sqlite

logger = logging.getLogger(__name__)

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""As ASGI has it."""

SAFE_GRACE = 25.0
"""Seconds of grace that nodes which renew their lease every 10 s can keep: two renewals and a delay."""


class LiveServer(msgspec.Struct, frozen=True):
    """A server that answers requests."""

    url: str
    settings: ServerSettings
    cluster: Cluster

    def begin_stop(self) -> None:
        """Say that it is not ready any more; it serves on until it is left."""
        self.cluster.plane.stopping.begin()


@asynccontextmanager
async def serve(settings: ServerSettings) -> AsyncIterator[LiveServer]:
    """Run a server; entered when it is ready, and stopped cleanly when left.

    :raises Locked: another server uses the directory
    :raises ExceptionGroup: with an OSError: the address cannot be bound; with a ValueError: a file cannot be read
    """
    allocator.tune()
    directory.prepare(settings.data_dir)
    directory.check_owner(settings.data_dir)
    if settings.node_monitor_grace_period < SAFE_GRACE:
        grace = settings.node_monitor_grace_period
        logger.warning(
            "nodes renew their leases every 10 s: with --node-monitor-grace-period %g s they will count as gone "
            "in between; choose %g s or more",
            grace,
            SAFE_GRACE,
        )
    rng = random.Random(settings.seed)  # names and uids; what must be secret is drawn from the system
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_sqlite(settings.data_dir / "kube-lite.db"))
        if settings.node_token.exists() and not (await store.list("/", limit=1)).records:
            logger.warning(
                "%s is empty, though this directory was used before: the cluster begins anew. "
                "If that is not meant, stop and put the file back",
                settings.data_dir / "kube-lite.db",
            )
        bound = stack.enter_context(listener.bind_tcp(settings.listen_host, settings.listen_port))
        settings = replace(settings, listen_port=bound.getsockname()[1])
        advertise = advertise_address(settings)
        authority = certs.Authority(settings.pki_dir)
        certs.check_key(settings.pki_dir / "service-account.key")
        served = anyio.Event()
        options = replace(_cluster_options(settings, advertise, authority), served=served)
        audit = AuditLog(settings.data_dir / "audit.log")
        stack.callback(audit.close)
        running = await stack.enter_async_context(cluster(store, options, rng, audit))
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        url = f"https://{_shown(settings.listen_host)}:{settings.listen_port}"
        _write_credentials(settings, authority, url)
        secret = node_secret(settings, authority)
        nodes = NodeEndpoints(running.plane, authority, secret, settings.cluster_cidr)
        front_proxy = certs.Authority(settings.pki_dir / "front-proxy")
        aggregator = Aggregator(running.plane, front_proxy, authority.certificate_pem)
        stack.push_async_callback(Proxying(running.plane, nodes).close)
        names = certs.server_names(settings.listen_host, advertise, running.plane.service_ip)
        running.plane.app.hosts = frozenset(names)
        context = listener.tls_context(authority.server_pair(names), authority.pair.certificate)
        owners = stack.enter_context(listener.bind_unix(settings.api_socket))
        stack.callback(settings.api_socket.unlink, missing_ok=True)
        servers = [
            (listener.listener(running.plane.app, context), bound),
            (listener.listener(running.plane.app), owners),
        ]
        serving = await stack.enter_async_context(anyio.create_task_group())
        for server, listening in servers:
            serving.start_soon(server.serve, [listening])
        for server, _ in servers:
            await server.wait_started()
        served.set()
        tasks.start_soon(running.plane.dispatcher.timeline.run)
        tasks.start_soon(aggregator.run)
        tasks.start_soon(compact_regularly, store, HistorySettings())
        collector.calm()
        tasks.start_soon(collector.look_rarely, allocator.trim)
        running.plane.app.extra = _extra(running)
        yield LiveServer(url, settings, running)
        await _drain(running, [server for server, _ in servers], settings.shutdown_delay)


async def _drain(running: Cluster, servers: Sequence[listener.Listener], delay: float) -> None:
    """Stop serving, in upstream's order; everything else still runs, so that what is under way can be answered."""
    stopping = running.plane.stopping
    stopping.begin()
    await anyio.sleep(max(0.0, delay - (clock.monotonic() - stopping.began)))
    for server in servers:
        server.stop()
    stopping.end_streams()
    for server in servers:
        await server.wait_drained()


def _extra(running: Cluster) -> Application:
    """FastAPI's routes, loaded when they are first asked for: that takes half a second of CPU."""
    built: Application | None = None
    turn = anyio.Lock()

    async def build() -> Application:
        await clock.run_in_thread(importlib.import_module, "kube_lite.api.extra")
        from kube_lite.api import extra

        def explain(pod: str) -> Any | None:
            return running.scheduler.explain(pod) if running.scheduler is not None else None

        made = extra.build(explain, running.plane)
        collector.calm()  # FastAPI stays for good as well
        return made

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal built
        if built is None:
            async with turn:
                built = built or await build()
        await built(scope, receive, send)

    return answer


def _cluster_options(settings: ServerSettings, advertise: str, authority: certs.Authority) -> ClusterOptions:
    tokens: dict[str, User] = {}
    if settings.token_auth_file is not None:
        tokens = read_token_file(settings.token_auth_file)
    plane = PlaneOptions(
        service_cluster_ip_range=settings.service_cluster_ip_range,
        advertise_address=advertise,
        port=settings.listen_port,
        disabled_admission_plugins=settings.disabled_admission_plugins,
        tokens=tokens,
        owner_uid=os.geteuid(),
        service_account_key=settings.pki_dir / "service-account.key",
    )
    return ClusterOptions(
        plane=plane,
        controllers=",".join(settings.controllers),
        controller_settings=replace(
            ControllerSettings(),
            cluster_cidr=settings.cluster_cidr,
            legacy_service_account_tokens=settings.legacy_service_account_tokens,
            node_monitor_grace_period=settings.node_monitor_grace_period,
        ),
        scheduler=settings.scheduler,
        sim_nodes=settings.sim_nodes,
        seed=settings.seed or 0,
        ca_pem=authority.certificate_pem.decode(),
        sign_certificate=authority.sign_as_asked,
    )


def _shown(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def advertise_address(settings: ServerSettings) -> str:
    """The address that pods reach the server at, through the ``kubernetes`` Service."""
    if settings.advertise_address:
        return settings.advertise_address
    if settings.listen_host not in ("0.0.0.0", "::", "localhost"):
        return settings.listen_host
    # no packet is sent: connecting a datagram socket only looks up the route
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def _write_credentials(settings: ServerSettings, authority: certs.Authority, url: str) -> None:
    admin = authority.client_pair("admin", "kubernetes-admin", ["system:masters"])
    connection = kubeconfig.Connection(
        server=url,
        ca=authority.certificate_pem,
        client_certificate=admin.certificate.read_bytes(),
        client_key=admin.key.read_bytes(),
    )
    kubeconfig.write(settings.admin_kubeconfig, kubeconfig.render(connection))


def node_secret(settings: ServerSettings, authority: certs.Authority) -> str:
    """The secret that nodes join with, kept in the node token file together with the CA's hash."""
    path = settings.node_token
    kept = path.read_text().strip() if path.exists() else ""
    head, _, secret = kept.rpartition(":")
    if not secret or head != f"K10{authority.fingerprint}::node":
        # also when the CA is another one: what joined under the old one must not join this cluster
        secret = secrets.token_hex(16)
        certs.write_private(path, f"K10{authority.fingerprint}::node:{secret}\n".encode())
    return secret
