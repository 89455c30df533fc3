"""Tokens of CEL source, and the names by which expressions see properties that CEL could not name."""

from __future__ import annotations

import re
from typing import Final

import msgspec

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<string>[rRbB]{0,2}(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))
    |(?P<number>0x[0-9a-fA-F]+u?|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?u?|\.\d+(?:[eE][+-]?\d+)?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>\.\?|\[\?|&&|\|\||[=!<>]=|.)""",
    re.VERBOSE | re.DOTALL,
)
RESERVED: Final = frozenset(
    {
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"),
        *("let", "loop", "package", "namespace", "return", "var", "void", "while"),
    }
)
"""Words that a property must be escaped for (cel-spec, reserved)."""


class Token(msgspec.Struct, frozen=True):
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


def escape(name: str) -> str | None:
    """A property's name as CEL sees it; None when no expression can name it."""
    if name in RESERVED:
        return f"__{name}__"
    text = (
        name.replace("__", "__underscores__").replace(".", "__dot__").replace("-", "__dash__").replace("/", "__slash__")
    )
    return text if re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII) else None
