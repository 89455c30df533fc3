"""Jobs."""

from __future__ import annotations

from typing import Any

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
)

KIND = resource("batch", "jobs")
VALID: dict[str, Any] = {
    "metadata": {"name": "x"},
    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}},
}
LABELS = "spec.template.metadata.labels"
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
        (
            "template",
            {"spec.template.spec.containers.0.image": "j"},
            [(BAD, "spec.template", 'core.PodTemplateSpec{ObjectMeta:v1.ObjectMeta{Name:"", ')],
        ),
    ],
)
def test_an_update(name: str, change: Change, causes: list[Cause]) -> None:
    assert_update(KIND, VALID, change, causes)
