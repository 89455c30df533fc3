"""Time travel: any object or list as it was, and who changed which field when.

Both read the store's history, so they reach back as far as that does (ten minutes and 50,000 events at least).
Revisions have no time of their own; the moments at which they were reached are noted here, once a second.
"""

from __future__ import annotations

import bisect
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import anyio
import msgspec

from kube_lite import clock, errors
from kube_lite.api.http import decode_json
from kube_lite.api.storage import Storage
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource
from kube_lite.store.store import Compacted

NOTE_SECONDS = 1.0
"""How exact a moment is."""
MAX_SHOWN = 40
"""Digits of a revision from the future that a refusal quotes."""
MAX_NOTES = 86_400
"""A day of moments; the store's history is shorter unless nothing happens."""
_UNTRACKED = ("managedFields", "resourceVersion")


class FieldChange(msgspec.Struct, frozen=True):
    """One field of one write; ``before`` and ``after`` are None where it was not there."""

    field: str
    before: Any
    after: Any


class Change(msgspec.Struct, frozen=True):
    """One write of one object: by whom, when, and what it changed."""

    revision: int
    time: str
    manager: str
    operation: str
    fields: Sequence[FieldChange]


class Timeline:
    """When which revision was reached."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._times = array("d")
        self._revisions = array("q")

    async def run(self) -> None:
        """Note the revision once a second until cancelled."""
        while True:
            self.note()
            await anyio.sleep(NOTE_SECONDS)

    def note(self) -> None:
        """Note the present, if something was written since."""
        revision = self._storage.caches.revision
        if self._revisions and self._revisions[-1] == revision:
            return
        self._times.append(clock.now().timestamp())
        self._revisions.append(revision)
        if len(self._times) > MAX_NOTES:
            del self._times[: MAX_NOTES // 10], self._revisions[: MAX_NOTES // 10]

    def revision_at(self, text: str) -> int:
        """The revision of ``?at=``: a number, or an RFC 3339 moment.

        :raises BadRequest: neither
        :raises Expired: before the first moment that is known
        """
        if text.isascii() and text.isdigit():
            current = self._storage.caches.revision
            if len(text) > len(str(current)) or int(text) > current:
                raise errors.BadRequest(f"at={text[:MAX_SHOWN]}: the store is at revision {current} only")
            return int(text)
        try:
            moment = clock.parse_timestamp(text).timestamp()
        except ValueError as error:
            raise errors.BadRequest(f"at={text}: want a revision, or a time such as 2026-01-01T12:00:00Z") from error
        self.note()
        position = bisect.bisect_right(self._times, moment)
        if position == 0:
            raise errors.Expired(f"at={text}: nothing is known of that time; the server started later")
        return self._revisions[position - 1]

    async def object_at(self, resource: Resource, namespace: str, name: str, text: str) -> bytes:
        """The stored bytes of one object as it was. :raises NotFound: there was none then"""
        revision = self.revision_at(text)
        key = self._storage.key(resource, namespace, name)
        try:
            page = await self._storage.store.list(key, revision=revision)
        except Compacted as gone:
            raise errors.Expired(f"at={text}: history before revision {gone.compacted} is gone") from gone
        record = next((r for r in page.records if r.key == key), None)
        if record is None:
            raise errors.not_found(resource.plural, resource.group, name)
        return record.value


async def changes(storage: Storage, resource: Resource, namespace: str, name: str) -> list[Change]:
    """Every write of an object that history still has, oldest first.

    :raises NotFound: there is no trace of such an object
    """
    key = storage.key(resource, namespace, name)
    after = storage.store.compacted
    try:
        events = await storage.store.history(key, after)
    except Compacted as gone:
        raise errors.Expired(f"history before revision {gone.compacted} is gone") from gone
    found: list[Change] = []
    before: Obj = {}
    for event in events:
        if event.key != key:
            continue
        if event.previous is not None and not before:
            before = decode_json(event.previous.value)
        obj = {} if event.deleted else decode_json(event.value)
        found.append(_change(event.revision, before, obj, decode_json(event.value)))
        before = obj
    if not found and storage.item(resource, namespace, name) is None:
        raise errors.not_found(resource.plural, resource.group, name)
    return found


def _change(revision: int, before: Obj, after: Obj, last: Obj) -> Change:
    writer = _writer(before, after)
    fields = [FieldChange(path, old, new) for path, old, new in _differences(before, after, "")]
    if not after:
        when = (last.get("metadata") or {}).get("deletionTimestamp") or ""
        return Change(revision, when, "", "Delete", [])
    meta = after.get("metadata") or {}
    time = writer.get("time") or meta.get("creationTimestamp") or ""
    return Change(revision, time, writer.get("manager") or "", writer.get("operation") or "", fields)


def _writer(before: Obj, after: Obj) -> Obj:
    """The managedFields entry that this write added or renewed."""
    known = (before.get("metadata") or {}).get("managedFields") or []
    new = [e for e in (after.get("metadata") or {}).get("managedFields") or [] if e not in known]
    return max(new, key=lambda e: e.get("time") or "", default={})


def _differences(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(n for n in new if n not in old)]:
            if path == ".metadata" and name in _UNTRACKED:
                continue
            yield from _differences(old.get(name), new.get(name), f"{path}.{name}")
    elif old is None and isinstance(new, dict):
        yield from _differences({}, new, path)
    elif new is None and isinstance(old, dict):
        yield from _differences(old, {}, path)
    elif old != new:
        yield path, old, new
