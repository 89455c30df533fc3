"""Sets of fields of an object, kept in the form in which they travel: ``FieldsV1``.

A set is a tree of dicts. ``f:name`` is a field or map key, ``k:{"name":"c"}`` an item of a list with keys,
``v:"x"`` an item of a set. A step that leads to ``{}`` is in the set; one that leads to more is in the set when
it holds ``.``; the empty dict at the root is the empty set. Trees are never changed once built, so sets share
branches freely. What an object owns is read off in ``ownership.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from kube_lite.resources.remembered import remembered

Node = dict[str, Any]

SELF: Final = "."
IN: Final[Node] = {}
"""A leaf that is in the set; shared, since trees are never changed."""

_encode: Final = msgspec.json.Encoder(order="sorted").encode


def union(one: Node, other: Node) -> Node:
    """What is in either set."""
    if not one:
        return other
    if not other or one is other:
        return one
    merged = dict(one)
    for step, sub in other.items():
        mine = merged.get(step)
        merged[step] = sub if mine is None else _union_below(mine, sub)
    return merged


def _union_below(one: Node, other: Node) -> Node:
    if one is other or not (one or other):
        return one
    if not one:
        return other if SELF in other else {SELF: IN, **other}
    if not other:
        return one if SELF in one else {SELF: IN, **one}
    return union(one, other)


def difference(one: Node, other: Node) -> Node:
    """What is in ``one`` but not in ``other``; a field and what is below it are told apart."""
    result = one
    for step, theirs in other.items():
        mine = result.get(step)
        if mine is None:
            continue
        left = _difference_below(mine, theirs)
        if left is not mine:
            if result is one:
                result = dict(one)
            if left is None:
                del result[step]
            else:
                result[step] = left
    return result


def _difference_below(mine: Node, theirs: Node) -> Node | None:
    if not mine:  # a leaf: gone if they have it too
        return None if not theirs or SELF in theirs else mine
    if not theirs:
        if SELF not in mine:
            return mine
        return {step: sub for step, sub in mine.items() if step != SELF} or None
    left = difference(mine, theirs)
    if left is mine:
        return mine
    if not left:
        return None
    return IN if len(left) == 1 and SELF in left else left


def recursive_difference(one: Node, other: Node) -> Node:
    """``one`` without the fields of ``other`` and all that is below them."""
    result = dict(one)
    for step, theirs in other.items():
        mine = result.get(step)
        if mine is None:
            continue
        if not theirs or SELF in theirs:
            del result[step]
        elif mine:
            left = recursive_difference(mine, theirs)
            if left:
                result[step] = IN if len(left) == 1 and SELF in left else left
            else:
                del result[step]
    return result


def intersection(one: Node, other: Node) -> Node:
    """What is in both sets."""
    common: Node = {}
    for step, mine in one.items():
        theirs = other.get(step)
        if theirs is None or step == SELF:
            continue
        both = (not mine or SELF in mine) and (not theirs or SELF in theirs)
        sub = intersection(mine, theirs) if mine and theirs else IN
        if sub:
            common[step] = {SELF: IN, **sub} if both else sub
        elif both:
            common[step] = IN
    return common


def has(set_: Node, step: str) -> bool:
    """Whether the field one step below is itself in the set."""
    sub = set_.get(step)
    return sub is not None and (not sub or SELF in sub)


def in_order(steps: Iterable[str]) -> list[str]:
    """Steps in the order in which upstream writes them: as text, but numbers in keys and values by their size."""
    found = sorted(steps)
    if len(found) > 1 and found[-1][0] in "kv":
        found.sort(key=_rank)
    return found


@remembered(8192)
def _rank(step: str) -> tuple[Any, ...]:
    if step[0] == "k":
        return ("k", *[(name, *_sized(value)) for name, value in msgspec.json.decode(step[2:]).items()])
    if step[0] == "v":
        return ("v", *_sized(msgspec.json.decode(step[2:])))
    return (step[0], step)


def _sized(value: Any) -> tuple[int, Any]:
    """Comparable among all JSON values: numbers before texts before the rest."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (0, value)
    return (1, value) if isinstance(value, str) else (2, _encode(value))


def ordered(set_: Node) -> Node:
    """The same set with its steps in the order in which upstream writes them."""
    return {step: ordered(set_[step]) if set_[step] else IN for step in in_order(set_)}


def paths(set_: Node, prefix: str = "") -> Iterator[str]:
    """The members as upstream prints them, own members before deeper ones: ``.spec.map[k="1"].v``."""
    steps = in_order(set_)
    for step in steps:
        if step != SELF and (not set_[step] or SELF in set_[step]):
            yield prefix + step_text(step)
    for step in steps:
        if set_[step]:
            yield from paths(set_[step], prefix + step_text(step))


def step_text(step: str) -> str:
    """``f:spec`` gives ``.spec``, ``k:{"name":"c"}`` gives ``[name="c"]``, ``v:"x"`` gives ``[="x"]``."""
    mark, rest = step[0], step[2:]
    if mark == "f":
        return "." + rest
    if mark == "k":
        keys = msgspec.json.decode(rest)
        return "[" + ",".join(f"{key}={_encode(value).decode()}" for key, value in keys.items()) + "]"
    return f"[={rest}]" if mark == "v" else f"[{rest}]"


def is_valid(set_: Any) -> bool:
    """Whether something a client sent is a set."""
    if type(set_) is not dict:
        return False
    for step, sub in set_.items():
        if step != SELF and step[:2] not in ("f:", "k:", "v:", "i:"):
            return False
        if step[:2] == "k:" and not _is_json(step[2:], dict):
            return False
        if step[:2] == "i:" and not step[2:].removeprefix("-").isdecimal():
            return False
        if step[:2] == "v:" and not _is_json(step[2:], object):
            return False
        if not is_valid(sub):
            return False
    return True


def _is_json(text: str, kind: type) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), kind)
    except msgspec.DecodeError:
        return False
