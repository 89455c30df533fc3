"""Writes: the one path that every create, update and patch takes.

The order is Kubernetes' own and is written here once:

    decode -> default -> managedFields -> mutating admission -> prepare -> validate -> validating admission -> store

so a plugin that sets a field is validated afterwards, and none sees an object without defaults. Updates read
the committed object, compute the new one, and swap it in by its revision; when somebody else was faster they
start again, unless the caller named the revision that it expects.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, MutableMapping
from typing import Any
from weakref import WeakValueDictionary

import anyio

from kube_lite import errors
from kube_lite.api import managed, objectmeta, write_checks
from kube_lite.api.admission.plugin import AdmissionRequest, Chain
from kube_lite.api.authz.attributes import Attributes
from kube_lite.api.http import decode_json, encode_json
from kube_lite.api.large import LARGE, beside
from kube_lite.api.manner import ORDINARY, PUT_ANEW, Guard, Manner, Transform, Written
from kube_lite.api.objectmeta import Names
from kube_lite.api.options import WriteOptions
from kube_lite.api.rest_hooks import RestHook
from kube_lite.api.storage import Storage
from kube_lite.api.stored_objects import StoredObjects
from kube_lite.api.target import Target, missing
from kube_lite.api.user import User
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource, Subresource
from kube_lite.store.ring import Item
from kube_lite.store.store import Encode, Record, StorageFull, WriteConflict

CONFLICT_RETRIES = 60
"""How often an update without a resourceVersion starts again before it gives up with 409."""
NAME_RETRIES = 8
"""How often a generated name that is taken is drawn again (upstream KEP-4420)."""

WHOLE = ("status", "ephemeralcontainers", "resize")
"""Subresources that are read and written as the whole object, defaults included."""


class Verbs:
    """Create, update, patch over one storage, for whoever the caller is."""

    def __init__(self, storage: Storage, admission: Chain, rng: random.Random) -> None:
        self.storage = storage
        self.admission = admission
        self.objects = StoredObjects(storage, self.update)
        """What admission sees of everything else."""
        self.names = Names(rng)
        self.hooks: MutableMapping[str, RestHook] = {}
        """Work beyond the object itself, by ``group_resource`` (addresses of Services)."""
        self._turns: WeakValueDictionary[Any, anyio.Lock] = WeakValueDictionary()
        """By key, for the updates that somebody else's has got ahead of."""
        self.guards: MutableMapping[str, Guard] = {}
        """Checks of creates and updates that no setting takes away, by ``group_resource`` (RBAC escalation)."""

    # ---- create

    async def create(
        self,
        target: Target,
        obj: Obj,
        user: User,
        options: WriteOptions,
        warnings: list[str] | None = None,
        manner: Manner = ORDINARY,
    ) -> Written:
        """Store a new object. ``obj`` is decoded and pruned; it is changed.

        :raises AlreadyExists: the name is taken
        """
        resource = target.resource
        meta = obj["metadata"]
        objectmeta.check_namespace(resource, target.namespace, obj)
        objectmeta.drop_repeated_owners(obj, warnings)
        generated = bool(not meta.get("name") and meta.get("generateName"))
        for attempt in range(NAME_RETRIES):
            if generated:
                meta.pop("name", None)  # drawn after mutating admission, which does not see it
            try:
                return await self._create_named(target, obj, user, options, warnings, manner)
            except errors.AlreadyExists:
                if not generated or attempt == NAME_RETRIES - 1:
                    raise
        raise AssertionError("unreachable: the loop returns or raises")

    async def _create_named(
        self,
        target: Target,
        obj: Obj,
        user: User,
        options: WriteOptions,
        warnings: list[str] | None,
        manner: Manner,
    ) -> Written:
        resource = target.resource
        revision = str(obj["metadata"].pop("resourceVersion", None) or "")
        if revision and not options.dry_run:  # upstream leaves this to its store, which a dry run does not reach
            raise errors.BadRequest("resourceVersion should not be set on objects to be created")
        await beside(options.body_size, self._default_new, resource, obj, options, manner)
        request = AdmissionRequest(
            operation="CREATE",
            resource=resource,
            subresource="",
            namespace=target.namespace,
            name=obj["metadata"].get("name") or "",
            user=user,
            obj=obj,
            options=options.sent,
            deadline=options.deadline,
            dry_run=options.dry_run,
            warnings=warnings if warnings is not None else [],
        )
        await self.admission.admit(request, self.objects)
        self._guard(request)
        obj = request.obj or obj
        objectmeta.check_namespace(resource, target.namespace, obj)  # webhooks may have moved it
        objectmeta.drop_repeated_owners(obj, warnings, objectmeta.AFTER_ADMISSION)
        if not obj["metadata"].get("name") and obj["metadata"].get("generateName"):
            obj["metadata"]["name"] = self.names.generate(obj["metadata"]["generateName"])
        objectmeta.prepare_create(resource, obj, self.names)
        resource.prepare_create(obj)
        hook = self.hooks.get(resource.group_resource)
        undo = await hook.begin_create(obj, options.dry_run) if hook is not None else None
        try:
            size = LARGE if resource.laborious else options.body_size
            await beside(size, self._check_new, resource, obj, warnings)
            request.name = obj["metadata"].get("name") or ""
            if manner.of_update:
                self._require_create(target, user)
            await self.admission.validate(request, self.objects)
            managed.complete(resource, obj)
            written = await self._insert(target, obj, options, revision, manner)
        except BaseException as error:
            if undo is not None:
                undo()
            if isinstance(error, errors.ApiError):
                await request.abandon()
            raise
        finally:
            request.over()
        if options.dry_run and undo is not None:
            undo()
        return written

    @staticmethod
    def _default_new(resource: Resource, obj: Obj, options: WriteOptions, manner: Manner) -> None:
        resource.default(obj)
        write_checks.check_growth(options, obj)
        managed.on_create(resource, obj, options, manner.manage)

    @staticmethod
    def _check_new(resource: Resource, obj: Obj, warnings: list[str] | None) -> None:
        write_checks.check_create(resource, obj)
        if warnings is not None:
            warnings.extend(resource.warnings(obj, None))

    def _require_create(self, target: Target, user: User) -> None:
        """:raises Forbidden: who may update an object may not create it"""
        resource = target.resource
        place = (resource.group, resource.version, resource.plural, "", target.namespace, target.name)
        self.objects.require(Attributes(user, "create", *place))

    def _guard(self, request: AdmissionRequest) -> None:
        guard = self.guards.get(request.resource.group_resource)
        if guard is not None:
            guard(request)

    async def _insert(self, target: Target, obj: Obj, options: WriteOptions, revision: str, manner: Manner) -> Written:
        resource, name = target.resource, obj["metadata"]["name"]
        key = self.storage.key(resource, target.namespace, name)
        if options.dry_run:
            encode = await self._encoder(resource, obj)
            if self.storage.cache(resource).get(key) is not None:
                raise self._taken(target, name)
            bare = decode_json(encode(0))
            bare["metadata"]["resourceVersion"] = revision
            if not revision:
                del bare["metadata"]["resourceVersion"]
            return Written(encode_json(bare), 0, created=True)
        try:
            record = await self._put(resource, key, 0, obj, manner)
        except WriteConflict as conflict:
            raise self._taken(target, name) from conflict
        return Written(record.value, record.revision, created=True)

    async def _put(self, resource: Resource, key: str, expected: int, obj: Obj, manner: Manner) -> Record:
        """Write an object; one that is too big is kept without the owners of its fields.

        :raises RequestEntityTooLarge: it is too big without them too, or they are what an apply is about
        """
        while True:
            encode = write_checks.within_limit(await self._encoder(resource, obj))
            try:
                return await self.storage.store.write(key, expected, encode, transient=resource.transient)
            except errors.RequestEntityTooLarge:
                if manner.manage is not None or obj["metadata"].pop("managedFields", None) is None:
                    raise
            except StorageFull as full:
                raise errors.InsufficientStorage(str(full)) from full

    async def _encoder(self, resource: Resource, obj: Obj) -> Encode:
        return self.storage.encoder(resource, await self.storage.outgoing(resource, obj))

    def _taken(self, target: Target, name: str) -> errors.AlreadyExists:
        """The refusal of a name in use; the holder may be about to go."""
        resource = target.resource
        refusal = errors.already_exists(resource.plural, resource.group, name)
        item = self.storage.item(resource, target.namespace, name)
        if item is None or not decode_json(item.value)["metadata"].get("deletionTimestamp"):
            return refusal
        return errors.AlreadyExists(f"object is being deleted: {refusal.message}", refusal.details)

    def versions_of(self, resource: Resource) -> managed.Lookup:
        """Finds the versions in which the same objects are served, by apiVersion."""
        return lambda version: next((r for r in self.storage.equivalents(resource) if r.api_version == version), None)

    # ---- update

    async def update(
        self, target: Target, obj: Obj, user: User, options: WriteOptions, warnings: list[str] | None = None
    ) -> Written:
        """Replace an object by ``obj`` (decoded and pruned).

        :raises NotFound: there is none, and its kind is not created by PUT
        :raises Conflict: ``metadata.resourceVersion`` is stale
        """
        resource = target.resource
        meta = obj["metadata"]
        write_checks.check_place(target, obj)
        objectmeta.drop_repeated_owners(obj, warnings)
        present = self.storage.item(resource, target.namespace, target.name)
        stored_uid = "" if present is None else str(decode_json(present.value)["metadata"]["uid"])
        if target.subresource is None and (uid := meta.get("uid")) and uid != stored_uid:
            raise write_checks.other_uid(target, uid, stored_uid)
        if target.subresource is None and present is None and resource.allow_create_on_update:
            if not options.dry_run:
                meta.pop("resourceVersion", None)  # of an object that is gone; upstream creates it anew
            return await self.create(target, obj, user, options, warnings, PUT_ANEW)
        revision = str(meta.get("resourceVersion") or "")
        if revision in ("", "0") and not resource.allow_unconditional_update:
            self._require_existing(target)
            raise write_checks.no_revision(target)

        async def replaced(old: Obj) -> Obj:
            uid = meta.get("uid")
            if uid and uid != old["metadata"]["uid"]:
                raise write_checks.other_uid(target, uid, old["metadata"]["uid"])
            return _copy(obj)

        manner = Manner(pinned=revision not in ("", "0"))
        return await self.guaranteed_update(target, replaced, user, options, warnings, manner)

    def _require_existing(self, target: Target) -> None:
        resource = target.resource
        if self.storage.item(resource, target.namespace, target.name) is None:
            raise missing(resource, target.name)

    async def guaranteed_update(
        self,
        target: Target,
        transform: Transform,
        user: User,
        options: WriteOptions,
        warnings: list[str] | None = None,
        manner: Manner = ORDINARY,
    ) -> Written:
        """Read, transform, check, swap; again when another writer was faster.

        Those who try again take turns, so that everyone of many gets through. A ``resourceVersion`` in the
        transformed object is a precondition.
        """
        resource = target.resource
        try:
            return await self._try_update(target, transform, user, options, warnings, manner)
        except WriteConflict as conflict:
            if manner.pinned:
                # no variable may hold it: its traceback holds this frame
                raise errors.conflict(resource.plural, resource.group, target.name, errors.MODIFIED) from conflict
        key = self.storage.key(resource, target.namespace, target.name)
        async with self._turns.setdefault(key, anyio.Lock()):
            for _ in range(CONFLICT_RETRIES):
                try:
                    return await self._try_update(target, transform, user, options, warnings, manner)
                except WriteConflict:
                    continue
        raise errors.conflict(resource.plural, resource.group, target.name, errors.MODIFIED)

    async def _try_update(
        self,
        target: Target,
        transform: Transform,
        user: User,
        options: WriteOptions,
        warnings: list[str] | None,
        manner: Manner,
    ) -> Written:
        resource = target.resource
        item = self.storage.item(resource, target.namespace, target.name)
        if item is None:
            raise missing(resource, target.name)
        old = self.storage.load(resource, await self.storage.incoming_one(resource, item.value))
        new = await transform(old)
        objectmeta.drop_repeated_owners(new, warnings, " after mutating admission happens")
        given = str(new["metadata"].get("resourceVersion") or "")
        write_checks.check_revision(target, given, old["metadata"]["resourceVersion"])
        return await self._swap(target, item, old, new, user, options, warnings, manner)

    async def _swap(
        self,
        target: Target,
        item: Item,
        old: Obj,
        new: Obj,
        user: User,
        options: WriteOptions,
        warnings: list[str] | None,
        manner: Manner,
    ) -> Written:
        resource, sub = target.resource, target.subresource
        size = options.body_size + len(item.value)
        await beside(size, self._default_changed, target, old, new, options, manner)
        shown = manner.shown
        request = AdmissionRequest(
            operation="UPDATE",
            resource=resource,
            subresource=target.subresource_name if shown is None else shown.subresource,
            namespace=target.namespace,
            name=target.name,
            user=user,
            obj=new if shown is None else shown.show(new),
            old=old if shown is None else shown.show(old),
            options=options.sent,
            deadline=options.deadline,
            dry_run=options.dry_run,
            warnings=warnings if warnings is not None else [],
        )
        if not manner.trusted:
            await self.admission.admit(request, self.objects)
        self._guard(request)
        if request.obj is not None:
            new = request.obj if shown is None else shown.take(new, request.obj)
            if resource.namespaced:
                objectmeta.check_update_namespace(target.namespace, new)
        objectmeta.drop_repeated_owners(new, warnings, objectmeta.AFTER_ADMISSION)
        self._prepare_update(resource, sub, new, old, manner.trusted)
        hook = self.hooks.get(resource.group_resource) if sub is None else None
        undo = await hook.begin_update(new, old, options.dry_run) if hook is not None else None
        try:
            if not manner.trusted:
                size = LARGE if resource.laborious else size
                await beside(size, self._check_changed, resource, sub, new, old, warnings)
                await self.admission.validate(request, self.objects)
            managed.complete(resource, new, but=managed.shared(old, new))
            if sub is None and resource.generation and objectmeta.counts(resource, new, old):
                new["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1
            if new == old or managed.differs_in_times(old, new):
                if await self.storage.keeps(resource, item, old):
                    return Written(item.value, item.revision)
                new = old
            written = await self._replace(target, item, new, options, manner)
        except BaseException as error:
            if undo is not None:
                undo()
            if isinstance(error, errors.ApiError | WriteConflict):
                await request.abandon()
            raise
        finally:
            request.over()
        if options.dry_run and undo is not None:
            undo()
        elif hook is not None:
            hook.committed(old, new)
        return written

    def _default_changed(self, target: Target, old: Obj, new: Obj, options: WriteOptions, manner: Manner) -> None:
        resource, sub = target.resource, target.subresource
        if (sub is None or sub.name in WHOLE) and not manner.trusted:
            resource.default(new)
            write_checks.check_growth(options, new)
        part = manner.managed_as or target.subresource_name
        managed.on_update(resource, old, new, options, part, manner.manage, self.versions_of(resource))

    @staticmethod
    def _check_changed(
        resource: Resource, sub: Subresource | None, new: Obj, old: Obj, warnings: list[str] | None
    ) -> None:
        write_checks.check_update(resource, sub, new, old)
        if warnings is not None and (sub is None or resource.custom):
            warnings.extend(resource.warnings(new, old))

    @staticmethod
    def _prepare_update(resource: Resource, sub: Subresource | None, new: Obj, old: Obj, trusted: bool) -> None:
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        objectmeta.keep_server_fields(new, old)
        if sub is not None:
            sub.prepare(new, old)
        elif not trusted:
            resource.prepare_update(new, old)

    async def _replace(self, target: Target, item: Item, new: Obj, options: WriteOptions, manner: Manner) -> Written:
        resource = target.resource
        if not options.dry_run and not is_finished(new):
            record = await self._put(resource, item.key, item.revision, new, manner)
            return Written(record.value, record.revision)
        encode = await self._encoder(resource, new)
        if options.dry_run:
            return Written(encode(item.revision), item.revision)
        try:
            # nothing is written before the removal: watchers are shown what was stored, the client what it asked for
            await self.storage.store.delete(item.key, item.revision, self.storage.again(item.value))
        except StorageFull as full:
            raise errors.InsufficientStorage(str(full)) from full
        if (hook := self.hooks.get(resource.group_resource)) is not None:
            hook.deleted(new)
        return Written(encode(item.revision), item.revision, deleted=True)


def is_finished(obj: Mapping[str, Any]) -> bool:
    """Whether a deleted object waits for nothing any more: no finalizer, no grace period left."""
    meta = obj["metadata"]
    if meta.get("deletionTimestamp") is None or meta.get("finalizers"):
        return False
    if (obj.get("spec") or {}).get("finalizers") and obj.get("kind") == "Namespace":
        return False
    return int(meta.get("deletionGracePeriodSeconds") or 0) <= 0


def _copy(obj: Obj) -> Obj:
    copied: Obj = decode_json(encode_json(obj))
    return copied
