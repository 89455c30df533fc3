"""The FlowSchemas and PriorityLevelConfigurations as objects: those of every cluster are kept, dangling ones marked.

The mandatory objects always have the spec that :mod:`kube_lite.resources.flow_defaults` gives; the suggested ones
while their annotation says so, or says nothing and the spec was never changed. Objects that carry the annotation
but are no longer among the defaults came from another version, and go.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Mapping
from typing import Any

import anyio

from kube_lite import clock, errors
from kube_lite.api import deletion
from kube_lite.api.flow import LEVELS, SCHEMAS, objects
from kube_lite.api.options import DeleteOptions, WriteOptions
from kube_lite.api.target import Target
from kube_lite.api.user import SERVER
from kube_lite.api.verbs import Verbs
from kube_lite.resources.flow_defaults import (
    AUTOUPDATE,
    MANDATORY_LEVELS,
    MANDATORY_SCHEMAS,
    SUGGESTED_LEVELS,
    SUGGESTED_SCHEMAS,
)
from kube_lite.resources.meta import Obj
from kube_lite.store.store import Compacted

logger = logging.getLogger(__name__)

KEEP_SECONDS = 60.0
"""Between two looks at what should be there when nothing changes (upstream: a minute)."""
_PRODUCER = WriteOptions(field_manager="api-priority-and-fairness-config-producer-v1")
_CONSUMER = WriteOptions(field_manager="api-priority-and-fairness-config-consumer-v1")
_KINDS: tuple[tuple[str, Mapping[str, Obj], Mapping[str, Obj]], ...] = (
    (LEVELS, MANDATORY_LEVELS, SUGGESTED_LEVELS),
    (SCHEMAS, MANDATORY_SCHEMAS, SUGGESTED_SCHEMAS),
)


async def ensure(verbs: Verbs) -> None:
    """Create what is missing, give the kept objects their specs, and remove what is no default any more."""
    # all at once: what is written together is committed together
    async with anyio.create_task_group() as tasks:
        for kind, mandatory, suggested in _KINDS:
            there = objects(verbs.storage, kind)
            for name, spec in {**suggested, **mandatory}.items():
                obj = there.get(name)
                if obj is None:
                    tasks.start_soon(_create, verbs, kind, name, spec)
                elif not _as_kept(obj, spec, name in mandatory):
                    tasks.start_soon(_mend, verbs, kind, name, spec, name in mandatory)
            for name, obj in there.items():
                if name not in mandatory and name not in suggested and _annotation(obj) == "true":
                    tasks.start_soon(_remove, verbs, kind, name)


def _annotation(obj: Obj) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(AUTOUPDATE, ""))


def _as_kept(obj: Obj, spec: Obj, mandatory: bool) -> bool:
    """Whether there is nothing to mend."""
    said = _annotation(obj)
    if mandatory:
        # what the exempt level lends may be set
        compared = {**obj.get("spec", {}), "exempt": spec["exempt"]} if "exempt" in spec else obj.get("spec")
        return said == "true" and compared == spec
    ours = said == "true" or (not said and obj["metadata"].get("generation", 1) == 1)
    return not ours or (said == "true" and obj.get("spec") == spec)


def _target(verbs: Verbs, kind: str, name: str) -> Target:
    resource = verbs.storage.registry.named(kind)
    assert resource is not None, kind
    return Target(resource, "", name)


async def _create(verbs: Verbs, kind: str, name: str, spec: Obj) -> None:
    target = _target(verbs, kind, "")
    metadata = {"name": name, "annotations": {AUTOUPDATE: "true"}}
    obj = {"kind": target.resource.kind, "apiVersion": target.resource.api_version, "metadata": metadata, "spec": spec}
    try:
        await verbs.create(target, obj, SERVER, _PRODUCER)
    except errors.AlreadyExists:
        return  # another server of the same store was faster


async def _mend(verbs: Verbs, kind: str, name: str, spec: Obj, mandatory: bool) -> None:
    async def transform(old: Obj) -> Obj:
        if _as_kept(old, spec, mandatory):
            return old
        kept = {**spec, "exempt": old["spec"]["exempt"]} if mandatory and "exempt" in old.get("spec", {}) else spec
        annotations = {**(old["metadata"].get("annotations") or {}), AUTOUPDATE: "true"}
        return {**old, "metadata": {**old["metadata"], "annotations": annotations}, "spec": kept}

    await _ignoring_others(verbs.guaranteed_update(_target(verbs, kind, name), transform, SERVER, _PRODUCER))


async def _remove(verbs: Verbs, kind: str, name: str) -> None:
    await _ignoring_others(deletion.delete(verbs, _target(verbs, kind, name), SERVER, DeleteOptions()))


async def _ignoring_others(write: Coroutine[Any, Any, object]) -> None:
    try:
        await write
    except (errors.NotFound, errors.Conflict):
        return  # somebody else changed it: what that means is seen next time


async def mark_dangling(verbs: Verbs) -> None:
    """Say in each FlowSchema's status whether the level that it names exists."""
    levels = objects(verbs.storage, LEVELS)
    async with anyio.create_task_group() as tasks:
        for name, schema in objects(verbs.storage, SCHEMAS).items():
            level = ((schema.get("spec") or {}).get("priorityLevelConfiguration") or {}).get("name", "")
            condition = _dangling(level, level in levels)
            if not _holds(schema, condition):
                tasks.start_soon(_write_condition, verbs, name, condition)


