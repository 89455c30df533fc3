"""PodTopologySpread."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.sched.nodes import NodeTable
from kube_lite.sched.plugins.pod_topology_spread import PodTopologySpread
from kube_lite.sched.podinfo import PodInfo
from tests.sched.cluster import info, info_of, node_view, pod_object, table
from tests.sched.plugins.ask import refusals, refused, scores

HOST = "kubernetes.io/hostname"


def _constraint(key: str = "zone", skew: int = 1, soft: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "topologyKey": key,
        "maxSkew": skew,
        "whenUnsatisfiable": "ScheduleAnyway" if soft else "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
        **more,
    }


def _web(name: str, *constraints: dict[str, Any], **spec: Any) -> PodInfo:
    return info(name, labels={"app": "web"}, topologySpreadConstraints=list(constraints), **spec)


def _nodes(**pods: int) -> NodeTable:
    """a1 and a2 in zone a, b1 in zone b, x without a zone; so many web pods on each."""
    return table(
        node_view("a1", labels={"zone": "a"}),
        node_view("a2", labels={"zone": "a"}),
        node_view("b1", labels={"zone": "b"}),
        node_view("x"),
        pods={name: [_web(f"{name}-{i}") for i in range(count)] for name, count in pods.items()},
    )


CASES: dict[str, tuple[PodInfo, dict[str, int], str]] = {
    "nothing there yet": (_web("p", _constraint()), {}, "x"),
    "a zone that is ahead": (_web("p", _constraint()), {"a1": 1}, "a1 a2 x"),
    "even zones": (_web("p", _constraint()), {"a1": 1, "b1": 1}, "x"),
    "a larger skew": (_web("p", _constraint(skew=2)), {"a1": 1}, "x"),
    "by host": (_web("p", _constraint(HOST)), {"a1": 1, "a2": 1, "b1": 1}, "a1 a2 b1"),
    "a pod that does not count itself": (
        info("p", topologySpreadConstraints=[_constraint()]),
        {"a1": 1},
        "x",
    ),
    "too few domains count as an empty one": (_web("p", _constraint(minDomains=3)), {"a1": 1, "b1": 1}, "a1 a2 b1 x"),
    "two constraints": (_web("p", _constraint(), _constraint(HOST)), {"b1": 1}, "b1 x"),
    "nodes that the pod cannot use do not count": (
        _web("p", _constraint(), nodeSelector={"zone": "a"}),
        {"a1": 1},
        "x",
    ),
    "unless the policy says so": (
        _web("p", _constraint(nodeAffinityPolicy="Ignore"), nodeSelector={"zone": "a"}),
        {"a1": 1},
        "a1 a2 x",
    ),
    "soft constraints refuse nobody": (_web("p", _constraint(soft=True)), {"a1": 9}, ""),
}


@pytest.mark.parametrize("case", CASES)
def test_hard_constraints(case: str) -> None:
    pod, pods, expected = CASES[case]
    assert refused(PodTopologySpread(), pod, _nodes(**pods)) == expected


def test_a_missing_label_and_a_large_skew_are_told_apart() -> None:
    found = refusals(PodTopologySpread(), _web("p", _constraint()), _nodes(a1=1))
    assert found["a1"] == ["node(s) didn't match pod topology spread constraints"]
    assert found["x"] == ["node(s) didn't match pod topology spread constraints (missing required label)"]


def test_tainted_nodes_count_unless_the_policy_honors_taints() -> None:
    nodes = table(
        node_view("open", labels={"zone": "a"}),
        node_view("tainted", labels={"zone": "b"}, taints=["k=v:NoSchedule"]),
        pods={"open": [_web("there")]},
    )
    assert refused(PodTopologySpread(), _web("p", _constraint()), nodes) == "open"
    assert refused(PodTopologySpread(), _web("p", _constraint(nodeTaintsPolicy="Honor")), nodes) == ""


def test_terminating_pods_and_other_namespaces_do_not_count() -> None:
    leaving, foreign = pod_object("leaving", labels={"app": "web"}), pod_object("foreign", labels={"app": "web"})
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    foreign["metadata"]["namespace"] = "other"
    nodes = _nodes()
    for obj in (leaving, foreign):
        nodes.add_pod(info_of(obj), "a1")
    assert refused(PodTopologySpread(), _web("p", _constraint()), nodes) == "x"


def test_only_pods_of_the_same_revision_count_with_match_label_keys() -> None:
    def revision(name: str, text: str) -> PodInfo:
        labels = {"app": "web", "hash": text}
        return info(name, labels=labels, topologySpreadConstraints=[_constraint(matchLabelKeys=["hash"])])

    nodes = _nodes()
    nodes.add_pod(revision("old", "1"), "a1")
    assert refused(PodTopologySpread(), revision("new", "2"), nodes) == "x"
    assert refused(PodTopologySpread(), revision("new", "1"), nodes) == "a1 a2 x"


def test_emptier_domains_score_better_and_nodes_without_the_label_nothing() -> None:
    found = scores(PodTopologySpread(), _web("p", _constraint(soft=True)), _nodes(a1=2, b1=1))
    # two zones: 2 ln 4 = 2.77 -> 3, 1 ln 4 = 1.39 -> 1
    assert found == {"a1": 33, "a2": 33, "b1": 100, "x": 0}
    assert scores(PodTopologySpread(), _web("p"), _nodes()) is None


def test_without_pods_all_domains_are_equal() -> None:
    assert scores(PodTopologySpread(), _web("p", _constraint(soft=True)), _nodes()) == {
        "a1": 100,
        "a2": 100,
        "b1": 100,
        "x": 0,
    }


def _replica(name: str, owner: str, kind: str = "ReplicaSet") -> PodInfo:
    obj = pod_object(name)
    obj["metadata"]["ownerReferences"] = [{"kind": kind, "name": owner, "uid": owner, "controller": True}]
    return info_of(obj)


def test_replicas_that_name_no_constraints_are_spread_over_hosts_and_zones() -> None:
    nodes = table(
        node_view("a", labels={"topology.kubernetes.io/zone": "z1"}),
        node_view("b", labels={"topology.kubernetes.io/zone": "z1"}),
        node_view("c", labels={"topology.kubernetes.io/zone": "z2"}),
        pods={"a": [_replica("r1", "web"), _replica("r2", "web"), _replica("other", "db")]},
    )
    # both: skews 3 - 1 and 5 - 1 make 6; a: 2 ln 5 + 2 ln 4 + 6 = 12, b: 2 ln 4 + 6 = 9, c: 6
    assert scores(PodTopologySpread(), _replica("new", "web"), nodes) == {"a": 50, "b": 75, "c": 100}
    assert scores(PodTopologySpread(), _replica("new", "agent", "DaemonSet"), nodes) is None
