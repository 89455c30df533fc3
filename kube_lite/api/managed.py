"""managedFields on every write: who set which field, and server-side apply on top of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_lite.api import codec
from kube_lite.api.options import WriteOptions
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource

Manage = Callable[[Obj, Obj], None]
"""``(old, new)``: set ``new.metadata.managedFields``."""


def on_create(resource: Resource, obj: Obj, sent: Any, options: WriteOptions, manage: Manage | None = None) -> None:
    """Own the fields of a new object."""
    if manage is not None:
        manage({}, obj)


def on_update(
    resource: Resource,
    old: Obj,
    new: Obj,
    sent: Any,
    options: WriteOptions,
    subresource: str,
    manage: Manage | None = None,
) -> None:
    """Own the fields that an update changed."""
    if manage is not None:
        manage(old, new)


class Applied:
    """One applied configuration."""

    def __init__(self, resource: Resource, value: Obj, options: WriteOptions, warnings: list[str]) -> None:
        self.value = codec.decode_object(resource, value, options, warnings)
        meta = self.value["metadata"]
        self.uid = meta.get("uid") or ""
        self.pinned = bool(meta.get("resourceVersion"))

    def onto(self, live: Obj, subresource: str) -> Obj:
        """The configuration merged into the live object."""
        raise NotImplementedError

    def manage(self, old: Obj, new: Obj) -> None:
        """Set the managedFields that the merge found."""
