"""StatefulSets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    NOT_HERE,
    UNKNOWN,
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
            [(UNKNOWN, "spec.persistentVolumeClaimRetentionPolicy.whenDeleted", '"Retain", "Delete"')],
        ),
        ("a history without end", {"spec.revisionHistoryLimit": -1}, []),
        ("a name with a dot", {"metadata.name": "a.b"}, [(BAD, "metadata.name", "RFC 1123 label")]),
        (
            "a template that ends",
            {"spec.template.spec.restartPolicy": "Never", "spec.template.spec.activeDeadlineSeconds": 1},
            [
                (UNKNOWN, "spec.template.spec.restartPolicy", '"Never": supported values: "Always"'),
                (NOT_HERE, "spec.template.spec.activeDeadlineSeconds", "in StatefulSet is not Supported"),
            ],
        ),
        (
            "a selector that cannot be used, before its template",
            {"spec.selector.matchExpressions": [{"key": "a", "operator": "x"}], "spec.template.metadata.labels": {}},
            [(BAD, "spec.selector.matchExpressions[0].operator", "not a valid"), (BAD, "spec.selector", "v1.Label")],
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


def test_a_template_of_which_no_pod_could_be_made_shows_what_it_lacks() -> None:
    made, errors = create(KIND, changed(VALID, {"spec.template.spec.containers": [{"image": "i"}]}))
    assert (made["spec"]["template"]["spec"]["containers"][0]["name"], errors) == ("", [])


def test_containers_mount_the_claims_of_their_set() -> None:
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    mounts = [{"name": "data", "mountPath": "/data"}]
    change = {"spec.volumeClaimTemplates": [claim], "spec.template.spec.containers.0.volumeMounts": mounts}
    assert not create(KIND, changed(VALID, change))[1]


@pytest.mark.parametrize("plural", ["deployments", "daemonsets", "statefulsets"])
def test_collisions_are_never_fewer(plural: str) -> None:
    validate = resource("apps", plural).subresources["status"].validate
    old = {"status": {"collisionCount": 2}}
    for count, wanted in ((3, []), (2, []), (1, ["1"]), (None, ["0"]), (-1, ["-1", "-1"])):
        found = validate({"status": {} if count is None else {"collisionCount": count}}, old)
        assert [(e.reason, e.field) for e in found] == [(BAD, "status.collisionCount")] * len(wanted)
        assert [e.message.split(": ")[1] for e in found] == wanted
