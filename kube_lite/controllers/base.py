"""The one loop of all controllers: sources put keys into a queue, workers reconcile one key at a time.

A reconcile gets a key and no event: it reads the informers, compares what is with what should be, and writes
through its client. A key is never worked on twice at once; different keys are, by a few workers. A reconcile
that raises is repeated with back-off, so it may stop anywhere and must go on from whatever it finds.

A controller registers by being there: a module of this package with ``NAMES`` (upstream's names, the short one
first) and ``build(ctx)``.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import msgspec

from kube_lite.client.events import EventRecorder
from kube_lite.client.informer import Informer, Informers, V
from kube_lite.client.protocol import Client
from kube_lite.client.workqueue import Closed, WorkQueue
from kube_lite.controllers.settings import ControllerSettings
from kube_lite.errors import AlreadyExists, ApiError, Conflict, NotFound
from kube_lite.resources.meta import ObjectView

log = logging.getLogger(__name__)

T = TypeVar("T")

EVENT_WRITER = "event-recorder"
"""The service account that writes the events of all controllers; it may do nothing else."""


class Requeue(msgspec.Struct, frozen=True):
    """Reconcile the same key again after so many seconds."""

    after: float


class ServedResource(msgspec.Struct, frozen=True):
    """A resource that the API serves, as far as the collectors need it."""

    resource: str
    """``deployments.apps``"""
    kind: str
    api_version: str
    namespaced: bool
    verbs: frozenset[str] = frozenset(
        {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
    )
    custom: bool = False
    """Whether it comes from a CustomResourceDefinition, whose webhook may keep it from being read."""


def _no_resources() -> Sequence[ServedResource]:
    return ()


class Context(msgspec.Struct):
    """What controllers are built from.

    :param client_for: a client acting as the service account of that name in kube-system
    :param resources: everything the API serves now; asked again from time to time, as CRDs come and go
    :param ca_pem: the certificate authority that is published to every namespace; '' for none
    """

    client_for: Callable[[str], Client]
    informers: Informers
    settings: ControllerSettings = msgspec.field(default_factory=ControllerSettings)
    rng: random.Random = msgspec.field(default_factory=lambda: random.Random(0))
    resources: Callable[[], Sequence[ServedResource]] = _no_resources
    ca_pem: str = ""
    sign_account_token: Callable[[str, str, str, str], str] | None = None
    """From namespace, name and uid of a service account and the name of its Secret: a token that does not expire."""
    sign_certificate: Callable[[bytes, Sequence[str], float], bytes] | None = None
    """From a request (PEM), the usages asked for and seconds of validity: a certificate (PEM) of the cluster's CA."""
    recorders: dict[str, EventRecorder] = msgspec.field(default_factory=dict)

    def recorder(self, component: str) -> EventRecorder:
        """The event recorder of a component; run by ``run_controllers``."""
        if component not in self.recorders:
            self.recorders[component] = EventRecorder(self.client_for(EVENT_WRITER), component)
        return self.recorders[component]


class Controller(ABC):
    """One controller: say in ``__init__`` what is watched, and in ``reconcile`` what to do about a key."""

    name: str
    workers = 5

    def __init__(self) -> None:
        self.queue = WorkQueue()
        self._sources: list[Informer[Any]] = []

    def source(
        self,
        informer: Informer[V],
        keys: Callable[[V], Iterable[str]] | None = None,
        delay: Callable[[str], float] | None = None,
    ) -> Informer[V]:
        """Queue the keys of every object that changes, both of its old and its new state.

        :param keys: the keys to reconcile because of an object; by default its own
        :param delay: seconds to gather more changes before a key is queued; none by default
        """

        def changed(old: V | None, new: V | None) -> None:
            for obj in (old, new):
                if obj is not None:
                    for key in keys(obj) if keys is not None else (obj.metadata.key,):
                        self.queue.add_after(key, delay(key) if delay is not None else 0.0)

        self._sources.append(informer)
        informer.on_change(changed)
        return informer

    def reads(self, informer: Informer[V]) -> Informer[V]:
        """Wait for this informer before the first reconcile, without being woken by it."""
        self._sources.append(informer)
        return informer

    @abstractmethod
    async def reconcile(self, key: str) -> Requeue | None:
        """Bring the world to what the object under ``key`` asks for. :raises ApiError: to be tried again"""

    async def background(self) -> None:
        """What a controller does besides reconciling, such as looking at clocks; started when synced."""
        await anyio.lowlevel.checkpoint()

    async def run(self) -> None:
        """Work until cancelled."""
        for informer in list(self._sources):
            await informer.wait_synced()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.background)
            for _ in range(self.workers):
                tasks.start_soon(self._work)

    async def _work(self) -> None:
        while True:
            try:
                key = await self.queue.get()
            except Closed:
                return
            try:
                await self._reconcile_once(key)
            finally:
                self.queue.done(key)

    async def _reconcile_once(self, key: str) -> None:
        try:
            result = await self.reconcile(key)
        except (Conflict, NotFound, AlreadyExists) as error:
            # the cache was behind: its next event or the back-off puts that right
            delay = self.queue.add_rate_limited(key)
            log.debug("%s %s: %s; again in %.3f s", self.name, key, error, delay)
        except (ApiError, OSError) as error:
            if isinstance(error, ApiError) and namespace_terminating(error):
                self.queue.forget(key)  # what is being taken away needs no more work
                return
            delay = self.queue.add_rate_limited(key)
            log.warning("%s %s: %s; again in %.3f s", self.name, key, error, delay)
        except Exception:
            delay = self.queue.add_rate_limited(key)
            log.exception("%s %s: failed; again in %.3f s", self.name, key, delay)
        else:
            self.queue.forget(key)
            if result is not None:
                self.queue.add_after(key, result.after)


