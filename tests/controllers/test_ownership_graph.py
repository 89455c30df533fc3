"""Whose deletion is remembered: of owners as long as somebody refers to them, of others for a while."""

from __future__ import annotations

import pytest

from kube_lite.controllers import ownership_graph
from kube_lite.controllers.ownership_graph import OwnershipGraph
from kube_lite.resources.meta import ObjectMeta, OwnerReference


def meta(uid: str, *owners: str) -> ObjectMeta:
    references = [OwnerReference(kind="Deployment", name=owner, uid=owner) for owner in owners]
    return ObjectMeta(name=uid, uid=uid, owner_references=references)


def test_a_deletion_is_remembered_while_there_are_dependants_however_many_follow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ownership_graph, "REMEMBERED_DELETIONS", 10)
    graph = OwnershipGraph()
    graph.put("deployments", meta("owner"))
    for name in ("a", "b"):
        graph.put("pods", meta(name, "owner"))
    graph.remove("owner")
    for number in range(100):
        graph.put("pods", meta(f"p{number}"))
        graph.remove(f"p{number}")
    assert graph.saw_deletion("owner")
    assert graph.saw_deletion("p99")  # a dependant may still come late
    assert not graph.saw_deletion("p0")
    graph.remove("a")
    assert graph.saw_deletion("owner")
    graph.remove("b")
    assert graph.saw_deletion("owner")
    for number in range(100):
        graph.put("pods", meta(f"p{number}"))
        graph.remove(f"p{number}")
    assert not graph.saw_deletion("owner")
    assert not graph._survived
    assert len(graph._deleted) == 10


def test_an_owner_that_is_there_again_is_not_deleted() -> None:
    graph = OwnershipGraph()
    graph.put("deployments", meta("owner"))
    graph.put("pods", meta("a", "owner"))
    graph.remove("owner")
    graph.put("deployments", meta("owner"))
    assert not graph.saw_deletion("owner")
