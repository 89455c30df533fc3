"""Namespaces."""

from __future__ import annotations

import pytest

from tests.resources.kinds.cases import (
    BAD,
    Cause,
    Change,
    assert_causes,
    assert_create,
    changed,
    create,
    resource,
    update,
)

KIND = resource("", "namespaces")
VALID = {"metadata": {"name": "x"}}


def test_a_new_namespace_is_active_labelled_and_held() -> None:
    made, errors = create(KIND, {**VALID, "status": {"phase": "Terminating"}})
    assert not errors
    assert made["status"] == {"phase": "Active"}
    assert made["spec"] == {"finalizers": ["kubernetes"]}
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("dots", {"metadata.name": "a.b"}, [(BAD, "metadata.name", "RFC 1123 label")]),
        ("upper", {"metadata.name": "A"}, [(BAD, "metadata.name", "lowercase RFC 1123 label")]),
        ("finalizer", {"spec.finalizers": ["nodomain"]}, [(BAD, "spec.finalizers", "neither a standard finalizer")]),
        (
            "finalizer text",
            {"spec.finalizers": ["a b"]},
            [(BAD, "spec.finalizers", "name part must consist"), (BAD, "spec.finalizers", "neither a standard")],
        ),
        ("own finalizer", {"spec.finalizers": ["example.com/f"]}, []),
    ],
)
def test_a_new_namespace(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


def test_finalizers_change_only_through_their_subresource() -> None:
    new, _ = update(KIND, VALID, {"spec.finalizers": []})
    assert new["spec"]["finalizers"] == ["kubernetes"]
    old, _ = create(KIND, VALID)
    wanted = changed(old, {"spec.finalizers": []})
    KIND.subresources["finalize"].prepare(wanted, old)
    assert wanted["spec"] == {}


@pytest.mark.parametrize(
    ("phase", "deleted", "problem"),
    [
        ("Active", False, ""),
        ("Terminating", False, "may only be 'Active' if `deletionTimestamp` is empty"),
        ("Active", True, "may only be 'Terminating' if `deletionTimestamp` is not empty"),
        ("Terminating", True, ""),
    ],
)
def test_the_phase_follows_deletion(phase: str, deleted: bool, problem: str) -> None:
    old, _ = create(KIND, VALID)
    if deleted:
        old["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    new = changed(old, {"status.phase": phase})
    errors = KIND.subresources["status"].validate(new, old)
    assert [problem in e.message for e in errors] == ([True] if problem else [])


def test_the_position_of_a_finalizer_is_told_where_it_is_set() -> None:
    old, _ = create(KIND, VALID)
    new = changed(old, {"spec.finalizers": ["kubernetes", "x"]})
    found = KIND.subresources["finalize"].validate(new, old)
    assert_causes([(e.reason, e.field, e.message) for e in found], [(BAD, "spec.finalizers[1]", "neither a standard")])
