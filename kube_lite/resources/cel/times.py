"""Times and durations in CEL, read and printed as Go does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_RFC3339: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_OFFSET: Final = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)
_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_DURATION: Final = re.compile(rf"[+-]?(?:0|(?:{_PART.pattern})+)")
_MICROSECONDS: Final = {"ns": 1e-3, "us": 1, "µs": 1, "μs": 1, "ms": 1e3, "s": 1e6, "m": 6e7, "h": 3.6e9}


def timestamp(value: Any) -> datetime:
    """A time from its text, from seconds since 1970, or itself. :raises ValueError: it is none"""
    if isinstance(value, datetime):
        return value
    if isinstance(value, int):
        return datetime.fromtimestamp(value, UTC)
    match = _RFC3339.fullmatch(value)
    if match is None:
        raise ValueError(f'parsing time "{value}" as "2006-01-02T15:04:05Z07:00": cannot parse "{value}"')
    zone = "+00:00" if match[3] == "Z" else match[3]
    return datetime.fromisoformat(f"{match[1]}.{(match[2] or '0')[:6]:0<6}{zone}")


def duration(value: Any) -> timedelta:
    """A duration from its text, from seconds, or itself. :raises ValueError: it is none"""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int):
        return timedelta(seconds=value)
    if _DURATION.fullmatch(value) is None:
        raise ValueError(f'time: invalid duration "{value}"')
    total = sum(float(number) * _MICROSECONDS[unit] for number, unit in _PART.findall(value))
    return timedelta(microseconds=-total if value.startswith("-") else total)


def integer(value: Any) -> int:
    """``int()``: seconds of times, numbers without their fraction. :raises ValueError: it is none"""
    if isinstance(value, datetime):
        return int(value.timestamp() // 1)
    if isinstance(value, timedelta):
        return int(value / timedelta(microseconds=1)) * 1000
    try:
        found = int(value)
    except ValueError:
        raise ValueError(f'strconv.ParseInt: parsing "{value}": invalid syntax') from None
    except OverflowError:
        raise ValueError("integer overflow") from None
    if not -(2**63) <= found < 2**63:
        raise ValueError("integer overflow")
    return found


def shown_time(value: datetime) -> str:
    """RFC 3339, with as many digits of a second as there are."""
    fraction = f".{value.microsecond:06d}".rstrip("0") if value.microsecond else ""
    zone = value.isoformat()[-6:] if value.utcoffset() else "Z"
    return f"{value:%Y-%m-%dT%H:%M:%S}{fraction}{zone}"


def shown_duration(value: timedelta) -> str:
    """Seconds: ``5400s``, ``0.001s``."""
    total = value / timedelta(microseconds=1)
    whole, rest = divmod(abs(int(total)), 1_000_000)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return f"{'-' if total < 0 else ''}{whole}{fraction}s"


def _zone(name: str) -> tzinfo:
    match = _OFFSET.fullmatch(name)
    if match is not None:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"unknown time zone {name}") from None


_PARTS: Final[Mapping[str, Callable[[datetime], int]]] = {
    "getFullYear": lambda t: t.year,
    "getMonth": lambda t: t.month - 1,
    "getDate": lambda t: t.day,
    "getDayOfMonth": lambda t: t.day - 1,
    "getDayOfWeek": lambda t: t.isoweekday() % 7,
    "getDayOfYear": lambda t: t.timetuple().tm_yday - 1,
    "getHours": lambda t: t.hour,
    "getMinutes": lambda t: t.minute,
    "getSeconds": lambda t: t.second,
    "getMilliseconds": lambda t: t.microsecond // 1000,
}
PARTS: Final = frozenset(_PARTS)
"""Methods of times that may name a zone."""


def part(value: datetime, name: str, zone: str) -> int:
    """A part of a time, as clocks in a zone (``+01:00``, ``Europe/Berlin``) show it. :raises ValueError: no zone"""
    return _PARTS[name](value.astimezone(_zone(zone)))
