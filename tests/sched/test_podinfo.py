"""What a pod asks for."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.meta import Obj
from tests.sched.cluster import info_of


def _container(cpu: str, memory: str = "", **more: Any) -> Obj:
    requests = {"cpu": cpu, **({"memory": memory} if memory else {})}
    return {"name": f"c{cpu}", "image": "i", "resources": {"requests": requests}, **more}


def _pod(containers: list[Obj], initial: list[Obj], **spec: Any) -> Obj:
    return {
        "metadata": {"name": "p", "uid": "u"},
        "spec": {"containers": containers, "initContainers": initial, **spec},
    }


SIDECAR = {"restartPolicy": "Always"}

CASES: dict[str, tuple[Obj, int]] = {
    "containers add up": (_pod([_container("1"), _container("2")], []), 3000),
    "the largest init container counts when it is more": (
        _pod([_container("1")], [_container("4"), _container("3")]),
        4000,
    ),
    "a smaller one does not": (_pod([_container("2")], [_container("1")]), 2000),
    "sidecars run beside the containers": (_pod([_container("2")], [_container("1", **SIDECAR)]), 3000),
    "and beside the init containers after them": (
        _pod([_container("1")], [_container("2", **SIDECAR), _container("5")]),
        7000,
    ),
    "but not beside those before them": (
        _pod([_container("1")], [_container("5"), _container("2", **SIDECAR)]),
        5000,
    ),
    "overhead comes on top": (_pod([_container("1")], [_container("2")], overhead={"cpu": "250m"}), 2250),
}


@pytest.mark.parametrize("case", CASES)
def test_requests(case: str) -> None:
    obj, milli_cpu = CASES[case]
    assert info_of(obj).requests["cpu"] == milli_cpu


def test_only_containers_that_name_no_request_get_a_default_for_scores() -> None:
    obj = _pod([_container("0"), {"name": "d", "image": "i"}], [])
    found = info_of(obj)
    assert (found.requests.get("cpu"), found.requests.get("memory")) == (0, None)
    assert (found.nonzero_cpu, found.nonzero_memory) == (100, 400 * 1024 * 1024)


def test_a_request_that_is_no_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        info_of(_pod([_container("lots")], []))


def test_pods_are_alike_when_only_name_labels_and_environment_differ() -> None:
    one, other = _pod([_container("1")], []), _pod([_container("1", env=[{"name": "A", "value": "b"}])], [])
    other["metadata"] = {"name": "q", "uid": "v", "labels": {"x": "y"}}
    assert info_of(one).signature == info_of(other).signature
    assert info_of(one).signature != info_of(_pod([_container("2")], [])).signature
