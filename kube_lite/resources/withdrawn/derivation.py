"""Old versions of types, derived from the current ones: renamed packages, and fields that were other ones then.

The published definitions hold only what Kubernetes serves today. A withdrawn version had mostly the same fields, so
it is described by what differs (:data:`versions.DERIVED`), and everything that reads definitions (decoding, patches,
apply, OpenAPI, protobuf) finds it under a name of its own, ``io.k8s.api.networking.v1beta1.Ingress``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from kube_lite.resources.withdrawn.edits import Derived
from kube_lite.resources.withdrawn.versions import DERIVED

_GVK = "x-kubernetes-group-version-kind"
Messages = dict[str, dict[int, tuple[str, str, tuple[str, ...]]]]
"""Protobuf messages by name: JSON name, cardinality and types of each field by number."""


def definitions(current: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """The definitions of every withdrawn version. :param current: the published ones"""
    found: dict[str, msgspec.Raw] = {}
    for derived in DERIVED:
        known = {**current, **found}
        for name in _reachable(derived, known):
            raw = _renamed(derived, bytes(known[f"{derived.base}.{name}"]))
            if name in derived.edits or name in derived.top_level:
                raw = _edited(derived, name, raw)
            found[f"{derived.package}.{name}"] = msgspec.Raw(raw)
        for name, schema in derived.added.items():
            found[f"{derived.package}.{name}"] = msgspec.Raw(msgspec.json.encode(schema))
    return found


def _reachable(derived: Derived, known: Mapping[str, msgspec.Raw]) -> Iterator[str]:
    """The names in the base package that a version's kinds need."""
    reference = re.compile(rb"/" + re.escape(derived.base.encode()) + rb'\.([A-Za-z0-9]+)"')
    waiting, seen = list(derived.top_level), set[str]()
    while waiting:
        name = waiting.pop()
        raw = known.get(f"{derived.base}.{name}")
        if name in seen or name in derived.shared or raw is None:
            continue
        seen.add(name)
        waiting += [found.decode() for found in reference.findall(bytes(raw))]
        yield name


def _renamed(derived: Derived, raw: bytes) -> bytes:
    raw = raw.replace(f"/{derived.base}.".encode(), f"/{derived.package}.".encode())
    for name in derived.shared:
        raw = raw.replace(f'/{derived.package}.{name}"'.encode(), f'/{derived.base}.{name}"'.encode())
    return raw


def _edited(derived: Derived, name: str, raw: bytes) -> bytes:
    schema: dict[str, Any] = msgspec.json.decode(raw)
    edit = derived.edits.get(name)
    if edit is not None:
        properties = schema["properties"]
        for old, new in edit.renamed.items():
            properties[new] = properties.pop(old)
        for gone in edit.removed:
            properties.pop(gone, None)
        properties.update(edit.added)
        # a field may take the name of one that is gone, which was required, too
        needed = dict.fromkeys(edit.renamed.get(field, field) for field in schema.get("required") or ())
        schema["required"] = [field for field in needed if field in properties and field not in edit.optional]
        schema["required"] += [field for field in edit.required if field not in needed]
    if name in derived.top_level:
        schema[_GVK] = [{"group": derived.group, "kind": name, "version": derived.version}]
    return msgspec.json.encode(schema)


@cache
def _packages() -> dict[str, tuple[Derived, ...]]:
    found: dict[str, tuple[Derived, ...]] = {}
    for derived in DERIVED:
        found[derived.package] = (*found.get(derived.package, ()), derived)
    return found


def name_of(group: str, version: str, kind: str) -> str:
    """The definition of a withdrawn kind. :raises KeyError: it is none"""
    for derived in DERIVED:
        if (derived.group, derived.version) == (group, version) and kind in derived.kinds:
            return f"{derived.package}.{kind}"
    raise KeyError((group, version, kind))


def like(definition: str, field: str = "") -> str:
    """The definition whose Go struct a withdrawn one resembles; itself where nothing was derived.

    :param field: of this field; one that the old struct printed in another way resembles nothing
    """
    package, _, name = definition.rpartition(".")
    found = _packages().get(package)
    if not found:
        return definition
    made = next((d for d in found if name in d.edits or name in d.top_level), found[0])
    edit = made.edits.get(name)
    if edit is not None and field in edit.own:
        return definition
    return like(f"{made.base}.{name}", field)


def messages(current: Messages) -> Messages:
    """The protobuf messages of every withdrawn version. :param current: those of today"""
    found: Messages = {}
    for derived in DERIVED:
        base, package = _short(derived.base), _short(derived.package)
        for full, rows in {**current, **found}.items():
            owner, _, name = full.rpartition(".")
            if owner != base:
                continue
            edit = derived.edits.get(name)
            kept = rows if edit is None or edit.numbers is None else edit.numbers
            found[f"{package}.{name}"] = {
                number: (field, how, tuple(_moved(kind, base, package) for kind in kinds))
                for number, (field, how, kinds) in kept.items()
            }
    return found


def _short(package: str) -> str:
    """``networking.v1`` of ``io.k8s.api.networking.v1``: how messages are called."""
    return ".".join(package.split(".")[-2:])


def _moved(kind: str, base: str, package: str) -> str:
    owner, _, name = kind.rpartition(".")
    return f"{package}.{name}" if owner == base else kind
