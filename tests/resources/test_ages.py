"""Ages in tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kube_lite.resources import ages


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (600, "10m"),
        (179 * 60, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (8 * 3600 + 60, "8h"),
        (47 * 3600, "47h"),
        (50 * 3600, "2d2h"),
        (48 * 3600, "2d"),
        (8 * 86400 + 3600, "8d"),
        (729 * 86400, "729d"),
        (731 * 86400, "2y1d"),
        (8 * 365 * 86400 + 86400, "8y"),
    ],
)
def test_a_duration(seconds: int, text: str) -> None:
    assert ages.human_duration(seconds) == text


def test_no_time_is_unknown() -> None:
    assert ages.age({}, datetime(2026, 1, 1, tzinfo=UTC)) == "<unknown>"
