"""When to drop history: what is older than ten minutes, and not among the last fifty thousand events.

Upstream keeps five minutes of history (kube-apiserver's etcd compaction interval); a client that resumes a watch
within the window misses nothing. The loop notes now and then how far the store had come, and compacts up to the
newest note that is old enough in both ways.

On a full disk all history goes: what was deleted stands in it, so nothing else would make room.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Protocol

import anyio
import msgspec

from kube_lite import clock
from kube_lite.store.store import StorageFull, Store

logger = logging.getLogger(__name__)

FULL_INTERVAL = 0.5
"""Seconds between compactions on a full disk, for deletions, too, write to the history before they make room."""


class HistorySettings(msgspec.Struct, frozen=True):
    """How much history the store keeps."""

    window_seconds: float = 600.0
    """Events stay at least so long."""
    window_events: int = 50_000
    """At least so many of the newest events stay."""
    interval_seconds: float = 30.0
    """Time between compactions. Shorter ones drop less at a time."""
    verify_seconds: float = 3_600.0
    """Time between readings of the whole file to compare its checksums."""


class Compactable(Store, Protocol):
    """A store that counts its history."""

    @property
    def logged(self) -> int:
        """How many events have entered the history since the store was opened."""
        ...

    @property
    def full(self) -> bool:
        """Whether the disk was full at last sight."""
        ...

    async def verify(self) -> None:
        """Read everything and compare the checksums. :raises Corrupt: naming the row"""
        ...


class _Note(msgspec.Struct, frozen=True):
    at: float
    revision: int
    logged: int


class Compactor:
    """Decides how far to compact."""

    def __init__(self, settings: HistorySettings | None = None) -> None:
        self._settings = settings or HistorySettings()
        self._notes: deque[_Note] = deque()

    def observe(self, at: float, revision: int, logged: int) -> int:
        """Note how far the store has come; the revision up to which history may go now, 0 for none.

        A note is taken when a hundredth of either window has passed since the last one, so there are few.
        """
        settings, notes = self._settings, self._notes
        last = notes[-1] if notes else None
        if last is None or (
            revision > last.revision
            and (
                logged - last.logged >= settings.window_events / 100
                or (at - last.at >= settings.window_seconds / 100 and len(notes) < 200)
            )
        ):
            notes.append(_Note(at, revision, logged))
        droppable = 0
        while notes and (
            at - notes[0].at >= settings.window_seconds and logged - notes[0].logged >= settings.window_events
        ):
            droppable = notes.popleft().revision
        return droppable


async def compact_regularly(store: Compactable, settings: HistorySettings | None = None) -> None:
    """Compact and verify for ever; run it in the task group that owns the store.

    :raises Corrupt: a checksum does not fit
    :raises Stopped: the store has stopped
    """
    settings = settings or HistorySettings()
    compactor = Compactor(settings)
    verified_at = clock.monotonic()
    due, was_full = clock.monotonic(), False
    while True:
        full = store.full
        if full or clock.monotonic() >= due:
            due = clock.monotonic() + settings.interval_seconds
            if full and not was_full:
                logger.warning("the disk is full: history is dropped to make room")
            was_full = full
            kept = compactor.observe(clock.monotonic(), store.revision, store.logged)
            revision = store.revision if full else kept
            if revision > store.compacted:
                try:
                    await store.compact(revision)
                except StorageFull:
                    logger.warning("history is not compacted: the disk is full")
        if clock.monotonic() - verified_at >= settings.verify_seconds:
            await store.verify()
            verified_at = clock.monotonic()
        await anyio.sleep(min(FULL_INTERVAL, settings.interval_seconds))
