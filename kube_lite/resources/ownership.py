"""What a write owns, read off objects with their type, as upstream's structured-merge-diff does it.

Scalars, atomic lists and atomic maps are leaves, the rest is entered.

    whole(type, value)             every field below, each inner map and list too ('.')
    initial(type, obj)             what a create sets, against the empty object of its Go type
    changes(type, old, new)        what an update sets, and what it removes
    applied(type, config)          what an applied configuration names
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec

from kube_lite.resources.fieldset import IN, SELF, Node, in_order
from kube_lite.resources.remembered import LONGEST
from kube_lite.resources.schema import ANY, LIST, MAP, OBJECT, Field, Type

DEDUCED: Final = Type(ANY)
"""What a custom resource holds where its schema says nothing: maps are entered, lists are atomic."""
DEDUCED.custom = True

UNTRACKED: Final = frozenset(
    ("name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion")
)
"""Metadata that nobody owns, since the server sets it."""

LONGEST_SPEC: Final = 16 * 1024
"""Bytes of a spec whose fields are remembered: a few hundred larger ones would fill the memory."""

_encode: Final = msgspec.json.Encoder(order="sorted").encode
_encode_quickly: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


# ---- names of list items


@lru_cache(maxsize=8192)
def _key_step(keys: tuple[str, ...], values: tuple[Any, ...]) -> str:
    named = {key: value for key, value in zip(keys, values, strict=True) if value is not None}
    return "k:" + _encode(named).decode()


@lru_cache(maxsize=8192)
def _value_step(kind: str, value: Any) -> str:
    return "v:" + _encode(value).decode()


def item_step(type_: Type, item: Any, position: int) -> str:
    """The step to an item of a list that is not atomic; by position where it has no usable key."""
    if type_.list_type == "map":
        if type(item) is dict:
            defaults = type_.key_defaults
            values = tuple([item.get(key, defaults.get(key)) for key in type_.keys])
            try:
                if any(value is not None for value in values):
                    if any(type(value) is str and len(value) > LONGEST for value in values):
                        return _key_step.__wrapped__(type_.keys, values)
                    return _key_step(type_.keys, values)
            except TypeError:  # a key that is a list or map
                pass
        return f"i:{position}"
    try:
        if type(item) is str and len(item) > LONGEST:
            return _value_step.__wrapped__("str", item)
        return _value_step(type(item).__name__, item)
    except TypeError:
        return "v:" + _encode(item).decode()


# ---- reading a set off an object


def is_leaf(type_: Type, value: Any) -> bool:
    """Whether a value is owned as a whole."""
    kind = type_.kind
    if kind in (OBJECT, MAP):
        return type_.atomic or not value or type(value) is not dict
    if kind == LIST:
        return type_.list_type == "atomic" or not value or type(value) is not list
    if kind == ANY and type_.custom:
        return type(value) is not dict or not value
    return True


def below(type_: Type, key: str) -> Type:
    """The type of a field or map value."""
    field = type_.fields.get(key)
    if field is not None:
        return field.type
    return type_.item or DEDUCED


def steps(type_: Type, value: Any) -> Iterator[tuple[str, Type, Any]]:
    """The steps below a value that is no leaf, with the type and value each leads to."""
    if type(value) is dict:
        for key, sub in value.items():
            yield "f:" + key, below(type_, key), sub
    else:
        item = type_.item or DEDUCED
        for position, sub in enumerate(value):
            yield item_step(type_, sub, position), item, sub


class Unnameable(ValueError):
    """A list whose items are known by their keys has one without, or two with the same."""


def whole(type_: Type, value: Any, lenient: bool = False) -> Node:
    """The set of a value that is new altogether, with its steps in order.

    :param lenient: items of the same name are owned as one, without what is in them (upstream since v1.30)
    :raises Unnameable: a list has items that cannot be told apart, and not ``lenient``
    """
    if is_leaf(type_, value):
        return IN
    node: Node = {SELF: IN}
    item = type_.item or DEDUCED
    if type(value) is not dict:
        named = _named(type_, value)
        if not lenient and (len(named) < len(value) or (type_.list_type == "map" and any(s[0] == "i" for s in named))):
            raise Unnameable
        for step in in_order(named) if len(named) > 1 else named:
            sub = named[step]
            node[step] = IN if type(sub) is _Repeated else whole(item, sub, lenient)
        return node
    fields = type_.fields
    if not fields and item.kind > LIST and not item.custom:
        node.update(dict.fromkeys(["f:" + key for key in sorted(value)], IN))
        return node
    for key in sorted(value):
        field = fields.get(key)
        sub_type = item if field is None else field.type
        simple = sub_type.kind > LIST and not sub_type.custom
        node["f:" + key] = IN if simple else whole(sub_type, value[key], lenient)
    return node


def initial(type_: Type, obj: dict[str, Any], lenient: bool = False) -> Node:
    """What a create sets. Structs that Go has even in an empty object are not set, only what is in them is.

    ``obj`` is complete (see ``decode.complete``). :param lenient: as for :func:`whole`
    """
    node: Node = {}
    for key in sorted(obj):
        value = obj[key]
        if key == "metadata":
            set_ = _initial_metadata(below(type_, key), value)
            if set_:
                node["f:metadata"] = set_
        elif key == "spec" and not lenient:
            spec = _encode_quickly(value)
            made = _initial_spec if len(spec) <= LONGEST_SPEC else _initial_spec.__wrapped__
            node.update(_decode(made(type_, spec)))
        elif key not in ("apiVersion", "kind"):
            _put_initial(node, type_, key, value, lenient)
    return node


@lru_cache(maxsize=256)
def _initial_spec(type_: Type, spec: bytes) -> bytes:
    """What creating an object with that spec sets in it, encoded: the pods of a Deployment all have the same."""
    node: Node = {}
    _put_initial(node, type_, "spec", _decode(spec))
    return _encode_quickly(node)


def _initial_metadata(type_: Type, metadata: dict[str, Any]) -> Node:
    return {"f:" + key: whole(below(type_, key), metadata[key]) for key in sorted(metadata) if key not in UNTRACKED}


def _put_initial(node: Node, type_: Type, key: str, value: Any, lenient: bool = False) -> None:
    field = type_.fields.get(key)
    if field is None or not field.always:
        node["f:" + key] = whole(below(type_, key), value, lenient)
        return
    set_ = _initial_present(field, value, lenient)
    if set_ is not None:
        node["f:" + key] = set_


def _initial_present(field: Field, value: Any, lenient: bool) -> Node | None:
    """The set of a field that the empty object has too: None when the value is the one it has there."""
    type_ = field.type
    kind = type_.kind
    if kind == OBJECT and not field.nullable:
        if type_.atomic:
            return IN if value or field.required else None
        if type(value) is not dict:
            return IN
        node: Node = {}
        for key in sorted(value):
            _put_initial(node, type_, key, value[key], lenient)
        return node or None
    if value is None or (kind > LIST and not value and not field.nullable):
        return None
    if is_leaf(type_, value):
        return IN
    return {step: sub for step, sub in whole(type_, value, lenient).items() if step != SELF}


def applied(type_: Type, config: Any) -> Node:
    """The set of an applied configuration: leaves, list items, map keys, and what is empty and stored so.

    Unlike a created object's, inner structs and lists are not in it themselves. A leaf that is named is owned, also
    where it is a zero that storing drops; of empty maps only those that somebody could miss (``emptyDir: {}``).
    """
    node: Node = {}
    if is_leaf(type_, config):
        return node
    fields = type_.fields
    for step, sub_type, sub in steps(type_, config):
        field = fields.get(step[2:]) if step[0] == "f" else None
        if not sub and (sub is None or type(sub) in (dict, list)):
            if field is None or is_owned_empty(field, sub):
                node[step] = IN
        elif is_leaf(sub_type, sub):
            node[step] = IN
        else:
            set_ = applied(sub_type, sub)
            if field is None:
                node[step] = {SELF: IN, **set_} if set_ else IN
            elif set_:
                node[step] = set_
    return node


def is_owned_empty(field: Field, value: Any) -> bool:
    """Whether naming a field as null or with nothing in it owns it."""
    type_ = field.type
    if type_.atomic or (type_.kind == LIST and type_.list_type == "atomic"):
        return True
    if type(value) is list:
        return type_.kind != LIST
    if type_.custom:
        return True
    if value is None:
        return type_.kind > LIST
    return not field.drop_empty and not field.always


# ---- what an update changes


def changes(type_: Type, old: dict[str, Any], new: dict[str, Any], lenient: bool = False) -> tuple[Node, Node]:
    """What an update sets (added or modified), and what it removes. Both objects are complete.

    :param lenient: as for :func:`whole`
    """
    taken: Node = {}
    removed: Node = {}
    for key in old.keys() | new.keys():
        before, after = old.get(key, _ABSENT), new.get(key, _ABSENT)
        if before is after or key in ("apiVersion", "kind"):
            continue
        if key == "metadata":
            meta_type = below(type_, key)
            before = {k: v for k, v in before.items() if k not in UNTRACKED} if before is not _ABSENT else {}
            after = {k: v for k, v in after.items() if k not in UNTRACKED} if after is not _ABSENT else {}
            found = _compare_entered(meta_type, before, after, lenient)
            _put(taken, removed, "f:metadata", found)
        else:
            _put(taken, removed, "f:" + key, _compare(below(type_, key), before, after, lenient))
    return taken, removed


_ABSENT: Final = object()
_Changes = tuple[Node | None, Node | None]


def _put(taken: Node, removed: Node, step: str, found: _Changes) -> None:
    if found[0] is not None:
        taken[step] = found[0]
    if found[1] is not None:
        removed[step] = found[1]


def _compare(type_: Type, old: Any, new: Any, lenient: bool) -> _Changes:
    """The sets of what was set and removed at and below one place; None for an empty one."""
    if old is _ABSENT:
        return (None if new is None and not type_.custom else whole(type_, new, lenient)), None
    if new is _ABSENT:
        return None, (None if old is None and not type_.custom else whole(type_, old, lenient))
    if old == new and type(old) is type(new):
        return None, None
    if is_leaf(type_, old) and is_leaf(type_, new):
        return IN, None
    if type_.kind == ANY and type(old) is not type(new):
        return whole(type_, new, lenient), whole(type_, old, lenient)  # one thing goes, another comes
    return _compare_entered(type_, old, new, lenient)


def _compare_entered(type_: Type, old: Any, new: Any, lenient: bool) -> _Changes:
    taken: Node = {}
    removed: Node = {}
    if type(old) is dict and type(new) is dict:
        for key, after in new.items():
            before = old.get(key, _ABSENT)
            if before is not after:
                _put(taken, removed, "f:" + key, _compare(below(type_, key), before, after, lenient))
        for key, before in old.items():
            if key not in new:
                removed["f:" + key] = whole(below(type_, key), before, lenient)
    else:
        item = type_.item or DEDUCED
        befores, afters = _named(type_, old), _named(type_, new)
        for step, after in afters.items():
            before = befores.get(step, _ABSENT)
            if before is not after:
                _put(taken, removed, step, _compare_items(item, before, after, lenient))
        for step, before in befores.items():
            if step not in afters:
                removed[step] = IN if type(before) is _Repeated else whole(item, before, lenient)
    return taken or None, removed or None


class _Repeated(list[Any]):
    """The items of a list that have the same name."""


def _named(type_: Type, value: Any) -> dict[str, Any]:
    """What is below a list, or below what stands where a list or map is expected, by the step to it."""
    if type(value) is dict:
        return {"f:" + key: sub for key, sub in value.items()}
    if type(value) is not list:
        return {}
    found = {item_step(type_, sub, position): sub for position, sub in enumerate(value)}
    if len(found) == len(value):
        return found
    found = {}
    for position, sub in enumerate(value):
        step = item_step(type_, sub, position)
        before = found.get(step, _ABSENT)
        if before is _ABSENT:
            found[step] = sub
        elif type(before) is _Repeated:
            before.append(sub)
        else:
            found[step] = _Repeated((before, sub))
    return found


def _compare_items(type_: Type, old: Any, new: Any, lenient: bool) -> _Changes:
    """As :func:`_compare`; items that share their name are taken and removed as one."""
    if type(old) is not _Repeated and type(new) is not _Repeated:
        return _compare(type_, old, new, lenient)
    if not lenient:
        raise Unnameable
    if type(old) is _Repeated and type(new) is _Repeated:
        return (None if old == new else IN), None
    if type(new) is _Repeated:
        return IN, None if old is _ABSENT else whole(type_, old, lenient)
    return whole(type_, new, lenient), IN


def with_named_fields(type_: Type, set_: Node) -> Node:
    """The set with every declared field on the way to a member made a member too (map keys and items are not)."""
    fields = type_.fields
    result: Node = {}
    for step, sub in set_.items():
        if not sub:
            result[step] = sub
            continue
        sub_type = below(type_, step[2:]) if step[0] == "f" else (type_.item or DEDUCED)
        inner = with_named_fields(sub_type, sub)
        if SELF not in inner and step[0] == "f" and step[2:] in fields:
            inner = {SELF: IN, **inner}
        result[step] = inner
    return result
