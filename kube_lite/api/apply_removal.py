"""What goes from an object because its applier names it no longer, and nobody else owns it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kube_lite.api.owners import Owner
from kube_lite.resources.fieldset import SELF, Node, difference, has, intersection, union
from kube_lite.resources.meta import Obj
from kube_lite.resources.ownership import applied, below, steps, with_named_fields
from kube_lite.resources.schema import LIST, MAP, Type
from kube_lite.resources.typed_merge import remove


def pruned(type_: Type, merged: Obj, last: Node, owners: Sequence[Owner]) -> Obj:
    """``merged`` without what its applier named last time and nobody owns any more, by whatever operation."""

    def filled(fields: Node) -> Node:
        return with_named_fields(type_, fields)

    everything = filled(applied(type_, merged))
    left = remove(type_, merged, filled(last)) or {}
    claimed: Node = {}
    for owner in owners:
        claimed = union(claimed, owner.fields)
    kept = union(filled(applied(type_, left)), filled(claimed))
    left = remove(type_, merged, difference(everything, kept)) or {}
    # Only what this applier owned may go: add back what nobody owned.
    gone = intersection(difference(everything, filled(applied(type_, left))), filled(last))
    result = remove(type_, merged, _but_unowned(type_, gone, merged, last)) or {}
    result.setdefault("metadata", {})
    return dict(result)


def _but_unowned(type_: Type, gone: Node, merged: Any, last: Node) -> Node:
    """``gone`` without the maps and lists that hold more than their applier named, and what these are in.

    Upstream takes the whole of them, with what admission or another field put there. A struct does go with its
    defaults, which make no sense without what was named, and what was named itself with all that is in it.
    """
    result: Node = {}
    kept = False
    for step, sub in gone.items():
        value = merged.get(step[2:]) if step[0] == "f" and isinstance(merged, dict) else None
        left = sub
        if value and step != SELF:
            below_type = below(type_, step[2:])
            known = last.get(step) or {}
            named = has(last, step)  # as an item of a map or list, not only on the way to something
            if not named and _is_open(below_type) and {name for name, _, _ in steps(below_type, value)} - known.keys():
                left = {name: inner for name, inner in sub.items() if name != SELF}
            elif not named and sub and isinstance(value, dict):
                left = _but_unowned(below_type, sub, value, known)
        if left or left is sub:
            result[step] = left
        kept = kept or (left is not sub and SELF not in left)
    if kept:
        result.pop(SELF, None)
    return gone if result == gone else result


def _is_open(type_: Type) -> bool:
    """Whether others may add to a value: a map, or a list whose items have names."""
    return not type_.atomic and (type_.kind == MAP or (type_.kind == LIST and type_.list_type != "atomic"))
