"""Tab stops that stretch: a column is as wide as its widest cell, and ends where a line has no such cell."""

from __future__ import annotations

from kube_lite.cli.describe.others import words
from kube_lite.cli.describe.text import align


def test_neighbouring_cells_form_a_column() -> None:
    assert align(["Name:\ta", "Namespace:\tb"]) == ["Name:       a", "Namespace:  b"]


def test_a_line_without_the_cell_ends_the_column() -> None:
    lines = ["Name:\ta", "Containers:", "  Image name:\tb", "  ID:\tc"]
    assert align(lines) == ["Name:  a", "Containers:", "  Image name:  b", "  ID:          c"]


def test_the_last_cell_of_a_line_widens_nothing() -> None:
    assert align(["a\tb", "a much longer line", "c\td\te"]) == ["a  b", "a much longer line", "c  d  e"]


def test_field_names_are_spelled_out() -> None:
    assert [words(name) for name in ("leaseDurationSeconds", "podIP", "uid", "apiVersion")] == [
        "Lease Duration Seconds",
        "Pod IP",
        "UID",
        "API Version",
    ]
