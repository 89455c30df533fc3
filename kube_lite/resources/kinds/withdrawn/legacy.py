"""How a withdrawn version is made from the current one of the same kind.

Hooks of the current version see the current form: the object is converted, the hook runs, and what it made is
converted back. Conversions never change their argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from kube_lite.errors import FieldError
from kube_lite.resources import withdrawn
from kube_lite.resources.field import Errors
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource, Subresource

Convert = Callable[[Obj], Obj]


class Conversion(msgspec.Struct, frozen=True):
    """``up`` makes an object of the current version of an old one, ``down`` the reverse."""

    up: Convert
    down: Convert


class Release(msgspec.Struct, frozen=True):
    """The releases that deprecated and dropped a version: ``v1.19`` and ``v1.22``."""

    deprecated: str
    dropped: str


def _named(convert: Convert, api_version: str) -> Convert:
    def run(obj: Obj) -> Obj:
        return {**convert(obj), "apiVersion": api_version}

    return run


def _same(obj: Obj) -> Obj:
    return obj


def legacy(
    current: Resource,
    version: str,
    release: Release,
    *,
    group: str = "",
    conversion: Conversion | None = None,
    default: Callable[[Obj], None] | None = None,
    errors: Callable[[Obj, Errors], Errors] | None = None,
    **changes: Any,
) -> Resource:
    """``current`` as it was in an older version.

    :param group: where it is not the current one
    :param default: what the old version defaulted before the current one's defaults are filled in
    :param errors: ``(old object, problems)``: the problems as the old version told them
    :param changes: fields of the resource that replace those that follow from ``current``
    """
    group = group or current.group
    api_version = f"{group}/{version}"
    conversion = conversion or Conversion(_same, _same)
    up, down = _named(conversion.up, current.api_version), _named(conversion.down, api_version)
    moved = group != current.group
    made = replace(
        current,
        group=group,
        version=version,
        definition=withdrawn.name_of(group, version, current.kind),
        # In another group, short names and categories would let lists show every object twice.
        short_names=() if moved else current.short_names,
        categories=() if moved else current.categories,
        storage_group=current.storage_group or current.group,
        storage_version=current.storage_version or current.version,
        convert_from_storage=_chained(current.convert_from_storage, down),
        convert_to_storage=_chained(up, current.convert_to_storage),
        deprecation=_warning(api_version, release, current),
        **_hooks(current, up, down, default, errors),
    )
    return replace(made, **changes) if changes else made


def _warning(api_version: str, release: Release, current: Resource) -> str:
    return (
        f"{api_version} {current.kind} is deprecated in {release.deprecated}+, unavailable in {release.dropped}+; "
        f"use {current.api_version} {current.kind}"
    )


def _chained(first: Convert | None, second: Convert | None) -> Convert:
    def run(obj: Obj) -> Obj:
        for step in (first, second):
            if step is not None:
                obj = step(obj)
        return obj

    return run


def _hooks(
    current: Resource,
    up: Convert,
    down: Convert,
    default: Callable[[Obj], None] | None,
    told: Callable[[Obj, Errors], Errors] | None,
) -> Mapping[str, Any]:
    """The hooks of the current version over converted objects."""

    def through(hook: Callable[..., None]) -> Callable[..., None]:
        def run(obj: Obj, *others: Obj) -> None:
            converted = up(obj)
            hook(converted, *map(up, others))
            converted = down(converted)
            obj.clear()
            obj.update(converted)

        return run

    def filled(obj: Obj) -> None:
        if default is not None:
            default(obj)
        through(current.default)(obj)

    def checked(hook: Callable[..., Errors]) -> Callable[..., Errors]:
        def run(obj: Obj, *others: Obj) -> Errors:
            found = hook(up(obj), *map(up, others))
            return told(obj, found) if told is not None else found

        return run

    def beneath(sub: Subresource) -> Subresource:
        return replace(sub, validate=checked(sub.validate))

    row, conditions = current.row, current.row_conditions
    return {
        "default": filled,
        "prepare_create": through(current.prepare_create),
        "prepare_update": through(current.prepare_update),
        "validate": checked(current.validate),
        "validate_update": checked(current.validate_update),
        "warnings": lambda new, old: current.warnings(up(new), None if old is None else up(old)),
        "subresources": {name: beneath(sub) for name, sub in current.subresources.items()},
        "row": None if row is None else lambda obj, now: row(up(obj), now),
        "row_conditions": None if conditions is None else lambda obj: conditions(up(obj)),
        "selectable": lambda obj: current.selectable(up(obj)),
    }


def renamed(problems: Errors, fields: Mapping[str, str]) -> Errors:
    """Problems whose paths name the fields as the old version did; ``fields`` are parts of paths."""
    found = []
    for problem in problems:
        path = problem.field
        for new, old in fields.items():
            path = path.replace(new, old)
        found.append(FieldError(problem.reason, path, problem.message))
    return found
