"""NodeResourcesFit: filter and LeastAllocated."""

from __future__ import annotations

import pytest

from kube_lite.sched.framework import ClusterEvent, EventKind
from kube_lite.sched.nodes import ALL_ROWS
from kube_lite.sched.plugins.node_resources_fit import NodeResourcesFit
from kube_lite.sched.podinfo import PodInfo
from tests.sched.cluster import info, info_of, node_view, pod_object, table
from tests.sched.plugins.ask import refusals, scores


def _extended(name: str, count: str) -> PodInfo:
    obj = pod_object("p")
    obj["spec"]["containers"][0]["resources"] = {"requests": {name: count}}
    return info_of(obj)


CASES: dict[str, tuple[PodInfo, list[str]]] = {
    "fits exactly": (info("p", "1", "1Gi"), []),
    "cpu": (info("p", "1001m"), ["Insufficient cpu"]),
    "memory": (info("p", "", "1025Mi"), ["Insufficient memory"]),
    "both": (info("p", "9", "9Ti"), ["Insufficient cpu", "Insufficient memory"]),
    "ephemeral storage": (_extended("ephemeral-storage", "101Gi"), ["Insufficient ephemeral-storage"]),
    "extended resource": (_extended("x.io/gpu", "2"), ["Insufficient x.io/gpu"]),
    "extended resource that fits": (_extended("x.io/gpu", "1"), []),
    "resource that no node has": (_extended("y.io/fpga", "1"), ["Insufficient y.io/fpga"]),
    "none of a resource that no node has": (_extended("y.io/fpga", "0"), []),
    "no requests": (info("p"), []),
}


@pytest.mark.parametrize("case", CASES)
def test_requests_must_fit_beside_those_of_the_pods_there(case: str) -> None:
    pod, expected = CASES[case]
    node = node_view("n", "2", "2Gi", extended={"x.io/gpu": "1"})
    nodes = table(node, pods={"n": [info("there", "1", "1Gi")]})
    assert refusals(NodeResourcesFit(), pod, nodes).get("n", []) == expected


def test_a_node_takes_only_so_many_pods() -> None:
    nodes = table(node_view("n", pods="1"), pods={"n": [info("there")]})
    assert refusals(NodeResourcesFit(), info("p"), nodes) == {"n": ["Too many pods"]}


def test_only_what_would_not_fit_an_empty_node_cannot_be_helped_by_preemption() -> None:
    nodes = table(node_view("small", "1"), node_view("full", "2"), pods={"full": [info("there", "2")]})
    plugin, pod = NodeResourcesFit(), info("p", "2")
    found = plugin.filter(plugin.pre_filter(pod, nodes), pod, nodes, ALL_ROWS)
    unresolvable = {nodes.names[row] for r in found if r.unresolvable for row in r.mask[: nodes.size].nonzero()[0]}
    assert unresolvable == {"small"}


def test_the_emptiest_node_scores_best() -> None:
    nodes = table(
        node_view("empty", "4", "8Gi"),
        node_view("half", "4", "8Gi"),
        pods={"half": [info("there", "2", "4Gi")]},
    )
    # (4000 - 1000) / 4000 = 75, (8 - 2) / 8 = 75; and 25 with 25
    assert scores(NodeResourcesFit(), info("p", "1", "2Gi"), nodes) == {"empty": 75, "half": 25}


def test_containers_without_requests_count_for_a_tenth_of_a_cpu_and_200_mib() -> None:
    nodes = table(node_view("n", "1", "2000Mi"))
    assert scores(NodeResourcesFit(), info("p"), nodes) == {"n": 90}


def test_a_resource_that_a_node_lacks_does_not_count() -> None:
    nodes = table(node_view("n", "1", "0"))
    assert scores(NodeResourcesFit(), info("p", "500m"), nodes) == {"n": 50}


def test_only_a_node_that_is_large_enough_wakes_pods() -> None:
    plugin, pod = NodeResourcesFit(), info("p", "2")
    assert not plugin.hint(ClusterEvent(EventKind.NODE_ADD, node=node_view("n", "1")), pod)
    assert plugin.hint(ClusterEvent(EventKind.NODE_ADD, node=node_view("n", "2")), pod)
    assert plugin.hint(ClusterEvent(EventKind.POD_DELETE, pod=info("q").pod), pod)
