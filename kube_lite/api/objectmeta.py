"""The part of metadata that the server owns: names, uids, times, generations."""

from __future__ import annotations

import random
from typing import Any

from kube_lite import clock
from kube_lite.api import codec
from kube_lite.api.http import EarlyWarning
from kube_lite.errors import BadRequest
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource
from kube_lite.resources.sent import was_sent_empty_in

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Characters of generated names: no vowels, so no words (apimachinery ``util/rand``)."""
SUFFIX_LENGTH = 5
LONGEST_GENERATED = 63 - SUFFIX_LENGTH


_UUID_BITS = ~((0xF << 76) | (0x3 << 62))
_UUID_MARKS = (4 << 76) | (2 << 62)
"""Where RFC 9562 puts version 4 and its variant."""


def uuid4(rng: random.Random) -> str:
    """A version 4 UUID (``uuid.UUID`` takes four times as long)."""
    digits = f"{rng.getrandbits(128) & _UUID_BITS | _UUID_MARKS:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class Names:
    """Generated names and uids from one random source, seeded in virtual runs."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def suffix(self) -> str:
        """Five characters."""
        return "".join(self._rng.choices(SUFFIX_ALPHABET, k=SUFFIX_LENGTH))

    def generate(self, prefix: str) -> str:
        """A name that begins with ``prefix``, at most 63 characters long."""
        return prefix[:LONGEST_GENERATED] + self.suffix()

    def uid(self) -> str:
        """A version 4 UUID."""
        return uuid4(self._rng)


def check_namespace(resource: Resource, namespace: str, obj: Obj, *, update: bool = False) -> None:
    """Make the object's namespace that of the request. :raises BadRequest: they differ"""
    meta = obj["metadata"]
    given = meta.get("namespace") or ""
    if not resource.namespaced:
        if given:
            meta.pop("namespace", None)
        return
    if update:
        check_update_namespace(namespace, obj)
    if given and given != namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    meta["namespace"] = namespace


def check_update_namespace(namespace: str, obj: Obj) -> None:
    """An update names the namespace of the request, or none. :raises BadRequest: another"""
    given = obj["metadata"].get("namespace") or ""
    if given and given != namespace:
        why = f"the namespace of the object ({given}) does not match the namespace on the request ({namespace})"
        raise BadRequest(why)


def prepare_create(resource: Resource, obj: Obj, names: Names) -> None:
    """Give a new object its uid, times and generation. :raises BadRequest: it carries a resourceVersion"""
    meta = obj["metadata"]
    if meta.get("resourceVersion"):
        raise BadRequest("resourceVersion should not be set on objects to be created")
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"):
        meta.pop(name, None)
    meta["uid"] = names.uid()
    meta["creationTimestamp"] = clock.timestamp()
    if resource.generation:
        meta["generation"] = 1


AFTER_ADMISSION = " after mutating admission happens"


def drop_repeated_owners(obj: Obj, warnings: list[str] | None, when: str = "") -> None:
    """Keep one of owners that are listed more than once, and warn of it; ``when`` says when they were found."""
    owners = obj["metadata"].get("ownerReferences") or ()
    if len(owners) < 2:
        return
    kept: list[Obj] = []
    repeated: list[str] = []
    for owner in owners:
        if owner in kept:
            repeated.append(owner.get("uid", ""))
        else:
            kept.append(owner)
    if not repeated:
        return
    obj["metadata"]["ownerReferences"] = kept
    if warnings is not None:
        told = (
            f".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, "
            "and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
        )
        warnings.append(EarlyWarning(told + ", ".join(repeated)))


def keep_server_fields(new: Obj, old: Obj) -> None:
    """Fill in what a client may leave out; another uid or deletion is then refused as immutable."""
    meta, stored = new["metadata"], old["metadata"]
    if not meta.get("uid") and "uid" in stored:
        meta["uid"] = stored["uid"]
    for name in ("creationTimestamp", "generation"):
        if name in stored:
            meta[name] = stored[name]
        else:
            meta.pop(name, None)
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        if meta.get(name) is None and name in stored:
            meta[name] = stored[name]
    meta.pop("selfLink", None)


def changed_beyond_metadata(new: Obj, old: Obj) -> bool:
    """Whether anything but metadata and status differs: what ``metadata.generation`` counts."""
    outside = ("metadata", "status", "kind", "apiVersion")
    left = {k: v for k, v in new.items() if k not in outside}
    right = {k: v for k, v in old.items() if k not in outside}
    return left != right


def counts(resource: Resource, new: Obj, old: Obj) -> bool:
    """Whether an update is one that ``metadata.generation`` counts."""
    if resource.counts_annotations:
        after, before = (obj["metadata"].get("annotations") or {} for obj in (new, old))
        if after != before:
            return True
    if resource.counts_empty and was_sent_empty_in(codec.type_of(resource), new, resource.counts_empty):
        return True
    return changed_beyond_metadata(new, old)


def without_managed_fields(obj: Obj) -> dict[str, Any]:
    """A shallow copy of the object whose metadata lacks managedFields, for comparison."""
    meta = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
    return {**obj, "metadata": meta}
