"""Pods: what a status may say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    LONG,
    NEEDED,
    NOT_HERE,
    TWICE,
    UNKNOWN,
    Cause,
    Change,
    assert_causes,
    changed,
    create,
)
from tests.resources.kinds.pod.test_validation import KIND, VALID, P

SUB = KIND.subresources["status"]
ENDED = {"name": "c", "state": {"terminated": {"exitCode": 1}}}
RUNS = {"name": "c", "state": {"running": {}}}
CLAIM = "status.extendedResourceClaimStatus"
STATE = "may not be transitioned to non-terminated state"


def _written(change: Change, stored: dict[str, Any] = VALID) -> list[Cause]:
    old, causes = create(KIND, stored)
    assert causes == []
    old["status"] = {**old["status"], **stored.get("status", {})}
    new = changed(old, change)
    SUB.prepare(new, old)
    return [(e.reason, e.field, e.message) for e in SUB.validate(new, old)]


def test_a_status_update_keeps_spec_and_owners() -> None:
    old, _ = create(KIND, VALID)
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}
    change = {"status.phase": "Running", "spec.nodeName": "n", "status.qosClass": None}
    new = changed(old, {**change, "metadata.ownerReferences": [owner]})
    SUB.prepare(new, old)
    assert new["status"] == {"phase": "Running", "qosClass": "BestEffort"}
    assert "nodeName" not in new["spec"]
    assert "ownerReferences" not in new["metadata"]


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({"status.qosClass": "Guaranteed"}, [(BAD, "status.qosClass", "field is immutable")]),
        ({"status.nominatedNodeName": "A"}, [(BAD, "status.nominatedNodeName", "subdomain")]),
        ({"status.conditions": [{"type": "a b"}]}, [(BAD, "status.conditions[0].Type", "")]),
        (
            {"status.hostIPs": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.2"}]},
            [
                (BAD, "status.hostIPs[0].ip", "must be equal to `hostIP`"),
                (BAD, "status.hostIPs", "no more than one IP"),
            ],
        ),
        (
            {"status.observedGeneration": -1, "status.conditions": [{"type": "Ready", "observedGeneration": -1}]},
            [
                (BAD, "status.conditions[0].observedGeneration", "must be a non-negative integer"),
                (BAD, "status.observedGeneration", "must be a non-negative integer"),
            ],
        ),
        (
            {
                "status.extendedResourceClaimStatus": {
                    "resourceClaimName": "A",
                    "requestMappings": [
                        {"containerName": "c", "resourceName": "x.y/z", "requestName": "r"},
                        {"containerName": "c", "resourceName": "x.y/z", "requestName": "r"},
                        {"containerName": "d", "resourceName": "x.y/z", "requestName": "R"},
                    ],
                }
            },
            [
                (BAD, f"{CLAIM}.requestMappings[0].resourceName", "must match the extended resource name"),
                (BAD, f"{CLAIM}.requestMappings[1].resourceName", "must match the extended resource name"),
                *((TWICE, f"{CLAIM}.requestMappings[1].{n}Name", "") for n in ("container", "resource", "request")),
                (BAD, f"{CLAIM}.requestMappings[2].containerName", "must match the name of an entry in"),
                (BAD, f"{CLAIM}.requestName", "RFC 1123 label"),
                (BAD, f"{CLAIM}.resourceClaimName", "subdomain"),
            ],
        ),
        (
            {"status.extendedResourceClaimStatus": {}},
            [(NEEDED, f"{CLAIM}.requestMappings", "at least one"), (NEEDED, f"{CLAIM}.resourceClaimName", "")],
        ),
        ({"status.podIPs": [{"ip": "::ffff:1.1.1.1"}]}, [(BAD, "status.podIPs[0]", "an IPv4-mapped IPv6 address")]),
        ({"status.resourceClaimStatuses": [{"name": "d"}]}, [(BAD, "status.resourceClaimStatuses[0].name", "match")]),
        (
            {"status.containerStatuses": [{"name": "c", "user": {"linux": {"uid": -1, "gid": 0}}}]},
            [(BAD, "status.containerStatuses[0].linux.uid", "between 0 and")],
        ),
        (
            {
                "status.containerStatuses": [
                    {
                        "name": "c",
                        "allocatedResourcesStatus": [
                            {
                                "name": "x",
                                "resources": [
                                    {"resourceID": "1", "health": "?", "message": ""},
                                    {"resourceID": "1", "message": "x" * 1025},
                                ],
                            }
                        ],
                    }
                ]
            },
            [
                (BAD, "status.containerStatuses[0].allocatedResourcesStatus[0].name", "resource requests"),
                (UNKNOWN, "status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].health", "Healthy"),
                (NEEDED, "status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].message", "non-empty"),
                (UNKNOWN, "status.containerStatuses[0].allocatedResourcesStatus[0].resources[1].health", "Healthy"),
                (LONG, "status.containerStatuses[0].allocatedResourcesStatus[0].resources[1].message", "1024"),
                (TWICE, "status.containerStatuses[0].allocatedResourcesStatus[0].resources[1].resourceID", ""),
            ],
        ),
        (
            {"metadata.annotations": {"kubernetes.io/config.mirror": "x"}},
            [
                (NOT_HERE, "metadata.annotations[kubernetes.io/config.mirror]", "may not add mirror pod annotation"),
                (BAD, "metadata.annotations[kubernetes.io/config.mirror]", "must set spec.nodeName"),
            ],
        ),
    ],
)
def test_a_status(change: Change, causes: list[Cause]) -> None:
    assert_causes(_written(change), causes)


def test_generations_that_were_observed_are_kept() -> None:
    old, _ = create(KIND, VALID)
    ready = {"type": "Ready", "status": "True"}
    old["status"] |= {"observedGeneration": 3, "conditions": [{**ready, "observedGeneration": 2}]}
    new = changed(
        old, {"status.observedGeneration": None, "status.conditions": [ready, {"type": "x", "status": "True"}]}
    )
    SUB.prepare(new, old)
    assert new["status"]["observedGeneration"] == 3
    assert [c.get("observedGeneration") for c in new["status"]["conditions"]] == [2, None]


RULE = {"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}
ALL = {**RULE, "action": "RestartAllContainers"}


@pytest.mark.parametrize(
    ("sort", "stored", "refused"),
    [
        ("containerStatuses", {"spec.restartPolicy": "Never"}, True),
        ("containerStatuses", {"spec.restartPolicy": "OnFailure"}, False),
        ("containerStatuses", {"spec.restartPolicy": "Always"}, False),
        ("containerStatuses", {"spec.restartPolicy": "Never", f"{P}.restartPolicy": "Always"}, False),
        ("containerStatuses", {"spec.restartPolicy": "Always", f"{P}.restartPolicy": "Never"}, True),
        (
            "containerStatuses",
            {"spec.restartPolicy": "Never", f"{P}.restartPolicy": "Never", f"{P}.restartPolicyRules": [RULE]},
            False,
        ),
        (
            "containerStatuses",
            {
                "spec.restartPolicy": "Never",
                "spec.initContainers": [
                    {"name": "i", "image": "x", "restartPolicy": "Never", "restartPolicyRules": [ALL]}
                ],
            },
            False,
        ),
        ("initContainerStatuses", {"spec.restartPolicy": "Never"}, True),
        (
            "initContainerStatuses",
            {
                "spec.restartPolicy": "Never",
                "spec.containers.0.name": "d",
                "spec.initContainers": [{"name": "c", "image": "x", "restartPolicy": "Always"}],
            },
            False,
        ),
        ("ephemeralContainerStatuses", {"spec.restartPolicy": "Always"}, True),
    ],
)
def test_a_finished_container_runs_again_only_where_it_may(sort: str, stored: Change, refused: bool) -> None:
    pod = changed(VALID, {**stored, f"status.{sort}": [ENDED]})
    got = _written({f"status.{sort}": [RUNS]}, pod)
    assert_causes(got, [(NOT_HERE, f"status.{sort}[0].state", STATE)] if refused else [])
