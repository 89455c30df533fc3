"""Who controls what: controller references, and taking in or letting go of dependants by their labels.

A controller owns the objects whose controller reference carries its uid. It adopts those that match its
selector and have no controller, and releases those that it owns but whose labels no longer match (upstream:
``pkg/controller/controller_ref_manager.go``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

from kube_lite.client.informer import Informer, V
from kube_lite.client.protocol import Client
from kube_lite.errors import NotFound
from kube_lite.resources.meta import Obj, ObjectView, OwnerReference

CONTROLLER_INDEX = "controller"
"""Name of the index by ``controlled_by``."""


def _orphans_of(namespace: str) -> str:
    return f"orphans in {namespace}"


def controlled_by(obj: ObjectView) -> Collection[str]:
    """Indexer: the uid of the object's controller, or the namespace's orphans."""
    owner = obj.metadata.controller
    return (owner.uid if owner is not None else _orphans_of(obj.metadata.namespace),)


def dependants(informer: Informer[V], owner: ObjectView) -> list[V]:
    """The objects that ``owner`` controls."""
    return informer.by_index(CONTROLLER_INDEX, owner.metadata.uid)


def orphans(informer: Informer[V], namespace: str) -> list[V]:
    """The objects of the namespace that nobody controls."""
    return informer.by_index(CONTROLLER_INDEX, _orphans_of(namespace))


def controller_reference(owner: ObjectView, api_version: str, kind: str) -> Obj:
    """The ``ownerReferences`` entry of what ``owner`` controls."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": owner.metadata.name,
        "uid": owner.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def reference_as_json(reference: OwnerReference) -> Obj:
    """An owner reference as it stands in the API."""
    entry: dict[str, Any] = {
        "apiVersion": reference.api_version,
        "kind": reference.kind,
        "name": reference.name,
        "uid": reference.uid,
    }
    if reference.controller:
        entry["controller"] = True
    if reference.block_owner_deletion:
        entry["blockOwnerDeletion"] = True
    return entry


async def set_references(client: Client, resource: str, obj: ObjectView, references: list[Obj]) -> None:
    """Replace the owner references of ``obj``. :raises Conflict: it changed since it was read"""
    meta = obj.metadata
    patch = {"metadata": {"ownerReferences": references or None, "resourceVersion": meta.resource_version}}
    await client.patch(resource, meta.name, patch, meta.namespace)


async def claim(
    client: Client,
    resource: str,
    owner: ObjectView,
    reference: Obj,
    candidates: Iterable[V],
    matches: Callable[[V], bool],
    confirm: Callable[[], Awaitable[None]],
) -> list[V]:
    """The candidates that belong to ``owner``, after adopting and releasing.

    :param reference: the controller reference that adopted objects get
    :param confirm: raises unless the owner is, read live, still the same and not being deleted; called once,
        before the first adoption
    """
    owned: list[V] = []
    confirmed = False
    leaving = owner.metadata.deletion_timestamp is not None
    for obj in candidates:
        controller = obj.metadata.controller
        if controller is not None and controller.uid != owner.metadata.uid:
            continue
        fits = matches(obj)
        if controller is not None:
            if fits:
                owned.append(obj)
            elif not leaving:
                await _release(client, resource, owner, obj)
        elif fits and not leaving and obj.metadata.deletion_timestamp is None:
            if not confirmed:
                await confirm()
                confirmed = True
            if await _adopt(client, resource, obj, reference):
                owned.append(obj)
    return owned


async def _adopt(client: Client, resource: str, obj: ObjectView, reference: Obj) -> bool:
    references = [reference_as_json(r) for r in obj.metadata.owner_references]
    try:
        await set_references(client, resource, obj, [*references, reference])
    except NotFound:
        return False
    return True


async def _release(client: Client, resource: str, owner: ObjectView, obj: ObjectView) -> None:
    kept = [reference_as_json(r) for r in obj.metadata.owner_references if r.uid != owner.metadata.uid]
    try:
        await set_references(client, resource, obj, kept)
    except NotFound:
        return
