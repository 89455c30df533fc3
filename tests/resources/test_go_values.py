"""Objects as Go prints them."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.go_values import literal
from kube_lite.resources.schema import type_of

CORE = "io.k8s.api.core.v1."


@pytest.mark.parametrize(
    ("name", "json", "shown"),
    [
        (
            "Toleration",
            {"key": "a", "operator": "Exists", "value": "v"},
            'core.Toleration{Key:"a", Operator:"Exists", Value:"v", Effect:"", TolerationSeconds:(*int64)(nil)}',
        ),
        (
            "Lifecycle",
            {"preStop": {"exec": {}}},
            "core.Lifecycle{PostStart:(*core.Handler)(nil), PreStop:(*core.Handler)(0xc000000000)}",
        ),
        (
            "Probe",
            {"tcpSocket": {"port": 80}, "timeoutSeconds": 1},
            "core.Probe{Handler:core.Handler{Exec:(*core.ExecAction)(nil), HTTPGet:(*core.HTTPGetAction)(nil), "
            "TCPSocket:(*core.TCPSocketAction)(0xc000000000)}, InitialDelaySeconds:0, TimeoutSeconds:1, "
            "PeriodSeconds:0, SuccessThreshold:0, FailureThreshold:0}",
        ),
        ("Capabilities", {"add": ["A"]}, 'core.Capabilities{Add:[]core.Capability{"A"}, Drop:[]core.Capability(nil)}'),
        (
            "TCPSocketAction",
            {"port": "web"},
            'core.TCPSocketAction{Port:intstr.IntOrString{Type:1, IntVal:0, StrVal:"web"}, Host:""}',
        ),
    ],
)
def test_a_literal_names_types_and_fields(name: str, json: dict[str, Any], shown: str) -> None:
    assert literal(type_of(CORE + name), json) == shown
