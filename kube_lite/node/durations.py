"""Durations as Go prints them: in the kubelet's messages and configuration they are text."""

from __future__ import annotations


def duration_text(seconds: float) -> str:
    """``500ms``, ``10s``, ``1m20s``, ``5m0s``, ``1h0m0s``."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{rest:g}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text
