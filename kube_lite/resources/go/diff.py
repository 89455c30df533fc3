"""The difference of two values as upstream shows it where an update may not change them.

Upstream appends what its library for comparing (go-cmp 0.5.2) reports: Go source of both values, line by line, with
``-`` and ``+`` before what differs and all that is equal left out or cut short. Clients show it to people. What is
cut, what goes on one line and how names are aligned follows that library's rules, so that the text is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from kube_lite.resources.go.alignment import aligned
from kube_lite.resources.go.types import (
    INT_OR_STRING,
    QUANTITY,
    amount_parts,
    element,
    go_quote,
    go_types,
    is_zero,
    member,
    underlying,
)
from kube_lite.resources.labelselector import text_of_selector

CONTEXT = 2
"""Equal neighbours shown on each side of a difference."""
COLUMNS = 80
"""Longest list that stays on one line, in characters."""
_ABSENT: Any = object()
_STRINGERS = frozenset({"core.ResourceName"})
"""Types with a method String, whose values are marked with an ``s``."""
_SELECTOR = "*v1.LabelSelector"
"""Another one, whose text is longer than the name in it."""


class _Node(msgspec.Struct):
    """Two values of a type, and how they compare; a leaf has no records."""

    type: str
    x: Any
    y: Any
    differs: bool
    records: list[tuple[str, _Node]] = msgspec.field(default_factory=list)

    @property
    def children(self) -> int:
        """How many values are below."""
        return sum(1 + node.children for _, node in self.records)

    @property
    def depth(self) -> int:
        """How far down the lowest one is."""
        return max((1 + node.depth for _, node in self.records), default=0)

    @property
    def leaves(self) -> tuple[int, int]:
        """How many leaves are equal, and how many differ."""
        if not self.records:
            return (0, 1) if self.differs else (1, 0)
        counts = [node.leaves for _, node in self.records]
        return sum(same for same, _ in counts), sum(other for _, other in counts)


def _compare(type_: str, x: Any, y: Any) -> _Node:
    kind = underlying(type_)
    if x is _ABSENT or y is _ABSENT:
        return _Node(type_, x, y, True)
    if kind in go_types().structs:
        given, wanted = x or {}, y or {}
        fields = go_types().structs[kind]
        records = [(f.name, _compare(f.type, member(kind, f, given), member(kind, f, wanted))) for f in fields]
        return _Node(type_, given, wanted, any(node.differs for _, node in records), records)
    if kind in (QUANTITY, INT_OR_STRING) or kind[0] not in "*[m":
        return _Node(type_, x, y, not is_same(kind, x, y))
    if x is None or y is None:
        return _Node(type_, x, y, x is not y)
    if kind[0] == "*":
        records = [("", _compare(element(kind), x, y))]
    elif kind[0] == "[":
        records = _compare_lists(element(kind), x, y)
    else:
        records = [
            (_map_key(kind, key), _compare(element(kind), x.get(key, _ABSENT), y.get(key, _ABSENT)))
            for key in sorted({*x, *y})
        ]
    return _Node(type_, x, y, any(node.differs for _, node in records), records)


def is_same(kind: str, x: Any, y: Any) -> bool:
    """Whether two leaves hold the same; nothing and zero are the same, and so are amounts in any spelling."""
    if kind == QUANTITY:
        one, other = (amount_parts(text or "0") for text in (x, y))
        low = min(one[1], other[1])
        same: bool = one[0] * 10 ** (one[1] - low) == other[0] * 10 ** (other[1] - low)
        return same
    return bool((x or None) == (y or None))


def _compare_lists(item: str, x: Sequence[Any], y: Sequence[Any]) -> list[tuple[str, _Node]]:
    """Items beside each other, as far as they are alike."""
    pairs = aligned(len(x), len(y), lambda i, j: _compare(item, x[i], y[j]).leaves)
    ends = [(_ABSENT if i is None else x[i], _ABSENT if j is None else y[j]) for i, j in pairs]
    return [("", _compare(item, one, other)) for one, other in ends]


def _map_key(kind: str, key: str) -> str:
    named = kind.removeprefix("map[").partition("]")[0]
    return ("s" if named in _STRINGERS else "") + go_quote(key)


# ---- text that is laid out once it is known how long it is


class _Record(msgspec.Struct):
    """An entry of a list: its mark (``-``, ``+`` or none), its name, its text, and what is said about it."""

    value: str | _List
    key: str = ""
    mark: str = ""
    comment: str = ""


class _List(msgspec.Struct):
    """Entries in braces behind a prefix."""

    prefix: str
    records: list[_Record]


def _compact(text: str | _List, mark: str) -> str | _List:
    """The text on one line, or with those of its parts on one line that can be."""
    if isinstance(text, str):
        return text
    records = [
        _Record(_compact(record.value, record.mark or mark), record.key, record.mark, record.comment)
        for record in text.records
    ]
    flat = not any(record.mark or record.comment or not isinstance(record.value, str) for record in records)
    inside = ", ".join((f"{record.key}: " if record.key else "") + str(record.value) for record in records)
    if not flat or (mark and len(inside) > COLUMNS):
        return _List(text.prefix, records)
    return f"{text.prefix}{{{inside}}}"


def _start(mark: str, depth: int) -> str:
    return f"\n{mark or ' '} " + "\t" * depth


def _expand(text: str | _List, mark: str, depth: int) -> str:
    if isinstance(text, str):
        return text
    if all(not (r.mark or r.key or r.comment) and isinstance(r.value, str) for r in text.records):
        lines = _batched([str(record.value) for record in text.records])
        body = "".join(_start(mark, depth + 1) + line for line in lines)
        return f"{text.prefix}{{{body}{_start(mark, depth)}}}"
    body = ""
    for record, padding in zip(text.records, _paddings(text.records), strict=True):
        own = record.mark or mark
        body += _start(own, depth + 1) + (f"{record.key}: " if record.key else "") + " " * padding
        body += _expand(record.value, own, depth + 1) + ("" if record.value == "..." else ",")
        body += f" // {record.comment}" if record.comment else ""
    return f"{text.prefix}{{{body}{_start(mark, depth)}}}"


def _batched(values: list[str]) -> list[str]:
    lines: list[str] = []
    line = ""
    for value in values:
        if len(line) + len(value) + 2 > COLUMNS and line:
            lines.append(line.rstrip(" "))
            line = ""
        line += f"{value}, "
    return [*lines, line.rstrip(" ")] if line else lines


def _paddings(records: list[_Record]) -> list[int]:
    """Spaces that align the values of neighbours that each fit a line."""
    paddings = [0] * len(records)
    start = 0
    for end in range(len(records) + 1):
        if end < len(records) and records[end].key and isinstance(records[end].value, str):
            continue
        longest = max((len(record.key) for record in records[start:end]), default=0)
        for i in range(start, end):
            paddings[i] = longest - len(records[i].key)
        start = end + 1
    return paddings


# ---- what is shown of a node

_AUTO, _ELIDE, _EMIT = "auto", "elide", "emit"


class _Options(msgspec.Struct, frozen=True):
    """``side`` is ``=`` where both are equal, ``-`` and ``+`` for one of them, empty where they are compared."""

    side: str = ""
    types: str = _EMIT
    level: int = 0

    def named(self, type_: str, text: str | _List) -> str | _List:
        """The text behind its type, where that is shown."""
        kind = underlying(type_)
        structs = kind in go_types().structs or kind in (QUANTITY, INT_OR_STRING)
        composite = structs or kind[0] == "[" or kind.startswith("map[")
        if self.types == _ELIDE or (self.types == _AUTO and (not composite or text == "nil" or self.side == "=")):
            return text
        return _prefixed(type_, text)


def _prefixed(prefix: str, text: str | _List) -> str | _List:
    if isinstance(text, _List):
        return _List(prefix + text.prefix, text.records)
    return f"{prefix}{text}" if text.startswith(("{", "&")) or prefix == "&" else f"{prefix}({text})"


def _cut(level: int) -> int:
    return ((1 << max(level, 0)) >> 1) << 2


def _value(options: _Options, type_: str, value: Any) -> str | _List:
    """One value; the level bounds how much of it is shown."""
    kind = underlying(type_)
    inner = _Options(options.side, _AUTO, options.level - 1)
    items = _Options(options.side, _ELIDE, options.level - 1)
    if kind == QUANTITY:
        return options.named(type_, _quantity(inner, value or "0", _cut(options.level)))
    if kind == INT_OR_STRING:
        return options.named(type_, _int_or_string(value, _cut(options.level)))
    if kind in go_types().structs:
        set_ = [(f, member(kind, f, value or {})) for f in go_types().structs[kind]]
        shown = [(f.name, f.type, sub) for f, sub in set_ if not is_zero(f.type, sub)]
        return options.named(type_, _limited(shown, inner, _cut(options.level)))
    if kind[0] not in "*[m":
        return _basic(kind, value)
    if value is None:
        return "nil"
    if kind == _SELECTOR:
        return _spoken(options, text_of_selector(value))
    if kind[0] == "*":
        return _prefixed("&", _value(options, element(kind), value))
    if kind[0] == "[":
        entries = [("", element(kind), item) for item in value]
    else:
        entries = [(_map_key(kind, key), element(kind), value[key]) for key in sorted(value)]
    return options.named(type_, _limited(entries, items, _cut(options.level)))


def _spoken(options: _Options, text: str) -> str:
    """A value that has a text of its own (``fmt.Stringer``), as far as it is shown."""
    most = (1 << max(options.level, 0)) << 5
    return f"s{go_quote(text)}" if len(text) <= most + len("...") else f"s{go_quote(text[:most])}..."


def _limited(entries: list[tuple[str, str, Any]], options: _Options, most: int) -> _List:
    records = [_Record(_value(options, type_, value), name) for name, type_, value in entries[:most]]
    return _List("", records + ([_Record("...")] if len(entries) > most else []))


def _quantity(options: _Options, text: str, most: int) -> _List:
    amount, scale, kept, family = amount_parts(text)
    numbers = [_Record(str(n), name) for name, n in (("value", amount), ("scale", scale)) if n]
    limit = _cut(options.level)
    inside = _List("", numbers[:limit] + ([_Record("...")] if len(numbers) > limit else []))
    if options.side != "=":
        inside.prefix = "resource.int64Amount"
    records = [_Record(inside, "i")] if numbers else []
    records += [_Record(go_quote(part), name) for name, part in (("s", kept), ("Format", family)) if part]
    return _List("", records[:most] + ([_Record("...")] if len(records) > most else []))


def _int_or_string(value: Any, most: int) -> _List:
    given = (("Type", "1"), ("StrVal", go_quote(value))) if isinstance(value, str) else (("IntVal", str(value or 0)),)
    shown = [_Record(text, name) for name, text in given if text not in ("0", '""')]
    return _List("", shown[:most] + ([_Record("...")] if len(shown) > most else []))


def _basic(kind: str, value: Any) -> str:
    if kind == "bool":
        return "true" if value else "false"
    return go_quote(value or "") if kind == "string" else str(value or 0)


def _shown(options: _Options, node: _Node) -> str | _List:
    """A node: its value where one side or equality is asked for, else the difference."""
    options = _Options(options.side, options.types, 1 if options.side == "=" else max(options.level, 3))
    if not node.records:
        if options.side != "":
            return _value(options, node.type, node.y if options.side == "+" else node.x)
        if not node.differs:
            return _value(options, node.type, node.x)
        plain = _Options("", _ELIDE, options.level)
        sides = [(mark, value) for mark, value in (("-", node.x), ("+", node.y)) if value is not _ABSENT]
        both = _List("", [_Record(_value(plain, node.type, value), "", mark) for mark, value in sides])
        return _prefixed(node.type, both)
    kind = underlying(node.type)
    if kind[0] == "*":
        return _prefixed("&", _shown(options, node.records[0][1]))
    return options.named(node.type, _entries(options, node))


def _entries(options: _Options, node: _Node) -> _List:
    kind = underlying(node.type)
    is_struct = kind in go_types().structs
    inner = _Options(options.side, _AUTO if is_struct else _ELIDE, options.level - 1)
    if options.side:
        most = _cut(options.level) if options.side == "=" else (1 << options.level) << 1
        pick: Callable[[_Node], Any] = (lambda n: n.y) if options.side == "+" else (lambda n: n.x)
        here = [(key, sub) for key, sub in node.records if pick(sub) is not _ABSENT]
        kept = [(key, sub) for key, sub in here if not (is_struct and is_zero(sub.type, pick(sub)))]
        records = [_Record(_shown(inner, sub), key) for key, sub in kept[:most]]
        return _List("", records + ([_Record("...")] if len(kept) > most else []))
    word = "field" if is_struct else "element" if kind[0] == "[" else "entry"
    return _List("", _differences(inner, node.records, word, (1 << options.level) << 1))


def _differences(options: _Options, records: list[tuple[str, _Node]], word: str, most: int) -> list[_Record]:
    """What differs, each with its neighbours; after ``most`` differences the rest is counted."""
    equal = _Options("=", options.types, options.level)
    found: list[_Record] = []
    groups = _groups(records)
    told, left = 0, 0
    for i, group in enumerate(groups):
        if told >= most:
            left = sum(len(g) for g in groups[i:])
            break
        if group[0][1].differs:
            for key, node in group:
                found.extend(_difference(options, key, node))
            told += len(group)
            continue
        low = min(CONTEXT, len(group)) if i else 0
        high = min(CONTEXT, len(group) - low) if i < len(groups) - 1 else 0
        high += len(group) - low - high == 1
        found += [_Record(_shown(equal, node), key) for key, node in group[:low]]
        if (hidden := len(group) - low - high) > 0:
            found.append(_Record("...", comment=f"{hidden} identical {_plural(word, hidden)}"))
        found += [_Record(_shown(equal, node), key) for key, node in group[len(group) - high :]]
    if left:
        found.append(_Record("...", comment=_counts(groups, told, word)))
    return found


def _groups(records: list[tuple[str, _Node]]) -> list[list[tuple[str, _Node]]]:
    groups: list[list[tuple[str, _Node]]] = []
    for record in records:
        if groups and groups[-1][0][1].differs == record[1].differs:
            groups[-1].append(record)
        else:
            groups.append([record])
    return groups


def _counts(groups: list[list[tuple[str, _Node]]], told: int, word: str) -> str:
    rest = [node for group in groups for _, node in group]
    differing = [node for node in rest if node.differs][told:]
    start = rest.index(differing[0]) if differing else len(rest)
    counts = {
        "identical": sum(not node.differs for node in rest[start:]),
        "removed": sum(node.y is _ABSENT for node in differing),
        "inserted": sum(node.x is _ABSENT for node in differing),
    }
    counts["modified"] = len(differing) - counts["removed"] - counts["inserted"]
    shown = [f"{count} {name}" for name, count in counts.items() if count]
    joined = shown[0] if len(shown) == 1 else " and ".join(shown)
    if len(shown) > 2:
        joined = f"{', '.join(shown[:-1])}, and {shown[-1]}"
    return f"{joined} {_plural(word, sum(counts.values()))}"


def _plural(word: str, count: int) -> str:
    if count == 1:
        return word
    return "entries" if word == "entry" else f"{word}s"


def _difference(options: _Options, key: str, node: _Node) -> list[_Record]:
    if node.children != node.depth:
        return [_Record(_shown(options, node), key)]
    sides = [(mark, value) for mark, value in (("-", node.x), ("+", node.y)) if value is not _ABSENT]
    return [_Record(_shown(_Options(mark, options.types, options.level), node), key, mark) for mark, _ in sides]


def go_diff(type_: str, new: Any, old: Any) -> str:
    """The difference of two JSON values of a Go type, first the new, ending in a newline; empty when equal."""
    node = _compare(type_, new, old)
    if not node.differs:
        return ""
    return "  " + _expand(_compact(_shown(_Options(), node), ""), "", 0) + "\n"
