"""A whole API in memory for tests: the real verbs over the memory store, without HTTP."""

from __future__ import annotations

import random
from collections.abc import Collection

from kube_lite.api.local import LocalClient
from kube_lite.api.plane import Plane, PlaneOptions
from kube_lite.api.user import MASTERS, User
from kube_lite.store.memory import MemoryStore
from kube_lite.store.ring import RingSettings

ADMIN = User("admin", groups=(MASTERS,))


async def started_plane(*, disabled: Collection[str] = (), seed: int = 0, ring: RingSettings | None = None) -> Plane:
    """An API that is ready, with the cluster's own objects in it; ``ring`` says how much of the past watches find."""
    plane = Plane(MemoryStore(), PlaneOptions(disabled_admission_plugins=disabled), random.Random(seed))
    if ring is not None:
        plane.storage.caches._settings = ring
    await plane.start()
    return plane


def admin(plane: Plane, agent: str = "test") -> LocalClient:
    """An administrator's client."""
    return plane.client(ADMIN, agent)
