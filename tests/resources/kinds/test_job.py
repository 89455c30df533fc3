"""Jobs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    LONG,
    NEEDED,
    UNKNOWN,
    Cause,
    Change,
    assert_create,
    assert_update,
    changed,
    create,
    resource,
)

KIND = resource("batch", "jobs")
VALID: dict[str, Any] = {
    "metadata": {"name": "x"},
    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}},
}
LABELS = "spec.template.metadata.labels"
INDEXED: Change = {"spec.completionMode": "Indexed", "spec.completions": 3, "spec.parallelism": 2}
RESTART = "spec.template.spec.restartPolicy"


def test_defaults() -> None:
    made, errors = create(KIND, VALID)
    assert not errors
    assert {k: v for k, v in made["spec"].items() if k != "template"} == {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 6,
        "selector": {"matchLabels": {"controller-uid": "u-1"}},
    }
    labels = {"controller-uid": "u-1", "job-name": "x"}
    assert made["spec"]["template"]["metadata"]["labels"] == labels == made["metadata"]["labels"]


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        (
            "parallelism",
            {"spec.parallelism": -1},
            [(BAD, "spec.parallelism", "-1: must be greater than or equal to 0")],
        ),
        (
            "no restart policy",
            {"spec.template.spec.restartPolicy": ""},
            [(NEEDED, RESTART, 'valid values: "OnFailure"')],
        ),
        (
            "restart policy",
            {"spec.template.spec.restartPolicy": "x"},
            [(UNKNOWN, RESTART, '"Always"'), (UNKNOWN, RESTART, '"OnFailure", "Never"')],
        ),
        (
            "own selector",
            {"spec.selector": {"matchLabels": {"a": "b"}}},
            [
                (BAD, "spec.selector", "`selector` not auto-generated"),
                (BAD, LABELS, 'map[string]string{"controller-uid"'),
            ],
        ),
        (
            "manual without selector",
            {"spec.manualSelector": True},
            [(NEEDED, "spec.selector", ""), (BAD, LABELS, "map[string]string(nil): `selector` does not match")],
        ),
        (
            "other name in a label",
            {"spec.template.metadata.labels": {"job-name": "y"}},
            [(BAD, f"{LABELS}[job-name]", "must be 'x'")],
        ),
        (
            "indexed",
            {"spec.completionMode": "Indexed", "spec.parallelism": 2},
            [(NEEDED, "spec.completions", "when completion mode is Indexed")],
        ),
        (
            "pods whose names would be too long",
            {"metadata.name": "x" * 62, "spec.completionMode": "Indexed", "spec.completions": 2},
            [(BAD, "metadata.name", "will not able to create pod with invalid DNS label: " + "x" * 62 + "-1")],
        ),
        (
            "failed indexes",
            {**INDEXED, "spec.maxFailedIndexes": 5},
            [
                (NEEDED, "spec.backoffLimitPerIndex", "when maxFailedIndexes is specified"),
                (BAD, "spec.maxFailedIndexes", "5: must be less than or equal to completions"),
            ],
        ),
        (
            "very many indexes",
            {**INDEXED, "spec.completions": 100_001, "spec.parallelism": 100_001, "spec.backoffLimitPerIndex": 1},
            [
                (BAD, "spec.parallelism", "must be less than or equal to 100000 when completion mode is Indexed"),
                (NEEDED, "spec.maxFailedIndexes", "must be specified when completions is above 100000"),
                (BAD, "spec.parallelism", "less than or equal to 10000 when completions are above 100000 and used"),
            ],
        ),
        (
            "another manager",
            {"spec.managedBy": "Acme.io/" + "x" * 60},
            [
                (BAD, "spec.managedBy", '"Acme.io": a lowercase RFC 1123 subdomain'),
                (LONG, "spec.managedBy", "63 bytes"),
            ],
        ),
    ],
)
def test_a_new_job(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("parallelism", {"spec.parallelism": 3}, []),
        ("mode said", {"spec.completionMode": "NonIndexed"}, []),
        ("completions", {"spec.completions": 3}, [(BAD, "spec.completions", "field is immutable")]),
        ("a policy of failures", {"spec.podFailurePolicy": {}}, [(BAD, "spec.podFailurePolicy", "is immutable")]),
        (
            "template",
            {"spec.template.spec.containers.0.image": "j"},
            [(BAD, "spec.template", 'core.PodTemplateSpec{ObjectMeta:v1.ObjectMeta{Name:"", ')],
        ),
    ],
)
def test_an_update(name: str, change: Change, causes: list[Cause]) -> None:
    assert_update(KIND, VALID, change, causes)


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({"spec.completions": 4, "spec.parallelism": 4}, []),
        (
            {"spec.completions": 4},
            [(BAD, "spec.completions", "4: can only be modified in tandem with spec.parallelism")],
        ),
    ],
)
def test_an_indexed_job_is_scaled_as_a_whole(change: Change, causes: list[Cause]) -> None:
    assert_update(KIND, changed(VALID, INDEXED), change, causes)


POD = "spec.template.spec"
RESIZED: Change = {f"{POD}.containers.0.resources": {"requests": {"cpu": "1"}}}
CLAIMED: Change = {f"{POD}.containers.0.resources": {"claims": [{"name": "gpu"}]}}
PLACED: Change = {f"{POD}.nodeSelector": {"a": "b"}, f"{POD}.affinity": {"nodeAffinity": {}}}
APART: Change = {f"{POD}.affinity": {"podAntiAffinity": {}}}
SUSPENDED = [{"type": "Suspended", "status": "True"}]


@pytest.mark.parametrize(
    ("status", "change", "refused"),
    [
        ({}, PLACED, False),
        ({}, RESIZED, False),
        ({}, APART, True),
        ({}, CLAIMED, True),
        ({"active": 1}, PLACED, True),
        ({"startTime": "2026-01-01T00:00:00Z"}, PLACED, True),
        ({"startTime": "2026-01-01T00:00:00Z", "conditions": SUSPENDED}, PLACED, False),
    ],
)
def test_while_nothing_runs_pods_may_be_placed_and_sized_anew(status: Any, change: Change, refused: bool) -> None:
    devices = [{"name": "gpu", "resourceClaimName": "c"}]
    old, _ = create(KIND, changed(VALID, {"spec.suspend": True, f"{POD}.resourceClaims": devices}))
    found = KIND.validate_update(changed(old, change), {**old, "status": status})
    assert [(error.field, error.message[-len("field is immutable") :]) for error in found] == (
        [("spec.template", "field is immutable")] if refused else []
    )
