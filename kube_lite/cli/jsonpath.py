"""JSONPath as kubectl has it: text with expressions in braces, over decoded JSON.

Fields, ``['quoted']`` fields, indexes and slices, unions, wildcards, ``..name``, filters such as
``[?(@.type=="Ready")]``, ``{range ...}{end}`` and ``{"quoted\\ntext"}``. Several results are joined by spaces; text
is printed bare, everything else as JSON. A field that is missing yields nothing; an index out of bounds is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from kube_lite.cli.main import CommandError

Step = tuple[str, Any]
"""``field``, ``index``, ``slice``, ``wild``, ``deep``, ``filter`` or ``union``, and what it needs."""

_FIELD = re.compile(r"(?:\\.|[^\s.\[\](){}|'\"=!<>])+")
_SUBSCRIPT_SLICE = re.compile(r"\s*(-?\d*)\s*(?::\s*(-?\d*)\s*(?::\s*(-?\d*)\s*)?)?$")
_COMPARISON = re.compile(r"(==|!=|<=|>=|<|>)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class JsonPathError(CommandError):
    """The template cannot be read, or does not fit the object."""


class Template:
    """A compiled template.

    :raises JsonPathError: it cannot be read
    """

    def __init__(self, text: str) -> None:
        self._source = text
        self._nodes, rest = _parse_nodes(_pieces(text), 0, False)
        if rest:
            raise JsonPathError(f"error parsing jsonpath {text}: not in range, nothing to end")

    def render(self, document: Any) -> str:
        """The text that the template makes of ``document``. :raises JsonPathError: an index is out of bounds"""
        out: list[str] = []
        self._render(self._nodes, document, out)
        return "".join(out)

    def _render(self, nodes: Sequence[Any], current: Any, out: list[str]) -> None:
        for kind, payload, body in nodes:
            if kind == "text":
                out.append(payload)
            elif kind == "path":
                out.append(" ".join(shown(value) for value in walk(payload, current)))
            else:
                for value in walk(payload, current):
                    self._render(body, value, out)


def find(expression: str, document: Any) -> list[Any]:
    """The values that one expression selects; braces and the leading dot may be left out (``metadata.name``).

    :raises JsonPathError: it cannot be read
    """
    text = expression.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    if text and text[0] not in ".[$@":
        text = "." + text
    return walk(parse_path(text), document)


def shown(value: Any) -> str:
    """A result as kubectl prints it."""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False) if value is not None else ""


def _pieces(text: str) -> list[tuple[str, str]]:
    """Literal text and the inside of braces, in order."""
    pieces = []
    at = 0
    while at < len(text):
        brace = text.find("{", at)
        if brace < 0:
            pieces.append(("text", text[at:]))
            break
        if brace > at:
            pieces.append(("text", text[at:brace]))
        end = _closing(text, brace, "{", "}")
        pieces.append(("expression", text[brace + 1 : end].strip()))
        at = end + 1
    return pieces


def _closing(text: str, start: int, opening: str, closing: str) -> int:
    """The index of the bracket that closes the one at ``start``; quoted text does not count."""
    depth, quote, at = 0, "", start
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char == opening:
            depth += 1
        elif char == closing:
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise JsonPathError(f"error parsing jsonpath {text}: unclosed {opening}")


def _parse_nodes(pieces: Sequence[tuple[str, str]], at: int, inside: bool) -> tuple[list[Any], int]:
    """Nodes from ``pieces[at:]`` to the end, or to ``{end}``; and the index after that, 0 at the end of all."""
    nodes: list[Any] = []
    while at < len(pieces):
        kind, text = pieces[at]
        at += 1
        if kind == "text":
            nodes.append(("text", text, ()))
        elif text == "end":
            if not inside:
                return nodes, at
            return nodes, at
        elif text.startswith("range") and text[5:6] in (" ", "\t", ".", "[", "$", "@"):
            body, after = _parse_nodes(pieces, at, True)
            if not after:
                raise JsonPathError("error parsing jsonpath: unclosed range, want {end}")
            nodes.append(("range", parse_path(text[5:].strip()), body))
            at = after
        else:
            nodes += _expression(text)
    return nodes, 0


def _expression(text: str) -> list[Any]:
    """One or several paths or quoted texts inside a pair of braces."""
    nodes: list[Any] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text[at] in "'\"":
            end = _quote_end(text, at)
            nodes.append(("text", unquote(text[at : end + 1]), ()))
            at = end + 1
        else:
            steps, at = _steps(text, at)
            nodes.append(("path", steps, ()))
    return nodes


def _quote_end(text: str, start: int) -> int:
    at = start + 1
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == text[start]:
            return at
        at += 1
    raise JsonPathError(f"error parsing jsonpath {text}: unterminated quoted string")


def unquote(text: str) -> str:
    """The text between quotes, its escapes resolved."""
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text[1:-1])


def parse_path(text: str) -> list[Step]:
    """One path, such as ``.items[*].metadata.name``. :raises JsonPathError: something is left over"""
    steps, at = _steps(text, 0)
    if text[at:].strip():
        raise JsonPathError(f"error parsing jsonpath {text}: unexpected {text[at:].strip()!r}")
    return steps


def _steps(text: str, at: int) -> tuple[list[Step], int]:
    steps: list[Step] = []
    begin = at
    if text[at : at + 1] in ("$", "@"):
        at += 1
    while at < len(text) and not text[at].isspace():
        if text.startswith("..", at):
            steps.append(("deep", None))
            at += 2
            if text[at : at + 1] == "[":
                continue
            at = _name(text, at, steps)
        elif text[at] == ".":
            at += 1
            if at < len(text) and not text[at].isspace() and text[at] != "[":
                at = _name(text, at, steps)
        elif text[at] == "[":
            end = _closing(text, at, "[", "]")
            steps.append(_subscript(text[at + 1 : end].strip()))
            at = end + 1
        elif at == begin and _FIELD.match(text, at):
            at = _name(text, at, steps)
        else:
            raise JsonPathError(f"error parsing jsonpath {text}: unrecognized character {text[at]!r}")
    return steps, at


def _name(text: str, at: int, steps: list[Step]) -> int:
    found = _FIELD.match(text, at)
    if found is None:
        raise JsonPathError(f"error parsing jsonpath {text}: a field name is missing at {text[at:]!r}")
    name = re.sub(r"\\(.)", r"\1", found[0])
    steps.append(("wild", None) if name == "*" else ("field", name))
    return found.end()


def _subscript(text: str) -> Step:
    if text == "*":
        return "wild", None
    if text.startswith("?(") and text.endswith(")"):
        return "filter", _filter(text[2:-1])
    parts = _split(text, ",")
    if len(parts) > 1:
        return "union", [_subscript(part.strip()) for part in parts]
    if text[:1] in ("'", '"'):
        return "field", unquote(text)
    found = _SUBSCRIPT_SLICE.match(text)
    if text and found is not None:
        if ":" not in text:
            return "index", int(text)
        return "slice", slice(*(int(part) if part else None for part in found.groups()))
    raise JsonPathError(f"error parsing jsonpath: invalid array index {text}")


def _split(text: str, separator: str) -> list[str]:
    parts, last, at = [], 0, 0
    while at < len(text):
        if text[at] in "'\"":
            at = _quote_end(text, at)
        elif text[at] == separator:
            parts.append(text[last:at])
            last = at + 1
        at += 1
    return [*parts, text[last:]]


def _filter(text: str) -> tuple[Any, str, Any]:
    """Left operand, comparison and right operand; without a comparison the left must merely exist."""
    at = 0
    while at < len(text):
        if text[at] in "'\"":
            at = _quote_end(text, at)
        elif found := _COMPARISON.match(text, at):
            return _operand(text[:at].strip()), found[1], _operand(text[found.end() :].strip())
        at += 1
    return _operand(text.strip()), "", None


def _operand(text: str) -> tuple[str, Any]:
    if text[:1] in ("@", "$", "."):
        return "path", parse_path(text)
    if text[:1] in ("'", '"'):
        return "value", unquote(text)
    try:
        return "value", json.loads(text)
    except ValueError as error:
        raise JsonPathError(f"error parsing jsonpath: cannot compare with {text}") from error


def walk(steps: Sequence[Step], document: Any) -> list[Any]:
    """The values that ``steps`` lead to."""
    current = [document]
    for kind, payload in steps:
        current = [found for value in current for found in _step(kind, payload, value)]
    return current


def _step(kind: str, payload: Any, value: Any) -> list[Any]:
    if kind == "field":
        return [value[payload]] if isinstance(value, dict) and payload in value else []
    if kind == "wild":
        return _children(value)
    if kind == "deep":
        return _descendants(value)
    if kind == "union":
        return [found for step, inner in payload for found in _step(step, inner, value)]
    if not isinstance(value, list):
        return []
    if kind == "slice":
        return list(value[payload])
    if kind == "filter":
        return [item for item in value if _passes(payload, item)]
    if not -len(value) <= payload < len(value):
        raise JsonPathError(f"array index out of bounds: index {payload}, length {len(value)}")
    return [value[payload]]


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    return list(value) if isinstance(value, list) else []


def _descendants(value: Any) -> list[Any]:
    found = [value]
    for child in _children(value):
        found += _descendants(child)
    return found


def _passes(condition: tuple[Any, str, Any], item: Any) -> bool:
    left, comparison, right = condition
    lefts = _operand_values(left, item)
    if not comparison:
        return bool(lefts)
    rights = _operand_values(right, item)
    if not lefts or not rights:
        return False
    return _compare(lefts[0], comparison, rights[0])


def _operand_values(operand: tuple[str, Any], item: Any) -> list[Any]:
    kind, payload = operand
    return walk(payload, item) if kind == "path" else [payload]


def _compare(left: Any, comparison: str, right: Any) -> bool:
    if comparison == "==":
        return bool(left == right)
    if comparison == "!=":
        return bool(left != right)
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if not numbers and not (isinstance(left, str) and isinstance(right, str)):
        raise JsonPathError(f"cannot compare {shown(left)} {comparison} {shown(right)}")
    if comparison == "<":
        return bool(left < right)
    if comparison == ">":
        return bool(left > right)
    return bool(left <= right) if comparison == "<=" else bool(left >= right)
