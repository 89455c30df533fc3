"""The Available condition: what the Service and its endpoints say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from kube_lite.api.aggregation.conditions import LOCAL, PASSED, Availability, unreachable, with_condition
from kube_lite.api.aggregation.documents import aggregated_resources
from kube_lite.api.authz.attributes import Attributes
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource

API_SERVICE: Obj = {"spec": {"service": {"namespace": "n", "name": "s", "port": 443}}}


class Objects:
    """What is stored."""

    def __init__(self, service: Obj | None, pieces: list[Obj]) -> None:
        self._service, self._pieces = service, pieces

    def lookup(self, group_resource: str, namespace: str, name: str) -> Obj | None:
        return self._service

    def select(self, group_resource: str, namespace: str = "") -> list[Obj]:
        return self._pieces

    async def internal_status(self, group_resource: str, namespace: str, obj: Obj) -> None:
        raise AssertionError("nothing is written")

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        return None

    def decide(self, attributes: Attributes) -> tuple[bool, str]:
        raise AssertionError("nobody is asked about")

    def equivalents(self, resource: Resource) -> Sequence[Resource]:
        return ()


def service(port: int = 443, kind: str = "ClusterIP") -> Obj:
    return {"spec": {"type": kind, "ports": [{"name": "https", "port": port}]}}


def piece(addresses: list[str], ready: bool = True, port: str = "https") -> Obj:
    endpoints = [{"addresses": addresses, "conditions": {"ready": ready}}]
    labels = {"kubernetes.io/service-name": "s"}
    return {"metadata": {"labels": labels}, "endpoints": endpoints, "ports": [{"name": port, "port": 1}]}


@pytest.mark.parametrize(
    ("stored", "pieces", "reason", "message"),
    [
        (None, [], "ServiceNotFound", 'service/s in "n" is not present'),
        (service(80), [], "ServicePortError", 'service/s in "n" is not listening on port 443'),
        (service(), [], "EndpointsNotFound", 'cannot find endpoints for service/s in "n"'),
        (
            service(),
            [piece([])],
            "MissingEndpoints",
            'endpoints for service/s in "n" have no addresses with port name "https"',
        ),
        (
            service(),
            [piece(["10.0.0.1"], ready=False), piece(["10.0.0.1"], port="other")],
            "MissingEndpoints",
            'endpoints for service/s in "n" have no addresses with port name "https"',
        ),
    ],
)
def test_a_service_that_cannot_be_asked_is_told_why(
    stored: Obj | None, pieces: list[Obj], reason: str, message: str
) -> None:
    assert unreachable(API_SERVICE, Objects(stored, pieces)) == Availability(False, reason, message)


@pytest.mark.parametrize("stored", [service(), service(kind="ExternalName")])
def test_one_with_endpoints_or_elsewhere_can_be_asked(stored: Obj) -> None:
    assert unreachable(API_SERVICE, Objects(stored, [piece(["10.0.0.1"])])) is None


def test_the_transition_time_tells_when_the_status_changed() -> None:
    first = with_condition({"status": {"conditions": [{"type": "Other"}]}}, LOCAL)
    first["conditions"][1]["lastTransitionTime"] = "2020-01-01T00:00:00Z"
    second = with_condition({"status": first}, PASSED)
    assert [c["type"] for c in second["conditions"]] == ["Other", "Available"]
    assert second["conditions"][1]["lastTransitionTime"] == "2020-01-01T00:00:00Z"
    third = with_condition({"status": second}, Availability(False, "ServiceNotFound", "x"))
    assert third["conditions"][1]["lastTransitionTime"] != "2020-01-01T00:00:00Z"


def test_a_list_of_resources_becomes_a_part_of_aggregated_discovery() -> None:
    listed: dict[str, Any] = {
        "resources": [
            {"name": "nodes/status", "kind": "Node", "verbs": ["get"]},
            {"name": "nodes", "kind": "Node", "namespaced": False, "verbs": ["list", "get"], "shortNames": ["no"]},
            {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": []},
            "nonsense",
            {"kind": "Nameless"},
        ]
    }
    nodes, pods = aggregated_resources("g", "v1", listed)
    assert nodes == {
        "resource": "nodes",
        "responseKind": {"group": "g", "version": "v1", "kind": "Node"},
        "scope": "Cluster",
        "singularResource": "node",
        "verbs": ["get", "list"],
        "shortNames": ["no"],
        "subresources": [
            {
                "subresource": "status",
                "responseKind": {"group": "g", "version": "v1", "kind": "Node"},
                "verbs": ["get"],
            }
        ],
    }
    assert pods["scope"] == "Namespaced"
