"""Pods: what may change."""

from __future__ import annotations

import pytest

from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    NOWHERE,
    Cause,
    Change,
    assert_causes,
    assert_update,
    changed,
    create,
    resource,
    update,
)
from tests.resources.kinds.pod.test_validation import VALID

KIND = resource("", "pods")
SPEC = "pod updates may not change fields other than `spec.containers[*].image`"
TOLERATION = {"key": "a", "operator": "Exists", "effect": "NoExecute"}
E = "spec.ephemeralContainers[0]"
STORED = changed(VALID, {"spec.tolerations": [TOLERATION], "spec.activeDeadlineSeconds": 100})


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("labels", {"metadata.labels": {"a": "b"}}, []),
        ("image", {"spec.containers.0.image": "other"}, []),
        ("no image", {"spec.containers.0.image": ""}, [(NEEDED, "spec.containers[0].image", "")] * 2),
        ("more tolerations", {"spec.tolerations.1": {"key": "b", "operator": "Exists"}}, []),
        ("toleration seconds", {"spec.tolerations.0.tolerationSeconds": 5}, []),
        ("fewer tolerations", {"spec.tolerations": []}, [(NOT_HERE, "spec.tolerations", "existing toleration")]),
        ("deadline", {"spec.activeDeadlineSeconds": 50}, []),
        (
            "later",
            {"spec.activeDeadlineSeconds": 200},
            [(BAD, "spec.activeDeadlineSeconds", "less than or equal to previous")],
        ),
        ("node", {"spec.nodeName": "n"}, [(NOT_HERE, "spec", SPEC)]),
        ("restart", {"spec.restartPolicy": "Never"}, [(NOT_HERE, "spec", '"Never",\n+ \tRestartPolicy: ')]),
        (
            "container",
            {"spec.containers.1": {"name": "d", "image": "i"}},
            [(NOT_HERE, "spec.containers", "add or remove")],
        ),
        (
            "gate",
            {"spec.schedulingGates": [{"name": "g"}]},
            [(NOT_HERE, "spec.schedulingGates[0].name", "only deletion")],
        ),
        ("name", {"metadata.name": "y"}, [(BAD, "metadata.name", "field is immutable")]),
    ],
)
def test_a_change(name: str, change: Change, causes: list[Cause]) -> None:
    assert_update(KIND, STORED, change, causes)


def test_a_plain_update_keeps_the_status() -> None:
    new, _ = update(KIND, STORED, {"status.phase": "Running"})
    assert new["status"]["phase"] == "Pending"


def test_ephemeral_containers_are_only_added() -> None:
    old, _ = create(KIND, VALID)
    debugger = {"name": "e", "image": "i", "targetContainerName": "c"}
    sub = KIND.subresources["ephemeralcontainers"]
    new = changed(old, {"spec.ephemeralContainers": [debugger], "spec.nodeName": "n"})
    KIND.default(new)
    sub.prepare(new, old)
    assert "nodeName" not in new["spec"]
    assert sub.validate(new, old) == []
    gone = changed(new, {"spec.ephemeralContainers": []})
    sub.prepare(gone, new)
    assert [e.field for e in sub.validate(gone, new)] == ["spec.ephemeralContainers"]


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({}, []),
        ({"name": "e", "image": " i"}, [(BAD, f"{E}.image", "whitespace")]),
        ({"targetContainerName": "x"}, [(NOWHERE, f"{E}.targetContainerName", "")]),
        ({"targetContainerName": "i"}, []),
        ({"restartPolicy": "Always"}, [(NOT_HERE, f"{E}.restartPolicy", "cannot be set for an Ephemeral Container")]),
        ({"restartPolicy": ""}, [(NOT_HERE, f"{E}.restartPolicy", "cannot be set for an Ephemeral Container")]),
    ],
)
def test_a_new_ephemeral_container(change: Change, causes: list[Cause]) -> None:
    old, _ = create(KIND, changed(VALID, {"spec.initContainers": [{"name": "i", "image": "x"}]}))
    new = changed(old, {"spec.ephemeralContainers": [{"name": "e", "image": "i", **change}]})
    KIND.default(new)
    sub = KIND.subresources["ephemeralcontainers"]
    sub.prepare(new, old)
    assert_causes([(e.reason, e.field, e.message) for e in sub.validate(new, old)], causes)


MIRROR = "kubernetes.io/config.mirror"
PROFILE = "container.apparmor.security.beta.kubernetes.io/c"


@pytest.mark.parametrize(
    ("before", "after", "causes"),
    [
        ({}, {PROFILE: "unconfined"}, [(NOT_HERE, f"metadata.annotations[{PROFILE}]", "may not add AppArmor")]),
        ({PROFILE: "unconfined"}, {}, [(NOT_HERE, f"metadata.annotations[{PROFILE}]", "may not remove or update")]),
        ({MIRROR: "a"}, {MIRROR: "b"}, [(NOT_HERE, f"metadata.annotations[{MIRROR}]", "remove or update mirror pod")]),
        ({MIRROR: "a"}, {MIRROR: "a", "b": "c"}, []),
    ],
)
def test_annotations_that_stay(before: dict[str, str], after: dict[str, str], causes: list[Cause]) -> None:
    stored = changed(VALID, {"metadata.annotations": before, "spec.nodeName": "n"})
    assert_update(KIND, stored, {"metadata.annotations": after}, causes)
