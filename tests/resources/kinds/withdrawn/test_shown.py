"""What betas show of what controllers write in the versions of today."""

from __future__ import annotations

from typing import Any

from kube_lite.resources.kinds.withdrawn import shown


def _entry(version: str, **owned: Any) -> dict[str, Any]:
    return {"manager": "kcm", "apiVersion": version, "fieldsV1": {f"f:{name}": value for name, value in owned.items()}}


def test_who_wrote_the_conditions_of_an_autoscaler_wrote_an_annotation() -> None:
    conditions: dict[str, Any] = {"k": {}}
    alone, beside = {"f:conditions": conditions}, {"f:conditions": dict(conditions), "f:currentReplicas": {}}
    other = _entry("autoscaling/v2", spec={})
    entries = [_entry("autoscaling/v2", status=alone), _entry("autoscaling/v2", status=beside), other]
    obj = {"metadata": {"managedFields": entries}, "status": {"conditions": [{}]}}
    shown.autoscaler(obj)
    noted: dict[str, Any] = {"f:annotations": {".": {}, "f:autoscaling.alpha.kubernetes.io/conditions": {}}}
    assert entries[0] == _entry("autoscaling/v1", metadata=noted)
    assert entries[1] == _entry("autoscaling/v1", metadata=noted, status={"f:currentReplicas": {}})
    assert other == _entry("autoscaling/v2", spec={})
    assert obj["status"] == {"conditions": [{}]}


def test_endpoints_of_a_beta_slice_are_ready_or_not() -> None:
    ready = {"ready": True, "serving": True, "terminating": False}
    entry = _entry("discovery.k8s.io/v1", endpoints={})
    obj = {"metadata": {"managedFields": [entry]}, "endpoints": [{"conditions": ready}, {}]}
    shown.endpoint_slice(obj)
    assert obj["endpoints"] == [{"conditions": {"ready": True}}, {}]
    assert entry["apiVersion"] == "discovery.k8s.io/v1beta1"
