"""Admission policies and their bindings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    TWICE,
    UNKNOWN,
    Cause,
    Change,
    assert_causes,
    assert_create,
    create,
    resource,
)

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


MATCH = {"matchConstraints": {"resourceRules": [RULE]}}
VALID: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {**MATCH, "validations": [{"expression": "true"}]}}
FIRST = "spec.validations[0]"
NOTE = {"key": "k", "valueExpression": "'v'"}


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({}, []),
        ({"spec.paramKind": {"apiVersion": "a/b/c", "kind": "K"}}, [(BAD, "spec.paramKind.apiVersion", "unexpected")]),
        (
            {"spec.paramKind": {"apiVersion": "g/", "kind": "K"}},
            [(BAD, "spec.paramKind.apiVersion", "version must be")],
        ),
        ({"spec.paramKind": {"apiVersion": "v1", "kind": "K_"}}, [(BAD, "spec.paramKind.kind", "may have mixed case")]),
        (
            {"spec.matchConstraints.resourceRules.0.resourceNames": ["a", "a", "b/c"]},
            [
                (TWICE, "spec.matchConstraints.resourceRules[0].resourceNames[1]", '"a"'),
                (BAD, "spec.matchConstraints.resourceRules[0].resourceNames[2]", "may not contain '/'"),
            ],
        ),
        ({"spec.validations.0.reason": "Unauthorized"}, [(UNKNOWN, f"{FIRST}.reason", '"Unauthorized"')]),
        (
            {"spec.validations": []},
            [(NEEDED, "spec.validations", "at least one"), (NEEDED, "spec.auditAnnotations", "at least one")],
        ),
        ({"spec.auditAnnotations": [NOTE, NOTE]}, [(TWICE, "spec.auditAnnotations[1].key", '"k"')]),
        (
            {"spec.auditAnnotations": [{**NOTE, "key": "a b"}]},
            [(BAD, "spec.auditAnnotations[0].key", "name part must")],
        ),
        (
            {"spec.auditAnnotations": [{**NOTE, "valueExpression": f"'{'x' * 5120}'"}]},
            [(NEEDED, "spec.auditAnnotations[0].valueExpression", "must not exceed 5120 bytes in length")],
        ),
        (
            {"spec.variables": [{"name": "while", "expression": ""}]},
            [(NEEDED, "spec.variables[0].expression", "expression is not specified")],
        ),
        (
            {"spec.variables": [{"name": "while", "expression": "1"}]},
            [(BAD, "spec.variables[0].name", "CEL identifier")],
        ),
        (
            {"spec.matchConditions": [{"name": f"n{i}", "expression": "true"} for i in range(65)]},
            [("FieldValueTooMany", "spec.matchConditions", "Too many: 65: must have at most 64 items")],
        ),
    ],
)
def test_a_new_policy(change: Change, causes: list[Cause]) -> None:
    assert_create(POLICY, VALID, change, causes)


CHANGING: dict[str, Any] = {
    "metadata": {"name": "p"},
    "spec": {
        **MATCH,
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}],
    },
}
MUTATION = "spec.mutations[0]"


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({}, []),
        ({"spec.mutations.0.patchType": ""}, [(NEEDED, f"{MUTATION}.patchType", "")]),
        ({"spec.mutations.0.patchType": "Merge"}, [(UNKNOWN, f"{MUTATION}.patchType", '"Merge"')]),
        (
            {"spec.mutations.0.patchType": "ApplyConfiguration"},
            [
                (NEEDED, f"{MUTATION}.applyConfiguration", "must be specified when patchType is ApplyConfiguration"),
                (BAD, f"{MUTATION}.jsonPatch", "must not be specified when patchType is ApplyConfiguration"),
            ],
        ),
        ({"spec.mutations.0.jsonPatch.expression": ""}, [(NEEDED, f"{MUTATION}.jsonPatch.expression", "")]),
        (
            {"spec.matchConstraints.resourceRules.0.operations": ["CREATE", "DELETE"]},
            [(UNKNOWN, "spec.matchConstraints.resourceRules.operations", '"DELETE": supported values: "*", "CONNECT"')],
        ),
    ],
)
def test_a_new_policy_that_changes(change: Change, causes: list[Cause]) -> None:
    kind = resource("admissionregistration.k8s.io", "mutatingadmissionpolicies")
    assert_create(kind, CHANGING, change, causes)


BOUND: dict[str, Any] = {"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}}
REFERENCE = {"name": "n", "parameterNotFoundAction": "Deny"}


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({}, []),
        ({"spec.policyName": "P"}, [(BAD, "spec.policyName", "a lowercase RFC 1123 subdomain")]),
        ({"spec.validationActions": ["Deny", "Deny"]}, [(TWICE, "spec.validationActions[1]", '"Deny"')]),
        (
            {"spec.paramRef": {**REFERENCE, "selector": {}}},
            [
                (NOT_HERE, "spec.paramRef.name", "name and selector are mutually exclusive"),
                (NOT_HERE, "spec.paramRef.selector", "name and selector are mutually exclusive"),
            ],
        ),
        ({"spec.paramRef": {**REFERENCE, "name": "a/b"}}, [(BAD, "spec.paramRef.name", "may not contain '/'")]),
        (
            {"spec.paramRef": {"parameterNotFoundAction": "Deny"}},
            [(NEEDED, "spec.paramRef", "one of name or selector must be specified")],
        ),
    ],
)
def test_a_new_binding(change: Change, causes: list[Cause]) -> None:
    assert_create(BINDING, BOUND, change, causes)
