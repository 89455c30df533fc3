"""Paths that a CustomResourceDefinition names in its own schema: ``.spec.labels['a.b']``.

A step is a field where the schema has fields, else a key of its additional properties. Messages are those of
``apiextensions-apiserver`` (``ValidFieldPath``), which both fieldPath and selectableFields go through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from kube_lite.resources.field import child, key
from kube_lite.resources.structural.problems import Schema, mapping

_TOKEN: Final = re.compile(r"'(?:\\.|[^'\\])*'|[.\[\]]|[^.\[\]]+", re.DOTALL)
_ESCAPES: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}
_NO_FIELD: Final = "does not refer to a valid field"
_END: Final = "unexpected end of JSON path"


class Found(msgspec.Struct, frozen=True):
    """Where a path leads: the schema there, and the path as messages name it."""

    path: str
    steps: tuple[str, ...]
    schema: Schema


def find_field(text: str, schema: Schema, *, brackets: bool = True) -> Found | str:
    """The field that a path leads to, or what is wrong with the path.

    :param brackets: whether steps may stand in brackets
    """
    tokens = (match[0] for match in _TOKEN.finditer(text))
    found = Found("", (), schema)
    for token in tokens:
        if token == "[":
            if not brackets:
                return "array notation is not allowed"
            name = _bracketed(tokens)
        elif token == ".":
            name = next(tokens, ""), ""
        else:
            return f"expected [ or . but got: {token}"
        if name[1] or not name[0]:
            return name[1] or _END
        below = _step(found, name[0])
        if below is None:
            return _NO_FIELD
        found = below
    return found


def _bracketed(tokens: Iterator[str]) -> tuple[str, str]:
    """The name in brackets, or what is wrong."""
    token = next(tokens, "")
    if not token:
        return "", _END
    if len(token) < 2 or token[0] != "'" or token[-1] != "'":
        return "", f"expected single quoted string but got {token}"
    wrong = [escape[0] for escape in re.finditer(r"\\.", token[1:-1]) if escape[0][1] not in _ESCAPES]
    if wrong:
        return "", f"invalid string literal: invalid escape char {wrong[-1]}"
    closing = next(tokens, "")
    if closing != "]":
        return "", f"expected ] but got {closing}" if closing else _END
    return re.sub(r"\\(.)", lambda match: _ESCAPES[match[1]], token[1:-1]), ""


def _step(found: Found, name: str) -> Found | None:
    steps = (*found.steps, name)
    properties, additional = mapping(found.schema.get("properties")), found.schema.get("additionalProperties")
    if properties:
        return Found(child(found.path, name), steps, properties[name]) if name in properties else None
    return Found(key(found.path, name), steps, mapping(additional)) if additional is not None else None
