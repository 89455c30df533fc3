"""PersistentVolumeClaims."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.kinds.persistentvolumeclaim import CLASS_ANNOTATION
from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    UNKNOWN,
    Cause,
    Change,
    assert_causes,
    assert_create,
    assert_update,
    changed,
    create,
    resource,
)

KIND = resource("", "persistentvolumeclaims")
VALID: dict[str, Any] = {
    "metadata": {"name": "x"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}},
}
CLONE = {"kind": "PersistentVolumeClaim", "name": "s"}
CHANGED = (
    "spec is immutable after creation except resources.requests for bound claims\n  core.PersistentVolumeClaimSpec{"
)


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("no modes", {"spec.accessModes": []}, [(NEEDED, "spec.accessModes", "at least 1 access mode is required")]),
        ("mode", {"spec.accessModes": ["x"]}, [(UNKNOWN, "spec.accessModes", '"ReadWriteMany", "ReadWriteOnce"')]),
        ("newest mode", {"spec.accessModes": ["ReadWriteOncePod"]}, []),
        ("no amount", {"spec.resources": {}}, [(NEEDED, "spec.resources[storage]", "")]),
        ("class", {"spec.storageClassName": "A_B"}, [(BAD, "spec.storageClassName", "RFC 1123 subdomain")]),
        ("volume mode", {"spec.volumeMode": "x"}, [(UNKNOWN, "spec.volumeMode", '"Block", "Filesystem"')]),
        (
            "sources of no group",
            {"spec.dataSource": {"kind": "X", "name": "s"}, "spec.dataSourceRef": {"kind": "X", "name": "s"}},
            [
                (BAD, "spec.dataSource", 'Invalid value: "X"'),
                (BAD, "spec.dataSourceRef", 'Invalid value: "X"'),
            ],
        ),
        (
            "sources that differ",
            {"spec.dataSource": CLONE, "spec.dataSourceRef": {**CLONE, "name": "t"}},
            [(BAD, "spec", "must match dataSourceRef")],
        ),
        (
            "source of no domain",
            {"spec.dataSourceRef": {"apiGroup": "A_b", "kind": "X", "name": "s"}},
            [
                (BAD, "spec.dataSource.apiGroup", "RFC 1123 subdomain"),
                (BAD, "spec.dataSourceRef.apiGroup", "RFC 1123 subdomain"),
            ],
        ),
        ("source without a name", {"spec.dataSource": {**CLONE, "name": ""}}, [(NEEDED, "spec.dataSource.name", "")]),
        ("attributes", {"spec.volumeAttributesClassName": "A"}, [(BAD, "spec.volumeAttributesClassName", "RFC 1123")]),
        ("no attributes", {"spec.volumeAttributesClassName": ""}, []),
    ],
)
def test_a_new_claim(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


LESS = "field can not be less than previous value"


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("volume", {"spec.volumeName": "v"}, []),
        (
            "volume mode",
            {"spec.volumeMode": "Block"},
            [(NOT_HERE, "spec", CHANGED), (BAD, "volumeMode", '"Block": field is immutable')],
        ),
        ("modes", {"spec.accessModes": ["ReadWriteMany"]}, [(NOT_HERE, "spec", CHANGED)]),
        ("class", {"spec.storageClassName": "c"}, [(NOT_HERE, "spec", '- \tStorageClassName: &"c",')]),
        (
            "smaller",
            {"spec.resources.requests.storage": "1Gi"},
            [(NOT_HERE, "spec", CHANGED), (NOT_HERE, "spec.resources.requests.storage", LESS)],
        ),
    ],
)
def test_an_update(name: str, change: Change, causes: list[Cause]) -> None:
    assert_update(KIND, VALID, change, causes)


BOUND = changed(VALID, {"spec.volumeName": "v"})
ATTRIBUTES: Change = {"spec.volumeAttributesClassName": "a"}
CURRENT = "status.currentVolumeAttributesClassName"


@pytest.mark.parametrize(
    ("name", "old", "change", "causes"),
    [
        ("larger", {}, {"spec.resources.requests.storage": "3Gi"}, []),
        ("smaller", {}, {"spec.resources.requests.storage": "1536Mi"}, []),
        (
            "too small",
            {},
            {"spec.resources.requests.storage": "1Gi"},
            [(NOT_HERE, "spec.resources.requests.storage", LESS)],
        ),
        ("limits", {}, {"spec.resources.limits": {"storage": "3Gi"}}, [(NOT_HERE, "spec", CHANGED)]),
        ("attributes", {}, {"spec.volumeAttributesClassName": "a"}, []),
        ("attributes not there yet", ATTRIBUTES, {"spec.volumeAttributesClassName": None}, []),
        (
            "no attributes",
            {**ATTRIBUTES, CURRENT: "a"},
            {"spec.volumeAttributesClassName": None},
            [(NOT_HERE, "spec.volumeAttributesClassName", "update to nil is forbidden when status.current")],
        ),
        (
            "empty attributes",
            {**ATTRIBUTES, CURRENT: "a"},
            {"spec.volumeAttributesClassName": ""},
            [(NOT_HERE, "spec.volumeAttributesClassName", "update to empty string is forbidden when status.current")],
        ),
        ("class", {"metadata.annotations": {CLASS_ANNOTATION: "c"}}, {"spec.storageClassName": "c"}, []),
        (
            "other class",
            {"metadata.annotations": {CLASS_ANNOTATION: "c"}},
            {"spec.storageClassName": "d"},
            [(NOT_HERE, "spec", CHANGED)],
        ),
        ("odd group", {"spec.dataSource": {"apiGroup": "A_b", "kind": "X", "name": "s"}}, {}, []),
    ],
)
def test_a_bound_claim(name: str, old: Change, change: Change, causes: list[Cause]) -> None:
    stored = changed(create(KIND, BOUND)[0], old)
    stored["status"] |= {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    new = changed(stored, change)
    KIND.prepare_update(new, stored)
    assert_causes([(e.reason, e.field, e.message) for e in KIND.validate_update(new, stored)], causes)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"dataSource": {"kind": "X", "name": "s"}}, {}),
        ({"dataSourceRef": {"kind": "X", "apiGroup": "a.b", "name": "s"}}, {"dataSource", "dataSourceRef"}),
        ({"dataSourceRef": {**CLONE, "namespace": "n"}}, {}),
    ],
)
def test_what_becomes_of_sources(given: dict[str, Any], kept: set[str]) -> None:
    made, _ = create(KIND, changed(VALID, {f"spec.{name}": source for name, source in given.items()}))
    assert made["spec"].keys() & {"dataSource", "dataSourceRef"} == set(kept)


def test_a_status() -> None:
    old, _ = create(KIND, VALID)
    state = {
        "capacity": {"storage": "-1"},
        "allocatedResourceStatuses": {"cpu": "x"},
        "allocatedResources": {"a_b/c": "1", "storage": "-2"},
    }
    found = KIND.subresources["status"].validate(changed(old, {"status": state}), old)
    wanted = [
        (BAD, "status.capacity[storage]", "-1: must be a valid resource quantity"),
        (UNKNOWN, "status.allocatedResourceStatuses", '"cpu": supported values: "storage"'),
        (UNKNOWN, "status.allocatedResourceStatuses", '"cpu": supported values: "ControllerResize'),
        (BAD, "status.allocatedResources", "prefix part"),
        (BAD, "status.allocatedResources[storage]", "-2: must be a valid resource quantity"),
    ]
    assert_causes([(e.reason, e.field, e.message) for e in found], wanted)


def test_what_a_claim_is_warned_of() -> None:
    change: Change = {"metadata.annotations": {CLASS_ANNOTATION: "c"}, "spec.resources.requests.storage": "1500m"}
    assert KIND.warnings(changed(VALID, change), None) == [
        f'metadata.annotations[{CLASS_ANNOTATION}]: deprecated since v1.8; use "storageClassName" attribute instead',
        'spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer',
    ]


def test_a_data_source_is_not_repeated_as_a_reference() -> None:
    made, _ = create(KIND, changed(VALID, {"spec.dataSource": {"kind": "PersistentVolumeClaim", "name": "s"}}))
    assert "dataSourceRef" not in made["spec"]
