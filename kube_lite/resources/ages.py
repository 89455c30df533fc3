"""Ages as tables show them: ``5s``, ``3m20s``, ``2d4h``. The steps are those of upstream's ``duration`` package."""

from __future__ import annotations

from datetime import datetime

from kube_lite.clock import parse_timestamp

UNKNOWN = "<unknown>"
"""What is shown where there is no time."""


def human_duration(seconds: float) -> str:
    """A duration in at most two units, coarser as it grows."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    if whole < 120:
        return f"{whole}s"
    minutes = whole // 60
    if minutes < 10:
        rest = whole % 60
        return f"{minutes}m{rest}s" if rest else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours = whole // 3600
    if hours < 8:
        rest = minutes % 60
        return f"{hours}h{rest}m" if rest else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        rest = hours % 24
        return f"{hours // 24}d{rest}h" if rest else f"{hours // 24}d"
    days = hours // 24
    if days < 730:
        return f"{days}d"
    if days < 2920:
        rest = days % 365
        return f"{days // 365}y{rest}d" if rest else f"{days // 365}y"
    return f"{days // 365}y"


def since(timestamp: str | None, now: datetime) -> str:
    """How long ago an RFC 3339 time was, or ``<unknown>``."""
    if not timestamp:
        return UNKNOWN
    return human_duration((now - parse_timestamp(timestamp)).total_seconds())


def between(start: str, end: str) -> str:
    """How long it took from one RFC 3339 time to another."""
    return human_duration((parse_timestamp(end) - parse_timestamp(start)).total_seconds())


def age(obj: dict[str, object], now: datetime) -> str:
    """The age of an object, from its creationTimestamp."""
    meta = obj.get("metadata")
    created = meta.get("creationTimestamp") if isinstance(meta, dict) else None
    return since(created if isinstance(created, str) else None, now)
