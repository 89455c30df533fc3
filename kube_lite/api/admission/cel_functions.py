"""The functions that Kubernetes adds to CEL: strings, lists, regular expressions, quantities, URLs, addresses.

Values cross into the evaluator as JSON, so what upstream has as opaque types is here a map with one marked key.
Names and results are upstream's (``apiserver/pkg/cel/library``).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kube_lite.resources import quantity as quantities

QUANTITY = "__quantity__"
URL = "__url__"
IP = "__ip__"
CIDR = "__cidr__"


def _quantity(text: str) -> dict[str, str]:
    return {QUANTITY: str(quantities.parse(text).nanos)}


def _nanos(value: Any) -> int:
    if isinstance(value, int):
        return value * quantities.NANO
    return int(value[QUANTITY])


def _is_quantity(text: str) -> bool:
    try:
        quantities.parse(text)
    except ValueError:
        return False
    return True


def _compare(left: Any, right: Any) -> int:
    return (_nanos(left) > _nanos(right)) - (_nanos(left) < _nanos(right))


def _as_integer(value: Any) -> int:
    whole, rest = divmod(_nanos(value), quantities.NANO)
    if rest:
        raise ValueError("cannot convert value to integer")
    return whole


def _ordered(items: list[Any]) -> bool:
    return all(a <= b for a, b in pairwise(items))


def _find(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    return found.group(0) if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [m.group(0) for m in re.finditer(pattern, text)]
    return found if limit < 0 else found[:limit]


def _index_of(value: Any, item: Any, *start: int) -> int:
    if isinstance(value, str):
        return value.find(item, *start)
    return value.index(item) if item in value else -1


def _last_index_of(value: Any, item: Any) -> int:
    if isinstance(value, str):
        return value.rfind(item)
    return len(value) - 1 - value[::-1].index(item) if item in value else -1


def _substring(text: str, start: int, end: int | None = None) -> str:
    end = len(text) if end is None else end
    if not 0 <= start <= end <= len(text):
        raise ValueError("index out of range")
    return text[start:end]


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if not separator:
        return list(text) if limit < 0 else [*text[: limit - 1], text[limit - 1 :]]
    return text.split(separator) if limit < 0 else text.split(separator, limit - 1)


def _char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise ValueError("index out of range")
    return text[index : index + 1]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _format(pattern: str, values: list[Any]) -> str:
    rest = list(values)

    def one(found: re.Match[str]) -> str:
        if found.group(0) == "%%":
            return "%"
        value = rest.pop(0)
        return _shown(value) if found.group(1) in "sd" else f"%{found.group(1)}" % value

    return re.sub(r"%%|%((?:\.\d+)?[sdfeboxX])", one, pattern)


def _url(text: str) -> dict[str, str]:
    if not _is_url(text):
        raise ValueError(f'URL parse error during conversion from string: parse "{text}": invalid URI for request')
    return {URL: text}


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return bool(parts.scheme) or text.startswith("/")
    except ValueError:
        return False


def _host(value: Any) -> str:
    return str(urlsplit(value[URL]).netloc.rpartition("@")[2])


def _port(value: Any) -> str:
    number = urlsplit(value[URL]).port
    return "" if number is None else str(number)


def _ip(text: Any) -> dict[str, str]:
    if isinstance(text, dict):
        network = ipaddress.ip_network(text[CIDR], strict=False)
        return {IP: str(network.network_address)}
    return {IP: str(ipaddress.ip_address(text))}


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _cidr(text: str) -> dict[str, str]:
    ipaddress.ip_network(text, strict=False)
    return {CIDR: text}


def _is_cidr(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _contains_ip(cidr: Any, address: Any) -> bool:
    text = address[IP] if isinstance(address, dict) else address
    return ipaddress.ip_address(text) in ipaddress.ip_network(cidr[CIDR], strict=False)


def _family(value: Any) -> int:
    return ipaddress.ip_address(value[IP]).version


def _string(value: Any) -> Any:
    if isinstance(value, dict):
        return next(iter(value.values()))
    return _shown(value)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "find": _find,
    "findAll": _find_all,
    "isSorted": _ordered,
    "sum": lambda items: sum(items),
    "min": lambda items: min(items),
    "max": lambda items: max(items),
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "split": _split,
    "join": lambda items, separator="": separator.join(items),
    "lowerAscii": lambda text: text.lower(),
    "upperAscii": lambda text: text.upper(),
    "replace": lambda text, old, new, limit=-1: text.replace(old, new, limit),
    "substring": _substring,
    "trim": lambda text: text.strip(),
    "charAt": _char_at,
    "reverse": lambda value: value[::-1],
    "format": _format,
    "quantity": _quantity,
    "isQuantity": _is_quantity,
    "isGreaterThan": lambda a, b: _compare(a, b) > 0,
    "isLessThan": lambda a, b: _compare(a, b) < 0,
    "compareTo": _compare,
    "sign": lambda a: (_nanos(a) > 0) - (_nanos(a) < 0),
    "add": lambda a, b: {QUANTITY: str(_nanos(a) + _nanos(b))},
    "sub": lambda a, b: {QUANTITY: str(_nanos(a) - _nanos(b))},
    "isInteger": lambda a: _nanos(a) % quantities.NANO == 0,
    "asInteger": _as_integer,
    "asApproximateFloat": lambda a: _nanos(a) / quantities.NANO,
    "url": _url,
    "isURL": _is_url,
    "getScheme": lambda u: urlsplit(u[URL]).scheme,
    "getHost": _host,
    "getHostname": lambda u: urlsplit(u[URL]).hostname or "",
    "getPort": _port,
    "getEscapedPath": lambda u: urlsplit(u[URL]).path,
    "getQuery": lambda u: parse_qs(urlsplit(u[URL]).query),
    "ip": _ip,
    "isIP": _is_ip,
    "cidr": _cidr,
    "isCIDR": _is_cidr,
    "containsIP": _contains_ip,
    "family": _family,
    "string": _string,
    "sets.contains": lambda a, b: all(x in a for x in b),
    "sets.intersects": lambda a, b: any(x in a for x in b),
    "sets.equivalent": lambda a, b: all(x in a for x in b) and all(x in b for x in a),
}
"""By the name under which they are called; a method's receiver is the first argument."""
