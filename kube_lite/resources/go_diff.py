"""The difference of two Go values as upstream's messages show it, e.g. when a pod's spec may not change.

It is that of go-cmp v0.5 (``cmp/report_compare.go``, ``report_reflect.go``, ``report_text.go``): a struct, slice
or map with its changed parts marked ``-`` and ``+``, two equal parts around each change for context, and the rest
counted. Values are shortened the more the deeper they are; equal keys in a row are aligned. go-cmp prints either
spaces or no-break spaces, by chance at each start, so that nobody relies on the text; here they are spaces.

    diff(before, after) -> str      "" when they are equal
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from kube_lite.resources.field import show
from kube_lite.resources.go_values import Value

_CONTEXT: Final = 2
"""Equal parts that are shown on each side of a change."""
_WIDTH: Final = 80
"""Characters to which a removed or inserted value may grow on one line."""
_BOTH, _SAME, _REMOVED, _INSERTED = "", " ", "-", "+"
_AUTO, _ELIDE, _EMIT = range(3)


@dataclass(slots=True)
class _Node:
    """Two values compared, part by part."""

    x: Value | None
    y: Value | None
    records: list[tuple[str, _Node]] = field(default_factory=list)
    differs: int = 0
    same: int = 0
    children: int = 0
    depth: int = 0

    @property
    def sample(self) -> Value:
        """Either value, for its type."""
        value = self.x if self.x is not None else self.y
        assert value is not None
        return value


def _compare(x: Value | None, y: Value | None) -> _Node:
    node = _Node(x, y)
    if x is None or y is None or x.kind == "scalar" or x.leaf or x.parts is None or y.parts is None:
        equal = x is not None and y is not None and _equal(x, y)
        node.differs, node.same = int(not equal), int(equal)
        return node
    pairs: Sequence[tuple[str, Value | None, Value | None]]
    if x.kind == "map":
        mine, theirs = dict(x.parts), dict(y.parts)
        pairs = [(key, mine.get(key), theirs.get(key)) for key in sorted({*mine, *theirs})]
    elif x.kind == "slice":
        pairs = [("", one, other) for one, other in _aligned([p for _, p in x.parts], [p for _, p in y.parts])]
    else:
        pairs = [(name, one, other) for (name, one), (_, other) in zip(x.parts, y.parts, strict=True)]
    for name, one, other in pairs:
        below = _compare(one, other)
        node.records.append((name, below))
        node.differs += below.differs
        node.same += below.same
        node.children += below.children + 1
        node.depth = max(node.depth, below.depth + 1)
    return node


def _equal(x: Value, y: Value) -> bool:
    if x.parts is None or y.parts is None:
        return x.parts is y.parts and x.text == y.text
    return len(x.parts) == len(y.parts) and all(
        name == at and _equal(one, other) for (name, one), (at, other) in zip(x.parts, y.parts, strict=True)
    )


def _aligned(xs: list[Value], ys: list[Value]) -> list[tuple[Value | None, Value | None]]:
    """Items of two lists side by side: equal ends, and between them similar items in their order."""
    start = 0
    while start < min(len(xs), len(ys)) and _equal(xs[start], ys[start]):
        start += 1
    end = 0
    while end < min(len(xs), len(ys)) - start and _equal(xs[-1 - end], ys[-1 - end]):
        end += 1
    pairs: list[tuple[Value | None, Value | None]] = list(zip(xs[:start], ys[:start], strict=True))
    left, right = xs[start : len(xs) - end], ys[start : len(ys) - end]
    while left and right and _similar(left[0], right[0]):
        pairs.append((left.pop(0), right.pop(0)))
    pairs += [(one, None) for one in left]
    pairs += [(None, one) for one in right]
    if end:
        pairs += zip(xs[-end:], ys[-end:], strict=True)
    return pairs


def _similar(x: Value, y: Value) -> bool:
    node = _compare(x, y)
    return node.same + 1 >= node.differs


# ---- text


class _Line(str):
    """Text on one line."""

    __slots__ = ()


@dataclass(slots=True)
class _Record:
    value: _Text
    key: str = ""
    mark: str = _BOTH
    comment: str = ""
    elided: bool = False


@dataclass(slots=True)
class _Block:
    """Records between brackets, on one line or on one each."""

    prefix: str
    records: list[_Record]
    suffix: str = "}"


@dataclass(slots=True)
class _Prefixed:
    prefix: str
    inner: _Text


_Text = _Line | _Block | _Prefixed
_DOTS: Final = _Line("...")


@dataclass(frozen=True, slots=True)
class _Options:
    mode: str = _BOTH
    types: int = _EMIT
    level: int = 0
    limited: bool = False

    def most(self) -> int | None:
        """How many parts are shown of a value that is not itself different."""
        return ((1 << max(self.level, 0)) >> 1) << 2 if self.limited else None

    def deeper(self) -> _Options:
        return replace(self, level=self.level - 1) if self.limited else self


def diff(before: Value, after: Value) -> str:
    """What changed from one value to another, in lines that begin with their mark; '' if nothing did."""
    node = _compare(before, after)
    if not node.differs:
        return ""
    lines: list[str] = []
    _expand(_compact(_shown(node, _Options()), _BOTH)[1], lines, "  ", "", "", "", 0)
    return "\n".join(lines) + "\n"


def _shown(node: _Node, options: _Options) -> _Text:
    """A compared pair as text."""
    options = replace(options, level=1 if options.mode == _SAME else max(options.level, 3), limited=True)
    if not node.depth:
        return _leaf(node, options)
    sample = node.sample
    if sample.kind == "pointer":
        return _Prefixed("&", _shown(node.records[0][1], options))
    made = _parts(node, sample.kind, options)
    return _typed(sample, made, options)


def _leaf(node: _Node, options: _Options) -> _Text:
    if options.mode == _REMOVED:
        return _DOTS if node.x is None else _value(node.x, options)
    if options.mode == _INSERTED:
        return _DOTS if node.y is None else _value(node.y, options)
    if not node.differs:
        return _value(node.sample, options)
    plain = replace(options, types=_ELIDE)
    records = []
    if node.x is not None:
        records.append(_Record(_value(node.x, plain), mark=_REMOVED))
    if node.y is not None:
        records.append(_Record(_value(node.y, plain), mark=_INSERTED))
    return _Block(f"{node.sample.go}(", records, ")")


def _typed(value: Value, made: _Text, options: _Options) -> _Text:
    """With the name of the value's type in front where it is to be seen."""
    if options.types == _ELIDE:
        return made
    if options.types == _AUTO and (options.mode == _SAME or value.kind not in ("struct", "slice", "map")):
        return made
    if isinstance(made, _Block):
        return _Block(value.go + made.prefix, made.records, made.suffix)
    return made


