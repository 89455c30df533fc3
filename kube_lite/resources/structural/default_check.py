"""Whether the defaults of a schema are values that the schema itself lets pass.

A default is looked at as if somebody had sent it: it has no unknown fields, fits its schema and its CEL rules, as a
new value and as one that stays. What stands inside the metadata of an embedded resource is judged by the resource
that it makes. Defaults of additional properties are not looked at, as upstream does not either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from kube_lite.errors import FieldError
from kube_lite.resources.custom_schema import from_openapi
from kube_lite.resources.decode import DecodeError, decode
from kube_lite.resources.field import Errors, child, invalid, key
from kube_lite.resources.structural.defaults import copied
from kube_lite.resources.structural.embedded import compile_embedded, validate_resource
from kube_lite.resources.structural.problems import Problem, Schema, go_value, mapping
from kube_lite.resources.structural.rules import compile_rules
from kube_lite.resources.structural.validate import compile_check

_OWN: Final = ("metadata", "apiVersion", "kind")
_RESOURCE: Final[Mapping[str, Any]] = {"apiVersion": "validation/v1", "kind": "Validation"}


class _Place(msgspec.Struct, frozen=True):
    """Whether a value belongs to what a resource says of itself, and the resource that a value there makes."""

    make: Callable[[Any], Any]
    in_meta: bool = False

    def below(self, step: str | None) -> _Place:
        """One step down: into a field, or (None) into a list."""
        make = self.make
        if step is None:
            return replace(self, make=lambda value: make([value]))
        return replace(self, make=lambda value: make({step: value}))


def _whole(value: Any) -> Any:
    return {**_RESOURCE, **value} if isinstance(value, dict) else value


def validate_defaults(schema: Schema, path: str) -> Errors:
    """What is wrong with the defaults of a whole structural schema."""
    return _node({**schema, "x-kubernetes-embedded-resource": True}, path, _Place(_whole))


def _node(schema: Schema, path: str, place: _Place) -> Errors:
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    if embedded:
        place = _Place(_whole)
    found = _default(schema, child(path, "default"), place) if schema.get("default") is not None else []
    items = schema.get("items")
    if isinstance(items, Mapping):
        found += _node(items, child(path, "items"), place.below(None))
    for name, sub in mapping(schema.get("properties")).items():
        below = place.below(name)
        if embedded and name in _OWN:
            below = replace(below, in_meta=True)
        found += _node(sub, key(child(path, "properties"), name), below)
    return found


def _default(schema: Schema, at: str, place: _Place) -> Errors:
    value = schema["default"]
    if place.in_meta:
        problems = validate_resource(place.make(value), "")
        if problems:
            told = ", ".join(map(str, problems))
            told = f"[{told}]" if len(problems) > 1 else told
            return [invalid(at, go_value(value), f"must result in valid metadata: {told}")]
        return _fits(schema, at)
    found: Errors = []
    if _has_unknown_fields(schema, value):
        found.append(invalid(at, go_value(value), "must not have unknown fields"))
    embedded = compile_embedded(schema)
    if embedded is not None:
        problems = []
        embedded(value, at, problems)
        if problems:
            return found + problems
    return found + _fits(schema, at)


def _has_unknown_fields(schema: Schema, value: Any) -> bool:
    type_ = from_openapi({"type": "object", "properties": {"default": schema}}, top_level=False)
    try:
        return bool(decode(type_, {"default": copied(value)}).unknown)
    except DecodeError:
        return False  # of the wrong type, which its schema says better


def _fits(schema: Schema, at: str) -> Errors:
    problems: list[Problem] = []
    compile_check(schema)(schema["default"], None, problems)
    if problems:
        return [_below(at, problem.error) for problem in problems]
    rules = compile_rules(schema)
    if rules is None:
        return []
    value = schema["default"]
    broken = rules.validate(value, value) or rules.validate(value, None)
    return [_below(at, error) for error in broken]


def _below(at: str, error: FieldError) -> FieldError:
    inside = error.field if error.field not in ("", "<nil>") else ""
    return FieldError(error.reason, f"{at}.{inside}" if inside else at, error.message)
