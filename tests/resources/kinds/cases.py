"""Rows of kind tests: a change to a valid object, and what must be said of it."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

from kube_lite.resources.metadata import validate_metadata, validate_metadata_update
from kube_lite.resources.registry import Registry, Resource, builtin

REGISTRY: Registry = builtin()

Change = dict[str, Any]
"""Dotted path to new value; None removes."""

NEEDED = "FieldValueRequired"
BAD = "FieldValueInvalid"
UNKNOWN = "FieldValueNotSupported"
TWICE = "FieldValueDuplicate"
NOT_HERE = "FieldValueForbidden"
NOWHERE = "FieldValueNotFound"
LONG = "FieldValueTooLong"
MANY = "FieldValueTooMany"

Cause = tuple[str, str, str]
"""Reason, field, and a part of the message."""


def resource(group: str, plural: str, version: str = "v1") -> Resource:
    """The kind under test."""
    found = REGISTRY.at(group, version, plural)
    assert found is not None, f"{plural} is not registered"
    return found


def _step(holder: Any, part: str, make: Any) -> Any:
    if isinstance(holder, list):
        position = int(part)
        if position == len(holder):
            holder.append(make)
        return holder[position]
    return holder.setdefault(part, make)


def changed(obj: dict[str, Any], change: Change) -> dict[str, Any]:
    """A copy of ``obj`` with the change made; ``a.0.b`` goes through lists."""
    made = copy.deepcopy(obj)
    for path, value in change.items():
        steps = path.split(".")
        last = steps[-1]
        holder: Any = made
        for part, following in pairwise(steps):
            holder = _step(holder, part, [] if following.isdecimal() else {})
        if value is None:
            holder.pop(int(last) if isinstance(holder, list) else last)
        elif isinstance(holder, list) and int(last) == len(holder):
            holder.append(value)
        else:
            holder[int(last) if isinstance(holder, list) else last] = value
    return made


def create(kind: Resource, obj: dict[str, Any]) -> tuple[dict[str, Any], list[Cause]]:
    """What the kind makes of a new object, and what is wrong with it."""
    made = copy.deepcopy(obj)
    made.setdefault("metadata", {}).setdefault("uid", "u-1")
    if kind.namespaced:
        made["metadata"].setdefault("namespace", "ns")
    kind.default(made)
    kind.prepare_create(made)
    errors = validate_metadata(made["metadata"], namespaced=kind.namespaced, rule=kind.name_rule)
    return made, [(e.reason, e.field, e.message) for e in errors + kind.validate(made)]


def update(kind: Resource, obj: dict[str, Any], change: Change) -> tuple[dict[str, Any], list[Cause]]:
    """What the kind makes of a change to a stored object, and what is wrong with it."""
    old, errors = create(kind, obj)
    assert not errors, errors
    new = changed(old, change)
    kind.default(new)
    kind.prepare_update(new, old)
    found = validate_metadata_update(new["metadata"], old["metadata"]) + kind.validate_update(new, old)
    return new, [(e.reason, e.field, e.message) for e in found]


def assert_causes(got: list[Cause], wanted: list[Cause]) -> None:
    """Same reasons and fields in order, and each message holding the wanted part."""
    assert [cause[:2] for cause in got] == [cause[:2] for cause in wanted]
    for (_, _, message), (_, _, part) in zip(got, wanted, strict=True):
        assert part in message


def assert_create(kind: Resource, obj: dict[str, Any], change: Change, wanted: list[Cause]) -> None:
    """A new object with the change is refused for these causes, none if it is fine."""
    assert_causes(create(kind, changed(obj, change))[1], wanted)


def assert_update(kind: Resource, obj: dict[str, Any], change: Change, wanted: list[Cause]) -> None:
    """The change to a stored object is refused for these causes, none if it is fine."""
    assert_causes(update(kind, obj, change)[1], wanted)
