"""Defaults of custom resources, compiled from their structural schema.

Defaults come before admission, so every plugin sees them. A null that the schema does not allow is dropped, and then
defaulted like a missing value, as upstream does it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kube_lite.resources.structural.problems import Schema

Fill = Callable[[Any], None]


def copied(value: Any) -> Any:
    """A deep copy of a JSON value."""
    if isinstance(value, dict):
        return {k: copied(v) for k, v in value.items()}
    return [copied(v) for v in value] if isinstance(value, list) else value


def compile_defaults(schema: Schema) -> Fill | None:
    """What fills in defaults and drops nulls that the schema does not allow; None when there is nothing to do."""
    if schema.get("type") == "array":
        items = schema.get("items")
        return _fill_items(items) if isinstance(items, Mapping) else None
    return _fill_object(schema)


def _fill_items(items: Schema) -> Fill | None:
    below = compile_defaults(items)
    replaces = items.get("default") is not None and not items.get("nullable")
    if below is None and not replaces:
        return None

    def fill(values: Any) -> None:
        if not isinstance(values, list):
            return
        for position, value in enumerate(values):
            if value is None and replaces:
                values[position] = copied(items["default"])
            elif below is not None:
                below(value)

    return fill


def _fill_object(schema: Schema) -> Fill | None:
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    if not properties and not isinstance(additional, Mapping):
        return None
    other = compile_defaults(additional) if isinstance(additional, Mapping) else None
    other_default = additional.get("default") if isinstance(additional, Mapping) else None
    drops_others = isinstance(additional, Mapping) and not additional.get("nullable")
    below = {name: made for name, sub in properties.items() if (made := compile_defaults(sub)) is not None}
    defaults = {name: sub["default"] for name, sub in properties.items() if sub.get("default") is not None}
    nullable = frozenset(name for name, sub in properties.items() if sub.get("nullable"))
    known = frozenset(properties)

    def is_dropped(name: str) -> bool:
        return name not in nullable if name in known else drops_others and other_default is None

    def fill(values: Any) -> None:
        if not isinstance(values, dict):
            return
        for name in [name for name, value in values.items() if value is None and is_dropped(name)]:
            del values[name]
        for name, default in defaults.items():
            if name not in values:
                values[name] = copied(default)
        for name, fill_one in below.items():
            if name in values:
                fill_one(values[name])
        if other is None and other_default is None:
            return
        for name, value in values.items():
            if name not in known:
                if value is None and drops_others:
                    values[name] = copied(other_default)
                elif other is not None:
                    other(value)

    return fill


def has_defaults(schema: Any) -> bool:
    """Whether a schema holds a default anywhere."""
    if isinstance(schema, Mapping):
        return ("default" in schema and "type" in schema) or any(has_defaults(sub) for sub in schema.values())
    return isinstance(schema, list) and any(has_defaults(sub) for sub in schema)
