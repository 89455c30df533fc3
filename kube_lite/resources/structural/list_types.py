"""Lists that are sets or maps hold each item, or each key, once (apiextensions-apiserver ``listtype``).

This is a pass of its own: on updates it is left out as a whole where the old object already broke such a rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kube_lite.resources.field import Errors, duplicate, index, invalid
from kube_lite.resources.structural.problems import Schema, canonical, go_value
from kube_lite.resources.structural.walk import Own, Walk, compile_walk


def compile_lists(schema: Schema) -> Walk | None:
    """The check of all sets and maps in objects of a schema; None when there are none."""
    return compile_walk(schema, _unique)


def _unique(schema: Schema) -> Own | None:
    list_type = schema.get("x-kubernetes-list-type")
    if list_type == "set":
        return lambda values, path: _repeated(values, path) if isinstance(values, list) else []
    if list_type != "map":
        return None
    keys: Sequence[str] = schema.get("x-kubernetes-list-map-keys") or ()

    def check(values: Any, path: str) -> Errors:
        for position, value in enumerate(values if isinstance(values, list) else ()):
            if value is not None and not isinstance(value, dict):
                detail = "must be an object for an array of list-type map"
                return [invalid(index(path, position), go_value(value), detail)]
        if not isinstance(values, list):
            return []
        return _repeated([{k: value[k] for k in keys if k in value} if value else {} for value in values], path)

    return check


def _repeated(values: list[Any], path: str) -> Errors:
    """Each value that comes more than once, where it comes the second time."""
    found: Errors = []
    times: dict[str, int] = {}
    for position, value in enumerate(values):
        known = canonical(value)
        times[known] = times.get(known, 0) + 1
        if times[known] == 2:
            found.append(duplicate(index(path, position), go_value(value)))
    return found
