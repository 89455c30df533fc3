"""InterPodAffinity."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.sched.framework import ClusterEvent, EventKind
from kube_lite.sched.nodes import NodeTable
from kube_lite.sched.plugins.inter_pod_affinity import ANY_REASON, InterPodAffinity
from kube_lite.sched.podinfo import PodInfo
from tests.sched.cluster import info, info_of, node_view, pod_object, table
from tests.sched.plugins.ask import refusals, refused, scores

HOST = "kubernetes.io/hostname"


def _term(labels: dict[str, str], key: str = "zone", **more: Any) -> dict[str, Any]:
    return {"topologyKey": key, "labelSelector": {"matchLabels": labels}, **more}


def _wants(name: str, *, near: Any = (), away: Any = (), labels: dict[str, str] | None = None) -> PodInfo:
    affinity = {
        kind: {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}
        for kind, terms in (("podAffinity", near), ("podAntiAffinity", away))
        if terms
    }
    return info(name, labels=labels, affinity=affinity)


def _nodes(**pods: list[PodInfo]) -> NodeTable:
    """a1 and a2 in zone a, b1 in zone b, x without a zone."""
    return table(
        node_view("a1", labels={"zone": "a"}),
        node_view("a2", labels={"zone": "a"}),
        node_view("b1", labels={"zone": "b"}),
        node_view("x"),
        pods=pods,
    )


WEB = info("web", labels={"app": "web"})

CASES: dict[str, tuple[PodInfo, str]] = {
    "near, by zone": (_wants("p", near=[_term({"app": "web"})]), "b1 x"),
    "near, by host": (_wants("p", near=[_term({"app": "web"}, HOST)]), "a2 b1 x"),
    "near somebody who is nowhere": (_wants("p", near=[_term({"app": "db"})]), "a1 a2 b1 x"),
    "near its own kind, as the first": (_wants("p", near=[_term({"app": "new"})], labels={"app": "new"}), "x"),
    "near two different pods": (_wants("p", near=[_term({"app": "web"}), _term({"app": "db"})]), "a1 a2 b1 x"),
    "away, by zone": (_wants("p", away=[_term({"app": "web"})]), "a1 a2"),
    "away, by host": (_wants("p", away=[_term({"app": "web"}, HOST)]), "a1"),
    "away from pods of another namespace": (_wants("p", away=[_term({"app": "web"}, namespaces=["other"])]), ""),
    "away in all namespaces": (_wants("p", away=[_term({"app": "web"}, namespaceSelector={})]), "a1 a2"),
    "no selector selects nobody": (_wants("p", away=[{"topologyKey": "zone"}]), ""),
    "match label keys": (
        _wants("p", away=[_term({"app": "web"}, matchLabelKeys=["version"])], labels={"version": "2"}),
        "",
    ),
    "an impossible selector selects nobody": (
        _wants(
            "p", away=[{"topologyKey": "zone", "labelSelector": {"matchExpressions": [{"key": "a", "operator": "?"}]}}]
        ),
        "",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_required_terms(case: str) -> None:
    pod, expected = CASES[case]
    assert refused(InterPodAffinity(), pod, _nodes(a1=[WEB])) == expected


def test_namespaces_are_selected_by_their_labels() -> None:
    nodes = _nodes(a1=[WEB])
    nodes.namespaces["ns"] = {"team": "red"}
    red, blue = ({"matchLabels": {"team": team}} for team in ("red", "blue"))
    assert (
        refused(InterPodAffinity(), _wants("p", away=[_term({"app": "web"}, namespaceSelector=red)]), nodes) == "a1 a2"
    )
    assert refused(InterPodAffinity(), _wants("p", away=[_term({"app": "web"}, namespaceSelector=blue)]), nodes) == ""


def test_pods_already_there_keep_others_away_until_they_go() -> None:
    hermit = _wants("hermit", away=[_term({"app": "web"})], labels={"app": "hermit"})
    nodes = _nodes(a1=[hermit])
    plugin = InterPodAffinity()
    reason = "node(s) didn't satisfy existing pods anti-affinity rules"
    assert refusals(plugin, WEB, nodes) == {"a1": [reason, ANY_REASON], "a2": [reason, ANY_REASON]}
    assert refusals(plugin, info("other"), nodes) == {}
    nodes.remove_pod(hermit.uid)
    assert refusals(plugin, WEB, nodes) == {}


def test_reasons_are_upstreams_each_beside_the_general_one() -> None:
    both = _wants("p", near=[_term({"app": "db"})], away=[_term({"app": "web"}, HOST)], labels={"app": "db"})
    db = info("db", labels={"app": "db"})
    assert refusals(InterPodAffinity(), both, _nodes(a1=[WEB], a2=[db])) == {
        "a1": ["node(s) didn't match pod anti-affinity rules", ANY_REASON],
        "b1": ["node(s) didn't match pod affinity rules", ANY_REASON],
        "x": ["node(s) didn't match pod affinity rules", ANY_REASON],
    }


def test_preferred_terms_of_both_sides_score() -> None:
    wish = {"weight": 10, "podAffinityTerm": _term({"app": "web"})}
    dislike = {"weight": 10, "podAffinityTerm": _term({"app": "web"}, HOST)}
    preferred = "preferredDuringSchedulingIgnoredDuringExecution"
    pod = info("p", affinity={"podAffinity": {preferred: [wish]}, "podAntiAffinity": {preferred: [dislike]}})
    # a1: 10 - 10, a2: 10, others 0
    assert scores(InterPodAffinity(), pod, _nodes(a1=[WEB])) == {"a1": 0, "a2": 100, "b1": 0, "x": 0}
    fan = info("fan", affinity={"podAffinity": {preferred: [wish]}})
    assert scores(InterPodAffinity(), WEB, _nodes(b1=[fan])) == {"a1": 0, "a2": 0, "b1": 100, "x": 0}
    bound = _wants("bound", near=[_term({"app": "web"})])
    assert scores(InterPodAffinity(), WEB, _nodes(b1=[bound])) == {"a1": 0, "a2": 0, "b1": 100, "x": 0}
    assert scores(InterPodAffinity(), WEB, _nodes()) is None


def test_pods_that_no_term_is_about_wake_nobody() -> None:
    plugin, waiting = InterPodAffinity(), _wants("p", near=[_term({"app": "db"})])
    stranger = info_of(pod_object("s", labels={"app": "x"}))
    assert not plugin.hint(ClusterEvent(EventKind.POD_ADD, pod=stranger.pod), waiting)
    assert plugin.hint(ClusterEvent(EventKind.POD_ADD, pod=info("db", labels={"app": "db"}).pod), waiting)
