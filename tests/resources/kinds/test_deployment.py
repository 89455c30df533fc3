"""Deployments."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    UNKNOWN,
    Cause,
    Change,
    assert_create,
    assert_update,
    changed,
    create,
    resource,
    update,
)

KIND = resource("apps", "deployments")
VALID: dict[str, Any] = {
    "metadata": {"name": "x"},
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "nginx"}]},
        },
    },
}
ROLLING = "spec.strategy.rollingUpdate"


def test_defaults() -> None:
    made, errors = create(KIND, VALID)
    assert not errors
    spec = made["spec"]
    assert spec["replicas"] == 1
    rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}
    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Always"
    assert pod["containers"][0]["imagePullPolicy"] == "Always"
    assert "enableServiceLinks" not in pod


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("name", {"metadata.name": "A"}, [(BAD, "metadata.name", "subdomain")]),
        ("replicas", {"spec.replicas": -1}, [(BAD, "spec.replicas", "greater than or equal to 0")]),
        (
            "no selector",
            {"spec.selector": None},
            [(NEEDED, "spec.selector", ""), (BAD, "spec.template.metadata.labels", "does not match")],
        ),
        ("empty selector", {"spec.selector": {}}, [(BAD, "spec.selector", "empty selector is invalid for deployment")]),
        (
            "other selector",
            {"spec.selector.matchLabels": {"a": "z"}},
            [(BAD, "spec.template.metadata.labels", "`selector` does not match template `labels`")],
        ),
        (
            "selector operator",
            {"spec.selector": {"matchExpressions": [{"key": "a", "operator": "Nope"}]}},
            [
                (BAD, "spec.selector.matchExpressions[0].operator", "not a valid selector operator"),
                (BAD, "spec.selector", "invalid label selector"),
            ],
        ),
        (
            "restart",
            {"spec.template.spec.restartPolicy": "Never"},
            [(UNKNOWN, "spec.template.spec.restartPolicy", '"Always"')],
        ),
        (
            "deadline of pods",
            {"spec.template.spec.activeDeadlineSeconds": 5},
            [(NOT_HERE, "spec.template.spec.activeDeadlineSeconds", "in ReplicaSet is not Supported")],
        ),
        ("no containers", {"spec.template.spec.containers": []}, [(NEEDED, "spec.template.spec.containers", "")]),
        (
            "strategy",
            {"spec.strategy.type": "x"},
            [
                (
                    UNKNOWN,
                    "spec.strategy",
                    'apps.DeploymentStrategy{Type:"x", RollingUpdate:(*apps.RollingUpdateDeployment)',
                )
            ],
        ),
        ("label", {"spec.template.metadata.labels.k": "a b"}, [(BAD, "spec.template.labels", "a valid label")]),
        (
            "percent",
            {"spec.strategy.rollingUpdate": {"maxSurge": "x"}},
            [(BAD, f"{ROLLING}.maxSurge", 'intstr.IntOrString{Type:1, IntVal:0, StrVal:"x"}: a valid percent string')],
        ),
        (
            "recreate rolling",
            {"spec.strategy": {"type": "Recreate", "rollingUpdate": {}}},
            [(NOT_HERE, ROLLING, "'Recreate'")],
        ),
        (
            "both zero",
            {ROLLING: {"maxSurge": 0, "maxUnavailable": 0}},
            [(BAD, f"{ROLLING}.maxUnavailable", "may not be 0 when `maxSurge` is 0")],
        ),
        ("percent", {ROLLING: {"maxSurge": "x"}}, [(BAD, f"{ROLLING}.maxSurge", "percent")]),
        ("over 100", {ROLLING: {"maxUnavailable": "101%"}}, [(BAD, f"{ROLLING}.maxUnavailable", "greater than 100%")]),
        ("min ready", {"spec.minReadySeconds": -1}, [(BAD, "spec.minReadySeconds", "")]),
        ("history", {"spec.revisionHistoryLimit": -1}, [(BAD, "spec.revisionHistoryLimit", "")]),
        (
            "deadline",
            {"spec.minReadySeconds": 20, "spec.progressDeadlineSeconds": 10},
            [(BAD, "spec.progressDeadlineSeconds", "must be greater than minReadySeconds")],
        ),
    ],
)
def test_a_new_deployment(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


def test_the_selector_never_changes() -> None:
    change = {"spec.selector.matchLabels": {"c": "d"}, "spec.template.metadata.labels": {"c": "d"}}
    assert_update(KIND, VALID, change, [(BAD, "spec.selector", "field is immutable")])


def test_a_plain_update_keeps_the_status() -> None:
    new, _ = update(KIND, VALID, {"status.replicas": 3, "spec.replicas": 2})
    assert new["status"] == {}
    assert new["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    ("state", "causes"),
    [
        ({"replicas": 2, "readyReplicas": 3}, ["status.readyReplicas"]),
        ({"replicas": 2, "updatedReplicas": 3}, ["status.updatedReplicas"]),
        ({"replicas": 2, "readyReplicas": 1, "availableReplicas": 2}, ["status.availableReplicas"]),
        (
            {"replicas": -1},
            ["status.replicas", "status.updatedReplicas", "status.readyReplicas", "status.availableReplicas"],
        ),
        ({"replicas": 2, "readyReplicas": 2, "availableReplicas": 2}, []),
    ],
)
def test_counts_of_a_status_agree(state: dict[str, int], causes: list[str]) -> None:
    old, _ = create(KIND, VALID)
    errors = KIND.subresources["status"].validate({**old, "status": state}, old)
    assert [e.field for e in errors] == causes


def test_a_row() -> None:
    made, _ = create(KIND, changed(VALID, {"spec.replicas": 3}))
    made["status"] = {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}
    assert KIND.row is not None
    cells = KIND.row(made, datetime(2026, 1, 1, tzinfo=UTC))
    assert cells == ["x", "2/3", 3, 1, "<unknown>", "c", "nginx", "a=b"]
