"""Label selectors inside objects."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources import labelselector
from kube_lite.resources.selectors import format_label_selector, matches


@pytest.mark.parametrize(
    ("selector", "text", "holds"),
    [
        (None, "<none>", False),
        ({}, "<none>", True),
        ({"matchLabels": {"a": "b"}}, "a=b", True),
        ({"matchLabels": {"a": "c"}}, "a=c", False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["c", "b"]}]}, "a in (b,c)", True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, "a notin (b)", False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, "a", True),
        ({"matchExpressions": [{"key": "z", "operator": "DoesNotExist"}]}, "!z", True),
    ],
)
def test_text_and_match(selector: dict[str, Any] | None, text: str, holds: bool) -> None:
    assert format_label_selector(selector) == text
    assert matches(selector, {"a": "b"}) is holds
    assert not labelselector.validate_label_selector(selector, "s")


@pytest.mark.parametrize(
    ("requirement", "field"),
    [
        ({"key": "a", "operator": "x"}, "s.matchExpressions[0].operator"),
        ({"key": "a", "operator": "In"}, "s.matchExpressions[0].values"),
        ({"key": "a", "operator": "Exists", "values": ["b"]}, "s.matchExpressions[0].values"),
        ({"key": "a b", "operator": "Exists"}, "s.matchExpressions[0].key"),
        ({"key": "a", "operator": "In", "values": ["b c"]}, "s.matchExpressions[0].values[0]"),
    ],
)
def test_what_is_wrong(requirement: dict[str, Any], field: str) -> None:
    errors = labelselector.validate_label_selector({"matchExpressions": [requirement]}, "s")
    assert [e.field for e in errors] == [field]
