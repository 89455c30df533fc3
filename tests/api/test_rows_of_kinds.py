"""Cells of kinds that came after the recorded servers, and the order of rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kube_lite.api.negotiate import Form
from kube_lite.api.table import table
from tests.resources.kinds.cases import resource

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DRA, POLICIES = "resource.k8s.io", "admissionregistration.k8s.io"
SELECTOR = {"matchLabels": {"b": "c", "a": "b"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]}
SHOWN = (
    "&LabelSelector{MatchLabels:map[string]string{a: b,b: c,},MatchExpressions:[]LabelSelectorRequirement{"
    "LabelSelectorRequirement{Key:k,Operator:In,Values:[v],},},}"
)
DEFAULT = {"annotations": {"volumeattributesclass.alpha.kubernetes.io/is-default-class": "true"}}


@pytest.mark.parametrize(
    ("group", "plural", "obj", "column", "cell"),
    [
        (DRA, "resourceclaims", {}, 1, "pending"),
        (DRA, "resourceclaims", {"metadata": {"deletionTimestamp": "x"}}, 1, "deleted"),
        (DRA, "resourceclaims", {"status": {"allocation": {}, "reservedFor": [{}]}}, 1, "allocated,reserved"),
        (POLICIES, "validatingadmissionpolicybindings", {"spec": {"paramRef": {"name": "p"}}}, 2, "*/p"),
        (POLICIES, "mutatingadmissionpolicybindings", {"spec": {"paramRef": {"selector": SELECTOR}}}, 2, SHOWN),
        (POLICIES, "mutatingadmissionpolicybindings", {"spec": {}}, 2, "<unset>"),
        ("storage.k8s.io", "volumeattributesclasses", {"metadata": {"name": "x", **DEFAULT}}, 0, "x (default)"),
        (
            "networking.k8s.io",
            "ipaddresses",
            {"spec": {"parentRef": {"group": "g.io", "resource": "Things", "namespace": "ns", "name": "n"}}},
            1,
            "things.g.io/ns/n",
        ),
    ],
)
def test_a_cell(group: str, plural: str, obj: dict[str, Any], column: int, cell: str) -> None:
    row = resource(group, plural).row
    assert row is not None
    assert row(obj, NOW)[column] == cell


def test_flow_schemas_stand_in_the_order_in_which_they_match() -> None:
    kind = resource("flowcontrol.apiserver.k8s.io", "flowschemas")
    schemas = [
        {"metadata": {"name": name}, "spec": {"matchingPrecedence": precedence}}
        for name, precedence in (("a", 900), ("c", 1), ("b", 1))
    ]
    shown = table(kind, schemas, Form(as_="Table"), "None", {})
    assert [row["cells"][0] for row in shown["rows"]] == ["b", "c", "a"]
