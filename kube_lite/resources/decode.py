"""From the JSON that a client sent to the object that is stored, the way upstream's decoder does it.

One walk over the decoded JSON, changing it in place (the caller hands it over): nulls and unknown fields go,
so do the zeros that Go does not print, quantities and times become canonical, and a value of the wrong type is
refused with Go's message. The fast walk only notes that something is unknown or wrong; a second, slow walk
then finds where. :func:`complete` is the other half: what Go prints although nobody set it.

    decode(type, obj)   -> DecodeResult; raises DecodeError
    prune(type, obj)    drop unknown fields of a custom resource, in place
    complete(type, obj) add the fields that are always printed, in place, just before storing
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from kube_lite.resources.quantity import parse as parse_quantity
from kube_lite.resources.schema import (
    ANY,
    BOOLEAN,
    BYTES,
    INT_OR_STRING,
    INTEGER,
    LIST,
    MAP,
    MICRO_TIME,
    NUMBER,
    OBJECT,
    QUANTITY,
    STRING,
    TIME,
    Type,
)
from kube_lite.resources.times import canonical, canonical_micro

MAX_STRICT_ERRORS = 100
"""How many strict errors are listed; upstream's decoder stops there too."""

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1


class DecodeError(ValueError):
    """The JSON does not fit the type; the text is that of upstream's decoder, without its preamble."""


class _Wrong(Exception):
    """The fast walk met a value of the wrong type; the slow one says which."""


@dataclass(slots=True)
class DecodeResult:
    """The object, and the paths of the unknown fields that were dropped (``spec.containers[0].foo``)."""

    obj: dict[str, Any]
    unknown: list[str] = field(default_factory=list)

    @property
    def strict_errors(self) -> list[str]:
        """The forms used under ``fieldValidation``: ``unknown field "spec.foo"``."""
        return [f'unknown field "{path}"' for path in self.unknown]


class _Walk:
    __slots__ = ("drops", "unknown")

    def __init__(self) -> None:
        self.drops: list[tuple[dict[str, Any], str]] = []
        self.unknown = False


def decode(type_: Type, obj: Any) -> DecodeResult:
    """Make ``obj``, fresh from a JSON parser, canonical in place.

    :raises DecodeError: a value has the wrong type; ``obj`` is then half changed and of no more use
    """
    walk = _Walk()
    try:
        if type(obj) is not dict:
            raise _Wrong
        _object(type_, obj, walk)
    except _Wrong:
        raise DecodeError(_first_problem(type_, obj)) from None
    unknown = list(_unknown_paths(type_, obj, "")) if walk.unknown else []
    for owner, key in walk.drops:
        owner.pop(key, None)
    return DecodeResult(obj, unknown)


def _object(type_: Type, obj: dict[str, Any], walk: _Walk) -> None:
    plan = type_.plan
    drops = walk.drops
    for key, value in obj.items():
        step = plan.get(key)
        if step is None:
            _unknown(type_, obj, key, value, walk)
            continue
        kind, drop_empty, below = step
        if kind == STRING:
            if type(value) is str:
                if drop_empty and not value:
                    drops.append((obj, key))
                continue
            if value is None:
                drops.append((obj, key))
                continue
            if below.custom:
                continue
            raise _Wrong
        if value is None:
            if not below.custom:
                drops.append((obj, key))
            continue
        if drop_empty and not value and value is not False and type(value) in _EMPTIES[kind]:
            drops.append((obj, key))
        elif kind == OBJECT:
            if type(value) is dict:
                _object(below, value, walk)
            elif not below.custom:
                raise _Wrong
        elif kind == LIST:
            if type(value) is list:
                _list(below, value, walk)
            elif not below.custom:
                raise _Wrong
        elif kind == MAP:
            if type(value) is dict:
                _map(below, value, walk)
            elif not below.custom:
                raise _Wrong
        elif kind == BOOLEAN:
            if value is False:
                if drop_empty:
                    drops.append((obj, key))
            elif value is not True and not below.custom:
                raise _Wrong
        elif kind != ANY:
            new = _scalar(below, value)
            if new is not value:
                obj[key] = new


_EMPTIES: dict[int, tuple[type, ...]] = {
    LIST: (list,),
    MAP: (dict,),
    BYTES: (str,),
    INTEGER: (int,),
    NUMBER: (int, float),
    BOOLEAN: (),
}


def _unknown(type_: Type, obj: dict[str, Any], key: str, value: Any, walk: _Walk) -> None:
    """A key that the type does not name: an additional property, kept as it is, or dropped."""
    if type_.preserve:
        return
    item = type_.item
    if item is not None:  # only custom types have fields and additional properties at once
        _item(item, value, walk)
        return
    walk.unknown = True
    walk.drops.append((obj, key))


