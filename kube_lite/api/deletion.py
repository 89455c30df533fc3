"""Deletion: grace periods, finalizers, propagation to dependants, preconditions.

A DELETE either removes the object at once, or marks it (deletionTimestamp) and leaves the removal to whoever
holds a finalizer or the rest of the grace period.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import anyio
from msgspec.structs import replace

from kube_lite import clock, errors
from kube_lite.api.admission.plugin import AdmissionRequest
from kube_lite.api.manner import Written
from kube_lite.api.options import DeleteOptions
from kube_lite.api.target import Target, missing
from kube_lite.api.user import User
from kube_lite.api.verbs import CONFLICT_RETRIES, Verbs, is_finished
from kube_lite.resources.meta import Obj
from kube_lite.store.ring import Item
from kube_lite.store.store import StorageFull, WriteConflict

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"

DELETE_BATCH = 64
"""Objects of a collection deleted at once: enough to share commits, too few to crowd out others."""

_POLICY_FINALIZERS = {"Orphan": ORPHAN, "Foreground": FOREGROUND}


async def delete(
    verbs: Verbs,
    target: Target,
    user: User,
    options: DeleteOptions,
    warnings: list[str] | None = None,
    *,
    admitted: bool = False,
) -> Written:
    """Delete one object; ``deleted`` in the answer tells whether it is gone already.

    :param admitted: admission has been asked in another way: about an eviction
    :raises NotFound: there is none
    :raises Conflict: a precondition does not hold
    :raises InsufficientStorage: the disk is so full that not even this can be noted
    """
    resource, storage = target.resource, verbs.storage
    for _ in range(CONFLICT_RETRIES):
        item = storage.item(resource, target.namespace, target.name)
        if item is None:
            raise missing(resource, target.name)
        old = storage.load(resource, await storage.incoming_one(resource, item.value))
        check_preconditions(target, old, options)
        request = AdmissionRequest(
            operation="DELETE",
            resource=resource,
            subresource="",
            namespace=target.namespace,
            name=target.name,
            user=user,
            old=old,
            options=options.sent,
            deadline=options.deadline,
            dry_run=options.dry_run,
            warnings=warnings if warnings is not None else [],
        )
        if not admitted:
            await verbs.admission.admit(request, verbs.objects)
            await verbs.admission.validate(request, verbs.objects)
        try:
            return await _attempt(verbs, target, item, old, options)
        except WriteConflict:
            continue
        except StorageFull as full:
            raise errors.InsufficientStorage(str(full)) from full
    raise errors.conflict(resource.plural, resource.group, target.name, errors.MODIFIED)


def check_preconditions(target: Target, old: Obj, options: DeleteOptions) -> None:
    """:raises Conflict: the object is not the one that the client means"""
    resource, meta = target.resource, old["metadata"]
    if resource.group_resource == "namespaces":
        _check_namespace_preconditions(target, meta, options)
    if options.uid is not None and options.uid != meta["uid"]:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({meta['uid']}). "
            "The object might have been deleted and then recreated"
        )
        raise errors.conflict(resource.kind, resource.group, target.name, why)
    if options.resource_version is not None and options.resource_version != meta["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match "
            f"the ResourceVersion in record ({meta['resourceVersion']}). The object might have been modified"
        )
        raise errors.conflict(resource.kind, resource.group, target.name, why)


def _check_namespace_preconditions(target: Target, meta: Obj, options: DeleteOptions) -> None:
    """Namespaces are checked before the store is asked, in other words."""
    for what, wanted, present in (
        ("UID", options.uid, meta["uid"]),
        ("ResourceVersion", options.resource_version, meta["resourceVersion"]),
    ):
        if wanted is not None and wanted != present:
            why = f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {present}"
            raise errors.conflict("namespaces", "", target.name, why)


async def _attempt(verbs: Verbs, target: Target, item: Item, old: Obj, options: DeleteOptions) -> Written:
    new: Obj = {**old, "metadata": dict(old["metadata"])}
    pending = not _mark(target, new, old, options)
    if not pending:
        _set_policy_finalizers(target, new, options)
    if new == old and (pending or not is_finished(new)):
        return Written(item.value, item.revision)
    if old["metadata"].get("deletionTimestamp") is None:
        target.resource.begin_delete(new, old)
    if target.resource.kind == "Namespace":
        new["status"] = {**(new.get("status") or {}), "phase": "Terminating"}
    gone = is_finished(new)
    encode = verbs.storage.encoder(target.resource, await verbs.storage.outgoing(target.resource, new))
    if options.dry_run:
        return Written(encode(item.revision), item.revision, deleted=gone)
    if not gone:
        record = await verbs.storage.store.write(item.key, item.revision, encode)
        return Written(record.value, record.revision)
    graceful = target.resource.grace_period is not None
    final = new if graceful or old["metadata"].get("deletionTimestamp") is not None else old
    last = verbs.storage.encoder(target.resource, await verbs.storage.outgoing(target.resource, final))
    shown = None
    revision = item.revision
    if graceful and new["metadata"] != old["metadata"]:
        # upstream marks the object before it removes it, so watchers see it go in two steps
        with suppress(StorageFull):  # the removal, which makes room, still goes
            shown = await verbs.storage.store.write(item.key, revision, encode)
            revision = shown.revision
    record = await verbs.storage.store.delete(item.key, revision, last)
    hook = verbs.hooks.get(target.resource.group_resource)
    if hook is not None:
        hook.deleted(new)
    if shown is None and final is old:
        return Written(item.value, item.revision, deleted=True)  # as it was, not as of its removal
    shown = shown or record
    return Written(shown.value, shown.revision, deleted=True)


def _mark(target: Target, new: Obj, old: Obj, options: DeleteOptions) -> bool:
    """Set deletionTimestamp and grace period; False when a running grace period simply goes on."""
    resource, meta = target.resource, new["metadata"]
    asked = options.grace_period_seconds
    if meta.get("deletionTimestamp") is not None:
        running = meta.get("deletionGracePeriodSeconds")
        if not running or resource.grace_period is None:
            return True
        if asked is None or asked >= running:
            return False
        ends = clock.parse_timestamp(meta["deletionTimestamp"]) - timedelta(seconds=running - asked)
        meta["deletionTimestamp"] = clock.timestamp(ends)
        meta["deletionGracePeriodSeconds"] = asked
        return True
    grace = resource.grace_period(old, asked) if resource.grace_period is not None else 0
    meta["deletionTimestamp"] = clock.timestamp(clock.now() + timedelta(seconds=grace))
    if resource.kind != "Namespace":
        meta["deletionGracePeriodSeconds"] = grace
    if (resource.generation or resource.custom) and meta.get("generation"):
        meta["generation"] += 1
    return True


def _set_policy_finalizers(target: Target, new: Obj, options: DeleteOptions) -> None:
    """Add or drop the two finalizers by which the garbage collector learns what to do with dependants."""
    meta = new["metadata"]
    policy = options.propagation_policy
    if policy is None and options.orphan_dependents is not None:
        policy = "Orphan" if options.orphan_dependents else "Background"
    present = list(meta.get("finalizers") or [])
    if policy is None:
        if ORPHAN in present or FOREGROUND in present:
            return
        policy = target.resource.default_propagation
    if not target.resource.default_propagation:
        policy = "Background"  # nothing hangs on such objects, whatever the client asks for
    kept = [f for f in present if f not in (ORPHAN, FOREGROUND)]
    wanted = _POLICY_FINALIZERS.get(policy)
    if wanted is not None:
        kept.append(wanted)
    if set(kept) == set(present):
        return  # in the order that they have
    if kept:
        meta["finalizers"] = kept
    else:
        meta.pop("finalizers", None)


async def delete_collection(
    verbs: Verbs, target: Target, items: list[Item], user: User, options: DeleteOptions
) -> list[bytes]:
    """Delete each of ``items``, many at once so that they share commits; what vanished meanwhile is no error.

    Returns the stored bytes of all. :raises ApiError: the first refusal, after all were tried
    """
    done: dict[str, bytes] = {}
    refusals: list[errors.ApiError] = []

    async def one(item: Item) -> None:
        name = item.key.rsplit("/", 1)[1]
        at = replace(target, name=name, namespace=_namespace_of(verbs, target, item))
        try:
            done[item.key] = (await delete(verbs, at, user, options)).value
        except errors.NotFound:
            return
        except errors.ApiError as error:
            refusals.append(error)

    for start in range(0, len(items), DELETE_BATCH):
        async with anyio.create_task_group() as tasks:
            for item in items[start : start + DELETE_BATCH]:
                tasks.start_soon(one, item)
    if refusals:
        raise refusals[0]
    return [done[item.key] for item in items if item.key in done]


def _namespace_of(verbs: Verbs, target: Target, item: Item) -> str:
    if not target.resource.namespaced:
        return ""
    return item.key[len(verbs.storage.prefix(target.resource)) :].split("/", 1)[0]
