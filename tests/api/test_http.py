"""Answers before they are on their way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_lite.api.http import LongBody


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=50), st.integers(1, 200))
def test_a_long_body_is_the_same_whole_and_in_slices(parts: list[bytes], size: int) -> None:
    body = LongBody(parts)
    assert bytes(body) == b",".join(parts) == b"".join(body.slices(size))
    assert len(body) == len(bytes(body))


@pytest.mark.parametrize(("count", "size", "slices"), [(1, 1000, 1), (1000, 10_000, 10), (1000, 1, 1000)])
def test_slices_are_about_as_long_as_asked_for(count: int, size: int, slices: int) -> None:
    assert len(list(LongBody([b"x" * 99] * count).slices(size))) == slices
