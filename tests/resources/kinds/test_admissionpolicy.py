"""Admission policies and their bindings."""

from __future__ import annotations

from typing import Any

from tests.resources.kinds.cases import BAD, assert_causes, create, resource

BINDING = resource("admissionregistration.k8s.io", "validatingadmissionpolicybindings")


def test_a_selector_of_parameters_must_be_one() -> None:
    selector: dict[str, Any] = {"matchExpressions": [{"key": "a", "operator": "Near"}]}
    reference = {"selector": selector, "parameterNotFoundAction": "Deny"}
    spec = {"policyName": "p", "validationActions": ["Deny"], "paramRef": reference}
    _, errors = create(BINDING, {"metadata": {"name": "b"}, "spec": spec})
    at = "spec.paramRef.selector.matchExpressions[0].operator"
    assert_causes(errors, [(BAD, at, "not a valid selector operator")])
