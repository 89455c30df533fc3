"""Cron schedules: five fields or a word such as ``@hourly``, with the messages of the library upstream uses."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: i + 1 for i, name in enumerate(_MONTH_NAMES)}
_DAYS = {name: i for i, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_LONGEST = (2**63 - 1) / 1e9
"""Seconds of Go's longest duration, which counts nanoseconds in 64 bits."""
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(h|ms|m|us|ns|s)")
_LIMITS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
_SEARCH_YEARS = 5
"""How far ahead a time is looked for before the schedule counts as never due (29 February: at most 8, rare)."""


class Schedule(msgspec.Struct, frozen=True):
    """When a job is due; ``every`` is a fixed delay in place of the fields."""

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = False
    any_weekday: bool = False
    every: timedelta | None = None

    def _day_fits(self, moment: datetime) -> bool:
        day, weekday = moment.day in self.days, moment.isoweekday() % 7 in self.weekdays
        # Where both are restricted either suffices, as in cron since ever.
        return day and weekday if self.any_day or self.any_weekday else day or weekday

    def after(self, moment: datetime) -> datetime | None:
        """The first due time after ``moment``, in its time zone; None when there is none in sight."""
        if self.every is not None:
            return moment.replace(microsecond=0) + self.every
        due = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        last = due.year + _SEARCH_YEARS
        while due.year <= last:
            if due.month not in self.months:
                due = (due.replace(day=1, hour=0, minute=0) + timedelta(days=32)).replace(day=1)
            elif not self._day_fits(due):
                due = due.replace(hour=0, minute=0) + timedelta(days=1)
            elif due.hour not in self.hours:
                due = due.replace(minute=0) + timedelta(hours=1)
            elif due.minute not in self.minutes:
                due += timedelta(minutes=1)
            else:
                return due
        return None


def _number(text: str, names: dict[str, int]) -> int:
    if (value := names.get(text.lower())) is not None:
        return value
    if not re.fullmatch(r"[-+]?[0-9]+", text):
        raise ValueError(f'Failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise ValueError(f"Negative number ({int(text)}) not allowed: {text}")
    return int(text)


def _range(text: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    whole, slash, step_text = text.partition("/")
    if "/" in step_text:
        raise ValueError(f"Too many slashes: {text}")
    start_text, dash, end_text = whole.partition("-")
    if "-" in end_text:
        raise ValueError(f"Too many hyphens: {text}")
    if start_text in ("*", "?"):
        start, end = low, high
    else:
        start = _number(start_text, names)
        end = _number(end_text, names) if dash else start
    step = 1
    if slash:
        step = _number(step_text, {})
        if not dash and start_text not in ("*", "?"):
            end = high
    if start < low:
        raise ValueError(f"Beginning of range ({start}) below minimum ({low}): {text}")
    if end > high:
        raise ValueError(f"End of range ({end}) above maximum ({high}): {text}")
    if start > end:
        raise ValueError(f"Beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ValueError(f"Step of range should be a positive number: {text}")
    return set(range(start, end + 1, step))


def _every(text: str, spec: str) -> Schedule:
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'Failed to parse duration {spec}: time: invalid duration "{text}"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds > _LONGEST:
        raise ValueError(f'Failed to parse duration {spec}: time: invalid duration "{text}"')
    return Schedule(every=timedelta(seconds=max(1, int(seconds))))


def is_time_zone(name: str) -> bool:
    """Whether the tz database has a zone of that name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def parse(spec: str) -> Schedule:
    """Read a schedule; a time zone in front of it is checked and left to the caller.

    :raises ValueError: it is none, with the library's message
    """
    if not spec:
        raise ValueError("Empty spec string")
    if spec.startswith(("TZ=", "CRON_TZ=")):
        zone, _, spec = spec.partition("=")[2].partition(" ")
        if zone and not is_time_zone(zone):
            raise ValueError(f"Provided bad location {zone}: unknown time zone {zone}")
        spec = spec.strip()
    if spec.startswith("@every "):
        return _every(spec.removeprefix("@every "), spec)
    if spec.startswith("@"):
        if spec not in _WORDS:
            raise ValueError(f"Unrecognized descriptor: {spec}")
        spec = _WORDS[spec]
    fields = spec.split()
    if len(fields) != len(_LIMITS):
        raise ValueError(f"Expected exactly {len(_LIMITS)} fields, found {len(fields)}: {spec}")
    sets = []
    for text, (low, high, names) in zip(fields, _LIMITS, strict=True):
        found: set[int] = set()
        for part in dict.fromkeys(text.split(",")):  # each once: a megabyte of them is read at every sync
            if part:
                found |= _range(part, low, high, names)
        sets.append(frozenset(found))
    starred = [text.startswith(("*", "?")) for text in fields]
    minutes, hours, days, months, weekdays = sets
    return Schedule(minutes, hours, days, months, weekdays, any_day=starred[2], any_weekday=starred[4])
