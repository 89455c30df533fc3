"""The composition root: the only file that knows every part. It builds them and starts them in one task group.

A live cluster and a virtual one are wired here by the same lines; only store, event loop and random source
differ. The parts never meet otherwise: each gets a client of its own identity.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import msgspec
from anyio.abc import TaskGroup

from kube_lite import clock
from kube_lite.api.audit import AuditLog
from kube_lite.api.plane import Plane, PlaneOptions
from kube_lite.api.user import AUTHENTICATED, User
from kube_lite.client.informer import Informers
from kube_lite.controllers import base as controllers
from kube_lite.controllers.settings import ControllerSettings
from kube_lite.store.store import Store

if TYPE_CHECKING:
    from kube_lite.sched.scheduler import Scheduler
    from kube_lite.sim.fleet import Fleet


class ClusterOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a control plane is made of."""

    plane: PlaneOptions = msgspec.field(default_factory=PlaneOptions)
    controllers: str = "*"
    """As --controllers."""
    controller_settings: ControllerSettings = msgspec.field(default_factory=ControllerSettings)
    scheduler: bool = True
    served: anyio.Event | None = None
    """Set once requests are answered: until then the scheduler's imports wait. None where nobody waits for answers."""
    sim_nodes: int = 0
    seed: int = 0
    ca_pem: str = ""
    sign_certificate: Callable[[bytes, Sequence[str], float], bytes] | None = None
    """See ``controllers.base.Context``; None where there is no CA."""


class Cluster(msgspec.Struct):
    """A running control plane. The scheduler is there a moment later: numpy's import must not hold up the API."""

    plane: Plane
    scheduler: Scheduler | None
    fleet: Fleet | None


def system_user(name: str) -> User:
    """A component of the control plane that is not a service account."""
    return User(f"system:{name}", groups=(AUTHENTICATED,), how="in-process")


def _served(plane: Plane) -> Sequence[controllers.ServedResource]:
    return [
        controllers.ServedResource(
            resource.group_resource,
            resource.kind,
            resource.api_version,
            resource.namespaced,
            frozenset(resource.verbs),
            resource.custom,
        )
        for resource in plane.registry
        if not resource.answered_only and not resource.storage_group and not resource.storage_version
    ]


@asynccontextmanager
async def cluster(
    store: Store, options: ClusterOptions, rng: random.Random, audit: AuditLog | None = None
) -> AsyncIterator[Cluster]:
    """A control plane over ``store``: ready when entered, stopped when left."""
    plane = Plane(store, options.plane, rng, audit)
    await plane.start()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(plane.run)
        if audit is not None:
            tasks.start_soon(audit.run)
        yield _start(plane, options, rng, tasks)
        tasks.cancel_scope.cancel()


def _start(plane: Plane, options: ClusterOptions, rng: random.Random, tasks: TaskGroup) -> Cluster:
    informers = Informers(plane.client(system_user("kube-controller-manager"), "kube-controller-manager"))
    tasks.start_soon(informers.run)
    names = controllers.select(options.controllers)
    if names:
        context = controllers.Context(
            client_for=plane.controller_client,
            informers=informers,
            settings=options.controller_settings,
            rng=rng,
            resources=lambda: _served(plane),
            ca_pem=options.ca_pem,
            sign_certificate=options.sign_certificate,
            sign_account_token=plane.tokens.legacy,
        )
        tasks.start_soon(controllers.run_controllers, context, names)
        plane.components.running("controller-manager")
    fleet = None
    if options.sim_nodes:
        from kube_lite.sim.fleet import Fleet

        client = plane.client(User("kube-lite:fleet", groups=("system:masters",), how="in-process"), "kubelet")
        fleet = Fleet(client, informers, nodes=options.sim_nodes, seed=options.seed)
        tasks.start_soon(fleet.run)
    running = Cluster(plane, None, fleet)
    if options.scheduler:
        tasks.start_soon(_schedule, running, informers, options)
        plane.components.running("scheduler")
    return running


async def _schedule(running: Cluster, informers: Informers, options: ClusterOptions) -> None:
    if options.served is not None:
        await options.served.wait()
        # numpy takes a tenth of a second
        await clock.run_in_thread(importlib.import_module, "kube_lite.sched.scheduler")
    from kube_lite.sched.scheduler import Scheduler

    client = running.plane.client(system_user("kube-scheduler"), "kube-scheduler")
    running.scheduler = Scheduler(client, informers, seed=options.seed)
    await running.scheduler.run()
