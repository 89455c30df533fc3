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
    return _entered(type_, fields, live)


@lru_cache(maxsize=8192)
def _composite(type_: Type) -> frozenset[str]:
    """The steps to fields that are objects, maps or lists: no other can have parts."""
    fields = type_.fields.items()
    return frozenset(["f:" + name for name, field in fields if _may_have_parts(field.type)])


def _may_have_parts(type_: Type) -> bool:
    return type_.kind <= LIST or (type_.kind == ANY and type_.custom)


def _is_whole(type_: Type) -> bool:
    return type_.atomic or (type_.kind == LIST and type_.list_type == "atomic")


def _entered(type_: Type, fields: Node, live: Any) -> Node:
    """As :func:`reconciled`, for a type that has parts."""
    result = fields
    if type_.kind == LIST:
        item = type_.item or DEDUCED
        if not _may_have_parts(item):
            return fields
        values: dict[str, Any] = {}
        if type(live) is list:
            values = {item_step(type_, value, place): value for place, value in enumerate(live)}
        steps = [(step, item, values.get(step)) for step, sub in fields.items() if sub]
    elif type_.fields and type_.item is None and not type_.preserve:
        at = live if type(live) is dict else {}
        known = type_.fields
        steps = [(step, known[step[2:]].type, at.get(step[2:])) for step in fields.keys() & _composite(type_)]
    else:
        item = type_.item or DEDUCED
        at = live if type(live) is dict else {}
        steps = []
        for step in fields:
            if step[0] == "f":
                field = type_.fields.get(step[2:])
                below = item if field is None else field.type
                if _may_have_parts(below):
                    steps.append((step, below, at.get(step[2:])))
    for step, below, value in steps:
        sub = _at(below, fields[step], value)
        if sub is not fields[step]:
            if result is fields:
                result = dict(fields)
            result[step] = sub
    return result


def _at(type_: Type, sub: Node, value: Any) -> Node:
    """One step of a set: what is to stand behind it."""
    if _is_whole(type_):
        return IN if sub else sub
    if sub:
        return _entered(type_, sub, value)
    if not value or type(value) not in (dict, list) or (type_.kind == ANY and type(value) is list):
        return sub
    parts = applied(type_, value) if type(value) is dict else _items(type_, value)
    return {SELF: IN, **parts} if parts else sub


def _items(type_: Type, values: list[Any]) -> Node:
    item = type_.item or DEDUCED
    node: Node = {}
    for place, value in enumerate(values):
        parts = applied(item, value)
        node[item_step(type_, value, place)] = {SELF: IN, **parts} if parts else IN
    return node
