"""Entries of ``metadata.managedFields``: read, written, and kept from becoming too many.

An entry says which manager set which fields by which operation, in the words of one version; sets are those of
``resources/fieldset.py``. Order, identity and the merging of the oldest are upstream's
(``apimachinery/pkg/util/managedfields``).

    decoded(entries) -> owners, or None when one is not valid
    encoded(owners) -> entries, in upstream's order
    capped(owners) -> at most MAX_UPDATERS of them update
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from kube_lite.resources.fieldset import Node, is_valid, ordered, union

Entry = dict[str, Any]

MAX_UPDATERS: Final = 10
"""Entries of operation Update that are kept; beyond, the oldest are merged into one. Upstream's number."""

ANCIENT: Final = "ancient-changes"
"""Manager of the entry that the oldest updates are merged into."""


class Owner(msgspec.Struct):
    """One entry, decoded."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    fields: Node
    time: str | None

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes two entries one: appliers are the same in every version."""
        return (self.manager, self.operation, "" if self.operation == "Apply" else self.api_version, self.subresource)

    def entry(self) -> Entry:
        """As it is stored."""
        made: Entry = {"manager": self.manager} if self.manager else {}
        made |= {"operation": self.operation, "apiVersion": self.api_version}
        if self.time is not None:
            made["time"] = self.time
        made["fieldsType"] = "FieldsV1"
        made["fieldsV1"] = self.fields
        if self.subresource:
            made["subresource"] = self.subresource
        return made

    def shown(self) -> str:
        """As conflicts name it: ``"m1" using v1``."""
        text = f'"{self.manager}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == "Update" else text


def decoded(entries: Any, trusted: bool = False) -> list[Owner] | None:
    """Entries decoded; None when one of them is not valid. Sets that were stored are trusted to be sets."""
    if not isinstance(entries, list):
        return None
    found: dict[tuple[str, ...], Owner] = {}
    for entry in entries:
        if not isinstance(entry, Mapping):
            return None
        fields = {} if entry.get("fieldsV1") is None else entry["fieldsV1"]
        if not entry.get("apiVersion") or entry.get("fieldsType") != "FieldsV1" or not (trusted or is_valid(fields)):
            return None
        owner = Owner(
            str(entry.get("manager") or ""),
            str(entry.get("operation") or ""),  # another than Apply and Update is refused with the metadata
            entry["apiVersion"],
            str(entry.get("subresource") or ""),
            fields,
            entry.get("time"),
        )
        found[owner.identity] = owner
    return list(found.values())


def encoded(owners: Sequence[Owner]) -> list[Entry]:
    """Entries in upstream's order: appliers first, then by time, manager, version, subresource."""
    kept = [owner for owner in owners if owner.fields]
    kept.sort(key=lambda o: (o.operation, o.time or "", o.manager, o.api_version, o.subresource))
    return [owner.entry() for owner in kept]


def identifier(owner: Owner) -> bytes:
    """What upstream sorts entries of equal age by: their identity as JSON."""
    named = {"manager": owner.manager, "operation": owner.operation, "apiVersion": owner.api_version}
    if owner.subresource:
        named["subresource"] = owner.subresource
    return msgspec.json.encode(named)


def capped(owners: list[Owner]) -> list[Owner]:
    """At most :data:`MAX_UPDATERS` updaters: the oldest of each version become one entry."""
    updaters = [owner for owner in owners if owner.operation == "Update"]
    if len(updaters) <= MAX_UPDATERS:
        return owners
    updaters.sort(key=lambda owner: (owner.time or "", identifier(owner)))
    kept = {owner.identity: owner for owner in owners}
    first: dict[str, Owner] = {}
    count = len(updaters)
    for owner in updaters:
        if count <= MAX_UPDATERS:
            break
        seen = first.get(owner.api_version)
        if seen is None:
            first[owner.api_version] = owner
            continue
        bucket = Owner(ANCIENT, "Update", owner.api_version, "", {}, owner.time)
        current = kept.get(bucket.identity)
        if current is None or current is owner:
            current = kept.pop(seen.identity, seen)
        kept.pop(owner.identity, None)
        kept[bucket.identity] = replace(bucket, fields=ordered(union(owner.fields, current.fields)))
        count -= 1
    return list(kept.values())
