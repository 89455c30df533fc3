"""Values as CEL prints them."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.cel.texts import formatted


@pytest.mark.parametrize(
    ("text", "values", "shown"),
    [
        ("%s is %d%%", ["x", 3], "x is 3%"),
        ("%s %s %s", [True, None, 1.5], "true null 1.5"),
        ("%s", [["a", 1.5, [True]]], '["a", 1.500000, [true]]'),
        ("%s", [{"b": 1, "a": "x"}], '{"a": "x", "b": 1}'),
        ("%b %o %x %X", [5, 8, 255, "ab"], "101 10 ff 6162"),
        ("%.2f %e", [1.234, 1234.5], "1.23 1.234500e+03"),
    ],
)
def test_clauses_are_filled_in(text: str, values: list[Any], shown: str) -> None:
    assert formatted(text, values) == shown


@pytest.mark.parametrize(
    ("text", "values", "told"),
    [
        ("%d", ["x"], "decimal clause can only be used on integers"),
        ("%f", ["x"], "fixed-point clause"),
        ("%s", [], "index 0 out of range"),
        ("%q", [1], "unrecognized formatting clause"),
    ],
)
def test_a_clause_that_does_not_fit_is_refused(text: str, values: list[Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        formatted(text, values)
