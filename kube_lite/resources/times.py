"""Timestamps as upstream reads and prints them: ``metav1.Time`` and ``metav1.MicroTime``.

Reading follows Go's ``time.Parse`` to the letter, since its complaint is what a client sees.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from kube_lite.resources.remembered import remembered

LAYOUT = "2006-01-02T15:04:05Z07:00"
LAYOUT_MICRO = "2006-01-02T15:04:05.000000Z07:00"

_STEPS = (
    ("2006", re.compile(r"\d{4}")),
    ("-", re.compile("-")),
    ("01", re.compile(r"\d\d")),
    ("-", re.compile("-")),
    ("02", re.compile(r"\d\d")),
    ("T", re.compile("T")),
    ("15", re.compile(r"\d\d")),
    (":", re.compile(":")),
    ("04", re.compile(r"\d\d")),
    (":", re.compile(":")),
    ("05", re.compile(r"\d\d")),
)
_FRACTION = re.compile(r"[.,]\d+")
_MICROS = re.compile(r"\.\d{6}")
_ZONE = re.compile(r"Z|[+-]\d\d:\d\d")


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _parse(text: str, micro: bool) -> datetime:
    layout = LAYOUT_MICRO if micro else LAYOUT

    def fail(element: str, rest: str) -> ValueError:
        return ValueError(
            f"parsing time {_quote(text)} as {_quote(layout)}: cannot parse {_quote(rest)} as {_quote(element)}"
        )

    position = 0
    numbers: list[int] = []
    for element, pattern in _STEPS:
        match = pattern.match(text, position)
        if match is None:
            raise fail(element, text[position:])
        if element.isdigit():
            numbers.append(int(match[0]))
        position = match.end()
    fraction = (_MICROS if micro else _FRACTION).match(text, position)
    if micro and fraction is None:
        raise fail(".000000", text[position:])
    microseconds = 0
    if fraction is not None:
        microseconds = int(fraction[0][1:7].ljust(6, "0"))
        position = fraction.end()
    zone = _ZONE.match(text, position)
    if zone is None:
        raise fail("Z07:00", text[position:])
    if zone.end() != len(text):
        raise ValueError(f"parsing time {_quote(text)}: extra text: {_quote(text[zone.end() :])}")
    return _moment(text, numbers, microseconds, zone[0])


def _moment(text: str, numbers: list[int], microseconds: int, zone: str) -> datetime:
    year, month, day, hour, minute, second = numbers
    limits = (("month", 1 <= month <= 12), ("hour", hour < 24), ("minute", minute < 60), ("second", second < 60))
    for name, fine in limits:
        if not fine:
            raise ValueError(f"parsing time {_quote(text)}: {name} out of range")
    try:
        moment = datetime(year, month, day, hour, minute, second, microseconds, tzinfo=UTC)
    except ValueError:
        raise ValueError(f"parsing time {_quote(text)}: day out of range") from None
    if zone != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
        try:
            moment = moment - offset if zone[0] == "+" else moment + offset
        except OverflowError:
            raise ValueError(f"parsing time {_quote(text)}: year out of range") from None
    return moment


@remembered(4096)
def canonical(text: str) -> str:
    """``metav1.Time`` in UTC with whole seconds. :raises ValueError: with Go's message"""
    return f"{_parse(text, False).replace(tzinfo=None, microsecond=0).isoformat()}Z"


@remembered(1024)
def canonical_micro(text: str) -> str:
    """``metav1.MicroTime`` in UTC with six digits of a second. :raises ValueError: with Go's message"""
    return f"{_parse(text, True).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
