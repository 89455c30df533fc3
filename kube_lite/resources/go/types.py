"""Go's view of an object: the types whose values messages print, and how ``%#v`` prints them.

Upstream puts the value it refuses into its message, and where that is a struct or a list, prints it as Go source
(package ``fmt``). Which fields there are, and in which order, is data: ``data/go-types.txt``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from kube_lite.resources import quantity
from kube_lite.resources.field import GoLiteral

ADDRESS = "0xc000000000"
"""Stands for what a pointer points at, which differs from run to run."""
QUANTITY, TIME, INT_OR_STRING = "resource.Quantity", "v1.Time", "intstr.IntOrString"
_LEADING_CAPITALS = re.compile(r"[A-Z]+")
_AMOUNT = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([numkMGTPE]?|[eE][+-]?[0-9]+)")
_SCALES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BASIC = frozenset({"string", "bool", "int32", "int64"})


class GoField(msgspec.Struct, frozen=True):
    """A field of a struct; ``json`` is ``.`` where its fields are those of the object around it."""

    name: str
    type: str
    json: str


class GoTypes(msgspec.Struct, frozen=True):
    """Structs by name, and the types that other names stand for."""

    structs: Mapping[str, tuple[GoField, ...]]
    names: Mapping[str, str]


def _json_name(name: str) -> str:
    """``HTTPGet`` as ``httpGet``, ``TTY`` as ``tty``."""
    capitals = _LEADING_CAPITALS.match(name)
    count = len(capitals[0]) if capitals else 0
    count = count if count == len(name) or count == 1 else count - 1
    return name[:count].lower() + name[count:]


@cache
def go_types() -> GoTypes:
    """The table, read once."""
    structs: dict[str, list[GoField]] = {}
    names: dict[str, str] = {}
    text = files("kube_lite.resources").joinpath("data/go-types.txt").read_text(encoding="utf-8")
    current: list[GoField] = []
    for line in text.splitlines():
        words = line.split()
        if line.startswith("#") or not words:
            continue
        if line.startswith(" "):
            current.append(GoField(words[0], words[1], words[2] if len(words) > 2 else _json_name(words[0])))
        elif len(words) == 3:
            names[words[0]] = words[2]
        else:
            current = structs.setdefault(words[0], [])
    return GoTypes({name: tuple(fields) for name, fields in structs.items()}, names)


def underlying(type_: str) -> str:
    """What a named type is: ``[]T``, ``map[K]T``, ``*T``, a basic type, a struct's own name; else ``string``."""
    type_ = go_types().names.get(type_, type_)
    if type_[0] in "[*" or type_.startswith("map[") or type_ in _BASIC or type_ in go_types().structs:
        return type_
    return type_ if type_ in (QUANTITY, TIME, INT_OR_STRING) else "string"


def element(type_: str) -> str:
    """The type of a list's or map's values, or what a pointer points at."""
    kind = underlying(type_)
    return kind[1:] if kind[0] == "*" else kind.partition("]")[2]


def member(struct: str, field: GoField, value: Mapping[str, Any]) -> Any:
    """The JSON value of a field, None where it is not set."""
    if field.json == ".":
        return value
    found = value.get(field.json)
    if struct == "core.PodSpec" and field.json == "securityContext":
        # Go keeps the host's namespaces in the security context.
        shared = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace")
        return {**(found or {}), **{name: value[name] for name in shared if name in value}}
    return found


def is_zero(type_: str, value: Any) -> bool:
    """Whether Go has nothing but zeros there."""
    kind = underlying(type_)
    if kind in go_types().structs:
        given = value or {}
        return all(is_zero(field.type, member(kind, field, given)) for field in go_types().structs[kind])
    return value is None if kind[0] in "*[m" else not value


def go_quote(text: str) -> str:
    """A string as Go quotes it (``strconv.Quote``), as far as it differs from JSON: what cannot be printed."""
    quoted = json.dumps(text, ensure_ascii=False)
    return re.sub(r"\\u00([01][0-9a-f])", _go_escape, quoted).replace("\x7f", "\\x7f")


def _go_escape(found: re.Match[str]) -> str:
    return {"07": "\\a", "0b": "\\v"}.get(found[1], f"\\x{found[1]}")


def amount_parts(text: str) -> tuple[int, int, str, str]:
    """Value and decimal scale of a quantity, the spelling Go keeps, and the family."""
    parsed = quantity.parse(text)
    found = _AMOUNT.fullmatch(text)
    kept = parsed.text if parsed else text
    if found is None or parsed.format is quantity.Format.BINARY_SI:
        return parsed.value, 0, kept, str(parsed.format)
    sign, whole, fraction, suffix = found.groups("")
    scale = _SCALES[suffix] if suffix in _SCALES else int(suffix[1:])
    return int(f"{sign}{whole}{fraction}"), scale - len(fraction), kept, str(parsed.format)


def go_value(type_: str, value: Any) -> GoLiteral:
    """A JSON value of the Go type, as ``%#v`` prints it."""
    return GoLiteral(_printed(type_, value))


def _printed(type_: str, value: Any) -> str:
    kind = underlying(type_)
    if kind[0] == "*":
        return f"({type_})(nil)" if value is None else f"({type_})({ADDRESS})"
    if kind[0] == "[" or kind.startswith("map["):
        if value is None:
            return f"{type_}(nil)"
        if kind[0] == "[":
            return f"{type_}{{{', '.join(_printed(element(kind), item) for item in value)}}}"
        pairs = (f"{go_quote(name)}:{_printed(element(kind), value[name])}" for name in sorted(value))
        return f"{type_}{{{', '.join(pairs)}}}"
    if (fields := go_types().structs.get(kind)) is not None:
        given = value or {}
        shown = (f"{field.name}:{_printed(field.type, member(kind, field, given))}" for field in fields)
        return f"{type_}{{{', '.join(shown)}}}"
    return _printed_leaf(kind, value)


def _printed_leaf(kind: str, value: Any) -> str:
    if kind == QUANTITY:
        amount, scale, text, family = amount_parts(value or "0")
        inside = (
            f"i:resource.int64Amount{{value:{amount}, scale:{scale}}}, d:resource.infDecAmount{{Dec:(*inf.Dec)(nil)}}"
        )
        return f'{QUANTITY}{{{inside}, s:"{text}", Format:"{family}"}}'
    if kind == INT_OR_STRING:
        if isinstance(value, str):
            return f"{INT_OR_STRING}{{Type:1, IntVal:0, StrVal:{go_quote(value)}}}"
        return f'{INT_OR_STRING}{{Type:0, IntVal:{value or 0}, StrVal:""}}'
    if kind == TIME:
        # A set time holds the moment in a form that depends on the clock it was read from.
        return f"{TIME}{{Time:time.Time{{wall:0x0, ext:0, loc:(*time.Location)(nil)}}}}"
    if kind == "bool":
        return "true" if value else "false"
    return str(value or 0) if kind in _BASIC - {"string"} else go_quote(value or "")


def go_bytes(raw: bytes, name: str = "[]byte") -> GoLiteral:
    """Bytes as ``%#v`` prints them."""
    return GoLiteral(f"{name}{{{', '.join(f'0x{byte:x}' for byte in raw)}}}")


def go_quantity(text: str) -> GoLiteral:
    """A quantity as ``%#v`` prints it."""
    return go_value(QUANTITY, text)
