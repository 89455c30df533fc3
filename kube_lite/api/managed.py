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
from kube_lite.api.admission.matching import converted
from kube_lite.api.apply import Form, Writer
from kube_lite.api.http import decode_json, encode_json
from kube_lite.api.options import WriteOptions
from kube_lite.resources import decode
from kube_lite.resources.meta import Obj
from kube_lite.resources.ownership import Unnameable
from kube_lite.resources.registry import Resource
from kube_lite.resources.sent import was_sent_empty

Manage = Callable[[Obj, Obj], list[Obj]]
"""``(old, new)``: the new ``metadata.managedFields``; ``old`` is empty on create."""


def untouched(old: Obj, new: Obj) -> list[Obj]:
    """For writes that nobody owns (binding): the owners stay as they are."""
    return list(old["metadata"].get("managedFields") or ())


def _whose(entry: Obj) -> tuple[str, ...]:
    return entry.get("manager") or "", entry["operation"], entry["apiVersion"], entry.get("subresource") or ""


def differs_in_times(old: Obj, new: Obj) -> bool:
    """Whether two versions of an object are the same but for the times of their owners: not worth a write."""
    before, after = old["metadata"].get("managedFields"), new["metadata"].get("managedFields")
    if not before or not after or len(before) != len(after):
        return False
    generation = new["metadata"].get("generation") == old["metadata"].get("generation")
    if not generation or new.get("status") != old.get("status"):  # what changes most often
        return False
    # entries stand in the order of their times
    for one, other in zip(sorted(before, key=_whose), sorted(after, key=_whose), strict=True):
        if one.keys() != other.keys() or any(one[name] != other[name] for name in one if name != "time"):
            return False
    untimed = {**new, "metadata": {**new["metadata"], "managedFields": before}}
    return untimed == old


Lookup = Callable[[str], Resource | None]
"""Another version of a resource by its apiVersion."""


def _forms(resource: Resource, lookup: Lookup) -> Callable[[str], Form | None]:
    """The other versions of a built-in kind; custom resources have the same fields in all, or a webhook."""

    def form(api_version: str) -> Form | None:
        other = lookup(api_version)
        if other is None or other.custom or other.convert_from_storage is resource.convert_from_storage:
            return None
        type_ = codec.type_of(other)

        def convert(obj: Obj) -> Obj:
            shown: Obj = decode_json(encode_json(converted(obj, resource, other)))
            decode.complete(type_, shown)
            return shown

        return Form(type_, convert)

    return form


def _nowhere(api_version: str) -> Resource | None:
    return None


def _writer(
    resource: Resource,
    options: WriteOptions,
    subresource: str = "",
    lookup: Lookup = _nowhere,
    owns_status: bool = False,
) -> Writer:
    ignored: tuple[str, ...] = ()
    if (sub := resource.subresources.get(subresource)) is not None:
        ignored = sub.resets
    elif "status" in resource.subresources and not subresource and not owns_status:
        ignored = ("status",)
    form = _forms(resource, lookup)

    def knows(api_version: str) -> bool:
        exists = api_version == resource.api_version or lookup(api_version) is not None
        return exists or resource.custom or lookup is _nowhere

    return Writer(options.field_manager, resource.api_version, clock.timestamp(), subresource, ignored, form, knows)


def _set(obj: Obj, entries: list[Obj]) -> None:
    if entries:
        obj["metadata"]["managedFields"] = entries
    else:
        obj["metadata"].pop("managedFields", None)


def on_create(resource: Resource, obj: Obj, options: WriteOptions, manage: Manage | None = None) -> None:
    """Complete a new object but for nulls, and own its fields. What the client says of managedFields is passed over."""
    obj["metadata"].pop("managedFields", None)
    if manage is not None or not resource.managed_fields:
        complete(resource, obj, nulls=False)
        _set(obj, manage({}, obj) if manage is not None else [])
        return
    type_ = codec.type_of(resource)
    added: decode.Added = []  # nulls are owned too, and the hooks are not to see them
    decode.complete(type_, obj, stored=False, added=added)
    entries: list[Obj] = []
    with contextlib.suppress(Unnameable):  # upstream leaves ownership out of what its merge library cannot read
        entries = apply.created(type_, obj, _writer(resource, options, owns_status=resource.owns_status))
    for owner, name in added:
        del owner[name]
    _set(obj, entries)


def on_update(
    resource: Resource,
    old: Obj,
    new: Obj,
    options: WriteOptions,
    subresource: str,
    manage: Manage | None = None,
    lookup: Lookup = _nowhere,
) -> None:
    """Complete an updated object but for nulls, and own the fields that the update changes.

    :param lookup: other versions, in which owners may name fields
    """
    if manage is not None or not resource.managed_fields:
        complete(resource, new, nulls=False)
        _set(new, (manage or untouched)(old, new))
        return
    type_ = codec.type_of(resource)
    sent = new["metadata"].get("managedFields")
    if sent is None and not resource.custom and was_sent_empty(type_, ("metadata",), "managedFields"):
        sent = []
    elif sent == old["metadata"].get("managedFields"):
        sent = None
    added: decode.Added = []
    decode.complete(type_, new, stored=False, added=added, but=shared(old, new))
    try:
        entries = apply.updated(
            type_, old, new, sent, _writer(resource, options, subresource, lookup, resource.owns_status)
        )
    except Unnameable:
        entries = []  # as upstream does it where its merge library gives up
    for owner, name in added:
        del owner[name]
    _set(new, entries)


class Applied:
    """One applied configuration, laid over the live object as often as the swap needs it.

    :param value: the configuration as parsed; its unknown fields are refused
    :param lookup: other versions, in which owners may name fields
    """

    def __init__(
        self, resource: Resource, value: Obj, options: WriteOptions, subresource: str, lookup: Lookup = _nowhere
    ) -> None:
        self._resource = resource
        self._config = value
        self._force = options.force
        self._writer = _writer(resource, options, subresource, lookup)
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


def shared(old: Obj, new: Obj) -> str:
    """``spec`` where an update has taken it over from the stored object as it is, else ''."""
    return "spec" if new.get("spec") is old.get("spec") else ""


def complete(resource: Resource, obj: Any, *, nulls: bool = True, stored: bool = True, but: str = "") -> None:
    """Add what upstream always prints; without ``nulls`` for an object that hooks are still to see.

    :param but: a field that is known to be complete
    """
    decode.complete(codec.type_of(resource), obj, nulls=nulls, stored=stored, but=but)
