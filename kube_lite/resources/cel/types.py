"""Types of CEL values: their names, which fits where, and what a structural schema makes of them.

A type knows how large its values can get in one request, so that the cost of an expression can be estimated before
it runs: ``maxLength``, ``maxItems`` and ``maxProperties`` bound it, else the size of a request divided by the
least that an item takes in JSON (``apiserver/pkg/cel/openapi``, ``model/schemas.go``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final

from kube_lite.resources.cel.syntax import RESERVED, escape

REQUEST_BYTES: Final = 3 * 1024 * 1024
"""Bytes of a request at most (apiserver ``MaxRequestBodyBytes``)."""
_BYTES_PER_RUNE: Final = 4
_FORMAT_SIZES: Final = {"date": 10, "date-time": 24, "duration": 30}
"""Characters of a text at most by its format."""


@dataclass(frozen=True, slots=True)
class CelType:
    """A type. ``params`` are those of lists, maps, optionals and types; ``fields`` those of an object.

    ``most`` bounds bytes, items or entries; None where nothing is known. ``least`` is the least that a value takes
    in JSON, in bytes. ``keys`` is set for lists whose order does not count: what tells items apart, nothing in a set.
    """

    name: str
    params: tuple[CelType, ...] = ()
    fields: Mapping[str, CelType] | None = field(default=None, compare=False)
    most: int | None = field(default=None, compare=False)
    least: int = field(default=1, compare=False)
    keys: tuple[str, ...] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        if not self.params:
            return _SHOWN.get(self.name, self.name)
        return f"{self.name}({', '.join(map(str, self.params))})"


_SHOWN: Final = {
    "null_type": "null",
    "google.protobuf.Timestamp": "timestamp",
    "google.protobuf.Duration": "duration",
}
DYN: Final = CelType("dyn")
ERROR: Final = CelType("!error!")
BOOL: Final = CelType("bool", least=4)
INT: Final = CelType("int")
UINT: Final = CelType("uint")
DOUBLE: Final = CelType("double")
STRING: Final = CelType("string", least=2)
BYTES: Final = CelType("bytes", least=2)
NULL: Final = CelType("null_type", least=4)
TIMESTAMP: Final = CelType("google.protobuf.Timestamp", least=20)
DURATION: Final = CelType("google.protobuf.Duration", least=2)
TYPE: Final = CelType("type")
INT_OR_STRING: Final = CelType("dyn", least=1)
QUALIFIED_TYPES: Final = (
    *("google.protobuf.Timestamp", "google.protobuf.Duration"),
    *("net.IP", "net.CIDR", "kubernetes.URL", "kubernetes.Quantity", "kubernetes.Semver"),
)
"""Names of types that are written with dots."""
NUMBERS: Final = frozenset({"int", "uint", "double"})


def list_of(item: CelType, most: int | None = None) -> CelType:
    """A list."""
    return CelType("list", (item,), most=most, least=2)


def map_of(key: CelType, value: CelType, most: int | None = None) -> CelType:
    """A map."""
    return CelType("map", (key, value), most=most, least=2)


def object_of(name: str, fields: Mapping[str, CelType]) -> CelType:
    """An object with known fields, of which none must be there."""
    return CelType(name, fields=fields, least=2)


def optional_of(value: CelType) -> CelType:
    """A value that may be absent."""
    return CelType("optional_type", (value,))


def unify(wanted: CelType, given: CelType, known: dict[str, CelType]) -> bool:
    """Whether a value of one type fits where another is wanted; single capitals stand for types still open."""
    if len(wanted.name) == 1 and wanted.name.isupper():
        before = known.get(wanted.name)
        if before is None or before.name == "dyn":
            known[wanted.name] = given
            return True
        return unify(before, given, known)
    if "dyn" in (wanted.name, given.name) or ERROR in (wanted, given):
        return True
    if given.name == "null_type" and (wanted.fields is not None or wanted.name == "optional_type"):
        return True
    if wanted.name != given.name:
        return False
    if not wanted.params or not given.params:  # a type without parameters is that of any, as in type(x) == list
        return True
    if len(wanted.params) != len(given.params):
        return False
    return all(unify(a, b, known) for a, b in zip(wanted.params, given.params, strict=True))


def filled(type_: CelType, known: Mapping[str, CelType]) -> CelType:
    """A result type with its open types put in."""
    if len(type_.name) == 1 and type_.name.isupper():
        return known.get(type_.name, DYN)
    if not type_.params:
        return type_
    return replace(type_, params=tuple(filled(p, known) for p in type_.params))


@cache
def read(text: str) -> CelType:
    """A type from its text: ``list(map(string, A))``."""
    text = text.strip()
    name, bracket, rest = text.partition("(")
    if not bracket:
        return _NAMED.get(name) or CelType(name)
    params: list[str] = [""]
    depth = 0
    for character in rest[:-1]:
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            params.append("")
        else:
            params[-1] += character
    return CelType(name, tuple(read(p) for p in params))


_NAMED: Final = {
    **{t.name: t for t in (DYN, BOOL, INT, UINT, DOUBLE, STRING, BYTES, NULL, TYPE)},
    "timestamp": TIMESTAMP,
    "duration": DURATION,
}


# ---- from a structural schema


def of_schema(schema: Mapping[str, Any], *, root: bool = False) -> CelType | None:
    """The type of a schema's values; None where expressions cannot see them (unknown fields).

    :param root: whether it is a whole object, whose apiVersion, kind and metadata can always be read
    """
    made = _of_schema(schema, root or bool(schema.get("x-kubernetes-embedded-resource")))
    if made is not None and schema.get("nullable"):
        return replace(made, least=min(made.least, 4))
    return made


def _of_schema(schema: Mapping[str, Any], whole: bool) -> CelType | None:
    if schema.get("x-kubernetes-int-or-string"):
        longest = schema.get("maxLength")
        return replace(INT_OR_STRING, most=REQUEST_BYTES - 2 if longest is None else longest * _BYTES_PER_RUNE)
    kind = schema.get("type")
    if kind == "array":
        return _list(schema)
    if kind == "object":
        return _object(schema, whole)
    if kind == "string":
        return _string(schema)
    return {"boolean": BOOL, "number": DOUBLE, "integer": INT}.get(str(kind))


def _string(schema: Mapping[str, Any]) -> CelType:
    longest, fmt = schema.get("maxLength"), str(schema.get("format") or "")
    if schema.get("enum"):
        return replace(STRING, most=max(len(str(choice).encode()) for choice in schema["enum"]))
    if fmt in ("date", "date-time"):
        return replace(TIMESTAMP, most=_FORMAT_SIZES[fmt])
    if fmt == "duration":
        return replace(DURATION, most=_FORMAT_SIZES[fmt])
    if fmt == "byte":
        return replace(BYTES, most=REQUEST_BYTES - 2 if longest is None else longest)
    return replace(STRING, most=REQUEST_BYTES - 2 if longest is None else longest * _BYTES_PER_RUNE)


def _list(schema: Mapping[str, Any]) -> CelType | None:
    items = schema.get("items")
    item = of_schema(items) if isinstance(items, Mapping) else None
    if item is None:
        return None
    most = schema.get("maxItems")
    made = list_of(item, (REQUEST_BYTES - 2) // (item.least + 1) if most is None else most)
    list_type, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or ()
    if list_type not in ("set", "map"):
        return made
    return replace(made, keys=tuple(escape(name) or name for name in keys) if list_type == "map" else ())


def _object(schema: Mapping[str, Any], whole: bool) -> CelType | None:
    additional = schema.get("additionalProperties")
    if isinstance(additional, Mapping):
        value = of_schema(additional)
        if value is None:
            return None
        most = schema.get("maxProperties")
        least = value.least + 6  # quotes, colon, comma and one character of a key
        return map_of(STRING, value, (REQUEST_BYTES - 2) // least if most is None else most)
    fields: dict[str, CelType] = {}
    least = 2
    required = schema.get("required") or ()
    for name, sub in (schema.get("properties") or {}).items():
        type_ = of_schema(sub)
        seen = escape(name)
        if type_ is None or seen is None:
            continue
        fields[seen] = type_
        if name in RESERVED:
            fields[name] = type_  # where the grammar takes it as it is
        if name in required and "default" not in sub:
            least += len(name) + type_.least + 4
    if whole:
        fields |= {"apiVersion": STRING, "kind": STRING, "metadata": METADATA}
    return CelType("object", fields=fields, least=least)


METADATA: Final = object_of("object", {"name": replace(STRING, most=1012), "generateName": replace(STRING, most=1012)})
"""What a custom resource's rules see of metadata: its name (253 characters) and what it was made from."""


