"""Custom resources at run time: every stored CustomResourceDefinition becomes a served resource, and ceases to be one.

Registration follows the store: the listener that sees a definition committed registers it before the next request is
read, so an object may be created as soon as the definition's POST is answered; only what takes long to compile is
registered a little later. That, and what takes writes, is done by one task,
:meth:`CustomResources.run`: it puts NamesAccepted and Established into status, and removes the objects of a definition
that is being deleted, then the definition. Its queue is a set of names, so it is bounded by the definitions there are.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Final

import anyio
from msgspec.structs import replace

from kube_lite import errors
from kube_lite.api import deletion
from kube_lite.api.admission.webhook_call import WebhookCaller
from kube_lite.api.crd_resources import Version, served_names, versions_of
from kube_lite.api.discovery import version_rank
from kube_lite.api.http import decode_json, encode_json
from kube_lite.api.large import LARGE, beside
from kube_lite.api.manner import Manner
from kube_lite.api.options import DeleteOptions, WriteOptions
from kube_lite.api.rest_hooks import Undo
from kube_lite.api.target import Target
from kube_lite.api.user import SERVER
from kube_lite.api.verbs import Verbs
from kube_lite.resources.kinds.customresourcedefinition import CLEANUP
from kube_lite.resources.kinds.customresourcedefinition.conditions import (
    conflicts,
    describe,
    is_servable,
    set_condition,
)
from kube_lite.resources.kinds.customresourcedefinition.validation import is_established
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import Resource
from kube_lite.store.ring import Item
from kube_lite.store.store import Event

logger = logging.getLogger(__name__)

CRDS: Final = "customresourcedefinitions.apiextensions.k8s.io"
AT_ONCE: Final = 1000
"""Types in the schemas of a definition (some tenth of a second of work) up to which it is compiled in the loop, and so
served before its POST is answered; of a larger one clients learn by its condition Established, as upstream."""
RETRY_SECONDS: Final = 1.0
"""How long a definition waits whose reconciliation failed."""


class _Terminating:
    """Keeps objects from being made while their definition goes."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    async def begin_create(self, obj: Obj, dry_run: bool) -> Undo | None:
        """See ``RestHook``. :raises MethodNotAllowed: always"""
        details = {"group": self._resource.group, "kind": self._resource.plural}
        raise errors.MethodNotAllowed("create not allowed while custom resource definition is terminating", details)

    async def begin_update(self, new: Obj, old: Obj, dry_run: bool) -> Undo | None:
        """See ``RestHook``."""
        return None

    def committed(self, old: Obj, new: Obj) -> None:
        """See ``RestHook``."""

    def deleted(self, obj: Obj) -> None:
        """See ``RestHook``."""


