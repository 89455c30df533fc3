"""managedFields on every write: what ``apply`` computes, put where the verbs need it.

Owners are found on the defaulted object before admission and preparation, so what those add belongs to nobody,
as upstream does it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from kube_lite import clock, errors
from kube_lite.api import apply, codec
from kube_lite.api.apply import Writer
from kube_lite.api.http import decode_json, encode_json
from kube_lite.api.options import WriteOptions
from kube_lite.resources import decode
from kube_lite.resources.meta import Obj
from kube_lite.resources.ownership import Unnameable
from kube_lite.resources.registry import Resource

Manage = Callable[[Obj, Obj], list[Obj]]
"""``(old, new)``: the new ``metadata.managedFields``; ``old`` is empty on create."""


def untouched(old: Obj, new: Obj) -> list[Obj]:
    """For writes that nobody owns (binding): the owners stay as they are."""
    return list(old["metadata"].get("managedFields") or ())


def _writer(resource: Resource, options: WriteOptions, subresource: str = "") -> Writer:
    ignored: tuple[str, ...] = ()
    if subresource == "status":
        ignored = ("spec",)
    elif "status" in resource.subresources and not subresource:
        ignored = ("status",)
    return Writer(options.field_manager, resource.api_version, clock.timestamp(), subresource, ignored)


def _set(obj: Obj, entries: list[Obj]) -> None:
    if entries:
        obj["metadata"]["managedFields"] = entries
    else:
        obj["metadata"].pop("managedFields", None)


def on_create(resource: Resource, obj: Obj, options: WriteOptions, manage: Manage | None = None) -> None:
    """Own the fields of a new object. What the client says of managedFields itself is passed over."""
    obj["metadata"].pop("managedFields", None)
    if manage is not None:
        _set(obj, manage({}, obj))
        return
    if not resource.managed_fields:
        return
    whole = decode_json(encode_json(obj))  # nulls are owned too, and the hooks are not to see them
    complete(resource, whole, stored=False)
    with contextlib.suppress(Unnameable):  # upstream leaves ownership out of what its merge library cannot read
        _set(obj, apply.created(codec.type_of(resource), whole, _writer(resource, options)))


def on_update(
    resource: Resource,
    old: Obj,
    new: Obj,
    options: WriteOptions,
    subresource: str,
    manage: Manage | None = None,
) -> None:
    """Own the fields that an update changes."""
    if manage is not None:
        _set(new, manage(old, new))
        return
    if not resource.managed_fields:
        _set(new, untouched(old, new))
        return
    sent = new["metadata"].get("managedFields")
    whole = decode_json(encode_json(new))
    complete(resource, whole, stored=False)
    try:
        _set(new, apply.updated(codec.type_of(resource), old, whole, sent, _writer(resource, options, subresource)))
    except Unnameable:
        _set(new, untouched(old, new))


class Applied:
    """One applied configuration, laid over the live object as often as the swap needs it.

    :param value: the configuration as parsed; its unknown fields are refused
    """

    def __init__(self, resource: Resource, value: Obj, options: WriteOptions, subresource: str) -> None:
        self._resource = resource
        self._config = value
        self._force = options.force
        self._writer = _writer(resource, options, subresource)
        self._entries: list[Obj] = []
        meta = value.get("metadata")
        meta = meta if isinstance(meta, dict) else {}
        self.uid = str(meta.get("uid") or "")
        self.pinned = bool(meta.get("resourceVersion"))

    def onto(self, live: Obj | None) -> Obj:
        """The configuration merged into the live object (None when it is to be created), decoded.

        :raises BadRequest: it does not fit the type
        :raises Conflict: it changes what others own
        """
        type_ = codec.type_of(self._resource)
        outcome = apply.apply(type_, live, self._config, self._writer, self._force)
        self._entries = outcome.entries
        try:
            merged: Obj = decode.decode(type_, decode_json(encode_json(outcome.obj))).obj
        except decode.DecodeError as error:
            raise errors.BadRequest(
                f'{self._resource.kind} in version "{self._resource.version}" cannot be handled as a '
                f"{self._resource.kind}: {error}"
            ) from error
        merged.setdefault("metadata", {})
        return merged

    def manage(self, old: Obj, new: Obj) -> list[Obj]:
        """The owners that the merge found."""
        return self._entries


def complete(resource: Resource, obj: Any, *, nulls: bool = True, stored: bool = True) -> None:
    """Add what upstream always prints; without ``nulls`` for an object that hooks are still to see."""
    decode.complete(codec.type_of(resource), obj, nulls=nulls, stored=stored)