BATCH_ABOVE = 200
"""Dependants up to which every change is acted on at once."""

BATCH_PER_OBJECT = 0.0002
"""Seconds of gathering for each dependant: about four times what looking at one costs."""

MAX_BATCH = 1.0
"""Seconds of gathering at most."""


def batch_delay(dependants: int) -> float:
    """Seconds to gather changes of something with so many dependants: looking at all of them for each change of
    one would take time that grows with the square of their number.
    """
    return min(MAX_BATCH, dependants * BATCH_PER_OBJECT) if dependants > BATCH_ABOVE else 0.0


async def outcomes(calls: Iterable[Callable[[], Awaitable[T]]]) -> list[T | ApiError]:
    """Make all calls at once; for each its answer, or the refusal it met. Other exceptions are raised."""
    results: dict[int, T | ApiError] = {}

    async def one(position: int, call: Callable[[], Awaitable[T]]) -> None:
        try:
            results[position] = await call()
        except ApiError as error:
            results[position] = error

    async with anyio.create_task_group() as tasks:
        for position, call in enumerate(calls):
            tasks.start_soon(one, position, call)
    return [results[position] for position in sorted(results)]


def namespace_terminating(error: ApiError) -> bool:
    """Whether a create was refused because its namespace is going away."""
    return any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ())


Build = Callable[[Context], Controller]


def discover() -> dict[str, Build]:
    """All controllers of this package by their short name, in the order of their names."""
    found: dict[str, Build] = {}
    for module in _modules():
        found[module.NAMES[0]] = module.build
    return dict(sorted(found.items()))


def _modules() -> list[Any]:
    package = importlib.import_module(__package__ or "kube_lite.controllers")
    modules = [importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__)]
    return [module for module in modules if hasattr(module, "NAMES") and hasattr(module, "build")]


def select(wanted: str) -> list[str]:
    """The controllers that ``--controllers`` names: ``*``, names, ``-name``; '' for none.

    :raises ValueError: an unknown name
    """
    full = {alias: module.NAMES[0] for module in _modules() for alias in module.NAMES}
    terms = [term.strip() for term in wanted.split(",") if term.strip()]
    for term in terms:
        if term != "*" and term.removeprefix("-") not in full:
            unknown, known = term.removeprefix("-"), ", ".join(discover())
            raise ValueError(f"--controllers: {unknown!r} is not in the list of known controllers: {known}")
    on = {full[term] for term in terms if term in full}
    off = {full[term[1:]] for term in terms if term.startswith("-")}
    return [name for name in discover() if name in on or ("*" in terms and name not in off)]


async def run_controllers(ctx: Context, names: Iterable[str] | None = None) -> None:
    """Run the named controllers (all by default) with their recorders and informers, until cancelled.

    The informers of ``ctx`` are started here unless somebody runs them already.
    """
    builders: Mapping[str, Build] = discover()
    controllers = [builders[name](ctx) for name in (builders if names is None else names)]
    async with anyio.create_task_group() as tasks:
        if not ctx.informers.running:
            tasks.start_soon(ctx.informers.run)
        for recorder in ctx.recorders.values():
            tasks.start_soon(recorder.run)
        for controller in controllers:
            tasks.start_soon(controller.run, name=controller.name)


def key_of_controller(kind: str) -> Callable[[ObjectView], Iterable[str]]:
    """Keys for ``Controller.source``: the owner that controls the object, when it is of ``kind``."""

    def keys(obj: ObjectView) -> Iterable[str]:
        owner = obj.metadata.controller
        if owner is not None and owner.kind == kind:
            return (f"{obj.metadata.namespace}/{owner.name}",)
        return ()

    return keys