class CustomResources:
    """Keeps a registry in step with the stored definitions.

    :param caller: asks conversion webhooks
    :param changed: called whenever what is served has changed
    """

    def __init__(self, verbs: Verbs, caller: WebhookCaller, changed: Callable[[], None]) -> None:
        self._verbs = verbs
        self._storage = verbs.storage
        self._registry = verbs.storage.registry
        self.caller = caller
        self._changed = changed
        self._user = SERVER
        self._served: dict[str, tuple[Obj, list[Version]]] = {}
        self._terminating: dict[str, str] = {}
        """Name of the definition by the key prefix of its objects."""
        self._late: set[str] = set()
        """Definitions that are yet to be compiled, beside the loop."""
        self._dirty: dict[str, None] = {}
        self._wake = anyio.Event()
        found = self._registry.named(CRDS)
        assert found is not None
        self._definition = found
        self._prefix = self._storage.prefix(found)

    def start(self) -> None:
        """Serve what is stored, and follow the store from here. Storage must be loaded."""
        for crd in self._storage.select(CRDS):
            self._sync(crd, at_once=True)
        self._storage.store.subscribe(self._committed)

    def _committed(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.key.startswith(self._prefix):
                name = event.key[len(self._prefix) :]
                if event.deleted:
                    self._forget(name)
                else:
                    self._sync(decode_json(event.value), at_once=event.value.count(b'"type":') <= AT_ONCE)
            elif self._terminating and event.deleted:
                for prefix, name in self._terminating.items():
                    if event.key.startswith(prefix):
                        self._enqueue(name)

    def _enqueue(self, name: str) -> None:
        self._dirty[name] = None
        self._wake.set()

    # ---- registration

    def _sync(self, crd: Obj, *, at_once: bool) -> None:
        name = name_of(crd)
        self._enqueue(name)
        known = self._served.get(name)
        if known is not None and _served_part(known[0]) == _served_part(crd):
            self._served[name] = (crd, known[1])
        elif known is not None or self._acceptable(crd):
            if at_once:
                self._serve(name, crd, self._compiled(crd))
            else:
                self._late.add(name)
        if crd["metadata"].get("deletionTimestamp") is not None:
            self._refuse_creation(name)

    def _compiled(self, crd: Obj) -> list[Version] | None:
        """The versions of a definition; None when they cannot be served."""
        try:
            return versions_of(crd, self.caller, self._verbs.objects)
        except (ValueError, KeyError, TypeError) as error:
            logger.error("%s: cannot be served: %s", name_of(crd), error)
            return None

    def _serve(self, name: str, crd: Obj, versions: list[Version] | None) -> None:
        self._late.discard(name)
        if versions is None:
            return
        known = self._served.get(name)
        self._register(name, crd, versions)
        if known is not None and served_names(known[0]) != served_names(crd):
            self._reconsider(name, crd["spec"]["group"])

    async def _serve_late(self, name: str, crd: Obj) -> bool:
        """Compile a large definition beside the loop, and serve it. False when it changed meanwhile."""
        versions = await beside(LARGE, self._compiled, crd)
        now = self._storage.lookup(CRDS, "", name)
        if now is None or _served_part(now) != _served_part(crd):
            return False
        if name in self._served or self._acceptable(now):
            self._serve(name, now, versions)
        if now["metadata"].get("deletionTimestamp") is not None:
            self._refuse_creation(name)
        return True

    def _register(self, name: str, crd: Obj, versions: list[Version]) -> None:
        self._unregister(name)
        self._served[name] = (crd, versions)
        for version in sorted(versions, key=lambda v: version_rank(v.resource.version)):
            if version.served:
                self._registry.add(version.resource)
        if any(v.resource.selectable_names for v in versions):
            self._reindex(versions[0].resource)
        self._changed()

    def _reindex(self, resource: Resource) -> None:
        """Read selectable fields anew from the objects that are there."""
        cache = self._storage.cache(resource)
        for item in cache.range(self._storage.prefix(resource)):
            cache.load(item.key, item.value, item.revision)

    def _unregister(self, name: str) -> None:
        known = self._served.pop(name, None)
        if known is not None:
            resource = known[1][0].resource
            self._registry.remove(resource.group, resource.plural)

    def _forget(self, name: str) -> None:
        self._late.discard(name)
        known = self._served.get(name)
        if known is None:
            return
        resource = known[1][0].resource
        self._unregister(name)
        self._terminating.pop(self._storage.prefix(resource), None)
        self._verbs.hooks.pop(resource.group_resource, None)
        self._storage.caches.drop(self._storage.prefix(resource))
        self._changed()
        self._reconsider(name, resource.group)

    def _reconsider(self, name: str, group: str) -> None:
        """Others of the group may have the names now that a definition gave up."""
        for other, (crd, _) in list(self._served.items()):
            if crd["spec"]["group"] == group and other != name:
                self._enqueue(other)
        for crd in self._storage.select(CRDS):
            if name_of(crd) not in self._served and crd["spec"]["group"] == group and name_of(crd) != name:
                self._sync(crd, at_once=False)

    def _refuse_creation(self, name: str) -> None:
        known = self._served.get(name)
        if known is not None:
            resource = known[1][0].resource
            self._terminating[self._storage.prefix(resource)] = name
            self._verbs.hooks.setdefault(resource.group_resource, _Terminating(resource))

    # ---- names

    def _taken(self, crd: Obj) -> tuple[set[str], set[str]]:
        """Resource names and kinds that others of the group have."""
        group, me = crd["spec"]["group"], name_of(crd)
        resources: set[str] = set()
        kinds: set[str] = set()
        for resource in self._registry:
            if resource.group != group:
                continue
            if resource.custom and f"{resource.plural}.{group}" == me:
                continue
            resources |= {resource.plural, resource.singular_name, *resource.short_names}
            kinds |= {resource.kind, resource.list_kind_name}
        return resources, kinds

    def _conflicts(self, crd: Obj) -> dict[str, str]:
        return conflicts(crd, *self._taken(crd))

    def _acceptable(self, crd: Obj) -> bool:
        return is_established(crd) or (is_servable(crd) and not self._conflicts(crd))

    # ---- the task

    async def run(self) -> None:
        """Write status, and finish deletions; never returns."""
        while True:
            if not self._dirty:
                self._wake = anyio.Event()
                await self._wake.wait()
            names, self._dirty = list(self._dirty), {}
            failed = False
            for name in names:
                try:
                    await self._reconcile(name)
                except errors.ApiError as refusal:  # a webhook of its author's, most often
                    logger.warning("%s: will be tried again: %s", name, refusal)
                    self._dirty[name] = None
                    failed = True
                except Exception:
                    logger.exception("%s: will be tried again", name)
                    self._dirty[name] = None
                    failed = True
            if failed:
                await anyio.sleep(RETRY_SECONDS)

    async def _reconcile(self, name: str) -> None:
        crd = self._storage.lookup(CRDS, "", name)
        if crd is None:
            return
        if name in self._late and not await self._serve_late(name, crd):
            self._enqueue(name)
            return
        if crd["metadata"].get("deletionTimestamp") is not None:
            if CLEANUP in (crd["metadata"].get("finalizers") or ()):
                await self._finish(name, crd)
            return

        def described(state: Obj, current: Obj) -> None:
            describe(state, current, self._conflicts(current))

        await self._write_status(name, described)

    async def _write_status(self, name: str, change: Callable[[Obj, Obj], None]) -> None:
        async def changed(old: Obj) -> Obj:
            new: Obj = decode_json(encode_json(old))
            state = new.setdefault("status", {})
            change(state, new)
            return new

        target = Target(self._definition, "", name, self._definition.subresources["status"])
        wanted = WriteOptions(field_manager="kube-apiserver")
        with contextlib.suppress(errors.NotFound):  # it went meanwhile, and its deletion is an event of its own
            await self._verbs.guaranteed_update(target, changed, self._user, wanted)

    # ---- deletion

    async def _finish(self, name: str, crd: Obj) -> None:
        """Delete the objects; once none is left, let the definition go."""
        known = self._served.get(name)
        if known is not None:
            versions = [version.resource for version in known[1]]
            cache, prefix = self._storage.cache(versions[0]), self._storage.prefix(versions[0])
            if cache.count(prefix):
                await self._delete_objects(name, versions)
            if cache.count(prefix):
                return  # finalizers hold some; the removal of the last one comes by as an event

        async def released(old: Obj) -> Obj:
            new: Obj = decode_json(encode_json(old))
            finalizers = [f for f in new["metadata"].get("finalizers") or () if f != CLEANUP]
            new["metadata"]["finalizers"] = finalizers
            if not finalizers:
                del new["metadata"]["finalizers"]
            state = new.setdefault("status", {})
            set_condition(state, "Terminating", False, "InstanceDeletionCompleted", "removed all instances")
            return new

        wanted = WriteOptions(field_manager="kube-apiserver")
        target = Target(self._definition, "", name)
        with contextlib.suppress(errors.NotFound):
            await self._verbs.guaranteed_update(target, released, self._user, wanted, manner=Manner(trusted=True))

    async def _delete_objects(self, name: str, versions: Sequence[Resource]) -> None:
        def in_progress(state: Obj, crd: Obj) -> None:
            message = "CustomResource deletion is in progress"
            set_condition(state, "Terminating", True, "InstanceDeletionInProgress", message)

        await self._write_status(name, in_progress)
        items = list(self._storage.cache(versions[0]).range(self._storage.prefix(versions[0])))
        for resource in versions:
            mine = [item for item in items if self._storage.is_stored_as(resource, item.value)]
            items = [item for item in items if not self._storage.is_stored_as(resource, item.value)]
            # as what it is stored as: a webhook that would convert it may be gone already
            kept = replace(resource, storage_version="", webhook=None, convert_to_storage=None)
            await self._delete_all(kept, mine)
        await self._delete_all(self._storage.stored(versions[0]), items)

    async def _delete_all(self, resource: Resource, items: list[Item]) -> None:
        await deletion.delete_collection(self._verbs, Target(resource, "", ""), items, self._user, DeleteOptions())


def _served_part(crd: Obj) -> tuple[Obj, Obj]:
    """What resources are made of."""
    return crd["spec"], served_names(crd)