# ---- from data


def of_value(value: Any) -> CelType:
    """The type of a value with the sizes that it has; items and entries are bounded by the largest."""
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int | float):
        return INT if isinstance(value, int) else DOUBLE
    if isinstance(value, str | bytes):
        return replace(STRING, most=len(value))
    if isinstance(value, list):
        return list_of(_largest(value), len(value))
    if isinstance(value, dict):
        fields = {str(key): of_value(item) for key, item in value.items()}
        return replace(map_of(STRING, _joined(list(fields.values())), len(value)), fields=fields)
    return DYN


def _largest(values: list[Any]) -> CelType:
    return _joined([of_value(value) for value in values])


def _joined(types: list[CelType]) -> CelType:
    """A type that has room for values of all these."""
    if not types:
        return DYN
    if len({t.name for t in types}) > 1:
        return replace(DYN, most=max(t.most or 1 for t in types))
    most = None if all(t.most is None for t in types) else max(t.most or 0 for t in types)
    first = types[0]
    params = tuple(_joined([t.params[i] for t in types]) for i in range(len(first.params)))
    fields: dict[str, CelType] | None = None
    if first.name == "map":
        names = {name for t in types for name in t.fields or ()}
        fields = {name: _joined([t.fields[name] for t in types if t.fields and name in t.fields]) for name in names}
    return replace(first, params=params, fields=fields, most=most)
