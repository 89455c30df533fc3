"""AppArmor and seccomp profiles: annotations, fields, and where they disagree."""

from __future__ import annotations

import pytest

from kube_lite.resources.kinds.pod.apparmor import CONTAINER
from kube_lite.resources.kinds.pod.seccomp import CONTAINER as SECCOMP
from tests.resources.kinds.cases import BAD, NOT_HERE, Cause, Change, assert_causes, changed, create
from tests.resources.kinds.pod.test_validation import KIND, VALID, C, P

LOCAL = {"type": "Localhost", "localhostProfile": "p"}


@pytest.mark.parametrize(
    ("text", "whole", "field"),
    [
        ("runtime/default", None, {"type": "RuntimeDefault"}),
        ("localhost/p", None, LOCAL),
        ("localhost/p", LOCAL, None),
        ("localhost/", None, None),
    ],
)
def test_an_annotation_sets_its_field(text: str, whole: object, field: object) -> None:
    change: Change = {"metadata.annotations": {CONTAINER + "c": text}}
    if whole:
        change["spec.securityContext.appArmorProfile"] = whole
    made, causes = create(KIND, changed(VALID, change))
    assert causes == []
    assert (made["spec"]["containers"][0].get("securityContext") or {}).get("appArmorProfile") == field


@pytest.mark.parametrize(
    ("annotations", "context", "causes"),
    [
        (
            {CONTAINER + "d": "unconfined"},
            {},
            [(BAD, f"metadata.annotations[{CONTAINER}d]", "container not found")],
        ),
        (
            {CONTAINER + "c": "x"},
            {},
            [(BAD, f"metadata.annotations[{CONTAINER}c]", 'invalid AppArmor profile name: "x"')],
        ),
        (
            {CONTAINER + "c": "unconfined"},
            {"appArmorProfile": {"type": "RuntimeDefault"}},
            [(NOT_HERE, f"{C}.securityContext.appArmorProfile.type", "must match")],
        ),
        (
            {CONTAINER + "c": "localhost/q"},
            {"appArmorProfile": LOCAL},
            [(NOT_HERE, f"{C}.securityContext.appArmorProfile.localhostProfile", "must match")],
        ),
        ({SECCOMP + "c": "x"}, {}, [(BAD, f"metadata.annotations.{SECCOMP}c", "must be a valid seccomp profile")]),
        (
            {SECCOMP + "c": "unconfined"},
            {"seccompProfile": LOCAL},
            [(NOT_HERE, f"{C}.securityContext.seccompProfile.type", "must match")],
        ),
    ],
)
def test_what_an_annotation_may_not_say(annotations: dict[str, str], context: object, causes: list[Cause]) -> None:
    pod = changed(VALID, {"metadata.annotations": annotations, f"{P}.securityContext": context})
    assert_causes(create(KIND, pod)[1], causes)
