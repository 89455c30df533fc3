"""Informers: what the API holds of one resource, as typed objects in memory, with every change told in order.

One task per informer lists, then watches from the revision of the list. A watch that ends is opened again from
the last revision seen (bookmarks move it on); when history no longer reaches back there (410) the list is read
again and the difference is told as changes. Each revision is decoded once. What is read here is the watch's
view only: a write shows up when its event arrives, never before.

Handlers are called synchronously, in order, with ``(old, new)``: ``(None, new)`` for an addition (the first list
too), ``(old, None)`` for a deletion. They must be quick and not raise; they normally put a key into a queue.

An object that cannot be decoded into the view is logged and left out, or left as it last was: the others
are served on, and nobody mistakes it for deleted.
"""

from __future__ import annotations

import builtins
import logging
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any, Generic, TypeVar, cast

import anyio
import msgspec
from anyio.abc import TaskGroup

from kube_lite import clock
from kube_lite.client.protocol import Client, WatchEvent
from kube_lite.errors import ApiError, Expired, Gone
from kube_lite.resources.meta import ObjectView, View

log = logging.getLogger(__name__)

V = TypeVar("V", bound=ObjectView)

Change = tuple[V | None, V | None]
Handler = Callable[[V | None, V | None], None]
Indexer = Callable[[V], Collection[str]]

MIN_BACKOFF = 0.8
"""Seconds before the second attempt to reach the API (client-go's reflector)."""

MAX_BACKOFF = 30.0
"""Seconds between attempts at most (client-go's reflector)."""

SHORT_WATCH = 1.0
"""Seconds; a watch that ends sooner than this without an event counts as a failure."""


