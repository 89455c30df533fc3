"""Scalars that parse their own text."""

from __future__ import annotations

import pytest

from kube_lite.resources.scalars import canonical_base64


@pytest.mark.parametrize(
    ("text", "byte"),
    [
        ("A", 0),
        ("AAA", 0),
        ("AAAAA", 4),
        ("====", 0),
        ("A===", 1),
        ("A A=", 1),
        ("AB!=", 2),
        ("AA=", 3),
        ("AA=x", 2),
        ("AA==x", 4),
        ("AA==AA==", 4),
        ("AAA=A", 4),
        ("AAAA=", 4),
    ],
)
def test_text_that_is_not_base64_is_refused_at_its_first_bad_byte(text: str, byte: int) -> None:
    with pytest.raises(ValueError, match=f"illegal base64 data at input byte {byte}$"):
        canonical_base64(text)


def test_line_breaks_in_base64_are_left_out() -> None:
    assert canonical_base64("AA==\n") == "AA=="
    assert canonical_base64("AAAA\r\nAA==") == "AAAAAA=="
