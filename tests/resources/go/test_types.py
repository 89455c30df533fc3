"""Values as Go prints them: the texts are those of a real API server."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.go.types import go_bytes, go_quantity, go_value

NO_DECIMAL = "d:resource.infDecAmount{Dec:(*inf.Dec)(nil)}"


@pytest.mark.parametrize(
    ("type_", "value", "shown"),
    [
        (
            "policy.PodDisruptionBudgetSpec",
            {"minAvailable": 1},
            "policy.PodDisruptionBudgetSpec{MinAvailable:(*intstr.IntOrString)(0xc000000000), "
            "Selector:(*v1.LabelSelector)(nil), MaxUnavailable:(*intstr.IntOrString)(nil)}",
        ),
        (
            "core.Probe",
            {"tcpSocket": {"port": 1}, "timeoutSeconds": 1},
            "core.Probe{Handler:core.Handler{Exec:(*core.ExecAction)(nil), HTTPGet:(*core.HTTPGetAction)(nil), "
            "TCPSocket:(*core.TCPSocketAction)(0xc000000000)}, InitialDelaySeconds:0, TimeoutSeconds:1, "
            "PeriodSeconds:0, SuccessThreshold:0, FailureThreshold:0}",
        ),
        (
            "core.Toleration",
            {"key": "a", "operator": "Exists", "value": "v"},
            'core.Toleration{Key:"a", Operator:"Exists", Value:"v", Effect:"", TolerationSeconds:(*int64)(nil)}',
        ),
        (
            "core.Lifecycle",
            {"preStop": {"exec": {}}},
            "core.Lifecycle{PostStart:(*core.Handler)(nil), PreStop:(*core.Handler)(0xc000000000)}",
        ),
        (
            "core.Capabilities",
            {"add": ["A"]},
            'core.Capabilities{Add:[]core.Capability{"A"}, Drop:[]core.Capability(nil)}',
        ),
        ("core.ResourceList", None, "core.ResourceList(nil)"),
        ("map[string]string", {"b": "2", "a": "1"}, 'map[string]string{"a":"1", "b":"2"}'),
        ("[]core.HTTPHeader", [{"name": "a"}], '[]core.HTTPHeader{core.HTTPHeader{Name:"a", Value:""}}'),
        ("intstr.IntOrString", "80%", 'intstr.IntOrString{Type:1, IntVal:0, StrVal:"80%"}'),
        ("core.DNSPolicy", "a\x01", '"a\\x01"'),
    ],
)
def test_a_value_is_printed_as_go_source(type_: str, value: Any, shown: str) -> None:
    assert go_value(type_, value) == shown


@pytest.mark.parametrize(
    ("text", "amount", "kept"),
    [
        ("500m", "value:500, scale:-3", 's:"500m", Format:"DecimalSI"'),
        ("2Gi", "value:2147483648, scale:0", 's:"2Gi", Format:"BinarySI"'),
        ("1k", "value:1, scale:3", 's:"1k", Format:"DecimalSI"'),
        ("0.5", "value:5, scale:-1", 's:"", Format:"DecimalSI"'),
        ("-1", "value:-1, scale:0", 's:"-1", Format:"DecimalSI"'),
    ],
)
def test_a_quantity_is_printed_with_its_parts(text: str, amount: str, kept: str) -> None:
    assert go_quantity(text) == f"resource.Quantity{{i:resource.int64Amount{{{amount}}}, {NO_DECIMAL}, {kept}}}"


def test_bytes_are_printed_in_hexadecimal() -> None:
    assert go_bytes(b"x\x00") == "[]byte{0x78, 0x0}"
