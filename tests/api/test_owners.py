"""Entries of managedFields: what is one, in which order they come, and how the oldest are merged."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.api.owners import MAX_UPDATERS, Owner, capped, decoded, encoded


def owner(manager: str, operation: str = "Update", version: str = "v1", second: int = 0, **more: Any) -> Owner:
    fields = more.get("fields", {f"f:{manager}": {}})
    return Owner(manager, operation, version, more.get("subresource", ""), fields, f"2026-01-01T00:00:{second:02d}Z")


def test_entries_outlive_being_read() -> None:
    owners = [owner("a", "Apply", subresource="scale"), owner("b")]
    assert decoded(encoded(owners)) == owners


def test_appliers_come_first_then_the_oldest() -> None:
    owners = [owner("c", second=2), owner("b", second=1), owner("z", "Apply", second=9), owner("a", fields={})]
    assert [entry["manager"] for entry in encoded(owners)] == ["z", "b", "c"]


def test_an_applier_is_the_same_in_every_version_and_an_updater_is_not() -> None:
    entries = [
        *encoded([owner("a", "Apply", "v1")]),
        *encoded([owner("a", "Apply", "v2")]),
        *encoded([owner("a", "Update", "v1")]),
        *encoded([owner("a", "Update", "v2")]),
    ]
    found = decoded(entries)
    assert found is not None
    assert [(one.operation, one.api_version) for one in found] == [("Apply", "v2"), ("Update", "v1"), ("Update", "v2")]


@pytest.mark.parametrize("change", [{"apiVersion": ""}, {"fieldsType": "x"}, {"fieldsV1": {"a": {}}}, {"fieldsV1": []}])
def test_one_bad_entry_spoils_all(change: dict[str, Any]) -> None:
    (entry,) = encoded([owner("a")])
    assert decoded([entry, {**entry, **change}]) is None
    assert decoded("x") is None


def test_the_oldest_updaters_of_each_version_become_one() -> None:
    many = [owner(f"m{i:02d}", version="v1" if i % 2 else "v2", second=i) for i in range(MAX_UPDATERS + 3)]
    left = capped([*many, owner("m00", "Apply")])
    assert sum(one.operation == "Update" for one in left) == MAX_UPDATERS
    ancient = {one.api_version: set(one.fields) for one in left if one.manager == "ancient-changes"}
    assert ancient == {"v1": {"f:m01", "f:m03"}, "v2": {"f:m00", "f:m02", "f:m04"}}
    assert any(one.operation == "Apply" for one in left)
