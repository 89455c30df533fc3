"""Columns of text as kubectl aligns them, and the server's Tables as such columns.

A column is as wide as its longest cell and three blanks, and at least six; while watching, columns only grow.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from kube_lite.cli.connection import Obj

PADDING = 3
NARROWEST = 6


def cell(value: Any) -> str:
    """One cell; an integer that came as a float is still an integer, and line breaks are cut as kubectl does."""
    if value is None:
        return "<none>"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if "\n" in text:
        text = text.partition("\n")[0] + "..."
    return text


class Columns:
    """Aligns rows; remembers widths, so that rows that follow fit under those before."""

    def __init__(self, padding: int = PADDING, narrowest: int = NARROWEST) -> None:
        self._widths: list[int] = []
        self._padding = padding
        self._narrowest = narrowest

    def lines(self, rows: Sequence[Sequence[str]]) -> list[str]:
        """``rows`` aligned; the last cell of a row is not padded."""
        for row in rows:
            self._widths += [self._narrowest] * (len(row) - len(self._widths))
            for at, text in enumerate(row):
                self._widths[at] = max(self._widths[at], len(text) + self._padding)
        return [
            "".join(text.ljust(width) for text, width in zip(row[:-1], self._widths, strict=False)) + row[-1]
            for row in rows
            if row
        ]


class View:
    """Which columns of Tables are shown.

    :param prefix: put before names, such as ``deployment.apps/``
    """

    def __init__(
        self,
        wide: bool = False,
        namespaces: bool = False,
        labels: bool = False,
        label_columns: Sequence[str] = (),
        headers: bool = True,
        prefix: str = "",
    ) -> None:
        self._wide = wide
        self._namespaces = namespaces
        self._labels = labels
        self._label_columns = label_columns
        self._headers = headers
        self._prefix = prefix
        self._shown: list[int] = []
        self._name = -1
        self._columns = Columns()
        self._head: list[str] = []

    def print(self, table: Obj, events: Sequence[str] = ()) -> None:
        """The rows of ``table``; the header before the first of them. ``events`` gives each row's watch event."""
        definitions = table.get("columnDefinitions") or []
        header = []
        if definitions:
            self._shown = [at for at, c in enumerate(definitions) if self._wide or not c.get("priority")]
            names = [at for at, c in enumerate(definitions) if c.get("format") == "name"]
            self._name = names[0] if names else 0
            head = [definitions[at]["name"].upper() for at in self._shown]
            head = [*(["NAMESPACE"] if self._namespaces else []), *head]
            head += [key.rpartition("/")[2].upper() for key in self._label_columns]
            head += ["LABELS"] if self._labels else []
            head = [*(["EVENT"] if events else []), *head]
            if head != self._head and self._headers:
                header = [head]
            self._head = head
        rows = [self._row(row) for row in table.get("rows") or ()]
        if events:
            rows = [[event, *row] for event, row in zip(events, rows, strict=True)]
        if rows:
            sys.stdout.write("\n".join(self._columns.lines([*header, *rows])) + "\n")

    def _row(self, row: Obj) -> list[str]:
        metadata = (row.get("object") or {}).get("metadata") or {}
        cells = row.get("cells") or []
        texts = [cell(cells[at]) if at < len(cells) else "" for at in self._shown]
        if self._prefix and self._name in self._shown:
            at = self._shown.index(self._name)
            texts[at] = self._prefix + texts[at]
        if self._namespaces:
            texts.insert(0, metadata.get("namespace") or "")
        labels = metadata.get("labels") or {}
        texts += [labels.get(key, "") for key in self._label_columns]
        if self._labels:
            texts.append(",".join(f"{key}={labels[key]}" for key in sorted(labels)) or "<none>")
        return texts
