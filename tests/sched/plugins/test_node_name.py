"""NodeName."""

from __future__ import annotations

import pytest

from kube_lite.sched.plugins.node_name import NodeName
from tests.sched.cluster import info, node_view, table
from tests.sched.plugins.ask import refused


@pytest.mark.parametrize(("node_name", "expected"), [("", ""), ("a", "b"), ("elsewhere", "a b")])
def test_only_the_named_node_is_left(node_name: str, expected: str) -> None:
    nodes = table(node_view("a"), node_view("b"))
    assert refused(NodeName(), info("p", nodeName=node_name), nodes) == expected