def _list(type_: Type, values: list[Any], walk: _Walk) -> None:
    item = type_.item
    assert item is not None
    kind = item.kind
    if kind == ANY:
        return
    custom = item.custom
    for position, value in enumerate(values):
        if kind == OBJECT and type(value) is dict:
            _object(item, value, walk)
        elif kind == STRING and type(value) is str:
            continue
        elif value is None and not custom:
            values[position] = _zero(item)
        else:
            new = _item(item, value, walk)
            if new is not value:
                values[position] = new


def _map(type_: Type, values: dict[str, Any], walk: _Walk) -> None:
    item = type_.item
    assert item is not None
    kind = item.kind
    if kind == ANY:
        return
    custom = item.custom
    for key, value in values.items():
        if kind == STRING and type(value) is str:
            continue
        if value is None and not custom:
            values[key] = _zero(item)
        else:
            new = _item(item, value, walk)
            if new is not value:
                values[key] = new


def _item(type_: Type, value: Any, walk: _Walk) -> Any:
    """One value of a list or map."""
    kind = type_.kind
    if kind == ANY:
        return value
    if kind in (OBJECT, MAP):
        if type(value) is dict:
            (_object if kind == OBJECT else _map)(type_, value, walk)
            return value
    elif kind == LIST:
        if type(value) is list:
            _list(type_, value, walk)
            return value
    elif kind == STRING:
        if type(value) is str:
            return value
    elif kind == BOOLEAN:
        if type(value) is bool:
            return value
    else:
        return _scalar(type_, value)
    if type_.custom:
        return value
    raise _Wrong


def _zero(type_: Type) -> Any:
    """What Go makes of null inside a list or a map."""
    kind = type_.kind
    if kind == OBJECT:
        return {}
    if kind in (INTEGER, NUMBER, INT_OR_STRING):
        return 0
    return {STRING: "", BYTES: "", BOOLEAN: False, QUANTITY: "0"}.get(kind)


@lru_cache(maxsize=8192)
def _canonical_quantity(text: str | int | float) -> str:
    return str(parse_quantity(text))


def _scalar(type_: Type, value: Any) -> Any:
    """The canonical form of a scalar other than a string or boolean. :raises _Wrong: it is none"""
    kind = type_.kind
    given = type(value)
    if type_.custom:
        return value
    if kind == INTEGER:
        limit = INT64_MAX if type_.int64 else INT32_MAX
        if given is int and -limit - 1 <= value <= limit:
            return value
        raise _Wrong
    if kind == INT_OR_STRING:
        if given is str or (given is int and -INT32_MAX - 1 <= value <= INT32_MAX):
            return value
        raise _Wrong
    if kind == NUMBER:
        if given is int or given is float:
            return value
        raise _Wrong
    try:
        if kind == QUANTITY and given in (str, int, float):
            return _canonical_quantity(value)
        if kind == TIME and given is str:
            return canonical(value)
        if kind == MICRO_TIME and given is str:
            return canonical_micro(value)
        if kind == BYTES and given is str:
            return _base64(value)
    except ValueError:
        raise _Wrong from None
    raise _Wrong


def _base64(text: str) -> str:
    """The text again when it is standard base64; line breaks are allowed and removed. :raises ValueError"""
    if "\n" in text or "\r" in text:
        text = text.replace("\n", "").replace("\r", "")
    if len(text) % 4:
        raise ValueError(f"illegal base64 data at input byte {_first_illegal(text)}")
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError(f"illegal base64 data at input byte {_first_illegal(text)}") from None
    return text


_BASE64_RUN = re.compile(r"[A-Za-z0-9+/]*")


def _first_illegal(text: str) -> int:
    """Where Go's decoder gives up on text that is not base64."""
    match = _BASE64_RUN.match(text)
    end = match.end() if match else 0
    if end == len(text):
        return end - end % 4 if end % 4 else end
    return end


# ---- the slow walk: where is it


def _json_name(value: Any) -> str:
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "array" if isinstance(value, list) else "object"


def _first_problem(type_: Type, obj: Any) -> str:
    if not isinstance(obj, dict):
        return f"json: cannot unmarshal {_json_name(obj)} into Go value of type {type_.go}"
    return next(_problems(type_, obj, type_.go_struct, ""), "json: cannot unmarshal the object")


def _problems(type_: Type, value: Any, struct: str, path: str) -> Iterator[str]:
    """Messages for each value of the wrong type, in document order.

    :param struct: the Go struct that holds the field, ``path`` the names from the root to it, without indices
    """
    if value is None or (type_.custom and type_.kind not in (OBJECT, MAP, LIST)):
        return
    kind = type_.kind
    if kind == OBJECT and isinstance(value, dict):
        for key, sub in value.items():
            below = type_.fields.get(key)
            if below is not None:
                yield from _problems(below.type, sub, type_.go_struct, f"{path}.{key}" if path else key)
            elif type_.item is not None:
                yield from _problems(type_.item, sub, struct, path)
    elif (kind == LIST and isinstance(value, list)) or (kind == MAP and isinstance(value, dict)):
        assert type_.item is not None
        for sub in value if isinstance(value, list) else value.values():
            yield from _problems(type_.item, sub, struct, path)
    elif kind != ANY and not type_.custom:
        problem = _problem(type_, value, f"{struct}.{path}")
        if problem:
            yield problem


