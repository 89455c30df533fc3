"""Owned fields brought in line with a type that has come to be owned as a whole since.

    reconciled(type, fields) -> fields

What was owned by its parts and now is one, is owned as a whole. What was owned as a whole and now has parts stays
as it is: such changes are treated as if the parts had always been there. Upstream (structured-merge-diff's
``ReconcileFieldSetWithSchema``) does so before every write.
"""

from __future__ import annotations

from functools import lru_cache

from kube_lite.resources.fieldset import IN, Node
from kube_lite.resources.schema import LIST, Type


def reconciled(type_: Type, fields: Node) -> Node:
    """``fields`` as the type has them now; the same object when nothing is to be done."""
    return _entered(_parts(type_), fields)


class _Parts:
    """What of a type may have parts: the only places where anything can be out of line.

    :ivar fields: the fields that are objects, maps or lists, by step
    :ivar other: the items or undeclared fields, None when they have no parts
    """

    __slots__ = ("declared", "fields", "other", "whole")

    def __init__(self, type_: Type) -> None:
        self.whole = type_.atomic or (type_.kind == LIST and type_.list_type == "atomic")
        self.declared = type_.fields
        self.fields = {"f:" + name: field.type for name, field in type_.fields.items() if field.type.kind <= LIST}
        self.other = type_.item if type_.item is not None and type_.item.kind <= LIST else None


_known_parts = lru_cache(maxsize=8192)(_Parts)


def _parts(type_: Type) -> _Parts:
    # a custom schema must not be kept beyond its definition
    return _Parts(type_) if type_.custom else _known_parts(type_)


def _inside(type_: Type) -> _Parts | None:
    """What to look into; None when nothing in there can be out of line."""
    return _looked_into(type_) if type_.custom else _known_inside(type_)


def _looked_into(type_: Type) -> _Parts | None:
    parts = _parts(type_)
    if parts.fields or (parts.other is not None and (_parts(parts.other).whole or _inside(parts.other) is not None)):
        return parts
    return None


_known_inside = lru_cache(maxsize=8192)(_looked_into)


def _entered(parts: _Parts, fields: Node) -> Node:
    result = fields
    known, other = parts.fields, parts.other
    for step, sub in fields.items():
        if not sub:
            continue
        below = known.get(step)
        if below is None:
            if other is None or step[2:] in parts.declared:
                continue
            below = other
        if _parts(below).whole:
            now = IN
        elif (inside := _inside(below)) is not None:
            now = _entered(inside, sub)
        else:
            continue
        if now is not sub:
            if result is fields:
                result = dict(fields)
            result[step] = now
    return result
