"""The node table."""

from __future__ import annotations

import numpy as np

from kube_lite.sched.labels import MAX_LABEL_COLUMNS
from kube_lite.sched.nodes import CPU, MAX_CHANGES, MEMORY, PODS
from tests.sched.cluster import info, node_view, table


def test_pods_are_counted_once_and_moved_when_they_turn_up_elsewhere() -> None:
    nodes = table(node_view("a"), node_view("b"))
    pod = info("p", "1", "1Gi")
    nodes.add_pod(pod, "a")
    nodes.add_pod(pod, "b")
    nodes.add_pod(pod, "b")
    assert nodes.requested(CPU).tolist() == [0, 1000]
    assert nodes.requested(MEMORY).tolist() == [0, 1 << 30]
    assert nodes.requested(PODS).tolist() == [0, 1]
    nodes.remove_pod(pod.uid)
    assert nodes.remove_pod(pod.uid) is None
    assert not nodes.requested(CPU).any()
    assert not nodes.nonzero(CPU).any()


def test_pods_may_come_before_their_node_and_outlive_it() -> None:
    nodes = table()
    nodes.add_pod(info("p", "1"), "late")
    assert nodes.count == 0
    nodes.put_node(node_view("late"))
    assert (nodes.count, nodes.requested(CPU).tolist()) == (1, [1000])
    nodes.remove_node("late")
    assert nodes.count == 0
    nodes.put_node(node_view("late"))
    assert nodes.requested(CPU).tolist() == [1000]


def test_the_row_of_a_node_that_went_is_used_again_and_clean() -> None:
    nodes = table(node_view("a", labels={"zone": "x"}, taints=["t=v:NoSchedule"], unschedulable=True))
    assert nodes.label_codes("zone").tolist() == [0]
    nodes.remove_node("a")
    nodes.put_node(node_view("b"))
    assert nodes.size == 1
    assert nodes.label_codes("zone").tolist() == [-1]
    assert (bool(nodes.unschedulable[0]), int(nodes.taints[0])) == (False, 0)


def test_columns_grow_with_the_nodes() -> None:
    nodes = table(node_view("first", labels={"zone": "x"}))
    nodes.label("zone")
    for number in range(200):
        nodes.put_node(node_view(f"n{number}", labels={"zone": "y"}))
    assert nodes.count == 201
    assert np.count_nonzero(nodes.label_codes("zone") == 1) == 200
    assert nodes.allocatable(CPU).tolist() == [4000] * 201


def test_a_heartbeat_is_no_change_but_a_label_is() -> None:
    nodes = table(node_view("a"))
    version = nodes.static_version
    assert not nodes.put_node(node_view("a"))
    assert nodes.static_version == version
    assert nodes.put_node(node_view("a", labels={"x": "y"}))
    assert nodes.static_version > version


def test_the_log_of_changes_is_bounded_and_says_when_it_does_not_know() -> None:
    nodes = table(node_view("a"), node_view("b"))
    start = nodes.position
    nodes.add_pod(info("p"), "b")
    assert nodes.changed_since(start) == [1]
    assert nodes.changed_since(nodes.position) == []
    for _ in range(MAX_CHANGES):
        nodes.add_pod(info("q"), "a")
    assert nodes.changed_since(start) is None
    assert nodes.changed_since(nodes.position) == []


def test_label_columns_are_bounded() -> None:
    nodes = table(node_view("a"))
    for number in range(MAX_LABEL_COLUMNS + 50):
        nodes.label(f"key-{number}")
    assert len(nodes._labels) == MAX_LABEL_COLUMNS


def test_images_are_known_by_node_and_forgotten_with_it() -> None:
    nodes = table()
    assert nodes.images == {}
    nodes.put_node(node_view("a"))
    nodes.remove_node("a")
    assert nodes.images == {}


def test_a_new_extended_resource_gets_its_column() -> None:
    nodes = table(node_view("a"), node_view("b", extended={"x.io/gpu": "4"}))
    assert nodes.allocatable(nodes.resource("x.io/gpu")).tolist() == [0, 4]


def test_values_and_taints_of_nodes_that_are_gone_do_not_pile_up() -> None:
    nodes = table(node_view("stays", labels={"zone": "z"}, taints=["kept=x:NoSchedule"]))
    for number in range(1000):
        nodes.label("zone")
        nodes.put_node(node_view("n", labels={"zone": f"z{number}"}, taints=[f"t=v{number}:NoSchedule"]))
    assert len(nodes.taint_sets) < 300
    assert len(nodes.label("zone").values) < 300
    stays, changing = nodes.rows["stays"], nodes.rows["n"]
    assert nodes.taint_sets[nodes.taints[stays]] == (("kept", "x", "NoSchedule"),)
    assert nodes.taint_sets[nodes.taints[changing]] == (("t", "v999", "NoSchedule"),)
    column = nodes.label("zone")
    assert [column.values[column.codes[row]] for row in (stays, changing)] == ["z", "z999"]


def test_a_node_that_never_came_is_forgotten_with_its_last_pod() -> None:
    nodes = table()
    for number in range(10):
        nodes.add_pod(info("p"), f"unknown-{number}")
        nodes.remove_pod("uid-of-p")
    assert (nodes.rows, nodes.size) == ({}, 1)
