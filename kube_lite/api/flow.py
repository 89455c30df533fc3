"""Flow control: how many requests run at once, so that a flood leaves health checks, leases and other users alone.

FlowSchemas say to which priority level a request belongs, levels have seats and queues (API Priority and Fairness,
KEP-1040). A request holds its seat until its answer is written; a watch only until it has begun, and what runs as
long as the client likes (logs, exec, the nodes' tunnels) never takes one.

Seats bound what is in memory, but all requests share one thread, which a long list keeps for itself for tens of
milliseconds. So lists of many objects also take turns: one begins in each round of the event loop, and whatever
else has arrived is served in between.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

from kube_lite.api.flow_levels import Level, Pool, shared_out
from kube_lite.api.flow_rules import Classifier, Schema, compiled
from kube_lite.api.following import Following
from kube_lite.api.http import Request, Response
from kube_lite.api.request_info import RequestInfo
from kube_lite.api.storage import Storage
from kube_lite.resources.flow_defaults import MANDATORY_LEVELS, MANDATORY_SCHEMAS
from kube_lite.resources.meta import Obj

SEATS = 600
"""Requests at once: upstream's 400 reading and 200 writing."""
OBJECTS_PER_SEAT = 100
"""A list takes a seat for so many objects (upstream's work estimator)..."""
WIDEST = 10
"""...and this many at most."""
SCHEMAS = "flowschemas.flowcontrol.apiserver.k8s.io"
LEVELS = "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io"
LONG_SUBRESOURCES = ("log", "exec", "attach", "portforward", "proxy", "tunnel", "streams")

DUMP = "/debug/api_priority_and_fairness/dump_priority_levels"
DUMP_COLUMNS = (
    "PriorityLevelName",
    "ActiveQueues",
    "IsIdle",
    "IsQuiescing",
    "WaitingRequests",
    "ExecutingRequests",
    "DispatchedRequests",
    "RejectedRequests",
    "TimedoutRequests",
    "CancelledRequests",
)


class Seat:
    """What one request holds; release it once."""

    __slots__ = ("_level", "_width")

    def __init__(self, level: Level, width: int) -> None:
        self._level = level
        self._width = width

    def release(self) -> None:
        """Give it back."""
        self._level.release(self._width)


class Turns:
    """Lets one of those who ask go ahead in each round of the event loop, in the order they came."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False

    async def take(self) -> None:
        """Return when it is this one's turn."""
        loop = asyncio.get_running_loop()
        if not self._taken:
            self._taken = True
            loop.call_soon(self._next, loop)
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # else who waited was cancelled
                turn.set_result(None)
                loop.call_soon(self._next, loop)
                return
        self._taken = False


class FlowControl:
    """Hands out seats by the FlowSchemas and PriorityLevelConfigurations of ``storage``.

    Without a storage the mandatory ones are all there is.
    """

    def __init__(self, seats: int = SEATS, storage: Storage | None = None) -> None:
        self._seats = seats
        self._storage = storage
        self._pool = Pool()
        self._turns = Turns()
        self.levels: dict[str, Level] = {}
        """By name; what nothing configures is not limited."""
        self._following: tuple[Following, ...] = ()
        self._revision = -1
        self.configure({}, {})

    def configure(self, schemas: Mapping[str, Obj], levels: Mapping[str, Obj]) -> None:
        """Work by these objects, by name. The mandatory ones are added where they are missing."""
        levels = {**_objects(MANDATORY_LEVELS), **levels}
        schemas = {**_objects(MANDATORY_SCHEMAS), **schemas}
        specs = {name: level.get("spec") or {} for name, level in levels.items()}
        self.levels = shared_out(specs, self._seats, self._pool, self.levels)
        found: list[Schema] = []
        for schema in schemas.values():
            level = levels.get(((schema.get("spec") or {}).get("priorityLevelConfiguration") or {}).get("name", ""))
            if level is not None:  # one that dangles matches nothing
                found.append(compiled(schema, str(level["metadata"].get("uid", ""))))
        self._classifier = Classifier(found)

    def _refresh(self, storage: Storage) -> None:
        """Read the objects again if one of them has changed."""
        self._revision = storage.caches.revision
        if not self._following:
            named = (storage.registry.named(name) for name in (SCHEMAS, LEVELS))
            self._following = tuple(Following(storage, resource) for resource in named if resource is not None)
        changed = False
        for following in self._following:
            anew, changes = following.changes()
            changed = changed or anew or bool(changes)
        if changed:
            self.configure(objects(storage, SCHEMAS), objects(storage, LEVELS))

    async def take(self, request: Request) -> Seat | None:
        """A seat for the request: what to release when it is done, None when it needs none.

        Sets ``request.flow_headers``, for the refusal too. :raises Rejected: none to be had in time
        """
        info = request.info
        if info.subresource in LONG_SUBRESOURCES:
            return None
        storage = self._storage
        if storage is not None and storage.caches.revision != self._revision:
            self._refresh(storage)
        flow = self._classifier.classify(request.user, info)
        request.flow_headers = flow.headers
        width = self._width(request) if info.verb == "list" or _begins_with_all(info) else 1
        level = self.levels[flow.level]
        if not level.take(width):
            await level.wait(width, flow.hash)
        seat = Seat(level, width)
        if width > 1:
            try:
                await self._turns.take()
            except BaseException:
                seat.release()
                raise
        return seat

    def _width(self, request: Request) -> int:
        storage, info = self._storage, request.info
        resource = storage.registry.at(info.group, info.version, info.resource) if storage is not None else None
        if storage is None or resource is None:
            return 1
        count = storage.cache(resource).count(storage.prefix(resource, info.namespace if resource.namespaced else ""))
        limit = info.param("limit") if info.query else ""
        if limit.isdecimal() and int(limit[:9]) and not info.param("labelSelector") and not info.param("fieldSelector"):
            count = min(count, int(limit[:9]))
        return min(max(-(-count // OBJECTS_PER_SEAT), 1), WIDEST)

    async def debug_page(self, request: Request) -> Response | None:
        """The page :data:`DUMP`: what each level does now, in upstream's form."""
        if request.info.path.rstrip("/") != DUMP or request.info.method != "GET":
            return None
        rows: list[tuple[str, ...]] = [DUMP_COLUMNS]
        for name, level in sorted(self.levels.items()):
            idle = not (level.in_use or level.waiting)
            refused = level.rejected
            numbers = (
                len(level.queues),
                str(idle).lower(),
                "false",
                level.waiting,
                level.in_use,
                level.dispatched,
                refused.get("queue-full", 0) + refused.get("concurrency-limit", 0),
                refused.get("time-out", 0),
                level.cancelled,
            )
            rows.append((name, *map(str, numbers)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [", ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
        return Response(200, ("\n".join(line.rstrip() for line in lines) + "\n").encode(), "text/plain; charset=utf-8")


def _begins_with_all(info: RequestInfo) -> bool:
    """Whether a watch begins with all that is there, as a list does."""
    return info.verb == "watch" and (info.param("resourceVersion") in ("", "0") or info.flag("sendInitialEvents"))


def objects(storage: Storage, group_resource: str) -> dict[str, Obj]:
    """The stored objects of a cluster-scoped kind by name."""
    resource = storage.registry.named(group_resource)
    if resource is None:
        return {}
    found = (storage.load(resource, item.value) for item in storage.cache(resource).range(storage.prefix(resource)))
    return {obj["metadata"]["name"]: obj for obj in found}


def _objects(specs: Mapping[str, Obj]) -> dict[str, Obj]:
    return {name: {"metadata": {"name": name}, "spec": spec} for name, spec in specs.items()}
