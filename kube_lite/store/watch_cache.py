"""Current objects and recent events of each kind, shared by everybody who reads or watches.

One hub listens to the store and hands every committed event to the cache of its kind, which keeps the current
items and a ring of recent events. A watcher is a cursor: a position in that ring. Nothing is copied per watcher;
one that is slow falls behind, and hears :class:`Compacted` when the ring has passed it. Every cursor sees the
events in revision order, each once, with none missing.

Waking a thousand watchers costs far more than writing the event they wake for. So with many of them waiting
wake-ups are spread (events gather meanwhile and go out together) and done a few at a time, other work in between;
a cursor that wants only the objects with one field value (a node's pods) is woken for those alone; and who can take
events at any moment has itself called (:meth:`Cursor.listen`) instead of waiting in a task.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kube_lite import clock
from kube_lite.store.current import SortedKeys
from kube_lite.store.store import Compacted, Event, Store

logger = logging.getLogger(__name__)

Extract = Callable[[bytes], tuple[Mapping[str, str], Mapping[str, str]]]
"""From an object's bytes its labels and its selectable fields. :raises ValueError: not such an object"""

Trigger = tuple[str, str]
"""A selectable field and the value it must have, before or after the event."""


@dataclass(frozen=True, slots=True)
class RingSettings:
    """How much of the past one kind's ring keeps; what it drops may still be in the store's history."""

    max_bytes: int = 64 * 1024 * 1024
    """Bytes at most, by estimate; it bounds memory where the next two would not."""
    window_seconds: float = 600.0
    """Events younger than this stay: twice upstream's 5 minutes of etcd history."""
    window_events: int = 50_000
    """So many events stay whatever their age."""
    wakeup_seconds: float = 28e-6
    """A round of n watchers takes at least n times this: to wake one and write to its TLS connection costs about
    20 us of CPU, so the rest of the time is for the writes that are waited for."""
    max_delay_seconds: float = 0.1
    """No round is made longer than this."""
    woken_at_once: int = 32
    """So many are woken in one go, less than a millisecond; the others follow evenly over the time of the round."""
    rescan_events: int = 4_096
    """A cursor with a trigger looks through the ring at least every so many events, lest it be overtaken."""


