"""Printer columns: simple JSONPath and the cells made of what it finds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kube_lite.resources.columns import PathError, cell, compile_path, simple_path

NOW = datetime(2026, 1, 1, 1, 0, tzinfo=UTC)
OBJ = {
    "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"a.b/c": "v"}},
    "spec": {"n": 3, "f": 1.5, "on": True, "items": ["x", "y"], "m": {"k": 1}, "null": None},
    "status": {"conditions": [{"type": "A", "status": "False"}, {"type": "Ready", "status": "True"}]},
}


@pytest.mark.parametrize(
    ("path", "kind", "shown"),
    [
        (".spec.n", "integer", 3),
        (".spec.n", "string", "3"),
        (".spec.f", "number", 1.5),
        (".spec.on", "boolean", True),
        (".spec.missing", "string", None),
        (".spec.items[1]", "string", "y"),
        (".spec.items", "string", '["x","y"]'),
        (".spec.m", "string", '{"k":1}'),
        (r".metadata.labels.a\.b/c", "string", "v"),
        (".metadata.labels['a.b/c']", "string", "v"),
        ('.status.conditions[?(@.type=="Ready")].status', "string", "True"),
        (".status.conditions[*].type", "string", "A"),
        (".metadata.creationTimestamp", "date", "60m"),
        (".spec.on", "integer", None),
        (".spec.on", "date", None),
        (".spec.null", "string", "<no value>"),
        (".spec.null", "integer", None),
    ],
)
def test_a_cell_shows_what_the_path_finds(path: str, kind: str, shown: Any) -> None:
    assert cell(path, kind)(OBJ, NOW) == shown


def test_a_path_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(PathError):
        compile_path(".spec[")
    with pytest.raises(PathError):
        simple_path(".spec.items[0]")
