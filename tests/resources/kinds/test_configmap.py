"""ConfigMaps."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.resources.kinds.cases import (
    BAD,
    LONG,
    NOT_HERE,
    Cause,
    Change,
    assert_create,
    assert_update,
    create,
    resource,
)

KIND = resource("", "configmaps")
VALID = {"metadata": {"name": "x"}, "data": {"k": "v"}}


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("valid", {}, []),
        ("name", {"metadata.name": "A"}, [(BAD, "metadata.name", "lowercase RFC 1123 subdomain")]),
        ("key", {"data": {"a b": "c"}}, [(BAD, "data[a b]", "a valid config key")]),
        ("key dots", {"data": {"..": "c"}}, [(BAD, "data[..]", "must not be '..'")]),
        ("binary key", {"binaryData": {"a b": "eA=="}}, [(BAD, "binaryData[a b]", "a valid config key")]),
        ("key twice", {"binaryData": {"k": "eA=="}}, [(BAD, "data[k]", "duplicate of key present in binaryData")]),
        ("size", {"data": {"k": "x" * (1024 * 1024 + 1)}}, [(LONG, "[]", "must have at most 1048576 bytes")]),
    ],
)
def test_a_new_configmap(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("data", {"data": {"k": "w"}}, [(NOT_HERE, "data", "immutable when `immutable` is set")]),
        ("binary", {"binaryData": {"b": "eA=="}}, [(NOT_HERE, "binaryData", "immutable")]),
        ("thawed", {"immutable": False}, [(NOT_HERE, "immutable", "immutable")]),
        ("labels", {"metadata.labels": {"a": "b"}}, []),
    ],
)
def test_an_immutable_configmap_keeps_its_data(name: str, change: Change, causes: list[Cause]) -> None:
    assert_update(KIND, {**VALID, "immutable": True}, change, causes)


def test_a_row_counts_both_sorts_of_data() -> None:
    made, _ = create(KIND, {**VALID, "binaryData": {"b": "eA=="}})
    made["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    assert KIND.row is not None
    assert KIND.row(made, datetime(2026, 1, 1, 0, 5, tzinfo=UTC)) == ["x", 2, "5m"]
