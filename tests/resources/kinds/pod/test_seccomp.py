"""Seccomp profiles as fields and annotations."""

from __future__ import annotations

from kube_lite.resources.kinds.pod.seccomp import CONTAINER, POD, synchronise_seccomp
from kube_lite.resources.meta import Obj


def test_a_field_gets_its_annotation() -> None:
    local = {"type": "Localhost", "localhostProfile": "p.json"}
    pod: Obj = {
        "metadata": {"name": "x"},
        "spec": {
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "c", "securityContext": {"seccompProfile": local}}, {"name": "d"}],
        },
    }
    synchronise_seccomp(pod)
    assert pod["metadata"]["annotations"] == {POD: "runtime/default", CONTAINER + "c": "localhost/p.json"}


def test_an_annotation_sets_its_field() -> None:
    annotations = {POD: "docker/default", CONTAINER + "c": "unconfined", CONTAINER + "d": "localhost/"}
    pod: Obj = {
        "metadata": {"annotations": dict(annotations)},
        "spec": {"containers": [{"name": "c", "securityContext": {"privileged": True}}, {"name": "d"}]},
    }
    synchronise_seccomp(pod)
    assert pod["metadata"]["annotations"] == annotations
    assert pod["spec"]["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert [c.get("securityContext") for c in pod["spec"]["containers"]] == [
        {"privileged": True, "seccompProfile": {"type": "Unconfined"}},
        None,
    ]


def test_a_pod_without_either_stays_as_it_is() -> None:
    pod: Obj = {"metadata": {}, "spec": {"containers": [{"name": "c"}]}}
    synchronise_seccomp(pod)
    assert pod == {"metadata": {}, "spec": {"containers": [{"name": "c"}]}}
