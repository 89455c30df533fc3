"""Defaults of custom resources, compiled from their structural schema.

Defaults come before admission, so every plugin sees them. A null that the schema does not allow is dropped, and then
defaulted like a missing value, as upstream does it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kube_lite.resources.structural.problems import Schema, mapping

Fill = Callable[[Any], None]


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    return [_copied(v) for v in value] if isinstance(value, list) else value


def compile_defaults(schema: Schema) -> Fill | None:
    """What fills in defaults and drops nulls that the schema does not allow; None when there is nothing to do."""
    if schema.get("type") == "array":
        items = schema.get("items")
        return _fill_items(items) if isinstance(items, Mapping) else None
    return _fill_object(schema)


def _fill_items(items: Schema) -> Fill | None:
    below = compile_defaults(items)
    replaces = "default" in items and not items.get("nullable")
    if below is None and not replaces:
        return None

    def fill(values: Any) -> None:
        if not isinstance(values, list):
            return
        for position, value in enumerate(values):
            if value is None and replaces:
                values[position] = _copied(items["default"])
            elif below is not None:
                below(value)

    return fill


def _fill_object(schema: Schema) -> Fill | None:
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    other = compile_defaults(additional) if isinstance(additional, Mapping) else None
    other_default = isinstance(additional, Mapping) and "default" in additional and not additional.get("nullable")
    if not properties and other is None and not other_default:
        return None
    below = {name: made for name, sub in properties.items() if (made := compile_defaults(sub)) is not None}
    defaults = {name: sub["default"] for name, sub in properties.items() if "default" in sub}
    nullable = frozenset(name for name, sub in properties.items() if sub.get("nullable"))
    known = frozenset(properties)

    def fill(values: Any) -> None:
        if not isinstance(values, dict):
            return
        for name in [n for n, v in values.items() if v is None and n in known and n not in nullable]:
            del values[name]
        for name, default in defaults.items():
            if name not in values:
                values[name] = _copied(default)
        for name, fill_one in below.items():
            if name in values:
                fill_one(values[name])
        if other is None and not other_default:
            return
        for name, value in values.items():
            if name not in known:
                if value is None and other_default:
                    values[name] = _copied(mapping(additional)["default"])
                elif other is not None:
                    other(value)

    return fill


def has_defaults(schema: Any) -> bool:
    """Whether a schema holds a default anywhere."""
    if isinstance(schema, Mapping):
        return ("default" in schema and "type" in schema) or any(has_defaults(sub) for sub in schema.values())
    return isinstance(schema, list) and any(has_defaults(sub) for sub in schema)
