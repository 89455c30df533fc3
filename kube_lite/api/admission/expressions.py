"""CEL in admission: what expressions may name, and upstream's way of building objects.

``Object{spec: Object.spec{replicas: 3}}`` and ``JSONPatch{op: 'add', ...}`` are turned into map literals: the types
after the names only repeat what the schema says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from kube_lite.resources import cel

VARIABLES = frozenset({"object", "oldObject", "request", "namespaceObject", "params", "variables"})
MAX_LENGTH = 16_384
"""Characters of an expression at most; bounds the work of reading it."""

_STRUCT = re.compile(r"\b(?:Object(?:\.[A-Za-z_][A-Za-z0-9_.]*)?|JSONPatch)\s*\{")
_TOKENS = re.compile(
    r"""(?P<text>[rR]?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))|(?P<struct>"""
    + _STRUCT.pattern
    + r""")|(?P<open>\{)|(?P<close>\})|(?P<key>[A-Za-z_][A-Za-z0-9_]*\s*:(?!:))|(?P<other>[A-Za-z0-9_]+|.)""",
    re.DOTALL,
)


def as_maps(source: str) -> str:
    """``Object{a: 1}`` as ``{"a": 1}``: upstream's object construction without its types."""
    if not _STRUCT.search(source):
        return source
    parts: list[str] = []
    stack: list[bool] = []
    previous = ""
    for found in _TOKENS.finditer(source):
        text, kind = found.group(0), found.lastgroup
        if kind == "struct":
            stack.append(True)
            text = "{"
        elif kind == "open":
            stack.append(False)
        elif kind == "close" and stack:
            stack.pop()
        elif kind == "key" and stack and stack[-1] and previous in ("{", ","):
            text = f'"{text.rstrip(":").strip()}":'
        parts.append(text)
        if text.strip():
            previous = text.strip()
    return "".join(parts)


@lru_cache(maxsize=4096)
def compiled(source: str) -> cel.Expression:
    """The expression, compiled once. :raises cel.CelError: it is none"""
    if len(source) > MAX_LENGTH:
        raise cel.CelError(f"the expression is longer than {MAX_LENGTH} characters")
    return cel.Expression(as_maps(source).replace("jsonpatch.escapeKey(", "__escape_key("), VARIABLES)


def value(source: str, variables: Mapping[str, Any]) -> Any:
    """What an expression comes to. :raises cel.CelError: it cannot be compiled or evaluated"""
    return compiled(source).evaluate(variables)
