"""The templates that a DaemonSet or StatefulSet has had, as ControllerRevisions, where ``kubectl rollout`` finds them.

A revision is named by the hash of its template; going back to an old template makes its revision the newest again
(upstream: ``pkg/controller/history``).
"""

from __future__ import annotations

from typing import Any

import msgspec

from kube_lite.client.informer import Informer
from kube_lite.client.protocol import Client
from kube_lite.controllers.ownership import (
    CONTROLLER_INDEX,
    controlled_by,
    dependants,
    reference_as_json,
    set_references,
)
from kube_lite.controllers.removal import delete_seen
from kube_lite.controllers.revisions import template_hash
from kube_lite.errors import AlreadyExists
from kube_lite.resources.meta import Obj, ObjectView, View

RESOURCE = "controllerrevisions.apps"

HISTORY_LIMIT = 10
"""Revisions kept besides those in use, when the owner does not say (upstream's default of revisionHistoryLimit)."""

HASH_LABEL = "controller-revision-hash"
"""On a pod, the template that it was made of; on a DaemonSet's ControllerRevision, its hash."""

REVISION_HASH_LABEL = "controller.kubernetes.io/hash"
"""On a StatefulSet's ControllerRevision, the hash of its template."""


class RevisionSpec(View, frozen=True):
    """The part of the owner's spec that makes a revision."""

    template: msgspec.Raw = msgspec.Raw(b"{}")


class RevisionData(View, frozen=True):
    """A strategic merge patch of the owner."""

    spec: RevisionSpec = RevisionSpec()


class ControllerRevision(ObjectView, frozen=True):
    """One former or present template."""

    revision: int = 0
    data: RevisionData = RevisionData()

    @property
    def template(self) -> msgspec.Raw:
        """The pod template, without the directive that makes it a patch."""
        decoded: Obj = msgspec.json.decode(self.data.spec.template)
        return msgspec.Raw(msgspec.json.encode({key: value for key, value in decoded.items() if key != "$patch"}))


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
    hash_label: str = HASH_LABEL,
) -> str:
    """Note that ``template`` is the newest; its hash.

    :param reference: the controller reference to ``owner``
    :param hash_label: the label of a new revision that carries its hash
    """
    digest = template_hash(template, 0)
    name = f"{owner.metadata.name}-{digest}"
    known = dependants(revisions, owner)
    newest = max((revision.revision for revision in known), default=0)
    current = next((revision for revision in known if revision.metadata.name == name), None)
    if current is None:
        decoded: dict[str, Any] = msgspec.json.decode(template)
        labels = (decoded.get("metadata") or {}).get("labels") or {}
        meta: Obj = {"name": name, "labels": {**labels, hash_label: digest}, "ownerReferences": [reference]}
        if owner.metadata.annotations:
            meta["annotations"] = dict(owner.metadata.annotations)  # kubernetes.io/change-cause is shown in histories
        obj = {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": meta,
            "data": {"spec": {"template": _by_key({**decoded, "$patch": "replace"})}},
            "revision": newest + 1,
        }
        try:
            await client.create(RESOURCE, obj, owner.metadata.namespace)
        except AlreadyExists:
            # made by this process before and not seen yet, or left behind by a former owner of that name
            await _adopt(client, owner, name, reference)
    elif current.revision < newest:
        patch = {"metadata": {"uid": current.metadata.uid}, "revision": newest + 1}
        await client.patch(RESOURCE, name, patch, owner.metadata.namespace)
    return digest


def _by_key(template: Obj) -> Obj:
    """The template with its keys in order: clients compare ``data`` with their own encoding byte by byte."""
    ordered: Obj = msgspec.json.decode(msgspec.json.encode(template, order="sorted"))
    return ordered


async def _adopt(client: Client, owner: ObjectView, name: str, reference: Obj) -> None:
    """Take a revision that nobody controls. :raises Conflict: it changed meanwhile"""
    live = _revision.decode(await client.get(RESOURCE, name, owner.metadata.namespace))
    if live.metadata.controller is None and live.metadata.deletion_timestamp is None:
        references = [reference_as_json(r) for r in live.metadata.owner_references]
        await set_references(client, RESOURCE, live, [*references, reference])


async def clean_up(
    client: Client, revisions: Informer[ControllerRevision], owner: ObjectView, live: set[str], limit: int | None
) -> None:
    """Delete the oldest revisions above ``limit``, but none whose name is in ``live``."""
    old = [r for r in dependants(revisions, owner) if r.metadata.name not in live]
    most = HISTORY_LIMIT if limit is None else limit
    for revision in sorted(old, key=lambda r: r.revision)[: max(0, len(old) - most)]:
        await delete_seen(client, RESOURCE, revision.metadata)


_revision = msgspec.json.Decoder(ControllerRevision)