class _HeadMeta(View, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class _Head(View, frozen=True):
    metadata: _HeadMeta = _HeadMeta()


_head = msgspec.json.Decoder(_Head)


class _Index(Generic[V]):
    """Objects by the values that an indexer gives them."""

    def __init__(self, indexer: Indexer[V]) -> None:
        self._indexer = indexer
        self._buckets: dict[str, dict[str, V]] = {}

    def change(self, key: str, old: V | None, new: V | None) -> None:
        before = self._indexer(old) if old is not None else ()
        after = self._indexer(new) if new is not None else ()
        for value in before:
            if value not in after and (bucket := self._buckets.get(value)) is not None:
                bucket.pop(key, None)
                if not bucket:
                    del self._buckets[value]
        for value in after:
            bucket = self._buckets.get(value)
            if bucket is None:
                bucket = self._buckets[value] = {}
            bucket[key] = cast(V, new)

    def at(self, value: str) -> list[V]:
        return list(self._buckets.get(value, {}).values())


def _by_namespace(obj: ObjectView) -> Collection[str]:
    return (obj.metadata.namespace,)


class Informer(Generic[V]):
    """The objects of one resource that match the selectors, decoded as ``view``.

    :param view: a typed view; ``ObjectView`` itself where metadata is enough
    :param indexers: ways to look objects up, see ``by_index``
    """

    def __init__(
        self,
        client: Client,
        resource: str,
        view: type[V],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        indexers: Mapping[str, Indexer[V]] | None = None,
    ) -> None:
        self.resource = resource
        self._client = client
        self._decoder: msgspec.json.Decoder[V] = msgspec.json.Decoder(view)
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._objects: dict[str, V] = {}
        self._namespaces: _Index[V] = _Index(_by_namespace)
        self._indexes: dict[str, _Index[V]] = {name: _Index(indexer) for name, indexer in (indexers or {}).items()}
        self._handlers: list[Handler[V]] = []
        self._synced = anyio.Event()
        self._revision = ""

    @property
    def synced(self) -> bool:
        """Whether the first list has been read and told."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return once the first list has been read and told."""
        await self._synced.wait()

    def get(self, key: str) -> V | None:
        """The object under ``namespace/name``, or ``name`` for cluster-scoped resources."""
        return self._objects.get(key)

    def list(self, namespace: str = "") -> builtins.list[V]:
        """All objects, or those of one namespace; in the order in which they appeared."""
        return self._namespaces.at(namespace) if namespace else list(self._objects.values())

    def by_index(self, index: str, value: str) -> builtins.list[V]:
        """The objects to which the indexer named ``index`` gives ``value``."""
        return self._indexes[index].at(value)

    def add_index(self, name: str, indexer: Indexer[V]) -> None:
        """Index all objects, present and future, by the values ``indexer`` gives them; a known name stays."""
        if name in self._indexes:
            return
        self._indexes[name] = index = _Index(indexer)
        for key, obj in self._objects.items():
            index.change(key, None, obj)

    def on_change(self, handler: Handler[V]) -> None:
        """Call ``handler`` with every change from now on, and now with ``(None, obj)`` for what is there."""
        self._handlers.append(handler)
        for obj in list(self._objects.values()):
            handler(None, obj)

    async def run(self) -> None:
        """List and watch until cancelled. Refusals and lost connections are retried with back-off."""
        backoff = MIN_BACKOFF
        while True:
            started = clock.monotonic()
            try:
                if not self._revision:
                    await self._relist()
                if await self._watch() or clock.monotonic() - started >= SHORT_WATCH:
                    backoff = MIN_BACKOFF
                    continue
            except (Expired, Gone):
                self._revision = ""  # list again
            except (ApiError, OSError) as error:
                log.warning("%s: list and watch: %s; again in %.1f s", self.resource, error, backoff)
            await anyio.sleep(backoff)
            backoff = min(backoff * 2, MAX_BACKOFF)

    async def _relist(self) -> None:
        """Read the whole list and tell how it differs from what was known; deletions first."""
        page = await self._client.list(
            self.resource,
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        )
        heads = [(_head.decode(item).metadata, item) for item in page.items]
        present = {head.key: head.uid for head, _ in heads}
        for key, old in list(self._objects.items()):
            if present.get(key) != old.metadata.uid:
                self._put(key, None)
        for head, item in heads:
            known = self._objects.get(head.key)
            if known is None or known.metadata.resource_version != head.resource_version:
                new = self._decoded(item)
                if new is not None:
                    self._put(head.key, new)
        self._revision = page.resource_version
        self._synced.set()

    async def _watch(self) -> bool:
        """Follow the changes until the server ends the watch; whether there was any event."""
        seen = False
        async with self._client.watch(
            self.resource,
            self._namespace,
            resource_version=self._revision,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        ) as batches:
            async for batch in batches:
                for event in batch:
                    seen = True
                    self._apply(event)
        return seen

    def _apply(self, event: WatchEvent) -> None:
        new = self._decoded(event.object) if event.type in ("ADDED", "MODIFIED") else None
        # a deletion and a bookmark tell no more than who, and so does what cannot be read
        head = new.metadata if new is not None else _head.decode(event.object).metadata
        if event.type == "DELETED":
            self._put(head.key, None)
        elif new is not None:
            known = self._objects.get(head.key)
            if known is not None and known.metadata.uid != head.uid:
                self._put(head.key, None)  # recreated: two changes, so that nobody mixes up two objects
            self._put(head.key, new)
        self._revision = head.resource_version or self._revision

    def _decoded(self, data: bytes) -> V | None:
        try:
            return self._decoder.decode(data)
        except msgspec.DecodeError as error:
            key = _head.decode(data).metadata.key
            log.error("%s %s: cannot be read, left as it was: %s", self.resource, key, error)
            return None

    def _put(self, key: str, new: V | None) -> None:
        old = self._objects.pop(key, None) if new is None else self._objects.get(key)
        if new is not None:
            self._objects[key] = new
        elif old is None:
            return
        self._namespaces.change(key, old, new)
        for index in self._indexes.values():
            index.change(key, old, new)
        for handler in self._handlers:
            handler(old, new)


class Informers:
    """Informers by what they watch, each made once and shared by all who ask for it.

    Those asked for while ``run`` is active are started at once.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._informers: dict[Hashable, Informer[Any]] = {}
        self._scopes: dict[int, anyio.CancelScope] = {}
        self._tasks: TaskGroup | None = None

    def get(
        self,
        resource: str,
        view: type[V],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> Informer[V]:
        """The informer of that resource, view and selectors."""
        identity = (resource, view, namespace, label_selector, field_selector)
        informer = self._informers.get(identity)
        if informer is None:
            informer = Informer(
                self._client,
                resource,
                view,
                namespace=namespace,
                label_selector=label_selector,
                field_selector=field_selector,
            )
            self._informers[identity] = informer
            if self._tasks is not None:
                self._tasks.start_soon(self._run, informer)
        return cast("Informer[V]", informer)

    def discard(self, informer: Informer[Any]) -> None:
        """Stop and forget an informer, for a resource that is no longer served."""
        self._informers = {identity: known for identity, known in self._informers.items() if known is not informer}
        if (scope := self._scopes.get(id(informer))) is not None:
            scope.cancel()

    @property
    def running(self) -> bool:
        """Whether somebody runs these informers."""
        return self._tasks is not None

    async def wait_synced(self) -> None:
        """Return once every informer that is there now has read its first list."""
        for informer in list(self._informers.values()):
            await informer.wait_synced()

    async def run(self) -> None:
        """Run all informers, also those added later, until cancelled."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            for informer in list(self._informers.values()):
                tasks.start_soon(self._run, informer)
            try:
                await anyio.sleep_forever()
            finally:
                self._tasks = None

    async def _run(self, informer: Informer[Any]) -> None:
        with anyio.CancelScope() as scope:
            self._scopes[id(informer)] = scope
            try:
                await informer.run()
            finally:
                del self._scopes[id(informer)]
