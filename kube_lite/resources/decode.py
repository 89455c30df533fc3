"""From the JSON that a client sent to the object that is stored, the way upstream's decoder does it.

One walk over the decoded JSON, changing it in place (the caller hands it over): nulls and unknown fields go,
so do the zeros that Go does not print, quantities and times become canonical, and a value of the wrong type is
refused with Go's message. The fast walk only notes that something is unknown or wrong; a second, slow walk
then finds where. :func:`complete` is the other half: what Go prints although nobody set it.

    decode(type, obj)   -> DecodeResult; raises DecodeError
    complete(type, obj) add the fields that are always printed, in place, just before storing
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from kube_lite.resources.decode_complaints import first_problem, subschema_problem, told_by_go, unknown_paths
from kube_lite.resources.scalars import INT32_MAX, INT64_MAX, canonical_base64, canonical_quantity
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
from kube_lite.resources.sent import remember
from kube_lite.resources.times import canonical, canonical_micro

_encode_sorted = msgspec.json.Encoder(order="sorted").encode

MAX_STRICT_ERRORS = 100
"""How many strict errors are listed; upstream's decoder stops there too."""


class DecodeError(ValueError):
    """The JSON does not fit the type; the text is that of upstream's decoder, without its preamble."""


class _Wrong(Exception):
    """The fast walk met a value of the wrong type; the slow one says which."""


class DecodeResult(msgspec.Struct):
    """The object, and the paths of the unknown fields that were dropped (``spec.containers[0].foo``)."""

    obj: dict[str, Any]
    unknown: list[str] = msgspec.field(default_factory=list)

    @property
    def strict_errors(self) -> list[str]:
        """The forms used under ``fieldValidation``: ``unknown field "spec.foo"``."""
        return [f'unknown field "{path}"' for path in self.unknown]


class _Walk:
    __slots__ = ("drops", "unknown")

    def __init__(self) -> None:
        self.drops: list[tuple[dict[str, Any], str]] = []
        self.unknown = False


def decode(type_: Type, obj: Any, text: Callable[[], bytes] | None = None) -> DecodeResult:
    """Make ``obj``, fresh from a JSON parser, canonical in place.

    :param text: gives the JSON that ``obj`` was read from; errors then quote it as upstream's decoder does
    :raises DecodeError: a value has the wrong type; ``obj`` is then half changed and of no more use
    """
    walk = _Walk()
    try:
        if type(obj) is not dict:
            raise _Wrong
        _object(type_, obj, walk)
    except _Wrong:
        told = told_by_go(type_, text()) if text is not None else ""
        if not told and type_.custom and type(obj) is dict:
            # of a custom resource upstream decodes the metadata alone, from JSON of its own
            told = told_by_go(type_.fields["metadata"].type, _encode_sorted(obj.get("metadata")))
        raise DecodeError(told or first_problem(type_, obj)) from None
    unknown = unknown_paths(type_, obj)[:MAX_STRICT_ERRORS] if walk.unknown else []
    empties: list[tuple[dict[str, Any], str, Any]] = []
    for owner, key in walk.drops:
        value = owner.pop(key, None)
        if type(value) in (dict, list):
            empties.append((owner, key, value))
    remember(type_, obj, empties)
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
            if below.custom:
                continue
            if value is not None:
                raise _Wrong
            drops.append((obj, key))
            continue
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
        elif below.subschema and subschema_problem(below, value):
            raise _Wrong


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
            return canonical_quantity(value)
        if kind == TIME and given is str:
            return canonical(value)
        if kind == MICRO_TIME and given is str:
            return canonical_micro(value)
        if kind == BYTES and given is str:
            return canonical_base64(value)
    except ValueError:
        raise _Wrong from None
    raise _Wrong


# ---- what is printed although it was never set


def complete(
    type_: Type,
    obj: dict[str, Any],
    *,
    nulls: bool = True,
    stored: bool = True,
    added: Added | None = None,
    but: str = "",
) -> None:
    """Add the fields that upstream always prints: ``status: {}``, ``numberReady: 0``, ``rules: null``.

    :param nulls: whether to add nulls too; not while hooks are still to see the object, only before storing
    :param stored: whether empty lists become null too, as what is stored has them; their owners are told apart
    :param added: is told of the nulls that were added, so that they can be taken away again
    :param but: a field of the whole object that is known to be complete
    """
    if type_.completes:
        _complete(type_, obj, nulls, nulls and stored, added, but)


Added = list[tuple[dict[str, Any], str]]
"""Where nulls were added: objects and the names of their fields."""


_ZERO_OF = {STRING: "", INTEGER: 0, NUMBER: 0, BOOLEAN: False, QUANTITY: "0"}


def _additions(type_: Type) -> tuple[list[tuple[str, int]], list[tuple[str, Type]]]:
    fields = type_.fields.values()
    add = [(f.name, ANY if f.nullable else f.type.kind) for f in fields if f.always]
    below = [(f.name, f.type) for f in fields if f.type.completes or (f.type.item and f.type.item.completes)]
    type_.additions = (add, below)
    return type_.additions


def _complete(type_: Type, obj: dict[str, Any], nulls: bool, stored: bool, added: Added | None, but: str = "") -> None:
    add, below = type_.additions or _additions(type_)
    for name, kind in add:
        if name not in obj:
            zero = {} if kind == OBJECT else _ZERO_OF.get(kind)
            if zero is not None:
                obj[name] = zero
            elif nulls:
                obj[name] = None
                if added is not None:
                    added.append((obj, name))
        elif stored and kind == LIST and not obj[name]:
            obj[name] = None
    for name, sub in below:
        value = obj.get(name)
        if value is None or name == but:
            continue
        if sub.kind == OBJECT:
            _complete(sub, value, nulls, stored, added)
        elif value:
            item = sub.item
            if item is not None and item.kind == OBJECT:
                for one in value if sub.kind == LIST else value.values():
                    _complete(item, one, nulls, stored, added)
