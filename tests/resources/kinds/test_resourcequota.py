"""ResourceQuotas."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import BAD, NEEDED, Cause, Change, assert_causes, assert_create, resource, update

KIND = resource("", "resourcequotas")
VALID: dict[str, Any] = {"metadata": {"name": "x"}, "spec": {"hard": {"pods": "1"}}}
SELECTOR = "spec.scopeSelector.matchExpressions"

CONFLICT = ("Terminating", "NotTerminating")


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("negative", {"spec.hard": {"pods": "-1"}}, [(BAD, "spec.hard[pods]", '"-1": must be greater than or equal')]),
        (
            "half a pod",
            {"spec.hard": {"pods": "500m"}},
            [(BAD, "spec.hard[pods]", "resource.Quantity{i:resource.int64Amount{value:500, scale:-3}")],
        ),
        (
            "one and a half pods",
            {"spec.hard": {"pods": "1500m"}},
            [(BAD, "spec.hard[pods]", "resource.Quantity{i:resource.int64Amount{value:15, scale:-1}")],
        ),
        (
            "name",
            {"spec.hard": {"frobs": "1"}},
            [
                (BAD, "spec.hard[frobs]", "must be a standard resource type or fully qualified"),
                (BAD, "spec.hard[frobs]", "must be a standard resource for quota"),
            ],
        ),
        ("scope", {"spec.scopes": ["x"]}, [(BAD, "spec.scopes", 'ResourceQuotaScope{"x"}: unsupported scope')]),
        (
            "scope of two resources",
            {"spec.scopes": ["Terminating"], "spec.hard": {"secrets": "1", "services": "1"}},
            [(BAD, "spec.scopes", "unsupported scope applied to resource")] * 2,
        ),
        (
            "operator of a scope",
            {"spec.scopeSelector.matchExpressions": [{"scopeName": "BestEffort", "operator": "In", "values": ["a"]}]},
            [(BAD, f"{SELECTOR}.operator", "must be 'Exists' when scope is any of")],
        ),
        (
            "local storage of a scope",
            {"spec.scopes": ["Terminating"], "spec.hard": {"requests.ephemeral-storage": "1"}},
            [(BAD, "spec.scopes", "unsupported scope applied to resource")],
        ),
        (
            "scope of claims",
            {"spec.scopes": ["VolumeAttributesClass"], "spec.hard": {"persistentvolumeclaims": "1", "pods": "1"}},
            [(BAD, "spec.scopes", "unsupported scope applied to resource")],
        ),
        (
            "conflicting scopes",
            {"spec.scopeSelector.matchExpressions": [{"scopeName": s, "operator": "Exists"} for s in CONFLICT]},
            [(BAD, SELECTOR, "[]core.ResourceQuotaScope(nil): conflicting scopes")],
        ),
        (
            "no values",
            {"spec.scopeSelector.matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]},
            [(NEEDED, f"{SELECTOR}.values", "must be at least one value")],
        ),
    ],
)
def test_a_new_quota(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


def test_scopes_never_change() -> None:
    causes = update(KIND, VALID, {"spec.scopes": ["BestEffort"]})[1]
    assert_causes(causes, [(BAD, "spec.scopes", '[]core.ResourceQuotaScope{"BestEffort"}: field is immutable')])
