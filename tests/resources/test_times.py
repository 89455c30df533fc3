"""Timestamps: canonical forms and Go's complaints."""

from __future__ import annotations

import pytest

from kube_lite.resources.times import canonical, canonical_micro


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.999Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05+05:30", "2026-01-01T21:34:05Z"),
        ("2026-01-02T03:04:05-01:00", "2026-01-02T04:04:05Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_times_become_utc_with_whole_seconds(text: str, expected: str) -> None:
    assert canonical(text) == expected


def test_micro_times_have_six_digits() -> None:
    assert canonical_micro("2026-01-02T03:04:05.000700+01:00") == "2026-01-02T02:04:05.000700Z"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", 'parsing time "" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006"'),
        ("2026-01-02", 'parsing time "2026-01-02" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
        (
            "2026-01-02T03:04:05",
            'parsing time "2026-01-02T03:04:05" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"',
        ),
        ("2026-13-02T03:04:05Z", 'parsing time "2026-13-02T03:04:05Z": month out of range'),
        ("2026-02-30T03:04:05Z", 'parsing time "2026-02-30T03:04:05Z": day out of range'),
        ("2026-01-02T24:04:05Z", 'parsing time "2026-01-02T24:04:05Z": hour out of range'),
        ("2026-01-02T03:04:05Zx", 'parsing time "2026-01-02T03:04:05Zx": extra text: "x"'),
        ("0001-01-01T00:00:00+01:00", 'parsing time "0001-01-01T00:00:00+01:00": year out of range'),
    ],
)
def test_other_text_is_refused_as_go_does(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match="parsing time") as refusal:
        canonical(text)
    assert str(refusal.value) == complaint


def test_a_micro_time_needs_its_fraction() -> None:
    with pytest.raises(ValueError, match=r'cannot parse "Z" as "\.000000"'):
        canonical_micro("2026-01-02T03:04:05Z")
