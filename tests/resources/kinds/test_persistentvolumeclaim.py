"""PersistentVolumeClaims."""

from __future__ import annotations

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
)

KIND = resource("", "persistentvolumeclaims")
VALID: dict[str, Any] = {
    "metadata": {"name": "x"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}},
}
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
            "reference",
            {"spec.dataSourceRef": {"kind": "X", "name": "s"}},
            [(BAD, "spec.dataSourceRef", 'Invalid value: "X"')],
        ),
    ],
)
def test_a_new_claim(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


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
            [(NOT_HERE, "spec", CHANGED), (NOT_HERE, "spec.resources.requests.storage", "less than previous value")],
        ),
    ],
)
def test_an_update(name: str, change: Change, causes: list[Cause]) -> None:
    assert_update(KIND, VALID, change, causes)


def test_a_data_source_is_not_repeated_as_a_reference() -> None:
    made, _ = create(KIND, changed(VALID, {"spec.dataSource": {"kind": "PersistentVolumeClaim", "name": "s"}}))
    assert "dataSourceRef" not in made["spec"]
