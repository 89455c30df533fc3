"""PersistentVolumes: newer rules, what may change, and what they are warned of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    Cause,
    Change,
    assert_create,
    assert_update,
    changed,
    resource,
)

KIND = resource("", "persistentvolumes")
CSI: dict[str, Any] = {"driver": "d", "volumeHandle": "h"}
VALID: dict[str, Any] = {
    "metadata": {"name": "x"},
    "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "csi": CSI},
}
SECRET = {"name": "a.b", "namespace": "n"}
ISCSI = {"targetPortal": "p" * 70, "iqn": "iqn.2001-04.a.b:c", "lun": 1, "initiatorName": "iqn.2001-04.a.b:d"}


def _nodes(label: str, value: str = "v") -> dict[str, Any]:
    expression = {"key": label, "operator": "In", "values": [value]}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}


TIME = "lastPhaseTransitionTime"
OLD, NEW = _nodes("failure-domain.beta.kubernetes.io/zone"), _nodes("topology.kubernetes.io/zone")


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("a secret", {"spec.csi.nodeExpandSecretRef": SECRET}, []),
        (
            "half a secret",
            {"spec.csi.nodeExpandSecretRef": {"name": "s"}},
            [(NEEDED, "spec.csi.nodeExpandSecretRef.namespace", "")],
        ),
        (
            "a malformed secret",
            {"spec.csi.nodeExpandSecretRef": {**SECRET, "name": "a_b"}},
            [(BAD, "spec.csi.name", "RFC 1123 label")],
        ),
        (
            "a negative capacity",
            {"spec.capacity.storage": "-1"},
            [
                (BAD, "spec.capacity[storage]", "-1: must be a valid"),
                (BAD, "spec.capacity[storage]", "greater than zero"),
            ],
        ),
        (
            "a long session",
            {"spec.csi": None, "spec.iscsi": ISCSI},
            [(BAD, "spec.iscsi.targetportal", "must be under 64 characters")],
        ),
        ("attributes", {"spec.volumeAttributesClassName": "a"}, []),
        (
            "empty attributes of no driver",
            {"spec.volumeAttributesClassName": "", "spec.csi": None, "spec.hostPath": {"path": "/p", "type": ""}},
            [
                (NEEDED, "spec.volumeAttributesClassName", "an empty string is disallowed"),
                (NEEDED, "spec.csi", "has to be specified when using volumeAttributesClassName"),
            ],
        ),
    ],
)
def test_a_new_volume(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


@pytest.mark.parametrize(
    ("name", "before", "change", "causes"),
    [
        ("a secret to expand with", {}, {"spec.csi.controllerExpandSecretRef": SECRET}, []),
        (
            "another secret",
            {"spec.csi.controllerExpandSecretRef": SECRET},
            {"spec.csi.controllerExpandSecretRef.name": "b"},
            [(NOT_HERE, "spec.persistentvolumesource", "is immutable after creation")],
        ),
        ("first nodes", {}, {"spec.nodeAffinity": OLD}, []),
        ("newer labels", {"spec.nodeAffinity": OLD}, {"spec.nodeAffinity": NEW}, []),
        (
            "older labels",
            {"spec.nodeAffinity": NEW},
            {"spec.nodeAffinity": OLD},
            [(BAD, "nodeAffinity", "field is immutable")],
        ),
        (
            "other nodes",
            {"spec.nodeAffinity": OLD},
            {"spec.nodeAffinity": _nodes("topology.kubernetes.io/zone", "w")},
            [(BAD, "nodeAffinity", "field is immutable")],
        ),
        ("no nodes", {"spec.nodeAffinity": OLD}, {"spec.nodeAffinity": None}, [(BAD, "nodeAffinity", "is immutable")]),
        (
            "an empty affinity",
            {"spec.nodeAffinity": OLD},
            {"spec.nodeAffinity": {}},
            [(NEEDED, "spec.nodeAffinity.required", ""), (BAD, "nodeAffinity", "(nil)}: field is immutable")],
        ),
        ("attributes", {}, {"spec.volumeAttributesClassName": "a"}, []),
        (
            "no attributes",
            {"spec.volumeAttributesClassName": "a"},
            {"spec.volumeAttributesClassName": None},
            [(NOT_HERE, "spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden")],
        ),
    ],
)
def test_an_update(name: str, before: Change, change: Change, causes: list[Cause]) -> None:
    assert_update(KIND, changed(VALID, before), change, causes)


def test_what_a_volume_is_warned_of() -> None:
    change: Change = {
        "metadata.annotations": {"volume.beta.kubernetes.io/mount-options": "x"},
        "spec.persistentVolumeReclaimPolicy": "Recycle",
        "spec.nodeAffinity": OLD,
        "spec.rbd": {},
    }
    key = "failure-domain.beta.kubernetes.io/zone"
    assert KIND.warnings(changed(VALID, change), None) == [
        "metadata.annotations[volume.beta.kubernetes.io/mount-options]: deprecated since v1.31; "
        'use "mountOptions" attribute instead',
        "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, "
        "the recommended approach is to use dynamic provisioning.",
        f"spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: {key} is deprecated since v1.17; "
        'use "topology.kubernetes.io/zone" instead',
        "spec.rbd: deprecated in v1.28, non-functional in v1.31+",
    ]


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        ({"phase": "Bound"}, None),
        ({"phase": "Bound", TIME: "2024-01-01T00:00:00Z"}, None),
        ({"phase": "Bound", TIME: "2024-02-01T00:00:00Z"}, "2024-02-01T00:00:00Z"),
        ({"phase": "Pending"}, "2024-01-01T00:00:00Z"),
    ],
)
def test_the_time_of_a_change_of_phase_is_told(state: dict[str, Any], kept: str | None) -> None:
    old = changed(VALID, {"status": {"phase": "Pending", TIME: "2024-01-01T00:00:00Z"}})
    new = {**old, "status": dict(state)}
    KIND.subresources["status"].prepare(new, old)
    told = new["status"][TIME]
    assert told == kept if kept else told > "2024-02-01T00:00:00Z"
