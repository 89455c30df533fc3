"""NodeUnschedulable."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.sched.framework import ClusterEvent, EventKind
from kube_lite.sched.plugins.node_unschedulable import NodeUnschedulable
from tests.sched.cluster import info, node_view, table
from tests.sched.plugins.ask import refusals, refused

TOLERATE = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [({}, "cordoned"), ({"tolerations": [TOLERATE]}, ""), ({"tolerations": [{"operator": "Exists"}]}, "")],
)
def test_cordoned_nodes_take_only_pods_that_tolerate_it(spec: dict[str, Any], expected: str) -> None:
    nodes = table(node_view("open"), node_view("cordoned", unschedulable=True))
    assert refused(NodeUnschedulable(), info("p", **spec), nodes) == expected


def test_the_reason_is_upstreams() -> None:
    nodes = table(node_view("n", unschedulable=True))
    assert refusals(NodeUnschedulable(), info("p"), nodes) == {"n": ["node(s) were unschedulable"]}


def test_only_a_node_that_is_open_wakes_pods() -> None:
    plugin = NodeUnschedulable()
    opened = ClusterEvent(EventKind.NODE_TAINT, node=node_view("n"))
    closed = ClusterEvent(EventKind.NODE_TAINT, node=node_view("n", unschedulable=True))
    assert plugin.hint(opened, info("p"))
    assert not plugin.hint(closed, info("p"))
