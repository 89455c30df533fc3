"""What the watch caches hold: objects as they stand, and the events that made them so."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import msgspec

logger = logging.getLogger(__name__)

Extract = Callable[[bytes], tuple[Mapping[str, str], Mapping[str, str]]]
"""From an object's bytes its labels and its selectable fields. :raises ValueError: not such an object"""

Trigger = tuple[str, str]
"""A selectable field and the value it must have, before or after the event."""


class RingSettings(msgspec.Struct, frozen=True):
    """How much of the past one kind's ring keeps; what it drops may still be in the store's history."""

    max_bytes: int = 64 * 1024 * 1024
    """Bytes at most, by estimate; it bounds memory where the next two would not."""
    max_total: int = 128 * 1024 * 1024
    """Bytes of all kinds' rings together, by estimate; above that the largest ring gives up its oldest events."""
    window_seconds: float = 600.0
    """Events younger than this stay: twice upstream's 5 minutes of etcd history."""
    window_events: int = 1_000
    """So many events stay whatever their age. Who comes back after long is served from the store's history, but for
    Leases, whose renewals would fill 64 MiB of an idle cluster's memory in two days."""
    sweep_seconds: float = 1.0
    """Between two looks for events that are too old in the rings of kinds that nobody writes."""
    dropped_at_once: int = 512
    """Events dropped for their age in one go; to drop ten thousand would hold up everybody for milliseconds."""
    wakeup_seconds: float = 28e-6
    """A round of n watchers takes at least n times this: to wake one and write to its TLS connection costs about
    20 us of CPU, so the rest of the time is for the writes that are waited for."""
    max_delay_seconds: float = 0.1
    """No round is made longer than this."""
    woken_at_once: int = 32
    """So many are woken in one go, less than a millisecond; the others follow evenly over the time of the round."""
    rescan_events: int = 4_096
    """A cursor with a trigger looks through the ring at least every so many events, lest it be overtaken."""


class Item(msgspec.Struct, eq=False):
    """An object as it stands: its bytes, and what selectors ask about, read off when the first of them asks."""

    key: str
    value: bytes
    revision: int
    extract: Extract
    _asked_for: tuple[Mapping[str, str], Mapping[str, str]] | None = None

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


class CachedEvent(msgspec.Struct, eq=False):
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
    encoded: dict[object, bytes] = msgspec.field(default_factory=dict)

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
