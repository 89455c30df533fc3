"""Equality and addition of lists that a schema calls sets or keyed: the order of items does not count.

``==`` goes by the type of what stands left of it, ``+`` joins sets without repeating and lists with keys by key
(apiserver ``cel/common``, ``unstructuredSetList`` and ``unstructuredMapList``). The library that evaluates knows
plain lists only, so an expression is looked through for such operators once, when it is compiled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kube_lite.resources.cel.check import Checked, check
from kube_lite.resources.cel.parse import Node, ParseError, parse
from kube_lite.resources.cel.types import CelType


def operators(source: str, scope: Mapping[str, CelType]) -> dict[int, CelType]:
    """The type left of each operator that such lists change the meaning of, by the operator's offset."""
    try:
        root = parse(source)
    except ParseError:
        return {}
    checked = check(source, root, scope)
    found: dict[int, CelType] = {}
    for node in root.walk():
        if node.kind != "call" or node.target is not None or not node.args:
            continue
        type_ = _type_of(checked, node.args[0])
        if (node.name in ("_==_", "_!=_") and _is_unordered(type_)) or (node.name == "_+_" and type_.keys is not None):
            found[node.offset] = type_
    return found


def _type_of(checked: Checked, node: Node) -> CelType:
    """The type of a node; what is added to a set is a set."""
    left = _type_of(checked, node.args[0]) if node.name == "_+_" and node.kind == "call" else None
    return left if left is not None and left.keys is not None else checked.type_of(node)


def _is_unordered(type_: CelType) -> bool:
    """Whether values of a type are, or hold, lists whose order does not count."""
    below = (*type_.params, *(type_.fields or {}).values())
    return type_.keys is not None or any(map(_is_unordered, below))


def same(type_: CelType, a: Any, b: Any) -> bool:
    """Whether two values of a type are equal."""
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return False
        item = type_.params[0] if type_.params else CelType("dyn")
        if type_.keys is None:
            return all(same(item, x, y) for x, y in zip(a, b, strict=True))
        known = {_key(type_, value): value for value in a}
        return all((key := _key(type_, value)) in known and same(item, known[key], value) for value in b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(_below(type_, name), a[name], b[name]) for name in a)
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _below(type_: CelType, name: str) -> CelType:
    if type_.fields is not None:
        return type_.fields.get(name) or CelType("dyn")
    return type_.params[1] if len(type_.params) == 2 else CelType("dyn")


def _key(type_: CelType, value: Any) -> str:
    """What tells items apart: a set's by themselves."""
    shown = [value.get(name) for name in type_.keys] if type_.keys and isinstance(value, dict) else value
    return json.dumps(shown, sort_keys=True, default=str)


def joined(type_: CelType, a: list[Any], b: list[Any]) -> list[Any]:
    """``a + b``: what both have stands where ``a`` has it, and is that of ``b``."""
    made = {_key(type_, value): value for value in a}
    return list((made | {_key(type_, value): value for value in b}).values())
