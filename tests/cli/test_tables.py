"""Columns: three blanks between, at least six wide, and growing while watched."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.cli.tables import Columns, View, cell

TABLE: dict[str, Any] = {
    "columnDefinitions": [
        {"name": "Name", "format": "name", "priority": 0},
        {"name": "Ready", "priority": 0},
        {"name": "IP", "priority": 1},
    ],
    "rows": [
        {
            "cells": ["web", "1/1", "10.0.0.1"],
            "object": {"metadata": {"namespace": "a", "labels": {"b": "2", "a": "1"}}},
        }
    ],
}


def test_cells_are_padded_but_the_last_is_not() -> None:
    assert Columns().lines([["A", "B"], ["longer-than-it", "c"]]) == ["A                B", "longer-than-it   c"]


def test_columns_are_never_narrower_than_six() -> None:
    assert Columns().lines([["A", "B"]]) == ["A     B"]


def test_rows_that_follow_keep_the_widths_of_those_before() -> None:
    columns = Columns()
    columns.lines([["a-long-name", "x"]])
    assert columns.lines([["b", "y"]]) == ["b             y"]


def test_wide_shows_the_columns_of_low_priority(capsys: pytest.CaptureFixture[str]) -> None:
    View(wide=True).print(TABLE)
    assert capsys.readouterr().out == "NAME   READY   IP\nweb    1/1     10.0.0.1\n"


def test_namespace_prefix_and_labels_are_added(capsys: pytest.CaptureFixture[str]) -> None:
    View(namespaces=True, labels=True, label_columns=["x.io/b", "a"], prefix="pod/").print(TABLE)
    assert capsys.readouterr().out.splitlines() == [
        "NAMESPACE   NAME      READY   B     A     LABELS",
        "a           pod/web   1/1           1     a=1,b=2",
    ]


def test_the_header_is_printed_once_while_watching(capsys: pytest.CaptureFixture[str]) -> None:
    view = View()
    view.print(TABLE)
    view.print({**TABLE, "columnDefinitions": None})
    assert capsys.readouterr().out.splitlines() == ["NAME   READY", "web    1/1", "web    1/1"]


def test_a_cell_is_one_line() -> None:
    assert [cell(None), cell(True), cell("a\nb"), cell(3)] == ["<none>", "true", "a...", "3"]