def _problem(type_: Type, value: Any, where: str) -> str:
    """What is wrong with one value, or ''."""
    kind = type_.kind
    name = _json_name(value)
    wrong = f"json: cannot unmarshal {name} into Go struct field {where} of type {type_.go}"
    if kind in (OBJECT, LIST, MAP):
        return wrong
    if kind == STRING:
        return "" if isinstance(value, str) else wrong
    if kind == BOOLEAN:
        return "" if isinstance(value, bool) else wrong
    if kind == NUMBER:
        return "" if name == "number" else wrong
    if kind == INTEGER and name == "number":
        limit = INT64_MAX if type_.int64 else INT32_MAX
        fits = isinstance(value, int) and -limit - 1 <= value <= limit
        return "" if fits else wrong.replace("number", f"number {value}", 1)
    if kind == INTEGER:
        return wrong
    return _problem_of_text(type_, value, name)


def _problem_of_text(type_: Type, value: Any, name: str) -> str:
    """The same for types that parse their own text; their messages name no field."""
    kind = type_.kind
    try:
        if kind == INT_OR_STRING:
            if name == "number" and not (isinstance(value, int) and abs(value) <= INT32_MAX):
                return f"json: cannot unmarshal number {value} into Go value of type int32"
            return "" if name in ("number", "string") else f"json: cannot unmarshal {name} into Go value of type int32"
        if kind == QUANTITY:
            _canonical_quantity(value if name in ("string", "number") and not isinstance(value, bool) else name + "?")
        elif not isinstance(value, str):
            return f"json: cannot unmarshal {name} into Go value of type string"
        elif kind == TIME:
            canonical(value)
        elif kind == MICRO_TIME:
            canonical_micro(value)
        else:
            _base64(value)
    except ValueError as error:
        return str(error)
    return ""


def _unknown_paths(type_: Type, value: Any, path: str) -> Iterator[str]:
    kind = type_.kind
    item = type_.item
    if kind == OBJECT and isinstance(value, dict):
        for key, sub in value.items():
            below = type_.fields.get(key)
            where = f"{path}.{key}" if path else key
            if below is not None:
                yield from _unknown_paths(below.type, sub, where)
            elif item is not None:
                yield from _unknown_paths(item, sub, where)
            elif not type_.preserve:
                yield where
    elif kind == LIST and isinstance(value, list) and item is not None:
        for position, sub in enumerate(value):
            yield from _unknown_paths(item, sub, f"{path}[{position}]")
    elif kind == MAP and isinstance(value, dict) and item is not None:
        for key, sub in value.items():
            yield from _unknown_paths(item, sub, f"{path}.{key}" if path else key)


def prune(type_: Type, obj: dict[str, Any]) -> list[str]:
    """Drop what a custom resource's schema does not name, in place; the paths that were dropped."""
    return decode(type_, obj).unknown


# ---- what is printed although it was never set


def complete(type_: Type, obj: dict[str, Any], *, nulls: bool = True) -> None:
    """Add the fields that upstream always prints: ``status: {}``, ``numberReady: 0``, ``rules: null``.

    :param nulls: whether to add nulls too; not while hooks are still to see the object, only before storing
    """
    if type_.completes:
        _complete(type_, obj, nulls)


_ZERO_OF = {STRING: "", INTEGER: 0, NUMBER: 0, BOOLEAN: False, QUANTITY: "0"}


def _additions(type_: Type) -> tuple[list[tuple[str, int]], list[tuple[str, Type]]]:
    fields = type_.fields.values()
    add = [(f.name, ANY if f.nullable else f.type.kind) for f in fields if f.always]
    below = [(f.name, f.type) for f in fields if f.type.completes or (f.type.item and f.type.item.completes)]
    type_.additions = (add, below)
    return type_.additions


def _complete(type_: Type, obj: dict[str, Any], nulls: bool) -> None:
    add, below = type_.additions or _additions(type_)
    for name, kind in add:
        if name not in obj:
            zero = {} if kind == OBJECT else _ZERO_OF.get(kind)
            if nulls or zero is not None:
                obj[name] = zero
    for name, sub in below:
        value = obj.get(name)
        if value is None:
            continue
        if sub.kind == OBJECT:
            _complete(sub, value, nulls)
        elif value:
            item = sub.item
            if item is not None and item.kind == OBJECT:
                for one in value if sub.kind == LIST else value.values():
                    _complete(item, one, nulls)