def _dangling(level: str, found: bool) -> Obj:
    words = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" '
    return {
        "type": "Dangling",
        "status": "False" if found else "True",
        "reason": "Found" if found else "NotFound",
        "message": words + ("and it exists" if found else "but there is no such object"),
    }


def _holds(schema: Obj, condition: Obj) -> bool:
    conditions = (schema.get("status") or {}).get("conditions") or ()
    return any(all(there.get(k) == v for k, v in condition.items()) for there in conditions)


async def _write_condition(verbs: Verbs, name: str, condition: Obj) -> None:
    target = _target(verbs, SCHEMAS, name)
    target = Target(target.resource, "", name, target.resource.subresources["status"])

    async def transform(old: Obj) -> Obj:
        status: Obj = old.get("status") or {}
        others = [c for c in status.get("conditions") or () if c.get("type") != condition["type"]]
        before: Obj = next((c for c in status.get("conditions") or () if c.get("type") == condition["type"]), {})
        since = before.get("lastTransitionTime") if before.get("status") == condition["status"] else None
        new = {**condition, "lastTransitionTime": since or clock.timestamp()}
        return {**old, "status": {**status, "conditions": [*others, new]}}

    await _ignoring_others(verbs.guaranteed_update(target, transform, SERVER, _CONSUMER))


async def run(verbs: Verbs) -> None:
    """Keep the objects as they should be; never returns."""
    changed = anyio.Event()

    async def follow(kind: str) -> None:
        cursor = verbs.storage.cache(_target(verbs, kind, "").resource).cursor(-1)
        while True:
            try:
                events = await cursor.next(KEEP_SECONDS)
            except Compacted:  # what it was is read anew anyway
                cursor = verbs.storage.cache(_target(verbs, kind, "").resource).cursor(-1)
                events = ()
            if events:
                changed.set()

    async with anyio.create_task_group() as tasks:
        for kind in (SCHEMAS, LEVELS):
            tasks.start_soon(follow, kind)
        while True:
            try:
                await ensure(verbs)
                await mark_dangling(verbs)
            except* errors.ApiError as refused:
                logger.warning("flow schemas and priority levels cannot be kept: %s", refused.exceptions[0])
            with anyio.move_on_after(KEEP_SECONDS):
                await changed.wait()
            changed = anyio.Event()
