"""Leases."""

from __future__ import annotations

from typing import Any

from tests.resources.kinds.cases import create, resource, update

KIND = resource("coordination.k8s.io", "leases")
LEASE: dict[str, Any] = {"metadata": {"name": "x"}, "spec": {"holderIdentity": "a"}}
ELECTION = {"spec.strategy": "OldestEmulationVersion", "spec.preferredHolder": "b"}


def test_no_server_decides_an_election() -> None:
    assert create(KIND, {**LEASE, "spec": {**LEASE["spec"], "strategy": "x"}})[0]["spec"] == LEASE["spec"]
    assert update(KIND, LEASE, ELECTION)[0]["spec"] == LEASE["spec"]
