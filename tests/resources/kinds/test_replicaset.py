"""ReplicaSets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    UNKNOWN,
    Cause,
    Change,
    assert_create,
    assert_update,
    create,
    resource,
    update,
)
from tests.resources.kinds.test_deployment import VALID

KIND = resource("apps", "replicasets")


def test_defaults() -> None:
    made, errors = create(KIND, VALID)
    assert not errors
    assert made["spec"]["replicas"] == 1
    assert made["status"] == {}


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("replicas", {"spec.replicas": -1}, [(BAD, "spec.replicas", "")]),
        ("min ready", {"spec.minReadySeconds": -1}, [(BAD, "spec.minReadySeconds", "")]),
        ("empty selector", {"spec.selector": {}}, [(BAD, "spec.selector", "empty selector is invalid for deployment")]),
        ("restart", {"spec.template.spec.restartPolicy": "Never"}, [(UNKNOWN, "spec.template.spec.restartPolicy", "")]),
        (
            "empty",
            {"spec": {}},
            [
                (NEEDED, "spec.selector", ""),
                (BAD, "spec.template.metadata.labels", "map[string]string(nil)"),
                (NEEDED, "spec.template.spec.containers", ""),
            ],
        ),
    ],
)
def test_a_new_replicaset(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


def test_the_selector_never_changes() -> None:
    change = {"spec.selector.matchLabels": {"c": "d"}, "spec.template.metadata.labels": {"c": "d"}}
    assert_update(KIND, VALID, change, [(BAD, "spec.selector", "field is immutable")])


def test_a_selector_that_is_gone_is_shown_as_null() -> None:
    found = update(KIND, VALID, {"spec.selector": None})[1]
    assert found[-1] == (BAD, "spec.selector", 'Invalid value: "null": field is immutable')


def test_a_row() -> None:
    made, _ = create(KIND, VALID)
    assert KIND.row is not None
    assert KIND.row(made, datetime(2026, 1, 1, tzinfo=UTC)) == ["x", 1, 0, 0, "<unknown>", "c", "nginx", "a=b"]
