"""An expression's tree as source in the grammar of the library that evaluates it.

What Kubernetes' CEL has and the library lacks becomes calls of functions that ``cel`` adds, and loops that it knows:

    a.?b.c               __select(__select(a, 'b'), 'c')
    a[?i]                __index(a, i)
    cel.bind(x, i, e)    [i].map(x, e)[0]
    l.all(i, v, p)       __entries(l).all(__e0, p)   with i and v as __e0[0] and __e0[1]
    l.sortBy(x, k)       __sort_by(l, l.map(x, k))
    o.optMap(x, e)       o.hasValue() ? optional.of([o.value()].map(x, e)[0]) : optional.none()
    {?'k': v}            __present([['?', 'k', v]])
    Object{a: 1}         {'a': 1}
    size(s)              __size(s)                   the library counts bytes, CEL characters
    set == other         __same_OFFSET(set, other)   where the order of a list's items does not count (unordered)
    t.getHours(zone)     __time_part(t, 'getHours', zone)
    a.b, a[i]            __whole(a).b, __whole(a)[i] where variables are null: a key of null is a missing one
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from kube_lite.resources.cel.declared import NAMESPACES
from kube_lite.resources.cel.parse import Node
from kube_lite.resources.cel.times import PARTS
from kube_lite.resources.cel.types import QUALIFIED_TYPES

_LEVELS: Final = (("||",), ("&&",), ("<", "<=", ">", ">=", "==", "!=", "in"), ("+", "-"), ("*", "/", "%"))
_BINARY: Final = {
    ("@in" if sign == "in" else f"_{sign}_"): (sign, level) for level, signs in enumerate(_LEVELS, 1) for sign in signs
}
_UNARY, _MEMBER = 6, 7
_LOOPS: Final = frozenset({"all", "exists", "exists_one", "existsOne", "filter", "map"})
_TWO: Final = frozenset({"all", "exists", "exists_one", "existsOne"})
_FUNCTIONS: Final = {
    "existsOne": "exists_one",
    **{name: f"__{name}" for name in ("size", "bool", "string", "int", "timestamp", "duration")},
}

_SAMPLES: Final = {
    "google.protobuf.Timestamp": "__timestamp(0)",
    "google.protobuf.Duration": "__duration(0)",
    **dict.fromkeys(QUALIFIED_TYPES[2:], "{}"),
}
"""Names of types for which the library has none, and values of them; Kubernetes' own are held as maps."""

Names = Mapping[str, str]
"""What stands for a variable instead of its name."""


def rewrite(root: Node, unordered: Collection[int] = (), *, nulls: bool = False) -> str:
    """The tree as the library reads it.

    :param unordered: offsets of operators that become calls of ``__same_OFFSET`` and ``__joined_OFFSET``
    :param nulls: for variables that may be null, of which the library says ``no such overload``, and CEL that there
        is no such key
    """
    return _Writer(unordered, nulls).write(root, 0, {})


def _is_loop(node: Node) -> bool:
    return len(node.args) >= 2 and node.args[0].kind == "ident"


def is_qualified(node: Node) -> bool:
    """Whether a call is one of a function with a dot in its name, such as ``sets.contains``."""
    return node.target is not None and node.target.kind == "ident" and node.target.name in NAMESPACES


