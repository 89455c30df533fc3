"""Metadata of every kind."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.metadata import finalizer_warnings, validate_metadata, validate_metadata_update

VALID: dict[str, Any] = {"name": "x", "namespace": "ns", "uid": "u"}


@pytest.mark.parametrize(
    ("change", "fields", "message"),
    [
        ({}, [], ""),
        ({"name": ""}, ["metadata.name"], "name or generateName is required"),
        ({"generateName": "Ab-"}, ["metadata.generateName"], "subdomain"),
        ({"namespace": ""}, ["metadata.namespace"], "Required value"),
        ({"labels": {"a b": "c"}}, ["metadata.labels"], "name part"),
        ({"labels": {"a": "b c"}}, ["metadata.labels"], "a valid label"),
        ({"annotations": {"a b": ""}}, ["metadata.annotations"], "name part"),
        ({"annotations": {"A": ""}}, [], ""),
        ({"annotations": {"a": "x" * 256 * 1024}}, ["metadata.annotations"], "Too long: must have at most 262144"),
        ({"finalizers": ["kubernetes", "example.com/f"]}, [], ""),
        ({"finalizers": ["plain"]}, ["metadata.finalizers[0]"], "neither a standard finalizer name"),
        ({"finalizers": ["orphan", "foregroundDeletion"]}, ["metadata.finalizers"], "cannot be both set"),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "a"}]},
            ["metadata.ownerReferences.uid"],
            "uid",
        ),
    ],
)
def test_new_metadata(change: dict[str, Any], fields: list[str], message: str) -> None:
    errors = validate_metadata({**VALID, **change}, namespaced=True)
    assert [e.field for e in errors] == fields
    assert all(message in e.message for e in errors)


def test_only_one_owner_controls() -> None:
    owner = {"apiVersion": "v1", "kind": "A", "name": "a", "uid": "u", "controller": True}
    errors = validate_metadata({**VALID, "ownerReferences": [owner, {**owner, "name": "b"}]}, namespaced=True)
    assert ["Only one reference can have Controller set to true" in e.message for e in errors] == [True]


def test_cluster_scoped_objects_have_no_namespace() -> None:
    errors = validate_metadata(VALID, namespaced=False)
    assert [e.message for e in errors] == ["Forbidden: not allowed on this type"]


def test_custom_resources_may_have_plain_finalizers() -> None:
    assert not validate_metadata({**VALID, "finalizers": ["plain"]}, namespaced=True, builtin=False)


def test_a_deletion_cannot_be_stated() -> None:
    errors = validate_metadata_update({**VALID, "deletionTimestamp": "2000-01-01T00:00:00Z"}, VALID)
    assert [e.message for e in errors] == ["Invalid value: 2000-01-01 00:00:00 +0000 UTC: field is immutable"]


def test_owners_that_a_client_states_are_checked() -> None:
    errors = validate_metadata_update({**VALID, "managedFields": [{"manager": "m" * 129}]}, VALID)
    assert [(e.field, e.message) for e in errors] == [
        ("metadata.managedFields.operation", 'Invalid value: "": must be `Apply` or `Update`'),
        ("metadata.fieldManager", "Too long: must have at most 128 bytes"),
    ]


@pytest.mark.parametrize("name", ["name", "namespace", "uid"])
def test_what_never_changes(name: str) -> None:
    errors = validate_metadata_update({**VALID, name: "other"}, VALID)
    assert [(e.field, e.message) for e in errors] == [
        (f"metadata.{name}", 'Invalid value: "other": field is immutable')
    ]


def test_a_deleted_object_takes_no_new_finalizers() -> None:
    old = {**VALID, "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"]}
    errors = validate_metadata_update({**old, "finalizers": ["a/b", "c/d"]}, old)
    assert [e.message for e in errors] == [
        'Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"c/d"}'
    ]


def test_custom_resources_are_warned_of_new_finalizers_without_a_domain() -> None:
    def told(new: list[str], old: list[str] | None = None) -> list[str]:
        before = None if old is None else {"metadata": {"finalizers": old}}
        warnings = finalizer_warnings({"metadata": {"finalizers": new}}, before)
        return [one.removeprefix("metadata.finalizers: ").partition(" to avoid")[0] for one in warnings]

    assert told(["plain", "a.example.com", "example.com/a", "orphan"]) == [
        '"a.example.com": prefer a domain-qualified finalizer name including a path (/)',
        '"plain": prefer a domain-qualified finalizer name',
    ]
    assert told(["old", "new"], ["old"]) == ['"new": prefer a domain-qualified finalizer name']
    assert finalizer_warnings({"metadata": {}}, {"metadata": {}}) == []
