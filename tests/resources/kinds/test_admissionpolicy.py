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


POLICY = resource("admissionregistration.k8s.io", "validatingadmissionpolicies")
RULE = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}


def policy(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": {"matchConstraints": {"resourceRules": [RULE]}, **spec}}


def test_types_can_be_compared_and_messages_cannot_ask_the_authorizer() -> None:
    compared = "type(authorizer.group('').resource('')) == string"
    validation = {"expression": compared, "messageExpression": f"{compared} ? 'yes' : 'no'"}
    conditions = [{"name": "c", "expression": compared}]
    _, errors = create(POLICY, policy(validations=[validation], matchConditions=conditions))
    assert [at for _, at, _ in errors] == ["spec.validations[0].messageExpression"]
    assert "undeclared reference to 'authorizer'" in errors[0][2]
