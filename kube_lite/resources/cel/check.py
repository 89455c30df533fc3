"""The type of an expression, and what is wrong with it, in the words of ``cel-go``'s checker.

``check`` walks the tree once. A part that is wrong has the error type, which fits everywhere, so that one mistake
is told once. What cannot be known (``dyn``) is let pass and shows when the expression runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from kube_lite.resources.cel.declared import MACROS, NAMESPACES, Overload, overloads
from kube_lite.resources.cel.parse import Node, located
from kube_lite.resources.cel.types import (
    BOOL,
    DYN,
    ERROR,
    INT,
    NULL,
    QUALIFIED_TYPES,
    STRING,
    CelType,
    filled,
    list_of,
    map_of,
    optional_of,
    read,
    unify,
)
from kube_lite.resources.regexes import RegexError, go_regex

Scope = Mapping[str, CelType]
MAX_MESSAGES: Final = 100
_TYPE_NAMES: Final = frozenset({"int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type"})
_TWO: Final = frozenset({"all", "exists", "exists_one", "existsOne"})


@dataclass(slots=True)
class Checked:
    """A checked tree: the type of the whole and of every node, and the messages."""

    source: str
    root: Node
    type: CelType = ERROR
    types: dict[int, CelType] = field(default_factory=dict)
    """By ``id`` of the node."""
    messages: list[str] = field(default_factory=list)

    def type_of(self, node: Node) -> CelType:
        """The type found for a node of this tree."""
        return self.types.get(id(node), DYN)


def check(source: str, root: Node, scope: Scope) -> Checked:
    """The types of an expression whose free names are those of ``scope``."""
    checker = _Checker(source, root)
    checker.result.type = checker.of(root, scope)
    return checker.result


def _is_pattern(text: str) -> bool:
    try:
        go_regex(text)
    except RegexError:
        return False
    return True


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return "T" in text.upper()


_DURATION: Final = re.compile(r"[+-]?(0|(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+", re.ASCII)
_PATCH_FIELDS: Final = {"op": STRING, "path": STRING, "from": STRING, "value": DYN}
_PATCH: Final = CelType("JSONPatch", fields=_PATCH_FIELDS)
_LITERALS: Final[Mapping[str, Callable[[str], bool]]] = {
    "duration": lambda text: _DURATION.fullmatch(text) is not None,
    "timestamp": _is_time,
    "matches": _is_pattern,
}


class _Checker:
    def __init__(self, source: str, root: Node) -> None:
        self._source = source
        self.result = Checked(source, root)

    def _wrong(self, node: Node, text: str) -> CelType:
        if len(self.result.messages) < MAX_MESSAGES:
            self.result.messages.append(located(self._source, node.offset, text))
        return ERROR

    def of(self, node: Node, scope: Scope) -> CelType:
        """The type of a node."""
        made = self._of(node, scope)
        self.result.types[id(node)] = made
        return made

    def _of(self, node: Node, scope: Scope) -> CelType:
        if node.kind == "const":
            return read(node.name) if node.name != "null_type" else NULL
        if node.kind == "ident":
            return self._ident(node, scope)
        if node.kind == "select":
            return self._select(node, scope)
        if node.kind == "list":
            return list_of(self._joined(node.args, scope, node.fields), len(node.args))
        if node.kind == "map":
            keys, values = node.args[::2], node.args[1::2]
            return map_of(self._joined(keys, scope), self._joined(values, scope, node.fields), len(keys))
        if node.kind == "struct":
            return self._struct(node, scope)
        return self._call(node, scope)

    def _ident(self, node: Node, scope: Scope) -> CelType:
        found = scope.get(node.name)
        if found is not None:
            return found
        if node.name in _TYPE_NAMES:
            return CelType("type", (read(node.name),))
        return self._wrong(node, f"undeclared reference to '{node.name}' (in container '')")

    def _joined(self, nodes: tuple[Node, ...], scope: Scope, flags: tuple[str, ...] = ()) -> CelType:
        """The one type of all: aggregates must be of one kind (``HomogeneousAggregateLiterals``)."""
        joined: CelType | None = None
        for position, node in enumerate(nodes):
            found = self.of(node, scope)
            if any(flags) and flags[position]:
                found = found.params[0] if found.name == "optional_type" else DYN
            if joined is None or joined.name == "dyn":
                joined = found
            elif not unify(joined, found, {}):
                self._wrong(node, f"expected type '{joined}' but found '{found}'")
        return joined or DYN

    def _struct(self, node: Node, scope: Scope) -> CelType:
        given = [self.of(value, scope) for value in node.args]
        if node.name.partition(".")[0] == "Object":
            return CelType(node.name)
        if node.name != _PATCH.name:
            return self._wrong(node, f"undeclared reference to '{node.name}' (in container '')")
        for name, value, type_ in zip(node.fields, node.args, given, strict=True):
            field_at = replace(node, offset=self._source.rfind(":", 0, value.offset))
            wanted = _PATCH_FIELDS.get(name)
            found = type_.params[0] if type_.name == "optional_type" else type_
            if wanted is None:
                self._wrong(field_at, f"undefined field '{name}'")
            elif not unify(wanted, found, {}):
                detail = f"expected type of field '{name}' is '{wanted}' but provided type is '{found}'"
                self._wrong(field_at, detail)
        return _PATCH

    def _select(self, node: Node, scope: Scope) -> CelType:
        assert node.target is not None
        qualified = node.path
        if qualified in scope:
            return scope[qualified]
        if qualified in QUALIFIED_TYPES:
            return CelType("type", (CelType(qualified),))
        holder = self.of(node.target, scope)
        optional = node.optional
        if holder.name == "optional_type":
            holder, optional = holder.params[0], True
        found = self._field(node, holder)
        if found is ERROR:
            return ERROR
        return optional_of(found) if optional else found

    def _field(self, node: Node, holder: CelType) -> CelType:
        if holder.name in ("dyn", ERROR.name):
            return DYN
        if holder.fields is not None:
            found = holder.fields.get(node.name)
            return found if found is not None else self._wrong(node, f"undefined field '{node.name}'")
        if holder.name == "map":
            return holder.params[1]
        if holder.name.partition(".")[0] == "Object":
            return DYN
        return self._wrong(node, f"type '{holder}' does not support field selection")

    # ---- calls

    def _call(self, node: Node, scope: Scope) -> CelType:
        if node.name == "has" and node.target is None:
            return self._has(node, scope)
        if node.name == "_?_:_":
            return self._conditional(node, scope)
        target = node.target
        if target is not None and target.kind == "ident" and target.name in NAMESPACES and target.name not in scope:
            if target.name == "cel" and node.name == "bind":
                return self._bind(node, scope)
            return self._overloaded(node, f"{target.name}.{node.name}", node.args, scope, method=False)
        if target is not None and node.name in MACROS and node.args and self._is_macro(node):
            return self._macro(node, target, scope)
        if target is not None:
            return self._overloaded(node, node.name, (target, *node.args), scope, method=True)
        return self._overloaded(node, node.name, node.args, scope, method=False)

    def _is_macro(self, node: Node) -> bool:
        return node.args[0].kind == "ident" and len(node.args) >= 2

    def _has(self, node: Node, scope: Scope) -> CelType:
        if len(node.args) != 1 or node.args[0].kind != "select":
            return self._wrong(node, "invalid argument to has() macro")
        tested = node.args[0]
        assert tested.target is not None
        if tested.path not in scope:
            holder = self.of(tested.target, scope)
            while holder.name == "optional_type":
                holder = holder.params[0]
            self._field(replace(tested, offset=node.offset), holder)
        return BOOL

    def _conditional(self, node: Node, scope: Scope) -> CelType:
        condition, yes, no = (self.of(arg, scope) for arg in node.args)
        known: dict[str, CelType] = {}
        if not unify(BOOL, condition, known) or not unify(yes, no, known):
            given = ", ".join(map(str, (condition, yes, no)))
            return self._wrong(node, f"found no matching overload for '_?_:_' applied to '({given})'")
        return no if yes.name in ("dyn", "null_type") or _is_open(yes) else yes

    def _bind(self, node: Node, scope: Scope) -> CelType:
        if len(node.args) != 3 or node.args[0].kind != "ident":
            return self._wrong(node, "cel.bind() variable names must be simple identifiers")
        value = self.of(node.args[1], scope)
        return self.of(node.args[2], {**scope, node.args[0].name: value})

    def _overloaded(self, node: Node, name: str, args: tuple[Node, ...], scope: Scope, *, method: bool) -> CelType:
        given = [self._argument(name, arg, scope) for arg in args]
        self._literals(name, args)
        forms = overloads().get(name)
        if forms is None:
            return self._wrong(node, f"undeclared reference to '{name}' (in container '')")
        results = [r for form in forms if form.method is method if (r := _applied(form, given)) is not None]
        if not results:
            if any(type_ is ERROR for type_ in given):
                return ERROR
            shown = ", ".join(map(str, given[1:] if method else given))
            receiver = f"{given[0]}." if method else ""
            return self._wrong(node, f"found no matching overload for '{name}' applied to '{receiver}({shown})'")
        return results[0] if all(r == results[0] for r in results) else DYN

    def _argument(self, name: str, node: Node, scope: Scope) -> CelType:
        if name != "format" or node.kind != "list":
            return self.of(node, scope)
        for item in node.args:  # what is printed need not be of one kind
            self.of(item, scope)
        made = self.result.types[id(node)] = list_of(DYN, len(node.args))
        return made

    def _literals(self, name: str, args: tuple[Node, ...]) -> None:
        """Durations, times and patterns that are written out must be some."""
        fits = _LITERALS.get(name)
        if fits is None or not args:
            return
        node = args[-1]
        if (
            node.kind == "const"
            and node.name == "string"
            and "\\" not in node.text
            and not fits(node.text.strip("rR\"'"))
        ):
            self._wrong(node, f"invalid {name} argument")

    # ---- macros

    def _macro(self, node: Node, target: Node, scope: Scope) -> CelType:
        ranged = self.of(target, scope)
        if node.name in ("optMap", "optFlatMap"):
            return self._opt_map(node, ranged, scope)
        if ranged.name == "optional_type":
            ranged = ranged.params[0]
        if ranged.name not in ("list", "map", "dyn", ERROR.name):
            text = f"expression of type '{ranged}' cannot be range of a comprehension (must be list, map, or dynamic)"
            self._wrong(target, text)
            ranged = ERROR
        names, rest = self._variables(node)
        inner = {**scope, **_loop_variables(names, ranged)}
        return self._looped(node, ranged, [self.of(arg, inner) for arg in rest], rest)

    def _variables(self, node: Node) -> tuple[list[str], tuple[Node, ...]]:
        """The names that a macro brings in, and its other arguments."""
        two = node.name.startswith("transform") or (node.name in _TWO and len(node.args) == 3)
        count = 2 if two else 1
        return [arg.name for arg in node.args[:count]], node.args[count:]

    def _looped(self, node: Node, ranged: CelType, given: list[CelType], rest: tuple[Node, ...]) -> CelType:
        item = ranged.params[0] if ranged.params else DYN
        result = given[-1] if given else ERROR
        if node.name in _TWO:
            self._expect_bool(rest[-1], result)
            return BOOL
        if node.name == "filter":
            self._expect_bool(rest[-1], result)
            return list_of(item, ranged.most)
        if node.name in ("map", "transformList"):
            if len(given) == 2:
                self._expect_bool(rest[0], given[0])
            return list_of(result, ranged.most)
        if node.name == "sortBy":
            return list_of(item, ranged.most)
        if node.name == "transformMap":
            return map_of(item if ranged.name == "map" else INT, result, ranged.most)
        return result if result.name == "map" else map_of(DYN, DYN, ranged.most)

    def _expect_bool(self, node: Node, found: CelType) -> None:
        if not unify(BOOL, found, {}):
            self._wrong(node, f"expected type 'bool' but found '{found}'")

    def _opt_map(self, node: Node, ranged: CelType, scope: Scope) -> CelType:
        held = ranged.params[0] if ranged.name == "optional_type" else DYN
        made = self.of(node.args[1], {**scope, node.args[0].name: held})
        return made if node.name == "optFlatMap" else optional_of(made)


def _loop_variables(names: list[str], ranged: CelType) -> dict[str, CelType]:
    first = ranged.params[0] if ranged.params else DYN
    if len(names) == 1:
        return {names[0]: first}
    if ranged.name == "map":
        return {names[0]: first, names[1]: ranged.params[1]}
    return {names[0]: INT if ranged.name == "list" else DYN, names[1]: first}


def _is_open(type_: CelType) -> bool:
    return any(p.name == "dyn" for p in type_.params)


def _applied(form: Overload, given: list[CelType]) -> CelType | None:
    """The result of an overload for these arguments; None when they do not fit."""
    if len(form.args) != len(given):
        return None
    known: dict[str, CelType] = {}
    if not all(unify(wanted, type_, known) for wanted, type_ in zip(form.args, given, strict=True)):
        return None
    return filled(form.result, known)
