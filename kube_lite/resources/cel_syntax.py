"""CEL source made ready for the library: what Kubernetes' CEL has and the library's grammar lacks is rewritten.

Rewriting works on tokens, so strings and names are never mistaken for one another:

    a.?b.c         -> __select(__select(a, 'b'), 'c')     optional selection
    a[?i]          -> __index(a, i)
    cel.bind(x, i, e) -> [i].map(x, e)[0]
    size(s)        -> __size(s)                            the library counts bytes, CEL characters
    has(a.__b__)   stays: names are unescaped by nobody, objects are escaped instead (``escape``)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<string>[rRbB]{0,2}(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))
    |(?P<number>0x[0-9a-fA-F]+u?|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?u?|\.\d+(?:[eE][+-]?\d+)?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>\.\?|\[\?|&&|\|\||[=!<>]=|.)""",
    re.VERBOSE | re.DOTALL,
)
_CLOSING: Final = {")": "(", "]": "[", "}": "{"}
MACROS: Final = frozenset({"all", "exists", "exists_one", "existsOne", "filter", "map"})
RESERVED: Final = frozenset(
    {
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"),
        *("let", "loop", "package", "namespace", "return", "var", "void", "while"),
    }
)
"""Words that a property must be escaped for (cel-spec, reserved)."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of source: space, string, number, name or sign."""

    kind: str
    text: str


def tokens(source: str) -> list[Token]:
    """The tokens of an expression, without space and comments."""
    found = [Token(m.lastgroup or "sign", m[0]) for m in _TOKEN.finditer(source)]
    return [token for token in found if token.kind != "space"]


def positioned(source: str) -> list[tuple[Token, int]]:
    """The tokens with the offsets at which they stand."""
    found = ((Token(m.lastgroup or "sign", m[0]), m.start()) for m in _TOKEN.finditer(source))
    return [(token, offset) for token, offset in found if token.kind != "space"]


def names(source: str) -> set[str]:
    """The names that are not fields of something else: variables and functions."""
    found = tokens(source)
    return {
        token.text
        for i, token in enumerate(found)
        if token.kind == "name" and (i == 0 or found[i - 1].text not in (".", ".?"))
    }


def bound(source: str) -> set[str]:
    """The variables that loops and ``cel.bind`` bring in."""
    found = tokens(source)
    return {
        found[i + 2].text
        for i, token in enumerate(found[:-3])
        if token.text in MACROS | {"bind", "optMap", "optFlatMap"}
        and found[i + 1].text == "("
        and found[i + 3].text == ","
        and found[i + 2].kind == "name"
    }


def depth(source: str) -> int:
    """How deeply loops over collections are nested: 0 without any."""
    deepest = 0
    open_loops: list[bool] = []
    found = tokens(source)
    for i, token in enumerate(found):
        if token.text == "(":
            loop = i >= 2 and found[i - 1].text in MACROS and found[i - 2].text in (".", ".?")
            open_loops.append(loop)
            deepest = max(deepest, sum(open_loops))
        elif token.text == ")" and open_loops:
            open_loops.pop()
    return deepest


def escape(name: str) -> str | None:
    """A property's name as CEL sees it; None when no expression can name it."""
    if name in RESERVED:
        return f"__{name}__"
    text = (
        name.replace("__", "__underscores__").replace(".", "__dot__").replace("-", "__dash__").replace("/", "__slash__")
    )
    return text if re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII) else None


def rewrite(source: str) -> str:
    """The expression in the library's grammar."""
    return " ".join(_Rewriter(tokens(source)).all())


class _Rewriter:
    """Goes through the tokens once, keeping the text of each postfix chain as it grows."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._at = 0

    def all(self) -> list[str]:
        """The rewritten tokens up to the end or a closing bracket."""
        out: list[str] = []
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.text in _CLOSING:
                break
            if token.kind in ("name", "string", "number") or token.text in ("(", "[", "{"):
                out.append(self._chain())
            else:
                self._at += 1
                out.append(token.text)
        return out

    def _inside(self) -> str:
        """What stands between brackets; leaves the closing one behind."""
        self._at += 1
        inside = " ".join(self.all())
        self._at += 1
        return inside

    def _chain(self) -> str:
        """A primary with all that is selected from, indexed in or called on it."""
        text, optional = self._primary(), False
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.text in (".", ".?") and self._at + 1 < len(self._tokens):
                name = self._tokens[self._at + 1].text
                called = self._text(self._at + 2) == "("
                self._at += 2
                if called:
                    text, optional = f"{text}.{_function(name)}({self._inside()})", False
                elif token.text == ".?" or optional:
                    text, optional = f"__select({text}, '{name}')", True
                else:
                    text = f"{text}.{name}"
            elif token.text == "[?" or (token.text == "[" and optional):
                text, optional = f"__index({text}, {self._inside()})", True
            elif token.text == "[":
                text = f"{text}[{self._inside()}]"
            else:
                break
        return text

    def _primary(self) -> str:
        token = self._tokens[self._at]
        if token.text in ("(", "[", "{"):
            closing = {"(": ")", "[": "]", "{": "}"}[token.text]
            return f"{token.text}{self._inside()}{closing}"
        if token.text == "cel" and [self._text(self._at + i) for i in (1, 2, 3)] == [".", "bind", "("]:
            return self._bind()
        self._at += 1
        if token.kind == "name" and self._text(self._at) == "(":
            return f"{_function(token.text)}({self._inside()})"
        return token.text

    def _bind(self) -> str:
        variable = self._text(self._at + 4)
        self._at += 6  # cel . bind ( name ,
        value: list[str] = []
        while self._text(self._at) not in (",", ""):
            start = self._at
            value.append(self._step())
            if self._at == start:
                break
        self._at += 1
        body = " ".join(self.all())
        self._at += 1
        return f"[{' '.join(value)}].map({variable}, {body})[0]"

    def _step(self) -> str:
        token = self._tokens[self._at]
        if token.kind in ("name", "string", "number") or token.text in ("(", "[", "{"):
            return self._chain()
        self._at += 1
        return token.text

    def _text(self, position: int) -> str:
        return self._tokens[position].text if position < len(self._tokens) else ""


def _function(name: str) -> str:
    return {"size": "__size", "existsOne": "exists_one"}.get(name, name)
