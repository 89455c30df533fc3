"""How much an expression can make out of what it is given, told before it runs.

The library has no bound of its own: ``[s].map(x, x + x)``, fifty times one after another, asks for 2^50 times the
text. So additions and literals that hold more than one thing are counted: in loops and in ``cel.bind`` each may double
everything, elsewhere each adds it once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kube_lite.resources.cel.parse import Node

LIMIT: Final = 16 * 1024 * 1024
"""Characters and values that an expression may make (upstream's cost limit allows some ten million)."""
_LITERALS: Final = ("list", "map", "struct")


class Growth(msgspec.Struct):
    """Counts of an expression: what may double everything, what adds it once more, and any addition in a loop."""

    doubling: int = 0
    adding: int = 0
    in_loops: bool = False

    def most(self, volume: int) -> int:
        """What it may make of so much, up to :data:`LIMIT` and more."""
        return volume * (1 + self.adding) << min(self.doubling, 40)


def of(root: Node) -> Growth | None:
    """The counts of an expression; None when it only looks at things."""
    found = Growth()
    _count(root, False, found)
    return found if found.doubling or found.adding or found.in_loops else None


def _count(node: Node, inside: bool, found: Growth) -> None:
    combines = node.kind in _LITERALS or (node.kind == "call" and node.name == "_+_")
    if combines:
        found.in_loops |= inside
        if sum(arg.kind != "const" for arg in node.args) > 1:
            if inside:
                found.doubling += 1
            else:
                found.adding += len(node.args)
    if node.target is not None:
        _count(node.target, inside, found)
    names = node.target is not None and len(node.args) > 1 and node.args[0].kind == "ident"  # as loops and bind do
    below = inside or (node.kind == "call" and names)
    for arg in node.args:
        _count(arg, below, found)


def volume(value: Any) -> int:
    """Characters and values in a value, counted no further than :data:`LIMIT`."""
    count, pending = 0, [value]
    while pending and count < LIMIT:
        one = pending.pop()
        count += 1
        if isinstance(one, str | bytes):
            count += len(one)
        elif isinstance(one, Mapping):
            count += sum(map(len, filter(lambda key: isinstance(key, str), one)))
            pending.extend(one.values())
        elif isinstance(one, list | tuple):
            pending.extend(one)
    return count
