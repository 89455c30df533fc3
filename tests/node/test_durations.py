"""Durations read as Go's do."""

from __future__ import annotations

import pytest

from kube_lite.node.durations import duration_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.5, "500ms"),
        (1.5, "1.5s"),
        (10, "10s"),
        (80, "1m20s"),
        (90, "1m30s"),
        (160, "2m40s"),
        (300, "5m0s"),
        (3600, "1h0m0s"),
    ],
)
def test_durations_read_as_in_go(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
