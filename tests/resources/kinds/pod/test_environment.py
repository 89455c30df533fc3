"""Pods: environment variables that are read from files of a volume."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import BAD, NEEDED, NOWHERE, Cause, assert_create, changed
from tests.resources.kinds.pod.test_validation import EMPTY_DIR, KIND, VALID, C, P

REF = {"volumeName": "v", "path": "a/b.env", "key": "A"}
AT = f"{C}.env[0].valueFrom.fileKeyRef"
STORED = changed(VALID, EMPTY_DIR)
NO_DIR = changed(VALID, {"spec.volumes": [{"name": "v", "hostPath": {"path": "/x"}}]})


@pytest.mark.parametrize(
    ("ref", "pod", "causes"),
    [
        (REF, STORED, []),
        ({**REF, "key": "a b"}, STORED, []),
        ({}, STORED, [(NEEDED, f"{AT}.{n}", "") for n in ("key", "volumeName", "path")]),
        ({**REF, "key": "a=b"}, STORED, [(BAD, f"{AT}.key", "")]),
        ({**REF, "path": "a/../b"}, STORED, [(BAD, f"{AT}.path", "must not contain '..'")]),
        ({**REF, "volumeName": "w"}, STORED, [(NOWHERE, f"{AT}.volumeName", '"w"')]),
        (REF, NO_DIR, [(BAD, f"{AT}.volumeName", "referenced volume must be of type emptyDir")]),
    ],
)
def test_a_variable_of_a_file(ref: dict[str, Any], pod: dict[str, Any], causes: list[Cause]) -> None:
    assert_create(KIND, pod, {f"{P}.env": [{"name": "A", "valueFrom": {"fileKeyRef": ref}}]}, causes)
