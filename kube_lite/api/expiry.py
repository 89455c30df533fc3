"""Objects that go by themselves: Events, an hour after they were last written (upstream: ``--event-ttl``).

Upstream lets etcd forget them. Here the server looks every few minutes for those whose time is over; when that is,
is read from an object once for each of its revisions, so a look at many that stayed costs little. A write gives an
object its whole time again. Nobody is asked whether it may go.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import anyio

from kube_lite import clock, errors
from kube_lite.api import deletion
from kube_lite.api.options import DeleteOptions
from kube_lite.api.target import Target
from kube_lite.api.user import SERVER
from kube_lite.api.verbs import Verbs
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource
from kube_lite.store.ring import Item

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 300.0
"""Between two looks: what is over goes at most so much later."""
BATCH: Final = 50
"""Objects looked at, or removed together, before others may work."""
_TIMES: Final = ("eventTime", "lastTimestamp")


class Expiry:
    """Removes what is over its time."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._ends: dict[str, tuple[int, datetime]] = {}
        """By key: revision and when it is over; of those that were there at the last look."""

    async def run(self) -> None:
        """Look and remove until cancelled."""
        while True:
            await anyio.sleep(LOOK_SECONDS)
            # all versions of a kind lie under one key
            kinds = {self._verbs.storage.prefix(r): r for r in self._verbs.storage.registry if r.lifetime}
            known, self._ends = self._ends, {}
            for prefix, resource in kinds.items():
                await self._look(resource, prefix, known)

    async def _look(self, resource: Resource, prefix: str, known: dict[str, tuple[int, datetime]]) -> None:
        over: list[Item] = []
        now = clock.now()
        for i, item in enumerate(self._verbs.storage.cache(resource).range(prefix)):
            if i % BATCH == BATCH - 1:
                await anyio.lowlevel.checkpoint()
            before = known.get(item.key)
            ends = before[1] if before is not None and before[0] == item.revision else self._end(resource, item)
            if ends <= now:
                over.append(item)
            else:
                self._ends[item.key] = item.revision, ends
        for start in range(0, len(over), BATCH):
            async with anyio.create_task_group() as tasks:
                for item in over[start : start + BATCH]:
                    tasks.start_soon(self._remove, resource, item)

    def _end(self, resource: Resource, item: Item) -> datetime:
        obj, now = self._verbs.storage.load(resource, item.value), clock.now()
        return min(max(_written(obj), default=now), now) + timedelta(seconds=resource.lifetime)

    async def _remove(self, resource: Resource, item: Item) -> None:
        meta = self._verbs.storage.load(resource, item.value)["metadata"]
        wanted = DeleteOptions(uid=meta["uid"], resource_version=str(item.revision))
        target = Target(resource, meta.get("namespace", ""), meta["name"])
        try:
            await deletion.delete(self._verbs, target, SERVER, wanted, admitted=True)
        except (errors.NotFound, errors.Conflict):
            return  # somebody else removed it, or wrote it anew
        except errors.ApiError as error:
            logger.warning("%s %s: is over and cannot be removed: %s", resource.plural, item.key, error)


def _written(obj: Obj) -> Iterator[datetime]:
    """The times at which an object tells that it was written."""
    meta = obj["metadata"]
    texts = [meta.get("creationTimestamp"), *(owner.get("time") for owner in meta.get("managedFields") or ())]
    texts += [obj.get(name) for name in _TIMES]
    for text in texts:
        try:
            yield clock.parse_timestamp(text or "")
        except ValueError:
            continue
