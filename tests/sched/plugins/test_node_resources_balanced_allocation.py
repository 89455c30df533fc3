"""NodeResourcesBalancedAllocation."""

from __future__ import annotations

from kube_lite.sched.plugins.node_resources_balanced_allocation import NodeResourcesBalancedAllocation
from tests.sched.cluster import info, node_view, table
from tests.sched.plugins.ask import scores


def test_even_use_of_cpu_and_memory_scores_best() -> None:
    nodes = table(
        node_view("even", "4", "8Gi"),
        node_view("cpu-heavy", "4", "8Gi"),
        pods={"cpu-heavy": [info("there", "2")]},
    )
    # even: 25 % and 25 %; cpu-heavy: 75 % and 25 %, half their difference is 25 %
    expected = {"even": 100, "cpu-heavy": 75}
    assert scores(NodeResourcesBalancedAllocation(), info("p", "1", "2Gi"), nodes) == expected


def test_more_than_all_counts_as_all_and_a_missing_resource_as_balanced() -> None:
    nodes = table(node_view("small", "1", "4Gi"), node_view("odd", "4", "0"))
    assert scores(NodeResourcesBalancedAllocation(), info("p", "2", "1Gi"), nodes) == {"small": 62, "odd": 100}


def test_best_effort_pods_are_not_scored() -> None:
    assert scores(NodeResourcesBalancedAllocation(), info("p"), table(node_view("n"))) is None
