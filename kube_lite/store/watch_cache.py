"""Current objects and recent events of each kind, shared by everybody who reads or watches.

One hub listens to the store and hands every committed event to the cache of its kind, which keeps the current
items and a ring of recent events. A watcher is a cursor: a position in that ring. Nothing is copied per watcher;
one that is slow falls behind, and hears :class:`Compacted` when the ring has passed it. Every cursor sees the
events in revision order, each once, with none missing.

Who waits is woken by ``wakeups``; who can take events at any moment has itself called (:meth:`Cursor.listen`) instead
of waiting in a task.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from kube_lite import clock
from kube_lite.store.current import SortedKeys
from kube_lite.store.ring import CachedEvent, Extract, Item, RingSettings, Trigger
from kube_lite.store.store import Compacted, Event, Store
from kube_lite.store.wakeups import Wakeups

SPARE = 256 * 1024
"""Bytes that are dropped beyond need when all rings together are too large."""
FEW = 4
"""Events that are handed out together however large they are."""
MOST_AT_ONCE = 4 * 1024 * 1024
"""Weight of more than those."""


class WatchCache:
    """The current objects of one kind, and its recent events."""

    def __init__(self, hub: WatchCaches, extract: Extract, floor: int, settings: RingSettings) -> None:
        self._hub = hub
        self._extract = extract
        self._settings = settings
        self._items: dict[str, Item] = {}
        self._keys = SortedKeys(self._items)
        self._ring: list[CachedEvent] = []
        self._first = 0
        """The number of the ring's first live event; events are numbered from 0 in the order they came."""
        self._dead = 0
        """How many events at the front of the list are dropped but not yet cut off (cutting moves the rest)."""
        self._floor = floor
        """The revision of the newest event that is not in the ring any more."""
        self.held = 0
        """Bytes of the ring's events, by estimate."""
        self.shared: dict[object, Any] = {}
        """The reader's place for what it made of the newest events for many watchers; the next event empties it."""
        self.wakeups = Wakeups(settings)
        """Who waits for events."""

    @property
    def revision(self) -> int:
        """The newest store revision that this cache reflects; it grows with other kinds' writes too."""
        return self._hub.revision

    @property
    def empty(self) -> bool:
        """Whether there are no objects of the kind at all."""
        return not self._items

    def get(self, key: str) -> Item | None:
        """The object under ``key``."""
        return self._items.get(key)

    def range(self, prefix: str, start: str = "", limit: int = 0) -> list[Item]:
        """Objects under ``prefix`` in key order, from ``start`` (inclusive) on, at most ``limit`` (0: all)."""
        keys, low, high = self._keys.span(prefix, start)
        items = self._items
        return [items[key] for key in keys[low : min(high, low + limit) if limit else high]]

    def count(self, prefix: str) -> int:
        """How many objects stand under ``prefix``."""
        _, low, high = self._keys.span(prefix)
        return high - low

    def cursor(self, after: int, trigger: Trigger | None = None) -> Cursor:
        """A watcher of the events above revision ``after``, -1 for those from now on.

        :param trigger: only events of objects that have, or had, this field value
        :raises Compacted: the ring does not reach back so far; the store's history may
        """
        if after < 0:
            return Cursor(self, self._first + self._length(), self.revision, trigger)
        if after < self._floor:
            raise Compacted(after, self._floor)
        at = bisect_right(self._ring, after, self._dead, key=lambda event: event.revision)
        return Cursor(self, self._first + at - self._dead, after, trigger)

    def load(self, key: str, value: bytes, revision: int) -> None:
        """Take in an object that stood there before the cache began."""
        if key not in self._items:
            self._keys.came(key)
        self._items[key] = Item(key, value, revision, self._extract)

    def apply(self, event: Event, at: float) -> CachedEvent:
        """Take in a committed event; :meth:`settle` must follow once the batch is in."""
        key = event.key
        previous = self._items.get(key)
        item = Item(key, event.value, event.revision, self._extract)
        if event.deleted:
            if self._items.pop(key, None) is not None:
                self._keys.went(key)
        else:
            self._items[key] = item
            if previous is None:
                self._keys.came(key)
        cached = CachedEvent(item, event.revision, event.deleted, previous, at)
        self._ring.append(cached)
        if self.shared:
            self.shared = {}
        weight = cached.weight()
        self.held += weight
        self._hub.held += weight
        self.wakeups.happened(cached)
        return cached

    def first_of(self, events: list[CachedEvent]) -> list[CachedEvent]:
        """As many of these as may be handed out at once: what a watcher has been given lies in memory for it alone."""
        if len(events) * self.held <= MOST_AT_ONCE * max(self._length(), 1):
            return events
        size = 0
        for count, event in enumerate(events):
            size += event.weight()
            if size > MOST_AT_ONCE and count:
                return events[:count]
        return events

    def settle(self, at: float) -> None:
        """After a batch: drop what the ring should not keep, and wake who waits."""
        self._trim(at)
        self.wakeups.settle(at)

    def _length(self) -> int:
        return len(self._ring) - self._dead

    def _trim(self, now: float, bytes_kept: int = -1) -> None:
        """Drop what is too much or too old. :param bytes_kept: instead of the ring's own bound"""
        settings, ring, start, before = self._settings, self._ring, self._dead, self.held
        oldest_kept = now - settings.window_seconds
        bound = settings.max_bytes if bytes_kept < 0 else bytes_kept
        while self._dead < len(ring):
            event = ring[self._dead]
            if self.held <= bound and (
                self._length() <= settings.window_events
                or event.at >= oldest_kept
                or self._dead - start >= settings.dropped_at_once
            ):
                break
            self.held -= event.weight()
            self._floor = event.revision
            self._dead += 1
        self._first += self._dead - start
        self._hub.held += self.held - before
        if self._dead > 64 and self._dead * 8 > len(ring):
            del ring[: self._dead]
            self._dead = 0

    def read(self, position: int) -> list[CachedEvent]:
        """The events from that number on. :raises Compacted: the first of them is gone"""
        at = position - self._first + self._dead
        if at < self._dead:
            raise Compacted(self._floor - 1, self._floor)
        return self._ring[at:]

    @property
    def end(self) -> int:
        """The number that the next event will have."""
        return self._first + self._length()


