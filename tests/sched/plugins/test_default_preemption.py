"""DefaultPreemption: which node, and who must go."""

from __future__ import annotations

import random
from typing import Any

import pytest

from kube_lite.sched.evaluate import Evaluator
from kube_lite.sched.framework import Framework, default_plugins
from kube_lite.sched.nodes import CPU, NodeTable, rows_mask
from kube_lite.sched.plugins.default_preemption import DefaultPreemption
from kube_lite.sched.podinfo import PodInfo
from tests.sched.cluster import info, info_of, node_view, pod_object, table


def _pod(name: str, cpu: str, priority: int, started: str = "2026-01-01T00:00:00Z", **spec: Any) -> PodInfo:
    obj = pod_object(name, cpu, priority=priority, **spec)
    obj["status"] = {"startTime": started}
    return info_of(obj)


def _preempt(pod: PodInfo, nodes: NodeTable) -> tuple[str, list[str]] | None:
    evaluator = Evaluator(Framework(default_plugins()), nodes, random.Random(0))
    before = nodes.requested(CPU).tolist(), [set(pods) for pods in nodes.pods]
    unresolvable = evaluator.explain_refusal(pod).unresolvable
    result = DefaultPreemption().post_filter(pod, nodes, unresolvable, lambda row: evaluator.fits(pod, row))
    assert (nodes.requested(CPU).tolist(), [set(pods) for pods in nodes.pods]) == before
    if result is None:
        return None
    return result.node, sorted(v.pod.metadata.name for v in result.victims)


CASES: dict[str, tuple[dict[str, list[PodInfo]], PodInfo, tuple[str, list[str]] | None]] = {
    "the only one": ({"a": [_pod("low", "2", 0)]}, _pod("p", "2", 1), ("a", ["low"])),
    "equal priority is safe": ({"a": [_pod("same", "2", 1)]}, _pod("p", "2", 1), None),
    "equal priority is safe though somewhere there is a lower one": (
        {"a": [_pod("same", "2", 1)], "b": [_pod("low", "100m", 0), _pod("other", "1900m", 1)]},
        _pod("p", "2", 1),
        None,
    ),
    "a pod that never preempts": (
        {"a": [_pod("low", "2", 0)]},
        _pod("p", "2", 1, preemptionPolicy="Never"),
        None,
    ),
    "larger than the node": ({"a": [_pod("low", "2", 0)]}, _pod("p", "3", 1), None),
    "only as many as needed, the least important": (
        {"a": [_pod("lowest", "1", 0), _pod("low", "1", 1)]},
        _pod("p", "1", 9),
        ("a", ["lowest"]),
    ),
    "the younger of equals goes": (
        {"a": [_pod("old", "1", 0), _pod("young", "1", 0, "2026-01-02T00:00:00Z")]},
        _pod("p", "1", 9),
        ("a", ["young"]),
    ),
    "the node whose victim matters least": (
        {"a": [_pod("high", "2", 5)], "b": [_pod("low", "2", 1)]},
        _pod("p", "2", 9),
        ("b", ["low"]),
    ),
    "then the smaller sum of priorities": (
        {"a": [_pod("one", "1", 5), _pod("two", "1", 4)], "b": [_pod("x", "1", 5), _pod("y", "1", 1)]},
        _pod("p", "2", 9),
        ("b", ["x", "y"]),
    ),
    "then fewer victims": (
        {"a": [_pod("one", "1", 5), _pod("two", "1", 5)], "b": [_pod("x", "2", 5)]},
        _pod("p", "2", 9),
        ("b", ["x"]),
    ),
    "then the one that started last": (
        {"a": [_pod("old", "2", 5)], "b": [_pod("young", "2", 5, "2026-01-02T00:00:00Z")]},
        _pod("p", "2", 9),
        ("b", ["young"]),
    ),
    "pods that are in nobody's way stay": (
        {"a": [_pod("small", "100m", 0), _pod("big", "1900m", 0, "2026-01-02T00:00:00Z")]},
        _pod("p", "1", 9),
        ("a", ["big"]),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_preemption(case: str) -> None:
    pods, pod, expected = CASES[case]
    assert _preempt(pod, table(*(node_view(name, "2") for name in pods), pods=pods)) == expected


def test_nodes_that_refuse_for_other_reasons_are_not_tried() -> None:
    nodes = table(node_view("a", "2", taints=["k=v:NoSchedule"]), pods={"a": [_pod("low", "2", 0)]})
    assert _preempt(_pod("p", "2", 1), nodes) is None


def test_the_table_is_put_back_even_when_a_filter_fails() -> None:
    nodes = table(node_view("a", "2"), pods={"a": [_pod("low", "2", 0)]})

    def broken(row: int) -> bool:
        raise RuntimeError("a bug in a plugin")

    with pytest.raises(RuntimeError, match="a bug"):
        DefaultPreemption().post_filter(info("p", "2", priority=1), nodes, rows_mask(nodes.size, []), broken)
    assert nodes.requested(CPU).tolist() == [2000]
