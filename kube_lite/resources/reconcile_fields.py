"""Owned fields brought in line with a type that has come to be owned in another way since.

    reconciled(type, fields, live) -> fields

What was owned as a whole and now has parts is owned with all the parts that the object has; what was owned by its parts
and now is one, is owned as a whole. Upstream (structured-merge-diff's ``ReconcileFieldSetWithSchema``) does so before
every write, so the owner of a map of which nothing was left to it owns all that is in there at the next write.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from kube_lite.resources.fieldset import IN, SELF, Node
from kube_lite.resources.ownership import DEDUCED, applied, item_step
from kube_lite.resources.schema import ANY, LIST, Type


def reconciled(type_: Type, fields: Node, live: Any) -> Node:
    """``fields`` as the type has them now; the same object when nothing is to be done.

    :param live: the object that the fields are of, complete
    """
    return _entered(_parts(type_), fields, live)


class _Parts:
    """What of a type may have parts: the only places where anything can be out of line.

    :ivar fields: the fields that are objects, maps or lists, by step
    :ivar other: the items or undeclared fields, None when they have no parts
    """

    __slots__ = ("declared", "fields", "is_list", "other", "type", "whole")

    def __init__(self, type_: Type) -> None:
        self.type = type_
        self.whole = type_.atomic or (type_.kind == LIST and type_.list_type == "atomic")
        self.is_list = type_.kind == LIST
        self.declared = type_.fields
        fields = {} if self.is_list else type_.fields
        self.fields = {"f:" + name: field.type for name, field in fields.items() if _may_have_parts(field.type)}
        other = type_.item or (DEDUCED if type_.custom or self.is_list else None)
        self.other = other if other is not None and _may_have_parts(other) else None


@lru_cache(maxsize=8192)
def _parts(type_: Type) -> _Parts:
    return _Parts(type_)


@lru_cache(maxsize=8192)
def _inside(type_: Type) -> _Parts | None:
    """What to look into behind a step that is no leaf; None when nothing in there can be out of line."""
    parts = _parts(type_)
    if parts.fields:
        return parts
    other = parts.other
    if other is None or (parts.is_list and not _parts(other).whole and other.kind != ANY and _inside(other) is None):
        return None
    return parts


def _may_have_parts(type_: Type) -> bool:
    return type_.kind <= LIST or (type_.kind == ANY and type_.custom)


def _entered(parts: _Parts, fields: Node, live: Any) -> Node:
    """As :func:`reconciled`, for a type that has parts."""
    if parts.is_list:
        return _list_entered(parts, fields, live)
    result = fields
    known, other = parts.fields, parts.other
    live = live if type(live) is dict else {}
    for step, sub in fields.items():
        below = known.get(step)
        if below is None:
            if other is None or step[0] != "f" or step[2:] in parts.declared:
                continue
            below = other
        if sub:
            inside = _inside(below)
            if inside is None and not _parts(below).whole:
                continue
            now = _reconciled(below, sub, live.get(step[2:]))
        elif value := live.get(step[2:]):
            now = _leaf(below, sub, value)
        else:
            continue
        if now is not sub:
            if result is fields:
                result = dict(fields)
            result[step] = now
    return result


def _list_entered(parts: _Parts, fields: Node, live: Any) -> Node:
    result = fields
    item = parts.other
    if item is None:
        return fields
    named: dict[str, Any] | None = None
    for step, sub in fields.items():
        if sub:
            if named is None:
                named = _by_step(parts.type, live)
            now = _reconciled(item, sub, named.get(step))
            if now is not sub:
                if result is fields:
                    result = dict(fields)
                result[step] = now
    return result


def _reconciled(type_: Type, sub: Node, live: Any) -> Node:
    parts = _parts(type_)
    return _leaf(type_, sub, live) if parts.whole else _entered(parts, sub, live)


def _by_step(type_: Type, values: Any) -> dict[str, Any]:
    if type(values) is not list:
        return {}
    return {item_step(type_, value, place): value for place, value in enumerate(values)}


def _leaf(type_: Type, sub: Node, value: Any) -> Node:
    """What is to stand behind a step that is a leaf in the set, or is to be one."""
    if not value or _parts(type_).whole:
        return IN if sub else sub
    if type(value) is dict:
        parts = applied(type_, value)
    elif type(value) is list and type_.kind != ANY:
        parts = _items(type_, value)
    else:
        return sub
    return {SELF: IN, **parts} if parts else sub


def _items(type_: Type, values: list[Any]) -> Node:
    item = type_.item or DEDUCED
    node: Node = {}
    for place, value in enumerate(values):
        parts = applied(item, value)
        node[item_step(type_, value, place)] = {SELF: IN, **parts} if parts else IN
    return node
