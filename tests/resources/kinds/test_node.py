"""Nodes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    TWICE,
    UNKNOWN,
    Cause,
    Change,
    assert_create,
    assert_update,
    changed,
    create,
    resource,
    update,
)

KIND = resource("", "nodes")
VALID: dict[str, Any] = {"metadata": {"name": "n"}, "spec": {"podCIDR": "10.0.0.0/24"}}


def test_defaults() -> None:
    made, errors = create(KIND, changed(VALID, {"status.capacity": {"cpu": "2"}}))
    assert not errors
    assert made["spec"]["podCIDRs"] == ["10.0.0.0/24"]
    assert made["status"]["allocatable"] == {"cpu": "2"}


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("name", {"metadata.name": "A"}, [(BAD, "metadata.name", "subdomain")]),
        ("cidr of one host", {"spec.podCIDR": "10.0.0.1/24"}, [(BAD, "spec.podCIDRs[0]", "beyond the prefix length")]),
        ("cidr", {"spec.podCIDR": "x"}, [(BAD, "spec.podCIDRs[0]", "valid CIDR")]),
        (
            "one family twice",
            {"spec.podCIDRs": ["10.0.0.0/24", "10.1.0.0/24"]},
            [(BAD, "spec.podCIDRs", "no more than one")],
        ),
        (
            "capacity",
            {"status.capacity": {"cpu": "-1"}},
            [(BAD, "status.capacity.cpu", ""), (BAD, "status.allocatable.cpu", "")],
        ),
        (
            "features",
            {"status.declaredFeatures": ["Ab/cD", "b", "Aa", "Aa"], "status.nodeInfo.swap.capacity": 0},
            [
                (BAD, "metadata.nodeSwapStatus.capacity", "must be greater than zero"),
                (BAD, "status.declaredFeatures[1]", 'invalid feature name "b": must start with an UpperCamelCase'),
                (BAD, "status.declaredFeatures[2]", "list must be sorted alphabetically"),
                (TWICE, "status.declaredFeatures[3]", '"Aa"'),
            ],
        ),
        ("taint effect", {"spec.taints": [{"key": "a"}]}, [(NEEDED, "metadata.taints[0].effect", "")]),
        (
            "taint effect text",
            {"spec.taints": [{"key": "a", "effect": "x"}]},
            [(UNKNOWN, "metadata.taints[0].effect", "NoSchedule")],
        ),
        (
            "taint twice",
            {"spec.taints": [{"key": "a", "effect": "NoExecute"}, {"key": "a", "effect": "NoExecute"}]},
            [(TWICE, "metadata.taints[1]", "unique by key and effect")],
        ),
    ],
)
def test_a_new_node(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


def test_any_name_is_a_resource_and_old_configuration_is_dropped() -> None:
    made, errors = create(KIND, changed(VALID, {"status.capacity": {"a b": "1"}, "spec.configSource": {}}))
    assert not errors
    assert "configSource" not in made["spec"]


def test_what_a_node_is_warned_of() -> None:
    change: Change = {"spec.configSource": {}, "spec.externalID": "x", "spec.podCIDRs": ["10.0.0.1/24"]}
    assert KIND.warnings(changed(VALID, change), None) == [
        "spec.configSource: deprecated in v1.22, support removed in v1.26",
        "spec.externalID: this field is deprecated, and is unused by Kubernetes",
        'spec.podCIDRs[0]: CIDR value "10.0.0.1/24" is ambiguous in this context '
        '(should be "10.0.0.0/24" or "10.0.0.1/32"?)',
    ]


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("labels", {"metadata.labels": {"a": "b"}}, []),
        ("cordon", {"spec.unschedulable": True}, []),
        ("taint", {"spec.taints": [{"key": "a", "effect": "NoExecute"}]}, []),
        ("provider", {"spec.providerID": "p"}, []),
        (
            "cidr",
            {"spec.podCIDR": "10.1.0.0/24", "spec.podCIDRs": ["10.1.0.0/24"]},
            [(NOT_HERE, "spec.podCIDRs", 'except from ""'), (NOT_HERE, "[]", "labels, taints, or capacity")],
        ),
    ],
)
def test_what_may_change(name: str, change: Change, causes: list[Cause]) -> None:
    assert_update(KIND, VALID, change, causes)


def test_status_is_not_changed_by_a_plain_update() -> None:
    new, _ = update(KIND, VALID, {"status.phase": "x"})
    assert "phase" not in new["status"]


@pytest.mark.parametrize(
    ("change", "status", "roles"),
    [
        ({}, "Unknown", "<none>"),
        ({"status.conditions": [{"type": "Ready", "status": "True"}]}, "Ready", "<none>"),
        ({"status.conditions": [{"type": "Ready", "status": "Unknown"}]}, "NotReady", "<none>"),
        ({"spec.unschedulable": True}, "Unknown,SchedulingDisabled", "<none>"),
        ({"metadata.labels": {"node-role.kubernetes.io/w": "", "kubernetes.io/role": "m"}}, "Unknown", "m,w"),
    ],
)
def test_a_row(change: Change, status: str, roles: str) -> None:
    made, _ = create(KIND, changed(VALID, change))
    assert KIND.row is not None
    assert KIND.row(made, datetime(2026, 1, 1, tzinfo=UTC))[1:3] == [status, roles]
