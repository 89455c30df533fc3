"""Garbage collection by owner references: dependants go when their last owner has gone.

Background: the owner goes at once, dependants afterwards. Foreground: the owner keeps the finalizer
``foregroundDeletion`` until the dependants that block it are gone. Orphan: dependants lose their reference, then
the owner its finalizer ``orphan``. Upstream: ``pkg/controller/garbagecollector``.

A deletion needs proof. An owner counts as absent only when the API, asked live, has no object of that kind, name
and uid (in the dependant's namespace, if it has one: owners elsewhere do not count); nothing is decided before every
resource has been listed, but for custom ones whose webhook has kept them from it for half a minute (orphans wait for
these too); every deletion names the uid and revision it was decided on. If absence is all there is, and the owner's
deletion was never seen (after a restart, or when objects vanished from a damaged store), then only a small share of a
kind is collected in a minute.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

import anyio
import msgspec

from kube_lite import clock
from kube_lite.client.events import WARNING
from kube_lite.client.informer import Informer
from kube_lite.controllers.base import Context, Controller, Requeue, ServedResource
from kube_lite.controllers.ownership import reference_as_json, set_references
from kube_lite.controllers.ownership_graph import Node, OwnershipGraph
from kube_lite.controllers.removal import lift_finalizer
from kube_lite.errors import NotFound
from kube_lite.resources.meta import ObjectView, OwnerReference

log = logging.getLogger(__name__)

NAMES = ("garbagecollector", "garbage-collector-controller")

FOREGROUND_FINALIZER = "foregroundDeletion"
ORPHAN_FINALIZER = "orphan"

IGNORED = frozenset({"events", "events.events.k8s.io"})
"""Resources that own nothing and are owned by nothing, but come in masses (upstream ignores them too)."""

DISCOVERY_PERIOD = 5.0
"""Seconds between two looks at what the API serves (upstream: 30; here it costs nothing)."""

SYNC_RETRY = 1.0
"""Seconds until the next try while a resource that has just appeared is being listed."""

PATIENCE = 30.0
"""Seconds for which a custom resource that cannot be listed holds up the rest (upstream: its wait for caches)."""

SHARE_PERIOD = 60.0
"""Seconds over which unproven deletions of a kind are counted."""

FREE_DELETIONS = 20
"""Unproven deletions of a kind in that time that need no share: small kinds would otherwise never be cleaned."""

_object = msgspec.json.Decoder(ObjectView)


def _group(api_version: str) -> str:
    group, slash, _ = api_version.partition("/")
    return group if slash else ""


def _reaches(node: Node, reference: OwnerReference, owner: Node) -> bool:
    """Whether the owner has the name that the reference gives it, and is where the node's owners can be."""
    return owner.meta.name == reference.name and owner.meta.namespace in ("", node.meta.namespace)