class _Writer:
    def __init__(self, unordered: Collection[int] = (), nulls: bool = False) -> None:
        self._made = 0
        self._unordered = unordered
        self._nulls = nulls

    def write(self, node: Node, least: int, names: Names) -> str:
        """The text of a node, in brackets where it binds less tightly than ``least``."""
        text, level = self._node(node, names)
        return f"({text})" if level < least else text

    def _all(self, nodes: tuple[Node, ...], names: Names) -> str:
        return ", ".join(self.write(node, 0, names) for node in nodes)

    def _node(self, node: Node, names: Names) -> tuple[str, int]:
        if node.kind == "const":
            return node.text, _UNARY if node.text.startswith("-") else _MEMBER
        if node.kind == "ident":
            return names.get(node.name, node.name), _MEMBER
        if node.kind == "select":
            return self._select(node, names), _MEMBER
        if node.kind == "list":
            if any(node.fields):
                items = ", ".join(self._entry(f, (a,), names) for f, a in zip(node.fields, node.args, strict=True))
                return f"__present_items([{items}])", _MEMBER
            return f"[{self._all(node.args, names)}]", _MEMBER
        if node.kind == "map":
            return self._map(node, names), _MEMBER
        if node.kind == "struct":
            pairs = zip(node.fields, node.args, strict=True)
            return "{" + ", ".join(f"'{name}': {self.write(value, 0, names)}" for name, value in pairs) + "}", _MEMBER
        return self._call(node, names)

    def _entry(self, flag: str, parts: tuple[Node, ...], names: Names) -> str:
        return f"['{flag}', {self._all(parts, names)}]"

    def _map(self, node: Node, names: Names) -> str:
        keys, values = node.args[::2], node.args[1::2]
        if any(node.fields):
            entries = zip(node.fields, keys, values, strict=True)
            return f"__present([{', '.join(self._entry(f, (k, v), names) for f, k, v in entries)}])"
        pairs = zip(keys, values, strict=True)
        return "{" + ", ".join(f"{self.write(k, 0, names)}: {self.write(v, 0, names)}" for k, v in pairs) + "}"

    def _select(self, node: Node, names: Names) -> str:
        assert node.target is not None
        if node.path in _SAMPLES:
            return f"type({_SAMPLES[node.path]})"
        target = self.write(node.target, _MEMBER, names)
        if node.optional or _gives_optional(node.target):
            return f"__select({target}, '{node.name}')"
        return f"{self._whole(target)}.{node.name}"

    def _whole(self, held: str) -> str:
        return f"__whole({held})" if self._nulls else held

    def _call(self, node: Node, names: Names) -> tuple[str, int]:
        if node.target is None and node.offset in self._unordered and node.name in ("_==_", "_!=_", "_+_"):
            called = f"__{'joined' if node.name == '_+_' else 'same'}_{node.offset}({self._all(node.args, names)})"
            return (f"!{called}", _UNARY) if node.name == "_!=_" else (called, _MEMBER)
        binary = _BINARY.get(node.name)
        if binary is not None and node.target is None:
            sign, level = binary
            left, right = (self.write(arg, level + i, names) for i, arg in enumerate(node.args))
            return f"{left} {sign} {right}", level
        if node.name in ("!_", "-_"):
            return f"{node.name[0]}{self.write(node.args[0], _MEMBER, names)}", _UNARY
        if node.name == "_?_:_":
            condition, yes = (self.write(arg, 1, names) for arg in node.args[:2])
            return f"{condition} ? {yes} : {self.write(node.args[2], 0, names)}", 0
        if node.name in ("_[_]", "_[?_]"):
            held, position = self.write(node.args[0], _MEMBER, names), self.write(node.args[1], 0, names)
            if node.name == "_[?_]" or _gives_optional(node.args[0]):
                return f"__index({held}, {position})", _MEMBER
            return f"{self._whole(held)}[{position}]", _MEMBER
        return self._function(node, names), _MEMBER

    def _function(self, node: Node, names: Names) -> str:
        target = node.target
        if target is None and node.name == "matches":
            return f"__matches({self._all(node.args, names)})"
        if target is None:
            return f"{_FUNCTIONS.get(node.name, node.name)}({self._all(node.args, names)})"
        if is_qualified(node):
            assert target is not None
            if (target.name, node.name) == ("cel", "bind") and len(node.args) == 3:
                variable, value, body = node.args
                loop = self.write(body, 0, _without(names, variable.name))
                return f"[{self.write(value, 0, names)}].map({variable.name}, {loop})[0]"
            if target.name in ("ip", "lists", "strings") or node.name == "named":
                return f"__{target.name}_{node.name}({self._all(node.args, names)})"
            return f"{target.name}.{node.name}({self._all(node.args, names)})"
        held = self.write(target, _MEMBER, names)
        if _is_loop(node) and (node.name in _LOOPS or node.name in _OTHER_LOOPS):
            return self._loop(node, held, names)
        if node.name in PARTS and node.args:
            return f"__time_part({held}, '{node.name}', {self._all(node.args, names)})"
        return f"{held}.{_FUNCTIONS.get(node.name, node.name)}({self._all(node.args, names)})"

    def _loop(self, node: Node, held: str, names: Names) -> str:
        variable = node.args[0].name
        inner = _without(names, variable)
        if node.name in ("optMap", "optFlatMap"):
            made = f"[{held}.value()].map({variable}, {self.write(node.args[1], 0, inner)})[0]"
            some = f"optional.of({made})" if node.name == "optMap" else f"__held({made})"
            return f"({held}.hasValue() ? {some} : optional.none())"
        if node.name == "sortBy":
            return f"__sort_by({held}, {held}.map({variable}, {self.write(node.args[1], 0, inner)}))"
        if node.name.startswith("transform") or (node.name in _TWO and len(node.args) == 3):
            return self._over_entries(node, held, names)
        name = _FUNCTIONS.get(node.name, node.name)
        return f"{held}.{name}({variable}, {self._all(node.args[1:], inner)})"

    def _over_entries(self, node: Node, held: str, names: Names) -> str:
        entry = f"__e{self._made}"
        self._made += 1
        inner = {**names, node.args[0].name: f"{entry}[0]", node.args[1].name: f"{entry}[1]"}
        entries, rest = f"__entries({held})", node.args[2:]
        if node.name in _TWO:
            name = _FUNCTIONS.get(node.name, node.name)
            return f"{entries}.{name}({entry}, {self._all(rest, inner)})"
        if len(rest) == 2:
            entries = f"{entries}.filter({entry}, {self.write(rest[0], 0, inner)})"
        body = self.write(rest[-1], 0, inner)
        if node.name == "transformList":
            return f"{entries}.map({entry}, {body})"
        if node.name == "transformMap":
            return f"__from_entries({entries}.map({entry}, [{entry}[0], {body}]))"
        return f"__merged({entries}.map({entry}, {body}))"


