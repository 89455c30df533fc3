"""Pods: what a resize may change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import BAD, NOT_HERE, Cause, Change, assert_causes, changed, create
from tests.resources.kinds.pod.test_validation import KIND, VALID, C, P

SUB = KIND.subresources["resize"]
STORED = changed(
    VALID,
    {
        f"{P}.resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2"}},
        "spec.initContainers": [{"name": "i", "image": "x"}],
    },
)


def _resized(change: Change, stored: dict[str, Any] = STORED) -> tuple[dict[str, Any], list[Cause]]:
    old, causes = create(KIND, stored)
    assert causes == []
    old["status"] = {**old["status"], **stored.get("status", {})}
    new = changed(old, change)
    KIND.default(new)
    SUB.prepare(new, old)
    return new, [(e.reason, e.field, e.message) for e in SUB.validate(new, old)]


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({f"{P}.resources.requests.cpu": "1500m"}, []),
        ({f"{P}.resources.requests.memory": None}, [(NOT_HERE, f"{C}.resources.requests", "cannot be removed")]),
        ({f"{P}.resources.limits": None}, [(NOT_HERE, f"{C}.resources.limits", "resource limits cannot be removed")]),
        ({f"{P}.resources.requests.cpu": "3"}, [(BAD, f"{C}.resources.requests", "")]),
        (
            {f"{P}.resources.requests.ephemeral-storage": "1Gi"},
            [(NOT_HERE, "spec", "only cpu and memory resources are mutable")],
        ),
        ({"spec.initContainers.0.resources": {"requests": {"cpu": "1"}}}, []),
        (
            {"spec.initContainers.0.resources": {"requests": {"ephemeral-storage": "1"}}},
            [(NOT_HERE, "spec.initContainers[0]", "only cpu and memory resources for init or sidecar containers")],
        ),
        ({"spec.resources": {"requests": {"cpu": "4"}}}, []),
        (
            {"spec.resources": {"limits": {"hugepages-2Mi": "2Mi", "cpu": "4"}}},
            [(NOT_HERE, "spec", "only cpu and memory resources are mutable at pod-level")],
        ),
        (
            {"spec.containers.1": {"name": "d", "image": "x"}},
            [(NOT_HERE, "spec.containers", "containers may not be added or removed on resize")],
        ),
        (
            {f"{P}.name": "d"},
            [(NOT_HERE, f"{C}.name", "containers may not be renamed or reordered on resize")],
        ),
    ],
)
def test_only_sizes_change(change: Change, causes: list[Cause]) -> None:
    assert_causes(_resized(change)[1], causes)


WHOLE = changed(STORED, {"spec.resources": {"requests": {"cpu": "2", "memory": "2Gi"}}})


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({"spec.resources.requests.cpu": "3", f"{P}.resources.requests.cpu": "2"}, []),
        ({"spec.resources.limits": {"cpu": "3"}}, []),
        ({"spec.resources": None}, [(NOT_HERE, "spec.resources", "pod-level resources cannot be removed")]),
        (
            {"spec.resources.requests.memory": None},
            [(NOT_HERE, "spec.resources.requests", "pod-level resource requests cannot be removed")],
        ),
        ({"spec.resources.requests.cpu": "500m"}, [(BAD, "spec.resources.requests[cpu]", "requests of 1")]),
    ],
)
def test_the_size_of_the_whole_changes_too(change: Change, causes: list[Cause]) -> None:
    assert_causes(_resized(change, WHOLE)[1], causes)


def test_a_pod_with_devices_is_not_resized() -> None:
    claims = {"spec.resourceClaims": [{"name": "d", "resourceClaimName": "x"}]}
    stored = changed(STORED, {**claims, f"{P}.resources.claims": [{"name": "d"}]})
    got = _resized({f"{P}.resources.requests.cpu": "1500m"}, stored)[1]
    assert_causes(got, [(NOT_HERE, "spec", "only cpu and memory resources are mutable")])


def test_the_class_of_service_stays() -> None:
    whole = {"cpu": "1", "memory": "1Gi"}
    stored = changed(VALID, {f"{P}.resources": {"requests": whole, "limits": whole}})
    got = _resized({f"{P}.resources.requests.cpu": "500m"}, stored)[1]
    assert_causes(got, [(BAD, "spec", "Pod QOS Class may not change as a result of resizing")])


def test_other_fields_are_left_as_they_are() -> None:
    new, causes = _resized({f"{P}.image": "other", "spec.nodeName": "n", f"{P}.resources.requests.cpu": "1"})
    assert causes == []
    assert new["spec"]["containers"][0]["image"] == "nginx"
    assert "nodeName" not in new["spec"]


@pytest.mark.parametrize("sizes", [None, {}])
def test_a_node_that_does_not_tell_sizes_does_not_resize(sizes: object) -> None:
    running: dict[str, Any] = {"name": "c", "state": {"running": {}}}
    entry = running if sizes is None else {**running, "resources": sizes}
    stored = changed(STORED, {"status.containerStatuses": [entry]})
    got = _resized({f"{P}.resources.requests.cpu": "1500m"}, stored)[1]
    assert_causes(got, [(NOT_HERE, "spec", "node without support for resize")] if sizes is None else [])
