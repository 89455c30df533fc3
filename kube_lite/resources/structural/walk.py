"""Checks of some nodes of a schema, compiled into one walk over objects that skips where nothing is to be checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kube_lite.resources.field import Errors, child, index, key
from kube_lite.resources.structural.problems import Schema, mapping

Own = Callable[[Any, str], Errors]
"""What is wrong with the value at a path, not looking below."""
Walk = Callable[[Any, str, Errors], None]
"""Looks at the value at a path and all below, and adds what is wrong."""


def compile_walk(schema: Schema, own_of: Callable[[Schema], Own | None]) -> Walk | None:
    """The walk over objects of a schema; None when nothing in it is to be checked.

    :param own_of: the check of a node's own value, None when it has none
    """
    own = own_of(schema)
    properties = mapping(schema.get("properties"))
    compiled = ((name, compile_walk(sub, own_of)) for name, sub in properties.items())
    below = {name: walk for name, walk in compiled if walk is not None}
    known = frozenset(properties)
    other, item = (
        compile_walk(sub, own_of) if isinstance(sub, Mapping) else None
        for sub in (schema.get("additionalProperties"), schema.get("items"))
    )
    if own is None and not below and other is None and item is None:
        return None

    def walk(value: Any, path: str, found: Errors) -> None:
        if own is not None:
            found += own(value, path)
        if isinstance(value, dict):
            for name, part in value.items():
                if name in below:
                    below[name](part, child(path, name), found)
                elif other is not None and name not in known:
                    other(part, key(path, name), found)
        elif isinstance(value, list) and item is not None:
            for position, part in enumerate(value):
                item(part, index(path, position), found)

    return walk
