"""Completion indexes as text."""

from __future__ import annotations

import pytest

from kube_lite.resources.kinds.job.indexes import count, problem, shared


@pytest.mark.parametrize(("text", "number"), [("", 0), ("3", 1), ("0,2-4", 4), ("1-9", 9)])
def test_indexes_are_counted(text: str, number: int) -> None:
    assert count(text, 10) == number


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("1-2-3", 'the fragment "1-2-3" violates the requirement that an index interval can have at most two parts'),
        ("a", 'cannot convert string to integer for index: "a"'),
        ("-1", 'cannot convert string to integer for index: ""'),
        ("10", 'too large index: "10"'),
        ("0-10", 'too large index: "10"'),
        ("4-2", "non-increasing order, previous: 4, current: 2"),
        ("3,3", "non-increasing order, previous: 3, current: 3"),
    ],
)
def test_what_is_wrong_is_told(text: str, wrong: str) -> None:
    assert problem(text, 10).startswith(wrong)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [("0,2-4", "1,5", None), ("0,2-4", "1,3", 3), ("x,2", "2", 2), ("", "1", None), ("5-9", "0-5", 5)],
)
def test_an_index_is_done_or_lost(one: str, other: str, both: int | None) -> None:
    assert shared(one, other, 10) == both
