"""Values as CEL prints them: ``string()`` and ``format`` (``cel-go``, string extension 2)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from kube_lite.resources.cel.times import shown_duration, shown_time
from kube_lite.resources.cel.values import marked_text

_CLAUSE: Final = re.compile(r"%%|%(?:\.(?P<precision>\d+))?(?P<verb>[sdfexXob])|%.?", re.DOTALL)
_DIGITS: Final = {"b": "b", "o": "o", "x": "x", "X": "X", "d": "d"}


def string(value: Any) -> str:
    """``string()``; times as Go prints them."""
    if isinstance(value, datetime):
        return shown_time(value)
    if isinstance(value, timedelta):
        return shown_duration(value)
    if isinstance(value, bytes):
        return value.decode()
    if (shown := marked_text(value)) is not None:
        return shown
    return text_of(value)


def text_of(value: Any) -> str:
    """A value as ``%s`` prints it; what stands in lists and maps is printed as a literal."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, Mapping) and marked_text(value) is None:
        return "{" + ", ".join(sorted(f"{_literal(k)}: {_literal(v)}" for k, v in value.items())) + "}"
    return str(value) if isinstance(value, str | int) else string(value)


def _double(value: float) -> str:
    """A double as Go's ``%g`` has it."""
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return re.sub(r"e([+-])(\d)$", r"e\g<1>0\2", repr(value))


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return f"{value:f}"
    if isinstance(value, bytes):
        return f'b"{value.decode("utf-8", "replace")}"'
    if isinstance(value, datetime):
        return f'timestamp("{shown_time(value)}")'
    if isinstance(value, timedelta):
        return f'duration("{shown_duration(value)}")'
    return text_of(value)


_MOST_DIGITS = 500
"""Of a fraction that is formatted; a double has no more than 1074, and a billion zeros fill the memory."""


def formatted(text: str, values: Sequence[Any]) -> str:
    """``text`` with its clauses filled in. :raises ValueError: a clause is none, or does not fit its value"""
    remaining = iter(values)

    def shown(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        verb = match["verb"]
        if verb is None:
            raise ValueError(f'could not parse formatting clause: unrecognized formatting clause "{match[0][1:]}"')
        try:
            value = next(remaining)
        except StopIteration:
            raise ValueError(f"index {len(values)} out of range") from None
        return _CLAUSES[verb](value, verb, match["precision"])

    return _CLAUSE.sub(shown, text)


def _any(value: Any, verb: str, precision: str | None) -> str:
    return string(value)


def _integer(value: Any, verb: str, precision: str | None) -> str:
    if verb in "xX" and isinstance(value, str | bytes):
        raw = value.encode() if isinstance(value, str) else value
        return raw.hex().upper() if verb == "X" else raw.hex()
    if isinstance(value, bool) and verb == "b":
        return str(int(value))
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"error during formatting: {_NAMES[verb]} clause can only be used on integers")
    return format(value, _DIGITS[verb])


def _float(value: Any, verb: str, precision: str | None) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"error during formatting: {_NAMES[verb]} clause can only be used on doubles")
    if len(digits := precision or "6") > 3 or int(digits) > _MOST_DIGITS:
        raise ValueError(f"precision {digits[:20]} is above {_MOST_DIGITS}")
    return format(float(value), f".{digits}{verb}")


_NAMES: Final = {
    "d": "decimal",
    "b": "binary",
    "o": "octal",
    "x": "hex",
    "X": "hex",
    "f": "fixed-point",
    "e": "scientific",
}
_CLAUSES: Final[Mapping[str, Callable[[Any, str, str | None], str]]] = {
    "s": _any,
    **dict.fromkeys("dboxX", _integer),
    **dict.fromkeys("fe", _float),
}