_OTHER_LOOPS: Final = frozenset(
    {"optMap", "optFlatMap", "sortBy", "transformList", "transformMap", "transformMapEntry"}
)


def _without(names: Names, name: str) -> Names:
    return {k: v for k, v in names.items() if k != name}


def _gives_optional(node: Node) -> bool:
    """Whether what is selected from a node is optional again: it stands right of ``.?`` or ``[?``."""
    if node.kind == "select":
        assert node.target is not None
        return node.optional or _gives_optional(node.target)
    if node.name == "_[_]":
        return _gives_optional(node.args[0])
    return node.name == "_[?_]"


def free(node: Node, bound: frozenset[str] = frozenset()) -> list[Node]:
    """The names that an expression takes from outside, where they stand first."""
    if node.kind == "ident":
        return [] if node.name in bound else [node]
    if node.kind == "select" and node.path in QUALIFIED_TYPES:
        return []
    found: list[Node] = []
    if node.target is not None and not (is_qualified(node) and node.kind == "call"):
        found += free(node.target, bound)
    args = node.args
    if node.kind == "call" and node.target is not None and _is_loop(node):
        two = node.name.startswith("transform") or (node.name in _TWO and len(args) == 3)
        if is_qualified(node) and node.name == "bind" and len(args) == 3:
            return found + free(args[1], bound) + free(args[2], bound | {args[0].name})
        if node.name in _LOOPS | _OTHER_LOOPS:
            count = 2 if two else 1
            bound |= {arg.name for arg in args[:count]}
            args = args[count:]
    return found + [name for arg in args for name in free(arg, bound)]


def depth(node: Node) -> int:
    """How deeply loops over collections are nested: 0 without any."""
    loops = node.kind == "call" and node.target is not None and _is_loop(node)
    own = int(loops and node.name in (_LOOPS | _OTHER_LOOPS) - {"optMap", "optFlatMap"})
    ranged = depth(node.target) if node.target is not None else 0
    return max(ranged, own + max((depth(arg) for arg in node.args), default=0))
