"""Objects as values of Go's internal types, the way messages print them.

A message that quotes a whole value has Go's ``%#v`` of it, with the internal type's name and fields
(``core.Probe{Handler:core.Handler{...``). The JSON says which fields are set; names, order and pointers are
those of ``go_structs``, which describes the types of v1.20.

    of(type, json) -> Value      a value with all fields of its Go type, set or not
    literal(type, json)          its ``%#v``
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from kube_lite.resources import go_structs, quantity
from kube_lite.resources.field import GoLiteral, show
from kube_lite.resources.schema import (
    BOOLEAN,
    INT_OR_STRING,
    INTEGER,
    LIST,
    MAP,
    OBJECT,
    QUANTITY,
    STRING,
    TIME,
    Type,
)

ADDRESS: Final = "0xc000000000"
"""What stands for the address that Go prints of a pointer within a value."""


@dataclass(slots=True)
class Value:
    """A Go value. ``kind`` is ``struct``, ``slice``, ``map``, ``pointer`` or ``scalar``; ``parts`` are by name,
    position or key, and None for what is nil."""

    kind: str
    go: str
    parts: list[tuple[str, Value]] | None = None
    text: str = ""
    """Of a scalar: as Go prints it."""
    zero: bool = False
    leaf: bool = False
    """Compared as a whole, by a method of its type."""


def package(type_: Type) -> str:
    """The type's name in its internal package: ``core.Container``, ``[]core.EnvVar``."""
    if type_.kind == LIST:
        return f"[]{package(type_.item)}" if type_.item is not None else "[]interface {}"
    if type_.kind == MAP and not type_.go.startswith("map["):
        return "core." + type_.go_struct
    if type_.kind == OBJECT and not type_.definition.startswith("io.k8s.apimachinery"):
        struct = go_structs.RENAMED.get(type_.go_struct, type_.go_struct)
        return f"{type_.definition.split('.')[3]}.{struct}"
    return type_.go.replace("v1.", "core.") if type_.kind == STRING else type_.go


def of(type_: Type, json: Any, *, pointer: bool = False) -> Value:
    """A value of a type, or a pointer to one, from its JSON; None where it is not there."""
    if pointer:
        if json is None:
            return Value("pointer", "*" + package(type_), zero=True)
        inner = of(type_, json)
        return Value("pointer", "*" + package(type_), [("", inner)])
    kind = type_.kind
    if kind == OBJECT:
        return _struct(type_, json or {})
    if kind == LIST:
        parts = None
        if json is not None and type_.item is not None:
            parts = [(str(i), of(type_.item, one)) for i, one in enumerate(json)]
        return Value("slice", package(type_), parts, zero=json is None)
    if kind == MAP:
        parts = None
        if json is not None and type_.item is not None:
            parts = [(key, of(type_.item, json[key])) for key in sorted(json)]
        return Value("map", package(type_), parts, zero=json is None)
    if kind == QUANTITY:
        return _quantity(json)
    if kind == INT_OR_STRING:
        return _int_or_string(json)
    return _scalar(type_, json)


def _struct(type_: Type, json: dict[str, Any]) -> Value:
    parts: list[tuple[str, Value]] = []
    for name, sub in _fields(type_, json):
        parts.append((name, sub))
    return Value("struct", package(type_), parts, zero=all(sub.zero for _, sub in parts))


_HOST: Final = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace")
"""Fields of a pod's spec that the internal type has in its security context."""


def _fields(type_: Type, json: dict[str, Any]) -> Iterator[tuple[str, Value]]:
    """The fields of the internal struct in order, embedded structs as one field."""
    embedded: dict[str, list[tuple[str, Value]]] = {}
    order: list[tuple[str, Value]] = []
    struct = type_.go_struct
    for name in go_structs.internal_order(type_):
        described = type_.fields.get(name)
        if described is None:
            continue
        value = json.get(name)
        path = go_structs.field_path(type_, name)
        if struct == "PodSpec" and name == "securityContext":
            made = _security(type_, json)
        else:
            made = of(described.type, value, pointer=go_structs.is_pointer(type_, described))
        if len(path) == 1 or path[0] == "TypeMeta":
            order.append((path[-1], made))
            continue
        if path[0] not in embedded:
            embedded[path[0]] = []
            order.append((path[0], Value("struct", f"core.{path[0]}", embedded[path[0]])))
        embedded[path[0]].append((path[1], made))
    for name, sub in order:
        if name in embedded:
            sub.zero = all(inner.zero for _, inner in embedded[name])
        yield name, sub


