"""Watch streams: a cursor into the kind's ring, turned into lines of ``{"type","object"}``.

How the lines reach a client is :mod:`kube_lite.api.watch_stream`.
An event is encoded once per form and shared by every watcher that takes it as it is. A selector turns changes
into ADDED and DELETED when an object begins or ceases to match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from kube_lite import errors
from kube_lite.api import reads, table
from kube_lite.api.http import Sink, encode_json
from kube_lite.api.negotiate import JSON, PROTOBUF, Form
from kube_lite.api.reads import ListQuery
from kube_lite.api.storage import Storage
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource
from kube_lite.store.ring import CachedEvent, Extract, Item
from kube_lite.store.store import Compacted, Event, FutureRevision
from kube_lite.store.watch_cache import Cursor

BOOKMARK_INTERVAL = 60.0
"""Seconds between bookmarks, as upstream."""
DEFAULT_TIMEOUT = (1800.0, 3600.0)
"""A watch that names no timeout ends after a random time in this range of seconds (min-request-timeout)."""
INITIAL_EVENTS_END = "k8s.io/initial-events-end"
MOST_SHARED = 16
"""Joined pieces kept for others at most, until the next event."""
LONGEST_CHUNK = 256
"""Events joined into one send at most."""
CHUNK_BYTES = 256 * 1024
"""Bytes from which on no more are joined."""


class Change(msgspec.Struct, frozen=True):
    """One event as a watcher with a selector sees it; ``value`` are stored bytes."""

    type: str
    value: bytes
    shared: dict[Any, bytes] | None = None
    """Encodings of the event by form, shared between watchers."""


class WatchQuery(msgspec.Struct, frozen=True):
    """What a watch asks for besides selectors."""

    bookmarks: bool = False
    timeout: float = 0.0
    send_initial: bool = False
    include: str = "Metadata"


class WatchSource:
    """The events of one watch, as lists of changes, independent of how they are encoded."""

    def __init__(self, storage: Storage, resource: Resource, namespace: str, query: ListQuery) -> None:
        self._storage = storage
        self._resource = resource
        self._prefix = storage.prefix(resource, namespace if resource.namespaced else "")
        self._scoped = bool(namespace) and resource.namespaced
        self._match = query.match
        self._query = query
        self._cursor: Cursor | None = None
        self.initial: list[Change] = []
        """ADDED for what exists already, when the watch does not start at a revision."""
        self.ended = False
        """Whether nothing comes any more, but what is ready."""
        self._forget: Callable[[], None] | None = None

    async def open(self, send_initial: bool | None = None) -> None:
        """Take the position in history. :raises Expired: it no longer reaches back there

        :param send_initial: whether to begin with what is there; None leaves that to the revision, as of old
        """
        revision = self._query.revision
        cache = self._storage.cache(self._resource)
        if send_initial is False and not revision:
            self._cursor = cache.cursor(-1, self._trigger())
            return
        if revision is None or revision == 0 or send_initial:
            if revision:
                await reads.wait_for_revision(self._storage, revision)
            items = cache.range(self._prefix)
            self._cursor = cache.cursor(-1, self._trigger())
            if self._query.in_version:
                items = await self._storage.in_version(self._resource, items)
            found = [Change("ADDED", item.value) for item in reads.matching(items, self._match)]
            self.initial = await self.converted(found)
            return
        try:
            self._cursor = cache.cursor(revision, self._trigger())
        except Compacted:
            await self._open_history(revision)
        except FutureRevision:
            self._cursor = cache.cursor(-1, self._trigger())

    def end_on_removal(self) -> None:
        """Have the watch end when its kind is no longer served as it is now: its definition changed, or has gone."""
        resource, registry = self._resource, self._storage.registry
        self._forget = registry.on_removal(resource, self._end)
        if registry.at(resource.group, resource.version, resource.plural) is not resource:
            self._end()

    def _end(self) -> None:
        self.ended = True
        if self._cursor is not None:
            self._cursor.wake()
            self._cursor.close()

    def _trigger(self) -> tuple[str, str] | None:
        # node agents watch their own pods: only events of those need wake them
        for part in self._query.field_text.split(",") if not self._query.in_version else ():
            name, sign, value = part.partition("=")
            if name == "spec.nodeName" and sign and not value.startswith(("=", "!")) and "\\" not in value:
                return (name, value)
        return None

    async def _open_history(self, revision: int) -> None:
        """The ring no longer reaches back, the log may: read from there up to where the ring begins."""
        cache = self._storage.cache(self._resource)
        cursor = cache.cursor(-1, self._trigger())
        try:
            events = await self._storage.store.history(self._prefix, revision)
        except Compacted as gone:
            cursor.close()
            raise expired(revision, gone.compacted) from gone
        self._cursor = cursor
        extract = self._storage.extractor(self._resource)
        start = cursor.revision
        past = [_from_history(event, extract) for event in events if event.revision <= start]
        self.initial = await self._converted_changes(past)

    async def next(self, timeout: float) -> list[Change]:
        """Changes ready now, or the first to come within ``timeout`` seconds; may be empty.

        :raises Expired: the watcher was too slow, the ring has passed it
        """
        return await self._converted_changes(await self._events(timeout))

    async def _events(self, timeout: float) -> Sequence[CachedEvent]:
        cursor = self._cursor
        assert cursor is not None
        try:
            return await cursor.next(timeout)
        except Compacted as gone:
            raise expired(gone.revision, gone.compacted) from gone

    async def pieces(self, timeout: float, encoder: Encoder) -> list[bytes]:
        """What :meth:`next` gives, encoded and joined.

        Those who watch everything and are woken together get the same bytes: joining them again for each watcher
        would cost more than sending them.
        """
        events = await self._events(timeout)
        if events and not self.immediate:
            return encoder.joined(await self._converted_changes(events))
        return self._pieces(events, encoder, None)

    @property
    def immediate(self) -> bool:
        """Whether events can be encoded without waiting for a webhook that converts them."""
        return self._resource.webhook is None and not self._query.in_version

    def frames(self, encoder: Encoder, sink: Sink) -> list[bytes]:
        """What is ready now, encoded, joined, and framed for the sink.

        :raises Expired: the watcher was too slow, the ring has passed it
        """
        assert self._cursor is not None
        try:
            events = self._cursor.ready()
        except Compacted as gone:
            raise expired(gone.revision, gone.compacted) from gone
        return self._pieces(events, encoder, sink)

    @property
    def pending(self) -> bool:
        """Whether there may be more than was ready, which was too much for once."""
        return self._cursor is not None and self._cursor.pending

    def listen(self, listener: Callable[[], None]) -> None:
        """Have ``listener`` called whenever there may be events."""
        assert self._cursor is not None
        self._cursor.listen(listener)

    def _pieces(self, events: Sequence[CachedEvent], encoder: Encoder, sink: Sink | None) -> list[bytes]:
        if not events:
            return []
        if self._match is not None or not encoder.shareable:
            return _framed(encoder.joined(self._changes(events)), sink)
        assert self._cursor is not None
        shared = self._cursor.shared
        key = (self._prefix, self._resource.api_version, events[0].revision, events[-1].revision, type(sink))
        found: list[bytes] | None = shared.get(key)
        if found is None:
            found = _framed(encoder.joined(self._changes(events)), sink)
            if len(shared) < MOST_SHARED:
                shared[key] = found
        return found

    async def _converted_changes(self, events: Sequence[CachedEvent]) -> list[Change]:
        if self._query.in_version:
            events = [await self._in_version(event) for event in events]
        return await self.converted(self._changes(events))

    async def _in_version(self, event: CachedEvent) -> CachedEvent:
        """The event with both states in the watched version, for selectors of fields that only that one has."""
        states = [event.item] if event.previous is None else [event.item, event.previous]
        shown = await self._storage.in_version(self._resource, states)
        previous = shown[1] if len(shown) > 1 else None
        return replace(event, item=shown[0], previous=previous, encoded={})

    async def converted(self, changes: list[Change]) -> list[Change]:
        """The changes in the watched version, where a webhook converts. :raises InternalError: it failed"""
        if self._resource.webhook is None or not changes:
            return changes
        values = await self._storage.incoming(self._resource, [change.value for change in changes])
        return [Change(change.type, value) for change, value in zip(changes, values, strict=True)]

    def _changes(self, events: Sequence[CachedEvent]) -> list[Change]:
        found = []
        for event in events:
            if self._scoped and not event.key.startswith(self._prefix):
                continue
            change = self._change(event.item, event.deleted, event.previous, event.encoded)
            if change is not None:
                found.append(change)
        return found

    def _change(self, item: Item, deleted: bool, before: Item | None, shared: dict[Any, bytes] | None) -> Change | None:
        match = self._match
        is_now = not deleted and (match is None or match(item.labels, item.fields))
        was = before is not None and (match is None or match(before.labels, before.fields))
        if is_now:
            return Change("MODIFIED" if was else "ADDED", item.value, shared)
        if not was:
            return None
        if not deleted and before is not None:
            # it went out of sight: upstream shows the last state that matched, under the new revision
            return Change("DELETED", _with_revision(before.value, item.value))
        return Change("DELETED", item.value, shared)

    @property
    def revision(self) -> int:
        """Everything up to here has been given out."""
        assert self._cursor is not None
        return self._cursor.revision

    def close(self) -> None:
        """Let go of the cursor."""
        if self._forget is not None:
            self._forget()
        if self._cursor is not None:
            self._cursor.close()


def _framed(pieces: list[bytes], sink: Sink | None) -> list[bytes]:
    return pieces if sink is None else [sink.frame(piece) for piece in pieces]


def _from_history(event: Event, extract: Extract) -> CachedEvent:
    """An event of the log as the ring would hold it."""
    before: Item | None = None
    if event.previous is not None:
        before = Item(event.key, event.previous.value, event.previous.revision, extract)
    item = Item(event.key, event.value, event.revision, extract)
    return CachedEvent(item, event.revision, event.deleted, before, 0.0)


def _with_revision(value: bytes, newer: bytes) -> bytes:
    from kube_lite.api.http import decode_json

    obj = decode_json(value)
    obj["metadata"]["resourceVersion"] = decode_json(newer)["metadata"]["resourceVersion"]
    return encode_json(obj)


def expired(revision: int, compacted: int) -> errors.Expired:
    """The 410 of a watch whose revision is gone."""
    return errors.Expired(f"too old resource version: {revision} ({compacted})")


def in_parts(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """The changes that go into one send together: for every watcher all of it lies in memory until it is sent."""
    start = size = 0
    for end, change in enumerate(changes):
        if end > start and (size > CHUNK_BYTES or end - start >= LONGEST_CHUNK):
            yield changes[start:end]
            start, size = end, 0
        size += len(change.value)
    if changes:
        yield changes[start:]


class Encoder:
    """Turns changes into lines in one form."""

    def __init__(self, storage: Storage, resource: Resource, form: Form, include: str) -> None:
        self._storage = storage
        self._resource = resource
        self._form = form
        self._include = include
        self._columns_sent = False
        self.shareable = form.as_ == "" and form.media == JSON
        """Whether other watchers of the resource get the same lines."""

    def joined(self, changes: Sequence[Change]) -> list[bytes]:
        """The lines of all changes, in pieces of a bounded number of lines and bytes."""
        line = self.line
        return [b"".join([line(change) for change in part]) for part in in_parts(changes)]

    def line(self, change: Change) -> bytes:
        """``{"type":...,"object":...}`` and a line feed, or a frame of protobuf."""
        if self.shareable:
            shared = change.shared
            # one encoding per event type and API version, whoever asks first pays for it
            slot = (change.type, self._resource.api_version)
            if shared is None or (found := shared.get(slot)) is None:
                body = self._storage.whole(self._resource, change.value)
                found = b'{"type":"%s","object":%s}\n' % (change.type.encode(), body)
                if shared is not None:
                    shared[slot] = found
            return found
        obj = self._storage.load(self._resource, change.value)
        return self._written(change.type, self._shape(obj))

    def _written(self, event_type: str, obj: Obj) -> bytes:
        if self._form.media == PROTOBUF:
            from kube_lite.api import protobuf

            return protobuf.watch_frame(event_type, obj)
        return encode_json({"type": event_type, "object": obj}) + b"\n"

    def _shape(self, obj: Obj) -> dict[str, Any]:
        if self._form.as_ == "":
            return obj
        if self._form.as_ != "Table":
            return table.partial(obj, self._form)
        first, self._columns_sent = not self._columns_sent, True
        revision = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        return table.table(self._resource, [obj], self._form, self._include, revision, with_columns=first)

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        """A BOOKMARK line: nothing up to ``revision`` is still to come."""
        meta: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_end:
            meta["annotations"] = {INITIAL_EVENTS_END: "true"}
        obj: dict[str, Any] = {
            "kind": self._resource.kind,
            "apiVersion": self._resource.api_version,
            "metadata": meta,
        }
        if self._form.as_ == "Table":
            obj = {
                "kind": "Table",
                "apiVersion": self._form.meta_api_version,
                "metadata": {"resourceVersion": str(revision)},
                "columnDefinitions": None,
                "rows": [],
            }
            if initial_end:
                partial = {
                    "kind": self._resource.kind,
                    "apiVersion": self._resource.api_version,
                    "metadata": meta,
                }
                obj["rows"] = [{"cells": [None] * len(self._resource.columns), "object": partial}]
        elif self._form.as_:
            obj["kind"], obj["apiVersion"] = "PartialObjectMetadata", self._form.meta_api_version
        return self._written("BOOKMARK", obj)

    def error(self, error: errors.ApiError) -> bytes:
        """An ERROR line, after which the stream ends."""
        return self._written("ERROR", error.to_status())
