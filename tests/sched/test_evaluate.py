"""The evaluator: messages, selection, and that what is kept of a class never differs from starting afresh."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest

from kube_lite.sched.evaluate import Evaluator, unschedulable_message
from kube_lite.sched.framework import Framework, default_plugins
from kube_lite.sched.nodes import NodeTable
from kube_lite.sched.podinfo import PodInfo
from tests.sched.cluster import info, info_of, node_view, pod_object, table


def evaluator(nodes: NodeTable, seed: int = 0) -> Evaluator:
    return Evaluator(Framework(default_plugins()), nodes, random.Random(seed))


def test_the_message_sorts_counted_reasons_as_text() -> None:
    reasons = Counter({"Insufficient cpu": 10, "Too many pods": 1, "node(s) were unschedulable": 2})
    assert unschedulable_message(13, reasons) == (
        "0/13 nodes are available: 1 Too many pods, 10 Insufficient cpu, 2 node(s) were unschedulable."
    )
    assert unschedulable_message(3, Counter(), "whatever.") == "0/3 nodes are available: whatever.."


def test_a_node_is_counted_for_its_first_refusing_plugin_with_all_that_says() -> None:
    nodes = table(node_view("a", "1", "1Gi", taints=["x=y:NoSchedule"]), node_view("b", "1", "1Gi"))
    refusal = evaluator(nodes).explain_refusal(info("p", "2", "2Gi"))
    assert refusal.message == (
        "0/2 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, "
        "1 node(s) had taint {x: y}, that the pod didn't tolerate."
    )
    assert refusal.plugins == {"TaintToleration", "NodeResourcesFit"}


def test_ties_are_broken_by_the_seed() -> None:
    nodes = table(*(node_view(f"n{i}") for i in range(50)))
    assert len({evaluator(nodes, seed).select(info("p")).node for seed in range(20)}) > 5
    assert evaluator(nodes, 3).select(info("p")).node == evaluator(nodes, 3).select(info("p")).node


def test_the_first_refusal_of_each_node_is_told() -> None:
    nodes = table(node_view("a", "1"), node_view("b", unschedulable=True), node_view("c"))
    evaluation = evaluator(nodes).select(info("p", "2"))
    assert evaluation.node == "c"
    told = {
        evaluation.names[row]: evaluation.reasons[code - 1].plugin
        for row, code in enumerate(evaluation.verdicts)
        if code
    }
    assert told == {"a": "NodeResourcesFit", "b": "NodeUnschedulable"}


def test_an_evaluation_once_made_does_not_change() -> None:
    nodes = table(node_view("a"), *(node_view(f"n{i}") for i in range(10)))
    by = evaluator(nodes)
    first = by.select(info("p0", "1"))
    before = (first.node, first.total.copy() if first.total is not None else None, first.feasible.copy())
    for number in range(1, 8):
        pod = info(f"p{number}", "1")
        nodes.add_pod(pod, by.select(pod).node)
    assert first.node == before[0]
    assert np.array_equal(first.total, before[1])  # type: ignore[arg-type]  # both are arrays here
    assert np.array_equal(first.feasible, before[2])


def _random_pod(rng: random.Random, number: int) -> PodInfo:
    kind = rng.randrange(9)
    spec: dict[str, Any] = {}
    if kind == 1:
        spec["tolerations"] = [{"key": "soft", "operator": "Exists"}]
    if kind == 2:
        spec["nodeSelector"] = {"zone": "z1"}
    if kind == 3:
        spec["affinity"] = {
            "nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 5, "preference": {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}}
                ]
            }
        }
    if kind == 4:
        spec["topologySpreadConstraints"] = [
            {
                "topologyKey": "zone",
                "maxSkew": 2,
                "whenUnsatisfiable": rng.choice(["DoNotSchedule", "ScheduleAnyway"]),
                "labelSelector": {"matchLabels": {"app": "a"}},
            }
        ]
    if kind == 5 and number > 200:
        term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": rng.choice("ab")}}}
        side = rng.choice(["podAffinity", "podAntiAffinity"])
        wish = {"weight": 7, "podAffinityTerm": term}
        spec["affinity"] = {side: {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}}
    obj = pod_object(f"p{number}", rng.choice(["100m", "1"]), rng.choice(["128Mi", "1Gi"]), **spec)
    obj["metadata"]["labels"] = {"app": rng.choice("abc")}
    if kind in (6, 7):
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": f"rs{kind}", "controller": True}
        obj["metadata"]["ownerReferences"] = [owner]
    return info_of(obj)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_kept_of_a_class_gives_the_same_answer_as_starting_afresh(seed: int) -> None:
    rng = random.Random(seed)
    nodes = table(
        *(
            node_view(
                f"n{i}",
                rng.choice(["4", "8"]),
                labels={"zone": f"z{i % 3}"} if i % 4 else {},
                taints=["soft=x:PreferNoSchedule"] if i % 5 == 0 else [],
                unschedulable=i % 7 == 0,
            )
            for i in range(40)
        )
    )
    kept, placed = evaluator(nodes), []
    for number in range(400):
        pod = _random_pod(rng, number)
        fresh = evaluator(nodes).select(pod)
        again = kept.select(pod)
        assert (fresh.total is None) == (again.total is None)
        if again.total is None:
            continue
        assert np.array_equal(fresh.total, again.total)  # type: ignore[arg-type]  # not None, as asserted
        assert np.array_equal(fresh.feasible, again.feasible)
        nodes.add_pod(pod, again.node)
        placed.append(pod)
        if rng.random() < 0.3:
            nodes.remove_pod(placed.pop(rng.randrange(len(placed))).uid)
        if rng.random() < 0.02:
            nodes.put_node(node_view(f"n{rng.randrange(40)}", "8", unschedulable=rng.random() < 0.5))
        if rng.random() < 0.01:
            nodes.remove_node(f"n{rng.randrange(40)}")


def test_a_node_that_does_not_fit_is_not_taken_however_well_it_scores() -> None:
    nodes = table(
        node_view("cordoned", "64", unschedulable=True), node_view("busy", "4"), pods={"busy": [info("there", "2")]}
    )
    assert {evaluator(nodes, seed).select(info("p", "1")).node for seed in range(10)} == {"busy"}
