"""TaintToleration."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.sched.framework import ClusterEvent, EventKind
from kube_lite.sched.plugins.taint_toleration import TaintToleration
from tests.sched.cluster import info, node_view, table
from tests.sched.plugins.ask import refusals, refused, scores

CASES: dict[str, tuple[str, list[dict[str, Any]], bool]] = {
    "no toleration": ("gold=x:NoSchedule", [], False),
    "equal value": ("gold=x:NoSchedule", [{"key": "gold", "value": "x", "effect": "NoSchedule"}], True),
    "other value": ("gold=x:NoSchedule", [{"key": "gold", "value": "y", "effect": "NoSchedule"}], False),
    "exists": ("gold=x:NoSchedule", [{"key": "gold", "operator": "Exists"}], True),
    "other effect": ("gold=x:NoExecute", [{"key": "gold", "operator": "Exists", "effect": "NoSchedule"}], False),
    "any effect": ("gold=x:NoExecute", [{"key": "gold", "operator": "Exists"}], True),
    "everything": ("gold=x:NoExecute", [{"operator": "Exists"}], True),
    "soft taints refuse nobody": ("gold=x:PreferNoSchedule", [], True),
    "greater than": ("level=5:NoSchedule", [{"key": "level", "operator": "Gt", "value": "3"}], True),
    "not greater": ("level=5:NoSchedule", [{"key": "level", "operator": "Gt", "value": "5"}], False),
    "not a number": ("level=x:NoSchedule", [{"key": "level", "operator": "Lt", "value": "5"}], False),
}


@pytest.mark.parametrize("case", CASES)
def test_taints_keep_away_pods_that_do_not_tolerate_them(case: str) -> None:
    taint, tolerations, fits = CASES[case]
    nodes = table(node_view("plain"), node_view("tainted", taints=[taint]))
    expected = "" if fits else "tainted"
    assert refused(TaintToleration(), info("p", tolerations=tolerations), nodes) == expected


def test_the_reason_is_upstreams() -> None:
    nodes = table(
        node_view("m", taints=["other=y:NoExecute"]), node_view("n", taints=["gold=x:NoSchedule", "a=b:NoSchedule"])
    )
    assert refusals(TaintToleration(), info("p"), nodes) == {
        "m": ["node(s) had taint {other: y}, that the pod didn't tolerate"],
        "n": ["node(s) had taint {gold: x}, that the pod didn't tolerate"],
    }


def test_all_taints_must_be_tolerated() -> None:
    nodes = table(node_view("n", taints=["a=1:NoSchedule", "b=1:NoSchedule"]))
    tolerations = [{"key": "a", "operator": "Exists"}]
    assert refused(TaintToleration(), info("p", tolerations=tolerations), nodes) == "n"


def test_nodes_with_fewer_soft_taints_are_liked_better() -> None:
    nodes = table(
        node_view("none"),
        node_view("one", taints=["a=1:PreferNoSchedule"]),
        node_view("two", taints=["a=1:PreferNoSchedule", "b=1:PreferNoSchedule"]),
    )
    assert scores(TaintToleration(), info("p"), nodes) == {"none": 100, "one": 50, "two": 0}
    tolerant = info("p", tolerations=[{"key": "a", "operator": "Exists", "effect": "PreferNoSchedule"}])
    assert scores(TaintToleration(), tolerant, nodes) == {"none": 100, "one": 100, "two": 0}


def test_without_soft_taints_there_is_nothing_to_score() -> None:
    assert scores(TaintToleration(), info("p"), table(node_view("a", taints=["x=y:NoSchedule"]))) is None


def test_a_node_whose_taints_still_keep_the_pod_away_wakes_nobody() -> None:
    event = ClusterEvent(EventKind.NODE_TAINT, node=node_view("n", taints=["a=1:NoSchedule"]))
    assert not TaintToleration().hint(event, info("p"))
    assert TaintToleration().hint(event, info("p", tolerations=[{"operator": "Exists"}]))
