"""Functions that Kubernetes adds to CEL: strings, lists, regular expressions, sets, formats, and those of ``values``.

They are called as functions and as methods alike (the library looks methods up by name), so one that several types
have tells them apart itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from kube_lite.resources import names
from kube_lite.resources.cel import times
from kube_lite.resources.cel.texts import formatted, string
from kube_lite.resources.cel.values import FORMAT, VALUE_FUNCTIONS
from kube_lite.resources.formats import FORMATS
from kube_lite.resources.regexes import go_regex

# ---- lists and strings


def _is_sorted(values: Sequence[Any]) -> bool:
    return all(a <= b for a, b in pairwise(values))


def _index_of(value: str | list[Any], wanted: Any, start: int = 0) -> int:
    if isinstance(value, str):
        return value.find(wanted, start)
    return value.index(wanted) if wanted in value else -1


def _last_index_of(value: str | list[Any], wanted: Any, start: int | None = None) -> int:
    if isinstance(value, str):
        return value.rfind(wanted, 0, None if start is None else start + len(wanted))
    return len(value) - 1 - value[::-1].index(wanted) if wanted in value else -1


def _substring(text: str, start: int, end: int | None = None) -> str:
    stop = len(text) if end is None else end
    if not 0 <= start <= stop <= len(text):
        raise ValueError(f"index out of range: {start}, {stop}")
    return text[start:stop]


def _char_at(text: str, position: int) -> str:
    if not 0 <= position <= len(text):
        raise ValueError(f"index out of range: {position}")
    return text[position : position + 1]


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if separator == "":
        return list(text) if limit < 0 else [*text[: limit - 1], text[limit - 1 :]]
    return text.split(separator, limit - 1 if limit > 0 else -1)


_LARGEST: Final = 1_000_000
"""Characters or items that one call may make; upstream stops at the same number of steps (``PerCallLimit``)."""


def _bounded(size: int) -> None:
    if size > _LARGEST:
        raise ValueError("operation cancelled: actual cost limit exceeded")


def _range(count: int) -> list[int]:
    _bounded(count)
    return list(range(count))


def _replace(text: str, old: str, new: str, limit: int = -1) -> str:
    found = text.count(old)
    _bounded(len(text) + (found if limit < 0 else min(found, limit)) * max(len(new) - len(old), 0))
    return text.replace(old, new, limit)


def _join(values: Sequence[str], separator: str = "") -> str:
    return separator.join(values)


def _ascii(text: str, *, upper: bool) -> str:
    return "".join((c.upper() if upper else c.lower()) if c.isascii() else c for c in text)


def _distinct(values: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _flatten(values: Sequence[Any], deep: int = 1) -> list[Any]:
    found: list[Any] = []
    for value in values:
        found.extend(_flatten(value, deep - 1) if isinstance(value, list) and deep > 0 else [value])
    return found


def _entries(values: Any) -> list[list[Any]]:
    """Pairs of key or position and value, for loops over two variables."""
    pairs = values.items() if isinstance(values, dict) else enumerate(values)
    return [[key, value] for key, value in pairs]


def _merged(maps: Sequence[Mapping[Any, Any]]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for one in maps:
        for key, value in one.items():
            if key in made:
                raise ValueError(f"insert failed: key {key} already exists")
            made[key] = value
    return made


def _sort_by(values: Sequence[Any], keys: Sequence[Any]) -> list[Any]:
    order = sorted(range(len(values)), key=lambda position: keys[position])
    return [values[position] for position in order]


def _quote(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r"}
    return '"' + "".join({**escapes, "\t": "\\t", "\v": "\\v"}.get(c, c) for c in text) + '"'


def _bool(value: bool | str) -> bool:
    if isinstance(value, bool):
        return value
    found = {"1": True, "t": True, "T": True, "true": True, "TRUE": True, "True": True}.get(value)
    if found is None and value not in ("0", "f", "F", "false", "FALSE", "False"):
        raise ValueError(f"strconv.ParseBool: parsing {value!r}: invalid syntax")
    return bool(found)


def _sum(values: Sequence[Any]) -> Any:
    return sum(values[1:], values[0]) if values else 0


# ---- regular expressions


def _find(text: str, pattern: str) -> str:
    found = go_regex(pattern).search(text)
    return found[0] if found is not None else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found, end = [], -1
    for match in go_regex(pattern).finditer(text):
        if match.span() != (end, end):  # an empty one right behind another is none to Go
            found.append(match[0])
        end = match.span()[1]
    return found if limit < 0 else found[:limit]


# ---- formats


def _named_format(name: str) -> Callable[..., dict[str, str]]:
    return lambda receiver=None: {FORMAT: name}


_FORMAT_RULES: Final[Mapping[str, Callable[[str], Sequence[str]]]] = {
    "dns1123LabelPrefix": lambda text: names.dns_label(text.rstrip("-") or text),
    "dns1123SubdomainPrefix": lambda text: names.dns_subdomain(text.rstrip("-.") or text),
    "dns1035LabelPrefix": lambda text: names.dns_1035_label(text.rstrip("-") or text),
    "dns1123Label": names.dns_label,
    "dns1123Subdomain": names.dns_subdomain,
    "dns1035Label": names.dns_1035_label,
    "qualifiedName": names.qualified_name,
    "labelValue": names.label_value,
    "uri": lambda text: () if FORMATS["uri"](text) else (f'parse "{text}": invalid URI for request',),
    "uuid": lambda text: () if FORMATS["uuid"](text) else ("does not match the UUID format",),
    "byte": lambda text: () if FORMATS["byte"](text) else ("invalid base64",),
    "date": lambda text: () if FORMATS["date"](text) else ("invalid date",),
    "datetime": lambda text: () if FORMATS["date-time"](text) else ("invalid datetime",),
}


FORMAT_NAMES: Final = frozenset(_FORMAT_RULES)
"""The formats that have a name."""


def format_problems(fmt: Mapping[str, str], text: str) -> Sequence[str]:
    """What is wrong with a text by a named format; empty when it fits."""
    return list(_FORMAT_RULES[fmt[FORMAT]](text))


# ---- sizes


def size(value: Any) -> int:
    """Characters of a string, bytes, items of a list, entries of a map."""
    if isinstance(value, (str, bytes, list, dict)):
        return len(value)
    raise ValueError("no such overload: size")


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "__size": size,
    "__bool": _bool,
    "__entries": _entries,
    "__from_entries": dict,
    "__merged": _merged,
    "__sort_by": _sort_by,
    "__lists_range": _range,
    "__strings_quote": _quote,
    "isSorted": _is_sorted,
    "sum": _sum,
    "min": lambda values: min(values),
    "max": lambda values: max(values),
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "distinct": _distinct,
    "flatten": _flatten,
    "sort": lambda values: sorted(values),
    "slice": lambda values, start, end: values[start:end],
    "reverse": lambda value: value[::-1],
    "charAt": _char_at,
    "substring": _substring,
    "split": _split,
    "replace": _replace,
    "join": _join,
    "trim": lambda text: text.strip(),
    "lowerAscii": lambda text: _ascii(text, upper=False),
    "upperAscii": lambda text: _ascii(text, upper=True),
    "format": formatted,
    "find": _find,
    "findAll": _find_all,
    "__string": string,
    "__int": times.integer,
    "__timestamp": times.timestamp,
    "__duration": times.duration,
    "__time_part": times.part,
    "__matches": lambda text, pattern: go_regex(pattern).search(text) is not None,
    "jsonpatch.escapeKey": lambda key: key.replace("~", "~0").replace("/", "~1"),
    "sets.contains": lambda a, b: all(x in a for x in b),
    "sets.intersects": lambda a, b: any(x in a for x in b),
    "sets.equivalent": lambda a, b: all(x in a for x in b) and all(x in b for x in a),
    **VALUE_FUNCTIONS,
    **{name: _named_format(name) for name in _FORMAT_RULES},
}
"""By the name under which the library calls them."""
