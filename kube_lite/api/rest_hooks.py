"""Work that belongs to a write but reaches beyond the object: what upstream's per-kind REST storage does.

A hook reserves what the object needs before it is validated and hands back how to undo that, so that a write
refused later, or dry, leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kube_lite.resources.meta import Obj

Undo = Callable[[], None]


class RestHook(Protocol):
    """Per-resource work around a write."""

    async def begin_create(self, obj: Obj, dry_run: bool) -> Undo | None:
        """Reserve for a new object, which may be changed."""
        ...

    async def begin_update(self, new: Obj, old: Obj, dry_run: bool) -> Undo | None:
        """Reserve for a change; the new object may be changed."""
        ...

    def committed(self, old: Obj, new: Obj) -> None:
        """An update was stored: release what only the old object used."""
        ...

    def deleted(self, obj: Obj) -> None:
        """The object is gone: release what it used."""
        ...