class GarbageCollector(Controller):
    """Collects over all resources that the API serves."""

    name = "garbagecollector"

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self.workers = ctx.settings.workers
        self._share = ctx.settings.gc_max_share
        self._client = ctx.client_for("generic-garbage-collector")
        self._served = ctx.resources
        self._all = ctx.informers
        self._graph = OwnershipGraph()
        self._informers: dict[str, Informer[ObjectView]] = {}
        self._kinds: dict[tuple[str, str], ServedResource] = {}
        self._by_resource: dict[str, ServedResource] = {}
        self._unresolved: set[str] = set()
        """Objects with an owner of a kind that was not served when they were looked at."""
        self._recorder = ctx.recorder("garbage-collector-controller")
        self._unproven: dict[str, deque[float]] = {}
        self._unlisted: dict[str, float] = {}
        """Custom resources that have not been listed, and since when they are to be."""
        self._discover()

    async def background(self) -> None:
        """Follow what the API serves: resources come and go with CustomResourceDefinitions."""
        while True:
            await anyio.sleep(DISCOVERY_PERIOD)
            self._discover()

    def _discover(self) -> None:
        served: dict[str, ServedResource] = {}
        for entry in self._served():
            if {"list", "watch", "delete"} <= entry.verbs and entry.resource not in IGNORED:
                served.setdefault(entry.resource, entry)
        self._by_resource = served
        known = self._kinds.keys()
        self._kinds = {(_group(entry.api_version), entry.kind): entry for entry in served.values()}
        if self._unresolved and self._kinds.keys() - known:
            again, self._unresolved = self._unresolved, set()
            for key in sorted(again):
                self.queue.add(key)
        for resource in sorted(served.keys() - self._informers.keys()):
            informer = self._all.get(resource, ObjectView)
            self._informers[resource] = informer
            if served[resource].custom:
                self._unlisted[resource] = clock.monotonic()
            else:
                self.reads(informer)
            informer.on_change(self._follow(resource))
        for resource in sorted(self._informers.keys() - served.keys()):
            self._all.discard(self._informers.pop(resource))
            self._unlisted.pop(resource, None)
            self._unproven.pop(resource, None)
            self._unresolved = {key for key in self._unresolved if key.partition(" ")[0] != resource}
            self._graph.forget(resource)

    def _follow(self, resource: str) -> Callable[[ObjectView | None, ObjectView | None], None]:
        def changed(old: ObjectView | None, new: ObjectView | None) -> None:
            if new is None:
                if old is not None:
                    self._unresolved.discard(f"{resource} {old.metadata.key}")
                    self._gone(old)
                return
            node = self._graph.put(resource, new.metadata)
            if node.deleting:
                self.queue.add(node.key)
                if node.waiting:
                    self._add_all(self._graph.dependants(new.metadata.uid))
            for reference in new.metadata.owner_references:
                owner = self._graph.get(reference.uid)
                if owner is None or owner.waiting or not _reaches(node, reference, owner):
                    self.queue.add(node.key)
            if old is not None and old.metadata.owner_references != new.metadata.owner_references:
                self._wake_owners(old)

        return changed

    def _gone(self, obj: ObjectView) -> None:
        uid = obj.metadata.uid
        self._graph.remove(uid)
        self._add_all(self._graph.dependants(uid))
        self._wake_owners(obj)

    def _add_all(self, nodes: list[Node]) -> None:
        for node in nodes:
            self.queue.add(node.key)

    def _wake_owners(self, obj: ObjectView) -> None:
        """Owners that wait for their dependants look again."""
        for reference in obj.metadata.owner_references:
            owner = self._graph.get(reference.uid)
            if owner is not None and owner.deleting:
                self.queue.add(owner.key)

    async def reconcile(self, key: str) -> Requeue | None:
        """Collect the object, or finish its deletion, if that is due."""
        unlisted = [resource for resource, informer in self._informers.items() if not informer.synced]
        if not all(self._given_up(resource) for resource in unlisted):
            return Requeue(SYNC_RETRY)
        resource, _, name = key.partition(" ")
        informer = self._informers.get(resource)
        obj = informer.get(name) if informer is not None else None
        node = self._graph.get(obj.metadata.uid) if obj is not None else None
        if node is None:
            return None
        if node.deleting:
            if ORPHAN_FINALIZER in node.meta.finalizers:
                if unlisted:
                    return Requeue(SYNC_RETRY)  # a dependant that is not known would be collected later
                await self._orphan_dependants(node)
            elif node.waiting:
                await self._finish_foreground(node)
            return None
        if node.meta.owner_references:
            return await self._collect(node)
        return None

    def _given_up(self, resource: str) -> bool:
        """Whether a resource that has not been listed holds nothing up any more."""
        since = self._unlisted.get(resource)
        return since is not None and clock.monotonic() - since > PATIENCE

    async def _orphan_dependants(self, node: Node) -> None:
        for dependant in self._graph.dependants(node.meta.uid):
            await self._drop_references(dependant, {node.meta.uid})
        await lift_finalizer(self._client, node.resource, node.meta, ORPHAN_FINALIZER)

    async def _finish_foreground(self, node: Node) -> None:
        blocking = [d for d in self._graph.dependants(node.meta.uid) if d.blocks(node.meta.uid)]
        if not blocking:
            await lift_finalizer(self._client, node.resource, node.meta, FOREGROUND_FINALIZER)
        self._add_all([dependant for dependant in blocking if not dependant.deleting])

    async def _collect(self, node: Node) -> Requeue | None:
        solid, dangling, waiting = await self._classify(node)
        if solid:
            if dangling or waiting:
                await self._drop_references(node, {ref.uid for ref in [*dangling, *waiting]})
            return None
        if not dangling and not waiting:
            return None
        if not waiting and not any(self._graph.saw_deletion(reference.uid) for reference in dangling):
            wait = self._wait_for_share(node.resource)
            if wait > 0:
                log.warning("%s: owner is absent but its deletion was not seen; waiting %.0f s", node.key, wait)
                return Requeue(wait)
        dependants = self._graph.dependants(node.meta.uid)
        policy = "Background"
        if ORPHAN_FINALIZER in node.meta.finalizers:
            policy = "Orphan"
        elif FOREGROUND_FINALIZER in node.meta.finalizers or (waiting and dependants):
            policy = "Foreground"
        if waiting and any(dependant.waiting for dependant in dependants):
            # a circle of owners that wait for each other: let go of this one's
            await self._unblock(node)
            return None
        meta = node.meta
        try:
            await self._client.delete(
                node.resource,
                meta.name,
                meta.namespace,
                propagation_policy=policy,
                uid=meta.uid,
                resource_version=meta.resource_version,
            )
        except NotFound:
            return None
        return None

    async def _classify(self, node: Node) -> tuple[list[OwnerReference], list[OwnerReference], list[OwnerReference]]:
        """The references whose owner is there, is absent, or waits for its dependants."""
        solid: list[OwnerReference] = []
        dangling: list[OwnerReference] = []
        waiting: list[OwnerReference] = []
        for reference in node.meta.owner_references:
            owner = self._graph.get(reference.uid)
            if owner is not None and not self._is_meant(node, reference, owner):
                if owner.meta.namespace not in ("", node.meta.namespace):
                    self._tell_of_namespace(node, reference)
                owner = None
            owner = owner or await self._look_up(node, reference)
            if owner is None:
                dangling.append(reference)
            elif owner.waiting:
                waiting.append(reference)
            else:
                solid.append(reference)
        return solid, dangling, waiting

    def _is_meant(self, node: Node, reference: OwnerReference, owner: Node) -> bool:
        """Whether the object of that uid is what the reference says, and may own the node."""
        entry = self._kinds.get((_group(reference.api_version), reference.kind))
        return entry is not None and entry.resource == owner.resource and _reaches(node, reference, owner)

    def _tell_of_namespace(self, node: Node, reference: OwnerReference) -> None:
        meta, entry = node.meta, self._by_resource.get(node.resource)
        shown = f"{reference.api_version}/{reference.kind}, namespace: {meta.namespace}, name: {reference.name}"
        told = f'ownerRef [{shown}, uid: {reference.uid}] does not exist in namespace "{meta.namespace}"'
        api_version, kind = (entry.api_version, entry.kind) if entry is not None else ("", "")
        about = ObjectView(kind=kind, api_version=api_version, metadata=meta)
        self._recorder.event(about, WARNING, "OwnerRefInvalidNamespace", told)

    async def _look_up(self, node: Node, reference: OwnerReference) -> Node | None:
        """The owner, asked live; None when it certainly is not there. What cannot be looked up counts as there."""
        entry = self._kinds.get((_group(reference.api_version), reference.kind))
        if entry is None:
            self._unresolved.add(node.key)  # of a kind that is not served, or not yet
            return node
        if entry.namespaced and not node.meta.namespace:
            return node
        namespace = node.meta.namespace if entry.namespaced else ""
        try:
            live = _object.decode(await self._client.get(entry.resource, reference.name, namespace))
        except NotFound:
            return None
        return Node(entry.resource, live.metadata) if live.metadata.uid == reference.uid else None

    def _wait_for_share(self, resource: str) -> float:
        """Seconds until one more unproven deletion of this kind is allowed; 0 takes it now."""
        now = clock.monotonic()
        recent = self._unproven.setdefault(resource, deque())
        while recent and now - recent[0] >= SHARE_PERIOD:
            recent.popleft()
        if len(recent) < max(FREE_DELETIONS, self._share * self._graph.count(resource)):
            recent.append(now)
            return 0.0
        return SHARE_PERIOD - (now - recent[0])

    async def _drop_references(self, node: Node, uids: set[str]) -> None:
        kept = [reference_as_json(ref) for ref in node.meta.owner_references if ref.uid not in uids]
        try:
            await set_references(self._client, node.resource, ObjectView(metadata=node.meta), kept)
        except NotFound:
            return

    async def _unblock(self, node: Node) -> None:
        references = [{**reference_as_json(ref), "blockOwnerDeletion": False} for ref in node.meta.owner_references]
        await set_references(self._client, node.resource, ObjectView(metadata=node.meta), references)


def build(ctx: Context) -> Controller:
    """The controller."""
    return GarbageCollector(ctx)
