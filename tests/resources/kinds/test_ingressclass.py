"""IngressClasses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    LONG,
    NEEDED,
    Cause,
    Change,
    assert_create,
    assert_update,
    changed,
    resource,
)

KIND, AT = resource("networking.k8s.io", "ingressclasses"), "spec.controller"
VALID: dict[str, Any] = {"metadata": {"name": "x"}, "spec": {"controller": "example.com/c"}}


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({AT: "changed"}, [(BAD, AT, "immutable"), (BAD, AT, "must be a domain-prefixed path")]),
        ({"spec": {}}, [(BAD, AT, 'Invalid value: "": field is immutable'), (NEEDED, AT, "")]),
    ],
)
def test_a_changed_controller_is_checked_as_a_new_one(change: Change, causes: list[Cause]) -> None:
    assert_update(KIND, VALID, change, causes)


@pytest.mark.parametrize(("value", "name"), [("true", "x (default)"), ("false", "x")])
def test_the_default_class_is_marked_in_tables(value: str, name: str) -> None:
    made = changed(VALID, {"metadata.annotations": {"ingressclass.kubernetes.io/is-default-class": value}})
    assert KIND.row is not None
    assert KIND.row(made, datetime(2026, 1, 1, tzinfo=UTC))[0] == name


def test_a_controller_may_not_be_long() -> None:
    assert_create(KIND, VALID, {AT: "example.com/" + "c" * 250}, [(LONG, AT, "must have at most 250 bytes")])
