"""The most that an expression can cost, estimated from its types before it runs.

Costs and factors are those of ``cel-go``'s estimator and of Kubernetes' libraries (``apiserver/pkg/cel/library``):
a name or a selection is one step, reading a text a tenth of a step a byte, a loop what its body costs as often as
the range is long. Sizes come from the schema, so a list without ``maxItems`` counts as what fits a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kube_lite.resources.cel.check import Checked
from kube_lite.resources.cel.declared import MACROS
from kube_lite.resources.cel.parse import Node
from kube_lite.resources.cel.types import DYN, REQUEST_BYTES, CelType

STATIC_LIMIT: Final = 10_000_000
"""The most that one expression may be estimated to cost (``StaticEstimatedCostLimit``)."""
STATIC_TOTAL_LIMIT: Final = 100_000_000
"""The same for all expressions of a definition (``StaticEstimatedCRDCostLimit``)."""
AUTHORIZATION_COST: Final = 350_000
"""Steps of one check by ``authorizer``."""
_LIST, _MAP, _STRUCT = 10, 30, 40
_TEXT_FACTOR: Final = 10
"""Bytes that one step reads."""
_PATTERN_FACTOR: Final = 4
"""Bytes of a pattern that count as one step for each step of the text."""
_LOOPS: Final = {
    # by macro: what it costs beside its range, and each turn beside its body
    "all": (1, 3),
    "exists": (1, 4),
    "exists_one": (2, 3),
    "existsOne": (2, 3),
    "filter": (_LIST + 1, 13),
    "map": (_LIST + 1, 12),
    "transformList": (_LIST + 1, 12),
    "transformMap": (_MAP + 1, 12),
    "transformMapEntry": (_MAP + 1, 42),
    "sortBy": (_LIST + 1, 12),
}
_SAME_SIZE: Final = frozenset(
    {"lowerAscii", "upperAscii", "trim", "substring", "reverse", "string", "bytes", "split", "replace", "distinct"}
    | {"sort", "slice", "flatten", "findAll", "find", "charAt", "sortBy", "filter", "strings.quote"}
)
_READS: Final = frozenset(
    {"lowerAscii", "upperAscii", "trim", "substring", "reverse", "split", "replace", "url", "isURL", "quantity"}
    | {"isQuantity", "ip", "isIP", "cidr", "isCIDR", "semver", "isSemver", "format", "string", "bytes", "timestamp"}
    | {"duration", "strings.quote"}
)
_TRAVERSES: Final = frozenset({"isSorted", "sum", "min", "max", "distinct", "sort", "flatten", "slice"})
_PATTERNS: Final = frozenset({"matches", "find", "findAll"})
_COMPARES: Final = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"})
_SCALARS: Final = frozenset({"int", "uint", "double", "bool", "null_type", "type"})


def _tenth(size: int) -> int:
    return -(-size // _TEXT_FACTOR)


def estimate(checked: Checked) -> int:
    """Steps that a checked expression takes at most."""
    return _Estimator(checked).cost(checked.root)


class _Estimator:
    def __init__(self, checked: Checked) -> None:
        self._checked = checked

    def _type(self, node: Node) -> CelType:
        return self._checked.type_of(node)

    def cost(self, node: Node) -> int:
        """Steps of a node and all below."""
        if node.kind == "const":
            return 0
        if node.kind == "ident":
            return 1
        if node.kind == "select":
            assert node.target is not None
            return 1 + self.cost(node.target)
        if node.kind in ("list", "map", "struct"):
            base = {"list": _LIST, "map": _MAP, "struct": _STRUCT}[node.kind]
            return base + sum(map(self.cost, node.args))
        if node.name in MACROS and node.target is not None and node.args and node.args[0].kind == "ident":
            return self._macro(node, node.target)
        return self._call(node)

    def _call(self, node: Node) -> int:
        args = [*((node.target,) if node.target is not None else ()), *node.args]
        if node.name == "bind":
            return 1 + self.cost(node.args[1]) + self.cost(node.args[2])
        if node.name == "_?_:_":
            return self.cost(args[0]) + max(self.cost(args[1]), self.cost(args[2]))
        if node.name == "has" and node.target is None:
            return self.cost(args[0])
        below = sum(map(self.cost, args))
        if node.name in ("_&&_", "_||_"):
            return below
        return below + self._own(node, args)

    def _own(self, node: Node, args: list[Node]) -> int:
        special = _SPECIAL.get(node.name)
        if special is not None and len(args) > 1:
            return special(self, args)
        if node.name in _COMPARES:
            return self._compared(args)
        if node.name in _PATTERNS and len(args) > 1:
            return _tenth(self.size(args[0]) + 1) * max(1, -(-self.size(args[1]) // _PATTERN_FACTOR))
        if node.target is not None and node.target.kind == "ident" and node.target.name == "sets":
            return 1 + self.size(args[1]) * self.size(args[2])
        if node.name == "_+_" and self._type(node).name in ("string", "bytes"):
            return max(1, _tenth(self.size(args[0]) + self.size(args[1])))
        if node.name in ("indexOf", "lastIndexOf"):
            if self._type(args[0]).name == "list":
                return self.size(args[0]) * self._compared([args[1], args[1]])
            return max(1, _tenth(self.size(args[0])) * _tenth(self.size(args[1])))
        if node.name in _TRAVERSES and args and self._type(args[0]).name == "list":
            return self.size(args[0]) * self._per_item(self._type(args[0]))
        if node.name in _READS and args:
            return 1 + _tenth(self.size(args[0]))
        return 1

    def _compared(self, args: list[Node]) -> int:
        if any(self._type(arg).name in _SCALARS for arg in args):
            return 1
        return max(1, _tenth(min(map(self.size, args))))

    @staticmethod
    def _per_item(type_: CelType) -> int:
        item = type_.params[0]
        return 1 if item.name in _SCALARS else max(1, _tenth(item.most or 1))

    def _macro(self, node: Node, target: Node) -> int:
        if node.name in ("optMap", "optFlatMap"):
            return 2 + self.cost(target) + self.cost(node.args[1])
        two = node.name.startswith("transform") or (
            len(node.args) == 3 and node.name in ("all", "exists", "exists_one", "existsOne")
        )
        once, each = _LOOPS[node.name]
        body = sum(map(self.cost, node.args[2 if two else 1 :]))
        return self.cost(target) + once + self.size(target) * (each + body)

    def _joined(self, args: list[Node]) -> int:
        list_type = self._type(args[0])
        item = list_type.params[0].most if list_type.params else None
        return self.size(args[0]) * ((item or 1) + self.size(args[1]))

    def size(self, node: Node) -> int:
        """Bytes, items or entries of a value at most; 1 of scalars."""
        type_ = self._type(node)
        if node.kind == "const":
            return max(1, len(node.text.strip("rRbB\"'").encode()))
        if node.kind in ("list", "map"):
            return len(node.args) if node.kind == "list" else len(node.args) // 2
        if type_.most is not None:
            return type_.most
        if type_.name in _SCALARS:
            return 1
        if node.kind == "call":
            return self._size_of_call(node)
        return REQUEST_BYTES if type_ in (DYN,) or type_.name in ("string", "bytes", "list", "map") else 1

    def _size_of_call(self, node: Node) -> int:
        args = [*((node.target,) if node.target is not None else ()), *node.args]
        if node.name == "_+_":
            return self.size(args[0]) + self.size(args[1])
        if node.name == "_?_:_":
            return max(self.size(args[1]), self.size(args[2]))
        if node.name == "join":
            return self._joined(args) if len(args) > 1 else self.size(args[0]) * 8
        if node.name == "replace" and len(args) > 2:
            return self.size(args[0]) * max(1, self.size(args[2]))
        if node.name == "orValue":
            return max(self.size(args[0]), self.size(args[1]))
        if node.name in _SAME_SIZE and args:
            return self.size(args[0])
        if node.name == "bind":
            return self.size(node.args[2])
        if self._type(node).name not in ("string", "bytes", "list", "map", "dyn"):
            return 1
        inner = [self.size(arg) for arg in args if self._type(arg).name not in _SCALARS]
        return max(inner, default=1)


_SPECIAL: Final[Mapping[str, Callable[[_Estimator, list[Node]], int]]] = {
    "contains": lambda of, args: max(1, _tenth(of.size(args[0])) * _tenth(of.size(args[1]))),
    "startsWith": lambda of, args: _tenth(of.size(args[1])),
    "endsWith": lambda of, args: _tenth(of.size(args[1])),
    "@in": lambda of, args: of.size(args[1]) if of._type(args[1]).name == "list" else 1,
    "join": lambda of, args: 1 + _tenth(of._joined(args)),
    "check": lambda of, args: AUTHORIZATION_COST,
    "validate": lambda of, args: 1 + _tenth(of.size(args[1]) * 4),
}


def exceeded(what: str, cost: int, limit: int) -> str:
    """Upstream's words for an estimate above its limit."""
    factor = cost / limit
    shown = f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"  # "1.0x" would say nothing
    if factor > 100:
        shown = "more than 100x"
    return (
        f"{what} exceeds budget by factor of {shown} (try simplifying the rule, or adding maxItems, maxProperties, and "
        "maxLength where arrays, maps, and strings are declared)"
    )
