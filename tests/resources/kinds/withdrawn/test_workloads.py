"""Versions that Kubernetes has dropped."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import REGISTRY, create, resource

OLD: dict[str, Any] = {
    "apiVersion": "extensions/v1beta1",
    "metadata": {"name": "x"},
    "spec": {
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    },
}


@pytest.mark.parametrize(
    ("group", "version", "surge", "history"),
    [("extensions", "v1beta1", 1, 2**31 - 1), ("apps", "v1beta1", "25%", 2)],
)
def test_old_deployments_select_by_their_template(group: str, version: str, surge: int | str, history: int) -> None:
    made, errors = create(resource(group, "deployments", version), OLD)
    assert not errors
    assert made["spec"]["selector"] == {"matchLabels": {"a": "b"}}
    assert made["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == surge
    assert made["spec"]["revisionHistoryLimit"] == history


@pytest.mark.parametrize(
    ("group", "plural", "version"),
    [("extensions", "daemonsets", "v1beta1"), ("apps", "statefulsets", "v1beta1")],
)
def test_pods_of_old_were_replaced_when_somebody_deleted_them(group: str, plural: str, version: str) -> None:
    old = {**OLD, "spec": {**OLD["spec"], "serviceName": "s", "templateGeneration": 2}}
    made, errors = create(resource(group, plural, version), old)
    assert not errors
    assert made["spec"]["selector"] == {"matchLabels": {"a": "b"}}
    assert made["spec"]["updateStrategy"] == {"type": "OnDelete"}
    asked = {**OLD, "spec": {**old["spec"], "updateStrategy": {"type": "RollingUpdate"}}}
    assert create(resource(group, plural, version), asked)[0]["spec"]["updateStrategy"]["type"] == "RollingUpdate"


def test_old_replica_sets_select_by_their_template() -> None:
    made, errors = create(resource("extensions", "replicasets", "v1beta1"), OLD)
    assert not errors
    assert made["spec"]["selector"] == {"matchLabels": {"a": "b"}}


def test_old_versions_are_stored_as_the_current_one() -> None:
    kind = resource("extensions", "deployments", "v1beta1")
    assert kind.convert_to_storage is not None
    assert kind.convert_from_storage is not None
    stored = kind.convert_to_storage(OLD)
    assert stored["apiVersion"] == "apps/v1"
    assert kind.convert_from_storage(stored) == OLD


@pytest.mark.parametrize("name", ["deployments", "deploy", "poddisruptionbudgets", "pdb", "cronjobs"])
def test_the_current_version_is_the_preferred_one(name: str) -> None:
    found = REGISTRY.named(name)
    assert found is not None
    assert found.version == "v1"


def test_the_warning_names_the_successor() -> None:
    warning = resource("policy", "poddisruptionbudgets", "v1beta1").deprecation
    assert warning == (
        "policy/v1beta1 PodDisruptionBudget is deprecated in v1.21+, unavailable in v1.25+; "
        "use policy/v1 PodDisruptionBudget"
    )
