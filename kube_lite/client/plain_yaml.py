"""The plain part of YAML that kubeconfig files are written in, read without importing a YAML library.

That import takes 25 ms, more than a command's request to the server. Understood are block mappings and lists of
mappings with plain scalars; whatever else a file contains, it is left to the real parser.
"""

from __future__ import annotations

import re
from typing import Any

_LINE = re.compile(r"( *)(- )?([A-Za-z][A-Za-z0-9._-]*):(?: ([^ ].*?))? *$")
_TEXT = re.compile(r"[A-Za-z/][A-Za-z0-9+/=._:@-]*$")
_WORDS = {"true": True, "false": False}
_SPECIAL = {"yes", "no", "on", "off", "null", "y", "n"}
"""Words that some YAML takes for something else than text."""


class _NotPlain(Exception):
    """Something that is left to the real parser."""


def decode(text: str) -> dict[str, Any] | None:
    """The mapping that ``text`` holds, or None when it is not of the plain kind."""
    lines = []
    for line in text.splitlines():
        if line.strip() and line != "---":
            found = _LINE.match(line)
            if found is None:
                return None
            lines.append((len(found[1]), found[2] is not None, found[3], found[4]))
    try:
        value, end = _mapping(lines, 0, 0)
    except _NotPlain:
        return None
    return value if end == len(lines) else None


_Line = tuple[int, bool, str, "str | None"]


def _mapping(lines: list[_Line], at: int, indent: int) -> tuple[dict[str, Any], int]:
    """The mapping whose keys stand at ``indent``, and the line after it. The first line may begin a list item."""
    found: dict[str, Any] = {}
    first = True
    while at < len(lines):
        depth, dash, key, scalar = lines[at]
        column = depth + (2 if dash else 0)
        if column < indent or (dash and not first):
            break
        if column != indent or key in found:
            raise _NotPlain
        first = False
        at += 1
        if scalar is not None:
            found[key] = _scalar(scalar)
        elif at < len(lines) and lines[at][1] and lines[at][0] >= indent:
            found[key], at = _items(lines, at, lines[at][0])
        elif at < len(lines) and not lines[at][1] and lines[at][0] > indent:
            found[key], at = _mapping(lines, at, lines[at][0])
        else:
            found[key] = None
    return found, at


def _items(lines: list[_Line], at: int, indent: int) -> tuple[list[Any], int]:
    found = []
    while at < len(lines) and lines[at][1] and lines[at][0] == indent:
        item, at = _mapping(lines, at, indent + 2)
        found.append(item)
    return found, at


def _scalar(text: str) -> Any:
    if text in ("{}", "[]"):
        return {} if text == "{}" else []
    if text in _WORDS:
        return _WORDS[text]
    if not _TEXT.match(text) or text.lower() in _SPECIAL or text.lower() in _WORDS or text.endswith(":"):
        raise _NotPlain
    return text