def _security(type_: Type, json: dict[str, Any]) -> Value:
    """The internal security context of a pod, which the host fields are in too."""
    described = type_.fields["securityContext"]
    inner = of(described.type, json.get("securityContext"), pointer=True)
    if inner.parts is None:
        return inner
    held = inner.parts[0][1]
    host = []
    for name in _HOST:
        one = type_.fields[name]
        host.append((go_structs.go_name(name), of(one.type, json.get(name), pointer=name == _HOST[-1])))
    held.parts = host + (held.parts or [])
    held.zero = all(sub.zero for _, sub in held.parts)
    return inner


def _quantity(json: Any) -> Value:
    """A quantity: an amount and its scale, the text, and the family of its suffixes."""
    text = str(json or "")
    if not text:
        return Value("struct", "resource.Quantity", [], zero=True, leaf=True)
    amount, scale, family = _scaled(text)
    parts = [("value", _number(amount, "int64")), ("scale", _number(scale, "resource.Scale"))]
    held = Value("struct", "resource.int64Amount", parts, zero=not amount and not scale)
    shown = Value("scalar", "string", text=show(text))
    return Value(
        "struct",
        "resource.Quantity",
        [
            ("i", held),
            ("d", Value("struct", "resource.infDecAmount", [], zero=True)),
            ("s", shown),
            ("Format", Value("scalar", "resource.Format", text=show(family))),
        ],
        leaf=True,
    )


_SUFFIXES: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def _scaled(text: str) -> tuple[int, int, str]:
    """The digits of a quantity, the power of ten that they are taken by, and the family of its suffixes."""
    parsed = quantity.parse(text)
    if parsed.format is quantity.Format.BINARY_SI:
        return parsed.value, 0, str(parsed.format)
    digits = text.rstrip("numkMGTPE")
    whole, _, fraction = digits.partition(".")
    if not (whole + fraction).lstrip("+-").isdigit():
        return parsed.value, 0, str(parsed.format)
    return int(whole + fraction), _SUFFIXES[text[len(digits) :]] - len(fraction), str(parsed.format)


def _number(value: int, go: str) -> Value:
    return Value("scalar", go, text=str(value), zero=not value)


def _int_or_string(json: Any) -> Value:
    is_text = isinstance(json, str)
    return Value(
        "struct",
        "intstr.IntOrString",
        [
            ("Type", _number(int(is_text), "intstr.Type")),
            ("IntVal", _number(0 if is_text else int(json or 0), "int32")),
            ("StrVal", Value("scalar", "string", text=show(json if is_text else ""), zero=not (is_text and json))),
        ],
        zero=json is None or json == 0,
    )


def _scalar(type_: Type, json: Any) -> Value:
    kind = type_.kind
    if kind == BOOLEAN:
        return Value("scalar", "bool", text="true" if json else "false", zero=not json)
    if kind == INTEGER:
        return _number(int(json or 0), type_.go)
    if kind == TIME:
        return Value("scalar", "v1.Time", text=f"s{show(json)}" if json else "", zero=not json)
    return Value("scalar", package(type_), text=show(json or ""), zero=not json)


# ---- %#v


def literal(type_: Type, json: Any) -> GoLiteral:
    """A value as Go's ``%#v`` prints it; pointers within it are addresses."""
    return GoLiteral(_sharp(of(type_, json)))


def _sharp(value: Value) -> str:
    if value.kind == "scalar":
        return value.text
    if value.kind == "pointer":
        return f"({value.go})({'nil' if value.parts is None else ADDRESS})"
    if value.parts is None:
        return f"{value.go}(nil)"
    if value.kind == "struct":
        return f"{value.go}{{{', '.join(f'{name}:{_sharp(sub)}' for name, sub in value.parts)}}}"
    if value.kind == "map":
        return f"{value.go}{{{', '.join(f'{show(key)}:{_sharp(sub)}' for key, sub in value.parts)}}}"
    return f"{value.go}{{{', '.join(_sharp(sub) for _, sub in value.parts)}}}"
