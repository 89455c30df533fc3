"""String formats that a custom resource's schema may name, as upstream's ``strfmt`` registry checks them.

An unknown format is ignored, as upstream does.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final
from urllib.parse import urlsplit

from kube_lite.resources import names

Predicate = Callable[[str], bool]

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[tT]\d\d:\d\d:\d\d([.,]\d+)?([zZ]|[+-]\d\d:?\d\d)$", re.ASCII)
_DURATION_UNITS = (
    "nanoseconds?|nanos?|ns|µs|us|microseconds?|micros?|milliseconds?|millis?|ms|seconds?|s|minutes?|min|m"
)
_DURATION = re.compile(rf"-?(\d+(\.\d*)?\s*({_DURATION_UNITS}|hours?|h|days?|d|weeks?|w)\s*)+$|0$", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+$")
_HEX_COLOR = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$")
_HOST_LABEL = re.compile(r"[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?$", re.ASCII)
_MAC = re.compile(r"([0-9a-fA-F]{2}([:-]))([0-9a-fA-F]{2}\2){4}[0-9a-fA-F]{2}$|([0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}$")
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}$")
_RGB = re.compile(r"rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)$")
_SSN = re.compile(r"\d{3}[- ]?\d{2}[- ]?\d{4}$", re.ASCII)
_UUID = re.compile(
    r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?([0-9a-fA-F])[0-9a-fA-F]{3}-?([0-9a-fA-F])[0-9a-fA-F]{3}-?[0-9a-fA-F]{12}$"
)


def _matches(pattern: re.Pattern[str]) -> Predicate:
    return lambda text: pattern.match(text) is not None


def _date(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False


def date_time(text: str) -> bool:
    """RFC 3339 with seconds; the day must exist."""
    return _DATE_TIME.match(text) is not None and _date(text[:10]) and text[11:13] < "24" and text[14:16] < "60"


def _address(version: int) -> Predicate:
    def is_address(text: str) -> bool:
        try:
            return ipaddress.ip_address(text).version == version
        except ValueError:
            return False

    return is_address


def _cidr(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def _byte(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _hostname(text: str) -> bool:
    labels = text.removesuffix(".").split(".")
    return len(text) <= 255 and all(_HOST_LABEL.match(label) for label in labels)


def _uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme) or text.startswith("/")


def _uuid(digit: str) -> Predicate:
    def is_uuid(text: str) -> bool:
        found = _UUID.match(text)
        if found is None:
            return False
        return not digit or (found[1] == digit and (digit == "3" or found[2] in "89abAB"))

    return is_uuid


def _checked_digits(text: str) -> str:
    return text.replace("-", "").replace(" ", "")


def _isbn10(text: str) -> bool:
    digits = _checked_digits(text)
    if not re.fullmatch(r"\d{9}[\dX]", digits, re.ASCII):
        return False
    return sum((10 - i) * (10 if d == "X" else int(d)) for i, d in enumerate(digits)) % 11 == 0


def _isbn13(text: str) -> bool:
    digits = _checked_digits(text)
    if not re.fullmatch(r"\d{13}", digits, re.ASCII):
        return False
    return sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(digits)) % 10 == 0


def _credit_card(text: str) -> bool:
    digits = _checked_digits(text)
    if not re.fullmatch(r"\d{13,19}", digits, re.ASCII):
        return False
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _rgb(text: str) -> bool:
    found = _RGB.match(text)
    return found is not None and all(int(part) < 256 for part in found.groups())


FORMATS: Final[Mapping[str, Predicate]] = {
    "bsonobjectid": _matches(_OBJECT_ID),
    "byte": _byte,
    "cidr": _cidr,
    "creditcard": _credit_card,
    "date": _date,
    "date-time": date_time,
    "datetime": date_time,
    "duration": _matches(_DURATION),
    "email": _matches(_EMAIL),
    "hexcolor": _matches(_HEX_COLOR),
    "hostname": _hostname,
    "ipv4": _address(4),
    "ipv6": _address(6),
    "isbn": lambda text: _isbn10(text) or _isbn13(text),
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "k8s-long-name": lambda text: not names.dns_subdomain(text),
    "k8s-short-name": lambda text: not names.dns_label(text),
    "mac": _matches(_MAC),
    "password": lambda text: True,
    "rgbcolor": _rgb,
    "ssn": _matches(_SSN),
    "uri": _uri,
    "uuid": _uuid(""),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4"),
    "uuid5": _uuid("5"),
}
