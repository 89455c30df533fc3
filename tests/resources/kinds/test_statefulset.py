"""StatefulSets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    NOT_HERE,
    Cause,
    Change,
    assert_create,
    assert_update,
    changed,
    create,
    resource,
)

KIND = resource("apps", "statefulsets")
VALID: dict[str, Any] = {
    "metadata": {"name": "x"},
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    },
}


@pytest.mark.parametrize(
    ("strategy", "stored"),
    [
        (None, {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
        ({"type": "RollingUpdate"}, {"type": "RollingUpdate"}),
        ({"type": "OnDelete"}, {"type": "OnDelete"}),
    ],
)
def test_defaults(strategy: Any, stored: Any) -> None:
    made, errors = create(KIND, changed(VALID, {"spec.updateStrategy": strategy} if strategy else {}))
    assert not errors
    assert made["spec"]["updateStrategy"] == stored
    assert "persistentVolumeClaimRetentionPolicy" not in made["spec"]


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        (
            "strategy",
            {"spec.updateStrategy": {"type": "x"}},
            [(BAD, "spec.updateStrategy", 'apps.StatefulSetUpdateStrategy{Type:"x", RollingUpdate:(*apps.Rolling')],
        ),
        ("management", {"spec.podManagementPolicy": "x"}, [(BAD, "spec.podManagementPolicy", "'OrderedReady' or")]),
        (
            "retention",
            {"spec.persistentVolumeClaimRetentionPolicy": {"whenDeleted": "x"}},
            [(BAD, "spec.persistentVolumeClaimRetentionPolicy.whenDeleted", "must be either Retain or Delete")],
        ),
    ],
)
def test_a_new_set(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("replicas", {"spec.replicas": 2}, []),
        ("newer fields", {"spec.minReadySeconds": 2, "spec.revisionHistoryLimit": 3}, []),
        (
            "service",
            {"spec.serviceName": "s"},
            [(NOT_HERE, "spec", "'replicas', 'template', and 'updateStrategy' are")],
        ),
    ],
)
def test_an_update(name: str, change: Change, causes: list[Cause]) -> None:
    assert_update(KIND, VALID, change, causes)
