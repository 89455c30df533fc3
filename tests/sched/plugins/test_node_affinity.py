"""NodeAffinity."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.sched.nodes import NodeTable
from kube_lite.sched.plugins.node_affinity import NodeAffinity
from kube_lite.sched.podinfo import PodInfo
from tests.sched.cluster import info, node_view, table
from tests.sched.plugins.ask import refusals, refused, scores


def _nodes() -> NodeTable:
    return table(
        node_view("a", labels={"zone": "east", "size": "8"}),
        node_view("b", labels={"zone": "west", "size": "16"}),
        node_view("c"),
    )


def _expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


def _required(*terms: dict[str, Any]) -> PodInfo:
    selector = {"nodeSelectorTerms": list(terms)}
    return info("p", affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}})


CASES: dict[str, tuple[list[dict[str, Any]], str]] = {
    "In": ([_expression("zone", "In", "east", "north")], "b c"),
    "NotIn takes nodes without the label": ([_expression("zone", "NotIn", "east")], "a"),
    "Exists": ([_expression("zone", "Exists")], "c"),
    "DoesNotExist": ([_expression("zone", "DoesNotExist")], "a b"),
    "Gt": ([_expression("size", "Gt", "8")], "a c"),
    "Lt": ([_expression("size", "Lt", "16")], "b c"),
    "Gt of no number": ([_expression("zone", "Gt", "8")], "a b c"),
    "all of a term": ([_expression("zone", "Exists"), _expression("size", "In", "8")], "b c"),
    "unknown operator": ([_expression("zone", "Near", "east")], "a b c"),
}


@pytest.mark.parametrize("case", CASES)
def test_required_expressions(case: str) -> None:
    expressions, expected = CASES[case]
    assert refused(NodeAffinity(), _required({"matchExpressions": expressions}), _nodes()) == expected


def test_one_of_several_terms_is_enough_and_an_empty_term_matches_nothing() -> None:
    east, west = ({"matchExpressions": [_expression("zone", "In", zone)]} for zone in ("east", "west"))
    assert refused(NodeAffinity(), _required(east, west), _nodes()) == "c"
    assert refused(NodeAffinity(), _required({}), _nodes()) == "a b c"


def test_match_fields_select_by_name() -> None:
    field = {"matchFields": [_expression("metadata.name", "In", "b")]}
    assert refused(NodeAffinity(), _required(field), _nodes()) == "a c"


def test_node_selector_must_match_too() -> None:
    assert refused(NodeAffinity(), info("p", nodeSelector={"zone": "east"}), _nodes()) == "b c"
    assert refused(NodeAffinity(), info("p", nodeSelector={"zone": "east", "size": "9"}), _nodes()) == "a b c"
    assert refused(NodeAffinity(), info("p", nodeSelector={}), _nodes()) == ""
    reasons = refusals(NodeAffinity(), info("p", nodeSelector={"zone": "east"}), _nodes())
    assert reasons["c"] == ["node(s) didn't match Pod's node affinity"]


def test_preferred_terms_add_up_by_weight() -> None:
    wishes = [
        {"weight": 30, "preference": {"matchExpressions": [_expression("zone", "In", "east")]}},
        {"weight": 10, "preference": {"matchExpressions": [_expression("size", "Exists")]}},
    ]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": wishes}}
    assert scores(NodeAffinity(), info("p", affinity=affinity), _nodes()) == {"a": 100, "b": 25, "c": 0}
    assert scores(NodeAffinity(), info("p"), _nodes()) is None


def test_labels_that_change_are_seen() -> None:
    nodes = _nodes()
    wants_east = info("p", nodeSelector={"zone": "east"})
    assert refused(NodeAffinity(), wants_east, nodes) == "b c"
    nodes.put_node(node_view("c", labels={"zone": "east"}))
    nodes.put_node(node_view("a", labels={"zone": "south"}))
    assert refused(NodeAffinity(), wants_east, nodes) == "a b"
