"""Times and durations in CEL."""

from __future__ import annotations

import pytest

from kube_lite.resources.cel import program
from kube_lite.resources.cel.times import duration, integer, timestamp


@pytest.mark.parametrize(
    "source",
    [
        "string(timestamp('2020-01-02T03:04:05.678Z')) == '2020-01-02T03:04:05.678Z'",
        "string(timestamp('2020-01-02T03:04:05+01:00')) == '2020-01-02T03:04:05+01:00'",
        "string(duration('1h30m')) == '5400s' && string(duration('-1ms')) == '-0.001s'",
        "timestamp(0) == timestamp('1970-01-01T00:00:00Z') && int(timestamp(5)) == 5",
        "duration('1.5h') == duration('90m') && duration(60) == duration('1m')",
        "timestamp('2020-01-02T03:04:05Z').getHours('America/New_York') == 22",
        "timestamp('2020-01-02T03:04:05Z').getHours('+01:00') == 4",
        "timestamp('2020-01-02T03:04:05Z').getDayOfWeek('-05:00') == 3",
        "type(timestamp(0)) == google.protobuf.Timestamp && type(duration(0)) != google.protobuf.Timestamp",
        "int(1.9) == 1 && int(-1.9) == -1 && int('34') == 34 && int(34u) == 34",
    ],
)
def test_times_are_values_of_their_own(source: str) -> None:
    assert program.compile(source).evaluate({}) is True


def test_what_is_none_is_refused_in_go_s_words() -> None:
    for read, text, told in (
        (timestamp, "yesterday", "parsing time"),
        (duration, "1d", 'time: invalid duration "1d"'),
        (integer, "x", 'strconv.ParseInt: parsing "x": invalid syntax'),
        (integer, 1e30, "integer overflow"),
    ):
        with pytest.raises(ValueError, match=told):
            read(text)
