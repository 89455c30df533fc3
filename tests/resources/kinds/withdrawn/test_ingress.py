"""Ingresses of v1beta1: backends by name and port."""

from __future__ import annotations

import pytest

from kube_lite.resources.kinds.withdrawn.ingress import ANY_PATH
from tests.resources.kinds.cases import BAD, NEEDED, Change, assert_create, changed, create, resource, update
from tests.resources.kinds.withdrawn.conversions import Obj, assert_same, shown_as

GROUPS = ["networking.k8s.io", "extensions"]


def path(backend: Obj, kind: str = "Prefix") -> Obj:
    return {"path": "/x", "pathType": kind, "backend": backend}


def ingress(default: str, backend: Obj, *paths: Obj) -> Obj:
    spec = {default: backend, "rules": [{"host": "a.b", "http": {"paths": list(paths)}}, {"host": "c.d"}]}
    return {"metadata": {"name": "x"}, "spec": spec}


RESOURCE = {"resource": {"apiGroup": "k8s.example.com", "kind": "Bucket", "name": "b"}}
OLD = ingress(
    "backend",
    {"serviceName": "s", "servicePort": 80},
    path({"serviceName": "q", "servicePort": "web"}),
    path(RESOURCE),
)
NEW = ingress(
    "defaultBackend",
    {"service": {"name": "s", "port": {"number": 80}}},
    path({"service": {"name": "q", "port": {"name": "web"}}}),
    path(RESOURCE),
)


@pytest.mark.parametrize("group", GROUPS)
def test_backends_are_converted_both_ways(group: str) -> None:
    assert_same(group, "ingresses", "v1beta1", OLD, NEW)


@pytest.mark.parametrize("group", GROUPS)
def test_a_path_that_says_no_type_is_for_the_implementation(group: str) -> None:
    old = changed(OLD, {"spec.rules.0.http.paths.0.pathType": None})
    made, causes = create(resource(group, "ingresses", "v1beta1"), old)
    assert not causes
    assert [p["pathType"] for p in made["spec"]["rules"][0]["http"]["paths"]] == [ANY_PATH, "Prefix"]
    assert made["status"] == {"loadBalancer": {}}


def test_a_service_without_a_port_shows_the_zero_port() -> None:
    shown = shown_as(
        "networking.k8s.io", "ingresses", "v1beta1", {"spec": {"defaultBackend": {"service": {"name": "s"}}}}
    )
    assert shown["spec"]["backend"] == {"serviceName": "s", "servicePort": 0}


@pytest.mark.parametrize(
    ("change", "reason", "field", "message"),
    [
        ({"spec.backend.serviceName": "A_b"}, BAD, "spec.backend.serviceName", "a DNS-1035 label"),
        ({"spec.backend.servicePort": 70000}, BAD, "spec.backend.servicePort", "must be between 1 and 65535"),
        ({"spec.backend.servicePort": None}, NEEDED, "spec.backend", "port name or number is required"),
        ({"spec": {}}, BAD, "spec", "either `backend` or `rules` must be specified"),
    ],
)
def test_refusals_name_the_fields_of_the_old_version(change: Change, reason: str, field: str, message: str) -> None:
    assert_create(resource("networking.k8s.io", "ingresses", "v1beta1"), OLD, change, [(reason, field, message)])


def test_a_beta_takes_any_name_of_a_secret_which_v1_then_keeps() -> None:
    named = {"spec.tls": [{"secretName": "A_b"}]}
    assert_create(resource("networking.k8s.io", "ingresses", "v1beta1"), OLD, named, [])
    today = resource("networking.k8s.io", "ingresses", "v1")
    refused = [(BAD, "spec.tls[0].secretName", "RFC 1123 subdomain")]
    assert_create(today, NEW, named, refused)
    bad = changed(NEW, named)
    assert [len(today.validate_update(bad, old)) for old in (bad, NEW)] == [0, 1]


def test_an_update_keeps_the_status() -> None:
    new, causes = update(
        resource("extensions", "ingresses", "v1beta1"), OLD, {"spec.backend.servicePort": 81, "status": {}}
    )
    assert not causes
    assert new["status"] == {"loadBalancer": {}}
    assert new["spec"]["backend"] == {"serviceName": "s", "servicePort": 81}


def test_short_names_stay_with_the_group_of_today() -> None:
    assert resource("networking.k8s.io", "ingresses", "v1beta1").short_names == ("ing",)
    assert not resource("extensions", "ingresses", "v1beta1").short_names
