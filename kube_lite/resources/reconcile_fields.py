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
def _composite(type_: Type) -> dict[str, Type]:
    """The types of the fields that are objects, maps or lists, by step: no other can have parts."""
    fields = type_.fields.items()
    return {"f:" + name: field.type for name, field in fields if _may_have_parts(field.type)}


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
        steps = [(step, item) for step, sub in fields.items() if sub]
        live = _by_step(type_, live) if steps else {}
    else:
        known = _composite(type_)
        steps = [(step, known[step]) for step in fields.keys() & known.keys()]
        other = type_.item or (DEDUCED if type_.custom else None)
        if other is not None and _may_have_parts(other):
            declared = type_.fields
            steps += [(step, other) for step in fields if step[0] == "f" and step[2:] not in declared]
        live = live if type(live) is dict else {}
    for step, below in steps:
        sub = fields[step]
        if sub and not _is_whole(below):
            now = _entered(below, sub, live.get(step if type_.kind == LIST else step[2:]))
        else:
            now = _leaf(below, sub, live.get(step if type_.kind == LIST else step[2:]))
        if now is not sub:
            if result is fields:
                result = dict(fields)
            result[step] = now
    return result


def _by_step(type_: Type, values: Any) -> dict[str, Any]:
    if type(values) is not list:
        return {}
    return {item_step(type_, value, place): value for place, value in enumerate(values)}


def _leaf(type_: Type, sub: Node, value: Any) -> Node:
    """What is to stand behind a step that is a leaf in the set, or is to be one."""
    if not value or _is_whole(type_):
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