class Cursor:
    """One watcher's place among the events of a kind. One task at a time may wait on it."""

    __slots__ = (
        "_after",
        "_cache",
        "_closed",
        "_deadline",
        "_fires",
        "_listener",
        "_position",
        "_timer",
        "_trigger",
        "_waiter",
    )

    def __init__(self, cache: WatchCache, position: int, after: int, trigger: Trigger | None) -> None:
        self._cache = cache
        self._position = position
        self._after = after
        self._trigger = trigger
        self._waiter: asyncio.Future[None] | None = None
        self._listener: Callable[[], None] | None = None
        self._closed = False
        self._deadline: float | None = None
        self._timer: asyncio.Handle | None = None
        """Fires at the deadline or before; kept from wait to wait, because to set one costs more than to wait."""
        self._fires = 0.0
        """When the timer fires, on the loop's clock: uvloop's handle of less than half a millisecond cannot tell."""

    @property
    def shared(self) -> dict[object, Any]:
        """See :class:`WatchCache`."""
        return self._cache.shared

    @property
    def revision(self) -> int:
        """Everything up to this revision has been handed out, so a bookmark may name it (once that is sent)."""
        if self._position == self._cache.end:
            return max(self._after, self._cache.revision)
        return self._after

    @property
    def pending(self) -> bool:
        """Whether there is more that has not been handed out."""
        return self._position != self._cache.end

    def ready(self) -> Sequence[CachedEvent]:
        """The events not yet handed out, without waiting; of very many the first ones.

        :raises Compacted: the ring has dropped some of them
        """
        if self._position == self._cache.end:
            return ()
        try:
            events = self._cache.read(self._position)
        except Compacted as error:
            raise Compacted(self._after, error.compacted) from None
        if len(events) > FEW:
            events = self._cache.first_of(events)
        self._position += len(events)
        if events[0].revision <= self._after:  # asked for a future revision: what comes before it is not wanted
            events = [event for event in events if event.revision > self._after]
        if events:
            self._after = events[-1].revision
        if self._trigger is not None:
            trigger = self._trigger
            events = [event for event in events if event.concerns(trigger)]
        return events

    async def next(self, timeout: float | None) -> Sequence[CachedEvent]:
        """All events ready, waiting for the first up to ``timeout`` seconds; () when that has passed, or closed.

        :raises Compacted: the ring has passed this cursor
        """
        loop = asyncio.get_running_loop()
        until = None if timeout is None else loop.time() + timeout
        while True:
            events = self.ready()
            if events or self._closed or (until is not None and loop.time() >= until):
                return events
            self._waiter = loop.create_future()
            self._cache.wakeups.wait(self, self._trigger)
            self._deadline = until
            if until is not None and (self._timer is None or self._fires > until):
                self._set_timer(loop, until)
            try:
                await self._waiter
            finally:
                self._waiter = self._deadline = None
                self._cache.wakeups.unwait(self, self._trigger)

    def _set_timer(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._fires = loop.call_at(when, self._time_is_up, loop), when

    def _time_is_up(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if loop.time() >= self._deadline:
            self.wake()
        else:
            self._set_timer(loop, self._deadline)

    def listen(self, listener: Callable[[], None]) -> None:
        """From now on call ``listener`` whenever there may be events, for it to ask :meth:`ready`; until closed."""
        self._listener = listener
        self._cache.wakeups.wait(self, self._trigger)

    def wake_soon(self) -> None:
        """:meth:`wake`, but not before the batch of events is complete."""
        if self._listener is not None:
            asyncio.get_running_loop().call_soon(self.wake)
        else:
            self.wake()

    def wake(self) -> None:
        """Call the listener, or end the wait that :meth:`next` is in, if it is in one."""
        if self._listener is not None:
            self._listener()
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Wait no more."""
        self._closed = True
        if self._listener is not None:
            self._listener = None
            self._cache.wakeups.unwait(self, self._trigger)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.wake()


def kind_prefix(key: str) -> str:
    """The part of a key that names its kind: ``/registry/<group>/<plural>/``."""
    parts = key.split("/", 4)
    return "/".join(parts[:4]) + "/" if len(parts) == 5 else key[: key.rindex("/") + 1]


class WatchCaches:
    """The caches of all kinds, kept up to date by one subscription to the store."""

    def __init__(
        self, store: Store, extract_for: Callable[[str], Extract], settings: RingSettings | None = None
    ) -> None:
        self._store = store
        self._extract_for = extract_for
        self._settings = settings or RingSettings()
        self._caches: dict[str, WatchCache] = {}
        self._floor = 0
        self._held: list[Event] | None = []
        """What was committed while the store was being read; None once that is done."""
        self._revision = 0
        self.held = 0
        """Bytes of all rings' events, by estimate."""
        self._sweep_at = 0.0

    @property
    def revision(self) -> int:
        """The newest store revision that the caches reflect."""
        return self._revision

    async def start(self) -> None:
        """Load every object of the store and follow it from there."""
        self._store.subscribe(self._committed)
        page = await self._store.list("")
        self._floor = self._revision = page.revision
        for cache in self._caches.values():
            cache._floor = self._floor
        for record in page.records:
            self.cache(kind_prefix(record.key)).load(record.key, record.value, record.revision)
        held, self._held = self._held or [], None
        missed = [event for event in held if event.revision > self._floor]
        if missed:
            self._committed(missed)

    def cache(self, prefix: str) -> WatchCache:
        """The cache of the kind under ``prefix`` (``/registry/<group>/<plural>/``), made when first asked for."""
        cache = self._caches.get(prefix)
        if cache is None:
            # No event of this kind has come since the start or the last drop, else its cache would be there.
            cache = WatchCache(self, self._extract_for(prefix), self._floor, self._settings)
            self._caches[prefix] = cache
        return cache

    def drop(self, prefix: str) -> None:
        """Forget the objects and events of a kind that is no longer served; what is left of objects stays."""
        cache = self._caches.get(prefix)
        if cache is not None and cache.empty:
            del self._caches[prefix]
            self.held -= cache.held
            self._floor = self._revision  # should the kind come again, only the store's history knows of before

    def _committed(self, events: Sequence[Event]) -> None:
        if self._held is not None:
            self._held.extend(events)
            return
        at = clock.monotonic()
        touched: dict[WatchCache, None] = {}
        for event in events:
            cache = self.cache(kind_prefix(event.key))
            cache.apply(event, at)
            touched[cache] = None
        self._revision = events[-1].revision
        for cache in touched:
            cache.settle(at)
        if self.held > self._settings.max_total:
            largest = max(self._caches.values(), key=lambda cache: cache.held)
            # somewhat more than is too much, so that this is not to be done with every write
            largest._trim(at, max(0, largest.held - (self.held - self._settings.max_total) - SPARE))
        if at >= self._sweep_at:
            self._sweep_at = at + self._settings.sweep_seconds
            for cache in self._caches.values():
                cache._trim(at)
