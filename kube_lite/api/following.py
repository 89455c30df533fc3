"""A kind's objects as they change, for parts that keep something computed from them.

Whoever follows asks when it needs to be up to date, and gets what changed since it asked last: nothing is done
for objects that nobody asks about, and no task or queue is needed.
"""

from __future__ import annotations

from collections.abc import Sequence

from kube_lite.api.storage import Storage
from kube_lite.resources.registry import Resource
from kube_lite.store.ring import Item
from kube_lite.store.store import Compacted
from kube_lite.store.watch_cache import Cursor

Change = tuple[str, Item | None]
"""A key, and the object that stands there now; None when it is gone."""


class Following:
    """The changes of one kind since they were asked for last."""

    def __init__(self, storage: Storage, resource: Resource) -> None:
        self._storage = storage
        self._resource = resource
        self.prefix = storage.prefix(resource)
        self._cursor: Cursor | None = None

    def changes(self) -> tuple[bool, Sequence[Change]]:
        """Whether all that was known is void, and what changed.

        The first call, and one that comes after so long that the events are gone, answers with everything.
        """
        cache = self._storage.cache(self._resource)
        if self._cursor is not None:
            try:
                events = self._cursor.ready()
            except Compacted:
                self._cursor = None
            else:
                return False, [(key, cache.get(key)) for key in {event.key: None for event in events}]
        self._cursor = cache.cursor(-1)
        return True, [(item.key, item) for item in cache.range(self.prefix)]
