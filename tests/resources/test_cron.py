"""Cron schedules."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kube_lite.resources import cron

START = datetime(2026, 1, 1, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("spec", "due"),
    [
        ("* * * * *", datetime(2026, 1, 1, 0, 1, tzinfo=UTC)),
        ("*/15 * * * *", datetime(2026, 1, 1, 0, 15, tzinfo=UTC)),
        ("0 3 * * *", datetime(2026, 1, 1, 3, 0, tzinfo=UTC)),
        ("0 0 1 FEB *", datetime(2026, 2, 1, tzinfo=UTC)),
        ("0 0 * * MON-FRI", datetime(2026, 1, 2, tzinfo=UTC)),
        ("0 0 13 * FRI", datetime(2026, 1, 2, tzinfo=UTC)),
        ("@hourly", datetime(2026, 1, 1, 1, 0, tzinfo=UTC)),
        ("@every 1h30m", datetime(2026, 1, 1, 1, 30, tzinfo=UTC)),
        ("0 0 31 2 *", None),
    ],
)
def test_when_it_is_due(spec: str, due: datetime | None) -> None:
    assert cron.parse(spec).after(START) == due


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("hello", "Expected exactly 5 fields, found 1: hello"),
        ("* * * * * *", "Expected exactly 5 fields, found 6: * * * * * *"),
        ("61 * * * *", "End of range (61) above maximum (59): 61"),
        ("* * 0 * *", "Beginning of range (0) below minimum (1): 0"),
        ("5-2 * * * *", "Beginning of range (5) beyond end of range (2): 5-2"),
        ("*/0 * * * *", "Step of range should be a positive number: */0"),
        ("x * * * *", 'Failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("TZ=Nowhere/City * * * * *", "Provided bad location Nowhere/City: unknown time zone Nowhere/City"),
        ("@often", "Unrecognized descriptor: @often"),
    ],
)
def test_what_is_wrong(spec: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        cron.parse(spec)
    assert str(caught.value) == problem
