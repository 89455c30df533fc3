"""Pods: what may change."""

from __future__ import annotations

import pytest

from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    Cause,
    Change,
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
            [(NOT_HERE, "spec.schedulingGates", "only deletion"), (NOT_HERE, "spec", SPEC)],
        ),
        ("name", {"metadata.name": "y"}, [(BAD, "metadata.name", "field is immutable")]),
    ],
)
def test_a_change(name: str, change: Change, causes: list[Cause]) -> None:
    assert_update(KIND, STORED, change, causes)


def test_a_plain_update_keeps_the_status() -> None:
    new, _ = update(KIND, STORED, {"status.phase": "Running"})
    assert new["status"]["phase"] == "Pending"


def test_a_status_update_keeps_the_spec() -> None:
    old, _ = create(KIND, STORED)
    new = changed(old, {"status.phase": "Running", "spec.nodeName": "n", "status.qosClass": None})
    KIND.subresources["status"].prepare(new, old)
    assert new["status"] == {"phase": "Running", "qosClass": "BestEffort"}
    assert "nodeName" not in new["spec"]


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


def test_a_finished_container_does_not_run_again() -> None:
    old, _ = create(KIND, changed(VALID, {"spec.restartPolicy": "Never"}))
    ended = [{"name": "c", "state": {"terminated": {"exitCode": 0}}}]
    old["status"]["containerStatuses"] = ended
    new = changed(old, {"status.containerStatuses": [{"name": "c", "state": {"running": {}}}]})
    errors = KIND.subresources["status"].validate(new, old)
    assert [e.field for e in errors] == ["status.containerStatuses[0].state"]
