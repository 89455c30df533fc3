"""The templates that a DaemonSet has had, as ControllerRevisions, so that ``kubectl rollout undo`` finds them.

A revision is named by the hash of its template; going back to an old template makes its revision the newest again
(upstream: ``pkg/controller/history``).
"""

from __future__ import annotations

from typing import Any

import msgspec

from kube_lite.client.informer import Informer
from kube_lite.client.protocol import Client
from kube_lite.controllers.ownership import CONTROLLER_INDEX, controlled_by, dependants
from kube_lite.controllers.revisions import template_hash
from kube_lite.errors import AlreadyExists, NotFound
from kube_lite.resources.meta import Obj, ObjectView

RESOURCE = "controllerrevisions.apps"
HASH_LABEL = "controller-revision-hash"


class ControllerRevision(ObjectView, frozen=True):
    """One former or present template; its data is written, never read."""

    revision: int = 0


def watched(informer: Informer[ControllerRevision]) -> Informer[ControllerRevision]:
    """The informer, indexed as :func:`record` needs it."""
    informer.add_index(CONTROLLER_INDEX, controlled_by)
    return informer


async def record(
    client: Client,
    revisions: Informer[ControllerRevision],
    owner: ObjectView,
    reference: Obj,
    template: msgspec.Raw,
) -> str:
    """Note that ``template`` is the newest; its hash."""
    digest = template_hash(template, 0)
    name = f"{owner.metadata.name}-{digest}"
    known = dependants(revisions, owner)
    newest = max((revision.revision for revision in known), default=0)
    current = next((revision for revision in known if revision.metadata.name == name), None)
    if current is None:
        decoded: dict[str, Any] = msgspec.json.decode(template)
        labels = (decoded.get("metadata") or {}).get("labels") or {}
        obj = {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {"name": name, "labels": {**labels, HASH_LABEL: digest}, "ownerReferences": [reference]},
            "data": {"spec": {"template": {**decoded, "$patch": "replace"}}},
            "revision": newest + 1,
        }
        try:
            await client.create(RESOURCE, obj, owner.metadata.namespace)
        except AlreadyExists:
            return digest  # made by this process before, and not seen yet
    elif current.revision < newest:
        patch = {"metadata": {"uid": current.metadata.uid}, "revision": newest + 1}
        await client.patch(RESOURCE, name, patch, owner.metadata.namespace)
    return digest


async def clean_up(
    client: Client, revisions: Informer[ControllerRevision], owner: ObjectView, live: set[str], limit: int
) -> None:
    """Delete the oldest revisions above ``limit``, but none whose hash is in ``live``."""
    old = [r for r in dependants(revisions, owner) if r.metadata.labels.get(HASH_LABEL) not in live]
    for revision in sorted(old, key=lambda r: r.revision)[: max(0, len(old) - limit)]:
        meta = revision.metadata
        try:
            await client.delete(RESOURCE, meta.name, meta.namespace, uid=meta.uid)
        except NotFound:
            continue
