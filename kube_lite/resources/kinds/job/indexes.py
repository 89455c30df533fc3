"""Completion indexes as Jobs write them, such as ``0,2-4``: their form, how many they are, and what two share."""

from __future__ import annotations

import re

from kube_lite.resources.field import show

Run = tuple[int, int]
"""First and last index."""

_NUMBER = re.compile(r"[+-]?[0-9]+")
"""What Go reads as an integer."""


class BadIndexes(ValueError):
    """The text names no indexes; its message is upstream's."""


def _number(text: str, completions: int) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise BadIndexes(f"cannot convert string to integer for index: {show(text)}")
    if int(text) >= completions:
        raise BadIndexes(f"too large index: {show(text)}")
    return int(text)


def _run(text: str, completions: int) -> Run:
    parts = text.split("-")
    if len(parts) > 2:
        rule = "violates the requirement that an index interval can have at most two parts separated by '-'"
        raise BadIndexes(f"the fragment {show(text)} {rule}")
    first = _number(parts[0], completions)
    last = _number(parts[1], completions) if len(parts) == 2 else first
    if len(parts) == 2 and first >= last:
        raise BadIndexes(f"non-increasing order, previous: {first}, current: {last}")
    return first, last


def count(text: str, completions: int) -> int:
    """How many indexes a text names. :raises BadIndexes: none, or some out of order or range"""
    total, before = 0, None
    for part in text.split(",") if text else ():
        first, last = _run(part, completions)
        if before is not None and before >= first:
            raise BadIndexes(f"non-increasing order, previous: {before}, current: {first}")
        total, before = total + last - first + 1, last
    return total


def problem(text: str, completions: int) -> str:
    """What is wrong with a text; '' when nothing is."""
    try:
        count(text, completions)
    except BadIndexes as error:
        return str(error)
    return ""


def _readable(text: str, completions: int) -> list[Run]:
    """The runs that can be read: the others are complained about elsewhere."""
    found: list[Run] = []
    for part in text.split(",") if text else ():
        try:
            found.append(_run(part, completions))
        except BadIndexes:
            continue
    return found


def shared(one: str, other: str, completions: int) -> int | None:
    """The first index that both texts name."""
    left, right = _readable(one, completions), _readable(other, completions)
    i = j = 0
    while i < len(left) and j < len(right):
        (first, last), (start, end) = left[i], right[j]
        if first <= end and start <= last:
            return max(first, start)
        if first <= start:
            i += 1
        else:
            j += 1
    return None
