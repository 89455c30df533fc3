"""Quantities: canonical text, exactness and refusals."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_lite.resources import quantity
from kube_lite.resources.quantity import Format, Quantity

CANONICAL = [
    ("0", "0"),
    ("0Ki", "0"),
    ("-0", "0"),
    ("1000m", "1"),
    ("0.5", "500m"),
    ("0.001", "1m"),
    ("1.5", "1500m"),
    ("100", "100"),
    ("1000", "1k"),
    ("1000k", "1M"),
    ("1500", "1500"),
    ("3000M", "3G"),
    ("1000E", "1000E"),
    ("1024Ki", "1Mi"),
    ("1.5Gi", "1536Mi"),
    ("0.5Gi", "512Mi"),
    ("1Ki", "1Ki"),
    ("8Mi", "8Mi"),
    ("1000Ki", "1000Ki"),
    ("512Mi", "512Mi"),
    ("0.5Ki", "512"),
    ("0.1Ki", "102400m"),
    ("100Ei", "9223372036854775807"),
    ("1e3", "1e3"),
    ("1E3", "1E3"),
    ("1e4", "10e3"),
    ("100e-3", "100e-3"),
    ("0.1m", "100u"),
    ("0.1n", "1n"),
    ("-0.1n", "-1n"),
    ("-1.5", "-1500m"),
    ("+5", "+5"),
    ("1.500", "1.500"),
    (" 2 ", "2"),
    (0.5, "500m"),
    (2, "2"),
    (1000, "1k"),
]


@pytest.mark.parametrize(("text", "expected"), CANONICAL)
def test_canonical_form_is_upstreams(text: str | int | float, expected: str) -> None:
    assert quantity.canonical(text) == expected


@pytest.mark.parametrize("text", ["", "a", "1a", "1.2.3", "1 Gi", "0x1", "1,5", "1i5x", "\u0661"])
def test_text_that_is_no_quantity_is_refused_with_upstreams_message(text: str) -> None:
    with pytest.raises(ValueError, match=r"^quantities must match the regular expression '\^\(\[\+-\]\?"):
        quantity.parse(text)


@pytest.mark.parametrize("text", ["1e", "1ki", "1mi", "1Mii", "1+5", "1ee5", "1e99999999999999999999", "1i", "--1"])
def test_unknown_suffix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="unable to parse quantity's suffix"):
        quantity.parse(text)


@pytest.mark.parametrize(
    ("text", "milli", "value"),
    [
        ("1", 1000, 1),
        ("250m", 250, 1),
        ("1u", 1, 1),
        ("-1500m", -1500, -2),
        ("1Ki", 1024000, 1024),
        ("1.0001", 1001, 2),
    ],
)
def test_scaled_values_are_rounded_up(text: str, milli: int, value: int) -> None:
    assert (quantity.milli(text), quantity.value(text)) == (milli, value)


def test_equality_is_by_amount_not_by_spelling() -> None:
    assert quantity.parse("1") == quantity.parse("1000m")
    assert quantity.parse("1Ki") == quantity.parse("1024")
    assert quantity.parse("1Ki") > quantity.parse("1k")


def test_a_sum_keeps_the_first_format_unless_it_is_zero() -> None:
    gibi = quantity.parse("1Gi")
    assert str(gibi + quantity.parse("1073741824")) == "2Gi"
    assert str(quantity.parse("0") + gibi) == "1Gi"
    assert str(quantity.parse("2") - quantity.parse("500m")) == "1500m"
    assert str(-gibi) == "-1Gi"


quantities = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "-", "+"]),
    st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,8})?", fullmatch=True),
    st.sampled_from(["", "n", "u", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "e3", "E6", "e-2"]),
)


@given(quantities)
def test_canonical_form_means_the_same_and_is_stable(text: str) -> None:
    once = quantity.canonical(text)
    assert quantity.parse(once) == quantity.parse(text)
    assert quantity.canonical(once) == once


@given(st.integers(-(10**30), 10**30), st.sampled_from(list(Format)))
def test_every_amount_survives_being_written_and_read(nanos: int, family: Format) -> None:
    if family is Format.BINARY_SI:
        nanos = max(min(nanos, 2**62), -(2**62))
    assert quantity.parse(str(Quantity(nanos, family))).nanos == nanos


@given(quantities, quantities)
def test_arithmetic_is_exact(left: str, right: str) -> None:
    a, b = quantity.parse(left), quantity.parse(right)
    assert Fraction((a + b).nanos) == Fraction(a.nanos) + Fraction(b.nanos)
    assert (a + b) - b == a
    assert (a < b) == (b - a > Quantity(0))