@dataclass(slots=True, eq=False)
class Item:
    """An object as it stands: its bytes, and what selectors ask about, read off when the first of them asks."""

    key: str
    value: bytes
    revision: int
    extract: Extract = field(repr=False)
    _asked_for: tuple[Mapping[str, str], Mapping[str, str]] | None = field(default=None, repr=False)

    @property
    def labels(self) -> Mapping[str, str]:
        """The object's labels."""
        return self._extracted()[0]

    @property
    def fields(self) -> Mapping[str, str]:
        """Its selectable fields."""
        return self._extracted()[1]

    def _extracted(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        if self._asked_for is None:
            try:
                self._asked_for = self.extract(self.value)
            except ValueError as error:
                # One bad object must not stop the store: it stays readable, and no selector finds it.
                logger.error("%s: cannot be read: %s", self.key, error)
                self._asked_for = {}, {}
        return self._asked_for


@dataclass(slots=True, eq=False)
class CachedEvent:
    """An event as watchers get it; shared, so only ``encoded`` may be written to.

    ``item`` is the object as it became, or as it was when it was deleted; ``previous`` is the object before, for
    selectors that it matched and the new state does not, or the reverse. ``encoded`` is the reader's place for
    encodings made once and sent to many.
    """

    item: Item
    revision: int
    deleted: bool
    previous: Item | None
    at: float
    encoded: dict[object, bytes] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The object's key."""
        return self.item.key

    def weight(self) -> int:
        """Bytes that this event holds in memory, about: its value, as much again encoded, and the objects."""
        return 2 * len(self.item.value) + 600

    def concerns(self, trigger: Trigger) -> bool:
        """Whether the object has that field value, or had it before."""
        name, value = trigger
        before = self.previous
        return self.item.fields.get(name) == value or (before is not None and before.fields.get(name) == value)


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
        self._bytes = 0
        self.shared: dict[object, Any] = {}
        """The reader's place for what it made of the newest events for many watchers; the next event empties it."""
        self._waiting: dict[Cursor, None] = {}
        self._triggered: dict[Trigger, dict[Cursor, None]] = {}
        self._unscanned = 0
        self._woken_at = float("-inf")
        self._wakeup: asyncio.TimerHandle | None = None
        self._to_wake: list[Cursor] = []
        self._step = 0.0
        self._next_step = 0.0
        """Those whose turn is still to come in the round of wake-ups that is under way, last first."""
        self._again = False
        """Whether events came during the round."""

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
        self._items[key] = Item(key, value, revision, self._extract)
        self._keys.touch(key)

    def apply(self, event: Event, at: float) -> CachedEvent:
        """Take in a committed event; :meth:`settle` must follow once the batch is in."""
        key = event.key
        previous = self._items.get(key)
        item = Item(key, event.value, event.revision, self._extract)
        if event.deleted:
            if self._items.pop(key, None) is not None:
                self._keys.touch(key)
        else:
            self._items[key] = item
            if previous is None:
                self._keys.touch(key)
        cached = CachedEvent(item, event.revision, event.deleted, previous, at)
        self._ring.append(cached)
        if self.shared:
            self.shared = {}
        self._bytes += cached.weight()
        self._unscanned += 1
        if self._triggered:
            self._wake_triggered(cached)
        return cached

    def settle(self, at: float) -> None:
        """After a batch: drop what the ring should not keep, and wake who waits."""
        self._trim(at)
        if self._unscanned >= self._settings.rescan_events:
            self._unscanned = 0
            for cursors in tuple(self._triggered.values()):
                _wake(cursors)
        if self._to_wake:
            self._again = True
        elif self._waiting and self._wakeup is None:
            self._plan_round(at)

    def _length(self) -> int:
        return len(self._ring) - self._dead

    def _trim(self, now: float) -> None:
        settings, ring, start = self._settings, self._ring, self._dead
        oldest_kept = now - settings.window_seconds
        while self._dead < len(ring):
            event = ring[self._dead]
            if self._bytes <= settings.max_bytes and (
                self._length() <= settings.window_events or event.at >= oldest_kept
            ):
                break
            self._bytes -= event.weight()
            self._floor = event.revision
            self._dead += 1
        self._first += self._dead - start
        if self._dead > 64 and self._dead * 8 > len(ring):
            del ring[: self._dead]
            self._dead = 0

    def _plan_round(self, at: float) -> None:
        remaining = self._woken_at + self._round_seconds(len(self._waiting)) - at
        if remaining <= 0:
            self._wake_all()
        else:
            self._wakeup = asyncio.get_running_loop().call_later(remaining, self._wake_all)

    def _round_seconds(self, watchers: int) -> float:
        return min(watchers * self._settings.wakeup_seconds, self._settings.max_delay_seconds)

    def _wake_all(self) -> None:
        self._wakeup = None
        self._woken_at = clock.monotonic()
        self._to_wake = list(reversed(self._waiting))
        self._step = self._round_seconds(self._settings.woken_at_once)
        self._next_step = self._woken_at
        self._wake_some()

    def _wake_some(self) -> None:
        left = self._to_wake
        try:
            for _ in range(min(self._settings.woken_at_once, len(left))):
                left.pop().wake()
        finally:  # one that cannot be served does not keep the others waiting
            if left:
                # by the round's schedule: a step that is late does not move the later ones
                self._next_step += self._step
                asyncio.get_running_loop().call_later(max(self._next_step - clock.monotonic(), 0.0), self._wake_some)
            elif self._again:
                self._again = False
                self._plan_round(clock.monotonic())

    def _wake_triggered(self, event: CachedEvent) -> None:
        states = (event.item,) if event.previous is None else (event.item, event.previous)
        for state in states:
            for trigger in state.fields.items():
                if cursors := self._triggered.get(trigger):
                    _wake(cursors)

    def _read(self, position: int) -> list[CachedEvent]:
        """The events from that number on. :raises Compacted: the first of them is gone"""
        at = position - self._first + self._dead
        if at < self._dead:
            raise Compacted(self._floor - 1, self._floor)
        return self._ring[at:]

    def _end(self) -> int:
        return self._first + self._length()

    def _wait(self, cursor: Cursor, trigger: Trigger | None) -> None:
        if trigger is None:
            self._waiting[cursor] = None
        else:
            self._triggered.setdefault(trigger, {})[cursor] = None

    def _unwait(self, cursor: Cursor, trigger: Trigger | None) -> None:
        if trigger is None:
            self._waiting.pop(cursor, None)
        elif cursors := self._triggered.get(trigger):
            cursors.pop(cursor, None)
            if not cursors:
                del self._triggered[trigger]


def _wake(cursors: Mapping[Cursor, None]) -> None:
    for cursor in tuple(cursors):
        cursor.wake_soon()


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
    def revision(self) -> int:
        """Everything up to this revision has been handed out, so a bookmark may name it (once that is sent)."""
        if self._position == self._cache._end():
            return max(self._after, self._cache.revision)
        return self._after

    def ready(self) -> Sequence[CachedEvent]:
        """The events not yet handed out, without waiting.

        :raises Compacted: the ring has dropped some of them
        """
        if self._position == self._cache._end():
            return ()
        try:
            events = self._cache._read(self._position)
        except Compacted as error:
            raise Compacted(self._after, error.compacted) from None
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
            self._cache._wait(self, self._trigger)
            self._deadline = until
            if until is not None and (self._timer is None or self._fires > until):
                self._set_timer(loop, until)
            try:
                await self._waiter
            finally:
                self._waiter = self._deadline = None
                self._cache._unwait(self, self._trigger)

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
        self._cache._wait(self, self._trigger)

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
            self._cache._unwait(self, self._trigger)
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
            # No event of this kind has come since the start, else its cache would be there.
            cache = WatchCache(self, self._extract_for(prefix), self._floor, self._settings)
            self._caches[prefix] = cache
        return cache

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