def _parts(node: _Node, kind: str, options: _Options) -> _Block:
    """The parts of a struct, slice or map."""
    mode = options.mode
    most = options.most() if mode == _SAME else (1 << max(options.level, 0)) << 1
    below = replace(options.deeper(), types=_AUTO if kind == "struct" else _ELIDE)
    if mode != _BOTH:
        return _Block("{", _one_sided(node, kind, below, most))
    records: list[_Record] = []
    rest = node.records
    groups = _groups(rest)
    for number, (changed, count) in enumerate(groups):
        now, rest = rest[:count], rest[count:]
        if changed:
            for name, one in now:
                records += _changed(_key(kind, name), one, below)
            continue
        first = min(_CONTEXT, count) if number else 0
        last = min(_CONTEXT, count - first) if number < len(groups) - 1 else 0
        if count - first - last == 1:
            last += 1
        same = replace(below, mode=_SAME)
        records += [_Record(_shown(one, same), _key(kind, name)) for name, one in now[:first]]
        if count > first + last:
            what = {"struct": "field", "slice": "element", "map": "entry"}[kind]
            hidden = count - first - last
            plural = what if hidden == 1 else "entries" if what == "entry" else what + "s"
            records.append(_Record(_DOTS, comment=f"{hidden} identical {plural}", elided=True))
        records += [_Record(_shown(one, same), _key(kind, name)) for name, one in now[count - last :] if last]
    return _Block("{", records)


def _groups(records: list[tuple[str, _Node]]) -> list[tuple[bool, int]]:
    """Runs of changed and of equal parts, with their lengths."""
    groups: list[tuple[bool, int]] = []
    for _, one in records:
        changed = one.differs > 0
        if groups and groups[-1][0] == changed:
            groups[-1] = (changed, groups[-1][1] + 1)
        else:
            groups.append((changed, 1))
    return groups


