"""How an old version is told by its difference from today's: the words of ``versions`` and ``metrics``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

Row = tuple[str, str, tuple[str, ...]]
API = "io.k8s.api."
EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions."
AGGREGATOR = "io.k8s.kube-aggregator.pkg.apis.apiregistration."


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """How one old struct differs. ``own`` names fields whose zero was printed in another way than today's."""

    renamed: Mapping[str, str] = msgspec.field(default_factory=dict)
    removed: tuple[str, ...] = ()
    added: Mapping[str, Any] = msgspec.field(default_factory=dict)
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    numbers: Mapping[int, Row] | None = None
    """All fields of the protobuf message by number; None where the numbers are today's."""


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """One old version of a group, or a part of one."""

    group: str
    version: str
    package: str
    base: str
    kinds: tuple[str, ...]
    edits: Mapping[str, Edit] = msgspec.field(default_factory=dict)
    added: Mapping[str, Any] = msgspec.field(default_factory=dict)
    listed: bool = True
    """Whether the kinds have lists (reviews have none)."""
    shared: frozenset[str] = frozenset()
    """Structs that the version took from the package it is derived from, instead of having its own."""

    @property
    def top_level(self) -> tuple[str, ...]:
        """The kinds and their lists."""
        return (*self.kinds, *(f"{kind}List" for kind in self.kinds if self.listed))


NONE: Final[Mapping[str, Edit]] = {}


def text(description: str) -> dict[str, Any]:
    """A field that holds text."""
    return {"type": "string", "description": description}


def integer(description: str) -> dict[str, Any]:
    """A field that holds a number of 32 bits."""
    return {"type": "integer", "format": "int32", "description": description}


def quantity(description: str) -> dict[str, Any]:
    """A field that holds an amount."""
    return {"$ref": "#/$defs/io.k8s.apimachinery.pkg.api.resource.Quantity", "description": description}


def refers(target: str, description: str) -> dict[str, Any]:
    """A field that holds a struct, by the name of its definition."""
    return {"$ref": f"#/$defs/{target}", "description": description}


def plain(
    group: str, version: str, kinds: str, *, listed: bool = True, base: str = "v1", edits: Mapping[str, Edit] = NONE
) -> Derived:
    """A version whose fields are those of v1, but for ``edits``."""
    short = group.split(".")[0]
    package = {"apiregistration": AGGREGATOR}.get(short, f"{API}{short}.")
    return Derived(
        group=group,
        version=version,
        package=package + version,
        base=package + base,
        kinds=tuple(kinds.split()),
        edits=edits,
        listed=listed,
    )
