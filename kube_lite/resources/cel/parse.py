"""CEL source as a tree with positions, for what looks at an expression without running it: types and cost.

The library that evaluates keeps its tree to itself. Grammar and precedence are those of the CEL language
definition, with optional selection (``a.?b``, ``a[?i]``, ``{?k: v}``); macros stay calls, and the checker knows
them by name. A node's offset is where ``cel-go`` points in its messages: operators, the dot of a selection, the
opening bracket of a call.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from kube_lite.resources.cel.syntax import RESERVED, Token, positioned

MAX_DEPTH: Final = 250
TOO_DEEP: Final = f"expression recursion limit exceeded: {MAX_DEPTH}"
"""How deep expressions may be nested (``cel-go``: its recursion limit)."""
_LITERALS: Final = {"true": "bool", "false": "bool", "null": "null_type"}
_RELATIONS: Final = frozenset({"<", "<=", ">", ">=", "==", "!=", "in"})


class ParseError(ValueError):
    """The source is no expression; ``offset`` is where that shows."""

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(text)
        self.offset = offset


class Node(msgspec.Struct, frozen=True):
    """One expression.

    ``kind`` is ``const`` (``name`` its type, ``text`` its source), ``ident``, ``select`` (``test`` inside
    ``has()``), ``call`` (``target`` for methods), ``list``, ``map`` (keys and values in turn in ``args``) or
    ``struct`` (``name`` its type, ``fields`` its field names, ``args`` their values). ``fields`` of lists and maps
    holds ``?`` for optional entries.
    """

    kind: str
    name: str
    offset: int
    args: tuple[Node, ...] = ()
    target: Node | None = None
    text: str = ""
    optional: bool = False
    fields: tuple[str, ...] = ()

    def walk(self) -> Iterator[Node]:
        """This node and all below."""
        yield self
        for below in (*self.args, *((self.target,) if self.target is not None else ())):
            yield from below.walk()

    @property
    def path(self) -> str:
        """``a.b.c`` of plain selections from a name, else empty."""
        if self.kind == "ident":
            return self.name
        if self.kind == "select" and not self.optional and self.target is not None and self.target.path:
            return f"{self.target.path}.{self.name}"
        return ""


MAX_LENGTH: Final = 16_384
"""Characters of an expression at most; bounds the work of parsing it."""
_END: Final = Token("end", "<EOF>")


def parse(source: str) -> Node:
    """The tree of an expression. :raises ParseError: it is none, or too long to be worked on"""
    if len(source) > MAX_LENGTH:
        raise ParseError(f"the expression is longer than {MAX_LENGTH} characters", 0)
    parser = _Parser(source)
    node = parser.expression(0)
    if parser.token is not _END:
        raise parser.unexpected()
    return node


class _Parser:
    """Recursive descent over positioned tokens; binary operators by their levels."""

    _LEVELS: Final = (frozenset({"||"}), frozenset({"&&"}), _RELATIONS, frozenset("+-"), frozenset("*/%"))

    def __init__(self, source: str) -> None:
        self._tokens = positioned(source)
        self._end = len(source)
        self._at = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else _END

    @property
    def _offset(self) -> int:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else self._end

    def unexpected(self) -> ParseError:
        return ParseError(f"Syntax error: mismatched input '{self.token.text}'", self._offset)

    def _take(self, text: str) -> int:
        if self.token.text != text or self.token is _END or self.token.kind == "string":
            raise self.unexpected()
        offset = self._offset
        self._at += 1
        return offset

    def _is(self, *texts: str) -> bool:
        return self.token.kind in ("sign", "name") and self.token.text in texts

    def expression(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise ParseError(TOO_DEEP, self._offset)
        condition = self._binary(0, depth + 1)
        if not self._is("?"):
            return condition
        offset = self._take("?")
        yes = self._binary(0, depth + 1)
        self._take(":")
        return Node("call", "_?_:_", offset, (condition, yes, self.expression(depth + 1)))

    def _binary(self, level: int, depth: int) -> Node:
        if level == len(self._LEVELS):
            return self._unary(depth)
        left = self._binary(level + 1, depth)
        while self._is(*self._LEVELS[level]):
            operator, offset = self.token.text, self._offset
            self._at += 1
            right = self._binary(level + 1, depth)
            left = Node("call", "@in" if operator == "in" else f"_{operator}_", offset, (left, right))
        return left

    def _unary(self, depth: int) -> Node:
        offset = self._offset
        for sign in "!-":
            if self._is(sign):
                count = 0
                while self._is(sign):
                    self._at += 1
                    count += 1
                if sign == "-" and count == 1 and self.token.kind == "number":
                    return self._member(self._number(offset, "-"), depth)
                inner = self._member(None, depth)
                return Node("call", f"{sign}_", offset, (inner,)) if count % 2 else inner
        return self._member(None, depth)

    def _member(self, node: Node | None, depth: int) -> Node:
        node = node or self._primary(depth)
        while self._is(".", ".?", "[", "[?"):
            offset, optional = self._offset, self.token.text.endswith("?")
            if self._is("[", "[?"):
                self._at += 1
                position = self.expression(depth + 1)
                self._take("]")
                node = Node("call", "_[?_]" if optional else "_[_]", offset, (node, position))
                continue
            self._at += 1
            name = self._name()
            if self._is("(") and not optional:
                opened = self._offset
                node = Node("call", name, opened, self._arguments(depth), node)
            else:
                node = Node("select", name, offset, target=node, optional=optional)
        return node

    def _name(self) -> str:
        if self.token.kind != "name" or self.token.text in ("in", "true", "false", "null"):
            raise self.unexpected()
        self._at += 1
        return self._tokens[self._at - 1][0].text

    def _arguments(self, depth: int) -> tuple[Node, ...]:
        self._take("(")
        found: list[Node] = []
        while not self._is(")"):
            found.append(self.expression(depth + 1))
            if not self._is(")"):
                self._take(",")
                if self._is(")"):
                    raise self.unexpected()
        self._take(")")
        return tuple(found)

    def _list(self, offset: int, depth: int) -> Node:
        found: list[Node] = []
        flags: list[str] = ["?"] if self.token.text == "[?" else []
        self._at += 1
        while not self._is("]"):
            if len(flags) == len(found):
                flags.append(self._flag())
            found.append(self.expression(depth + 1))
            if not self._is("]"):
                self._take(",")
        self._take("]")
        return Node("list", "", offset, tuple(found), fields=tuple(flags))

    def _flag(self) -> str:
        """``?`` before an entry that is left out when its optional value is absent."""
        if not self._is("?"):
            return ""
        self._at += 1
        return "?"

    def _number(self, offset: int, sign: str = "") -> Node:
        text = self.token.text
        self._at += 1
        hexadecimal = text.startswith("0x")
        if text.endswith("u"):
            kind = "uint"
        elif not hexadecimal and any(c in text for c in ".eE"):
            kind = "double"
        else:
            kind = "int"
        return Node("const", kind, offset, text=sign + text)

    def _primary(self, depth: int) -> Node:
        token, offset = self.token, self._offset
        if token.kind == "number":
            return self._number(offset)
        if token.kind == "string":
            self._at += 1
            prefix = token.text[: token.text.index(token.text[-1])].lower()
            return Node("const", "bytes" if "b" in prefix else "string", offset, text=token.text)
        if self._is("("):
            self._at += 1
            inner = self.expression(depth + 1)
            self._take(")")
            return inner
        if self._is("[", "[?"):
            return self._list(offset, depth)
        if self._is("{"):
            return self._map(offset, depth)
        if self._is("."):
            self._at += 1
        return self._named(depth)

    def _named(self, depth: int) -> Node:
        offset, text = self._offset, self.token.text
        if text in _LITERALS and self.token.kind == "name":
            self._at += 1
            return Node("const", _LITERALS[text], offset, text=text)
        if text in RESERVED:
            raise ParseError(f"reserved identifier: {text}", offset)
        name = self._name()
        if self._is("("):
            opened = self._offset
            return Node("call", name, opened, self._arguments(depth))
        # a struct's name is qualified, and only the brace after it tells
        ahead, parts = self._at, [name]
        while self._text(ahead) == "." and self._kind(ahead + 1) == "name":
            parts.append(self._text(ahead + 1))
            ahead += 2
        if self._text(ahead) == "{":
            self._at, name = ahead, ".".join(parts)
        if self._is("{"):
            return self._struct(name, depth)
        return Node("ident", name, offset)

    def _text(self, position: int) -> str:
        return self._tokens[position][0].text if position < len(self._tokens) else ""

    def _kind(self, position: int) -> str:
        return self._tokens[position][0].kind if position < len(self._tokens) else ""

    def _struct(self, name: str, depth: int) -> Node:
        offset = self._take("{")
        fields: list[str] = []
        values: list[Node] = []
        while not self._is("}"):
            self._flag()
            fields.append(self._name())
            self._take(":")
            values.append(self.expression(depth + 1))
            if not self._is("}"):
                self._take(",")
        self._take("}")
        return Node("struct", name, offset, tuple(values), fields=tuple(fields))

    def _map(self, offset: int, depth: int) -> Node:
        self._take("{")
        entries: list[Node] = []
        flags: list[str] = []
        while not self._is("}"):
            flags.append(self._flag())
            entries.append(self.expression(depth + 1))
            self._take(":")
            entries.append(self.expression(depth + 1))
            if not self._is("}"):
                self._take(",")
        self._take("}")
        return Node("map", "", offset, tuple(entries), fields=tuple(flags))


def located(source: str, offset: int, text: str) -> str:
    """A message with its place, as ``cel-go`` shows it: line, column, the line itself and a pointer."""
    before = source[:offset]
    line, column = before.count("\n"), offset - (before.rfind("\n") + 1)
    shown = source.split("\n")[line]
    return f"ERROR: <input>:{line + 1}:{column + 1}: {text}\n | {shown}\n | {'.' * column}^"