def _key(kind: str, name: str) -> str:
    return f"s{show(name)}" if kind == "map" else name


def _changed(key: str, node: _Node, options: _Options) -> list[_Record]:
    """A part that differs: as a whole before and after, or looked into where it has several parts itself."""
    if node.children != node.depth:
        return [_Record(_shown(node, options), key)]
    records = []
    if node.x is not None:
        records.append(_Record(_shown(node, replace(options, mode=_REMOVED)), key, _REMOVED))
    if node.y is not None:
        records.append(_Record(_shown(node, replace(options, mode=_INSERTED)), key, _INSERTED))
    return records


def _one_sided(node: _Node, kind: str, options: _Options, most: int | None) -> list[_Record]:
    records: list[_Record] = []
    for name, one in node.records:
        if most is not None and len(records) == most:
            records.append(_Record(_DOTS, elided=True))
            break
        value = one.y if options.mode == _INSERTED else one.x
        if kind == "struct" and (value is None or value.zero):
            continue
        if value is not None:
            records.append(_Record(_shown(one, options), _key(kind, name)))
    return records


def _value(value: Value, options: _Options) -> _Text:
    """A value by itself."""
    if value.kind == "scalar":
        return _Line(value.text)
    if value.parts is None:
        return _Line("nil")
    if value.kind == "pointer":
        return _Prefixed("&", _value(value.parts[0][1], options))
    most = options.most()
    below = replace(options.deeper(), types=_AUTO if value.kind == "struct" else _ELIDE)
    records: list[_Record] = []
    for name, one in value.parts:
        if value.kind == "struct" and one.zero:
            continue
        if most is not None and len(records) == most:
            records.append(_Record(_DOTS, elided=True))
            break
        key = "" if value.kind == "slice" else _key(value.kind, name)
        records.append(_Record(_value(one, below), key))
    return _typed(value, _Block("{", records), options)


def _compact(text: _Text, mark: str) -> tuple[str, _Text]:
    """The text on one line, and the text again with whatever fits on one line as one."""
    if isinstance(text, _Line):
        return text, text
    if isinstance(text, _Prefixed):
        line, inner = _compact(text.inner, mark)
        line = text.prefix + line
        return line, _Line(line) if isinstance(inner, _Line) else _Prefixed(text.prefix, inner)
    lines, records, several = [], [], False
    for record in text.records:
        line, value = _compact(record.value, mark or record.mark)
        several |= record.mark in (_REMOVED, _INSERTED) or not isinstance(value, _Line) or bool(record.comment)
        lines.append(f"{record.key}: {line}" if record.key else line)
        records.append(replace(record, value=value))
    joined = ", ".join(lines)
    if mark in (_REMOVED, _INSERTED) and len(joined.encode()) > _WIDTH:
        several = True
    line = f"{text.prefix}{joined}{text.suffix}"
    return line, _Block(text.prefix, records, text.suffix) if several else _Line(line)


def _expand(text: _Text, lines: list[str], mark: str, head: str, pad: str, tail: str, depth: int) -> None:
    """Write a text that begins with ``head`` and ends with ``tail``, over as many lines as it needs."""
    tabs = "\t" * depth
    while isinstance(text, _Prefixed):
        head, text = head + text.prefix, text.inner
    if isinstance(text, _Line):
        lines.append(f"{mark}{tabs}{head}{pad}{text}{tail}")
        return
    lines.append(f"{mark}{tabs}{head}{text.prefix}")
    pads = _pads(text.records)
    for record, gap in zip(text.records, pads, strict=True):
        inner = f"{record.mark} " if record.mark else mark
        ending = "" if record.elided else ","
        if record.comment:
            ending += f" // {record.comment}"
        start = f"{record.key}: " if record.key else ""
        _expand(record.value, lines, inner, start, " " * gap, ending, depth + 1)
    lines.append(f"{mark}{tabs}{text.suffix}{tail}")


def _pads(records: list[_Record]) -> list[int]:
    """Spaces after each key, so that values in a row begin in the same column."""
    pads = [0] * len(records)
    run: list[int] = []
    for position, record in enumerate([*records, None]):
        if record is not None and record.key and isinstance(record.value, _Line):
            run.append(position)
            continue
        longest = max((len(records[at].key) for at in run), default=0)
        for at in run:
            pads[at] = longest - len(records[at].key)
        run = []
    return pads
