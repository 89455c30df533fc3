"""What is wrong with a value, and where in the object it stands.

Paths are linked pairs (parent, step), because most are never printed. Values are named, compared and shown as
upstream's ``kube-openapi`` validator does it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from kube_lite.errors import FieldError
from kube_lite.resources import field

Schema = Mapping[str, Any]
Path = tuple[Any, str | int] | None
"""``(parent, step)``: a name or an index below the parent; None is the object itself."""
BLOCKING: Final = frozenset({"FieldValueNotSupported", "FieldValueRequired"})
"""Reasons of errors after which CEL rules are not run (apiextensions-apiserver ``hasBlockingErr``)."""


class MapKey(str):
    """A step into additional properties, where messages show it in brackets, not as a field."""

    __slots__ = ()


class Problem(msgspec.Struct, frozen=True):
    """A broken rule, and where the value that breaks it lies: what ratcheting compares with the old object.

    ``blocking`` marks more errors after which CEL rules are not run: wrong types and sizes, which are told as plain
    invalid values, as v1.20 did.
    """

    at: Path
    error: FieldError
    blocking: bool = False


Check = Callable[[Any, Path, list[Problem]], None]
"""Looks at the value at a path and adds what is wrong with it."""


def steps(path: Path) -> list[str | int]:
    """A path from the root down."""
    found: list[str | int] = []
    while path is not None:
        found.append(path[1])
        path = path[0]
    found.reverse()
    return found


def text(path: Path) -> str:
    """``spec.items[0].name``."""
    out = ""
    for step in steps(path):
        if isinstance(step, int | MapKey):
            out += f"[{step}]"
        else:
            out += f".{step}" if out else step
    return out


def type_name(value: Any) -> str:
    """The JSON type of a value, as upstream names it in messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -(2**63) <= value < 2**63 else "number"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def canonical(value: Any) -> str:
    """JSON text by which values are compared: True is not 1, the order of keys does not matter."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def invalid(path: Path, value: Any, detail: str, *, blocking: bool = False) -> Problem:
    """A value that breaks a rule, in the words of the validator."""
    return Problem(path, field.invalid(text(path), value, f"{text(path)} in body {detail}"), blocking)


_SIZES: Final = {"integer": "int64", "number": "float64"}


def wrong_type(path: Path, value: Any, wanted: str, fmt: str = "") -> Problem:
    """A value of another type than the schema's; what is shown is the name of its type.

    :param fmt: the schema's format: then formats are shown instead, but of texts, lists and nothing
    """
    name = type_name(value)
    if fmt and name not in ("string", "array", "null"):
        name, wanted = _SIZES.get(name, ""), fmt
    given = field.show(name)
    shown = f"Invalid value: {given}: {text(path)} in body must be of type {wanted}: {given}"
    return Problem(path, FieldError("FieldValueInvalid", text(path), shown), blocking=True)


def key_of(schema: Schema) -> Callable[[Any], str] | None:
    """What identifies an item of a list with keys or of a set; None of an atomic list."""
    list_type = schema.get("x-kubernetes-list-type")
    if list_type == "set":
        return canonical
    if list_type != "map":
        return None
    keys: Sequence[str] = schema.get("x-kubernetes-list-map-keys") or ()
    return lambda item: canonical([item.get(k) for k in keys] if isinstance(item, dict) else item)


def go_value(value: Any) -> Any:
    """A decoded JSON value as Go's ``%#v`` prints it in messages; texts and numbers as they are."""
    if isinstance(value, dict):
        inside = ", ".join(f"{field.show(name)}:{_go_literal(value[name])}" for name in sorted(value))
        return field.GoLiteral(f"map[string]interface {{}}{{{inside}}}")
    if isinstance(value, list):
        return field.GoLiteral(f"[]interface {{}}{{{', '.join(_go_literal(item) for item in value)}}}")
    return value


def _go_literal(value: Any) -> str:
    return "interface {}(nil)" if value is None else field.show(go_value(value))


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}
