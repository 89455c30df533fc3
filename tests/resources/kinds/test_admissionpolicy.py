"""Admission policies and their bindings."""

from __future__ import annotations

from typing import Any

import pytest

from kube_lite.resources.kinds.admissionpolicy.policy import validate_status
from tests.resources.kinds.cases import (
    BAD,
    MANY,
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

GROUP = "admissionregistration.k8s.io"
POLICY = resource(GROUP, "validatingadmissionpolicies")
BINDING = resource(GROUP, "validatingadmissionpolicybindings")
MUTATING = resource(GROUP, "mutatingadmissionpolicies")
MUTATING_BINDING = resource(GROUP, "mutatingadmissionpolicybindings")
RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
CONSTRAINTS = {"matchConstraints": {"resourceRules": [RULE]}}
VALID: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {**CONSTRAINTS, "validations": [{"expression": "true"}]}}
PATCH = {"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: JSONPatch{op: 'add'}.op}] + []"}}
MUTATES: dict[str, Any] = {
    "metadata": {"name": "p"},
    "spec": {**CONSTRAINTS, "reinvocationPolicy": "Never", "mutations": [PATCH]},
}
BOUND: dict[str, Any] = {"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}}
FIRST, ANNOTATION, NOTES = "spec.validations[0]", "spec.auditAnnotations[0]", "spec.auditAnnotations"
KIND, REF, RULES = "spec.paramKind", "spec.paramRef", "spec.matchConstraints.resourceRules"
NOTHING = "validations or auditAnnotations must contain at least one item"
PATCHES = "spec.mutations.0.jsonPatch.expression"
BOTH = "name and selector are mutually exclusive"


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({"spec.validations.0.expression": "true ||\nfalse"}, []),
        ({"spec.validations": []}, [(NEEDED, "spec.validations", NOTHING), (NEEDED, NOTES, NOTHING)]),
        ({"spec.validations.0.expression": " "}, [(NEEDED, f"{FIRST}.expression", "expression is not specified")]),
        ({"spec.validations.0.message": "a\rb"}, [(BAD, f"{FIRST}.message", "must not contain line breaks")]),
        ({"spec.failurePolicy": ""}, [(UNKNOWN, "spec.failurePolicy", '"": supported values: "Fail", "Ignore"')]),
        ({"spec.validations.0.reason": "Conflict"}, [(UNKNOWN, f"{FIRST}.reason", '"RequestEntityTooLarge"')]),
        (
            {"spec.validations.0.messageExpression": "string(authorizer.path('/').check('get').allowed())"},
            [(BAD, f"{FIRST}.messageExpression", "undeclared reference to 'authorizer'")],
        ),
        ({KIND: {"apiVersion": "a/b/c", "kind": "K"}}, [(BAD, f"{KIND}.apiVersion", "unexpected GroupVersion")]),
        ({KIND: {"apiVersion": "a/", "kind": "K"}}, [(BAD, f"{KIND}.apiVersion", '"a/": version must be specified')]),
        (
            {KIND: {"apiVersion": "A_/1", "kind": "K_"}},
            [
                (BAD, f"{KIND}.apiVersion", '"A_": a lowercase'),
                (BAD, f"{KIND}.apiVersion", '"1": a DNS-1035'),
                (BAD, f"{KIND}.kind", '"K_": may have mixed case, but should otherwise match: a DNS-1035'),
            ],
        ),
        ({"spec.variables": [{"expression": "1"}]}, [(NEEDED, "spec.variables[0].name", "name is not specified")]),
        (
            {"spec.variables": [{"name": "in"}]},
            [
                (BAD, "spec.variables[0].name", "not a valid CEL identifier"),
                (NEEDED, "spec.variables[0].expression", "expression is not specified"),
            ],
        ),
        (
            {f"{RULES}.0.resourceNames": ["a/b", "c", "c"]},
            [(BAD, f"{RULES}[0].resourceNames[0]", "may not contain"), (TWICE, f"{RULES}[0].resourceNames[2]", '"c"')],
        ),
        (
            {"spec.matchConditions": [{"expression": "1"}, {"name": "a", "expression": "true"}, {"name": "a"}]},
            [
                (BAD, "spec.matchConditions[0].expression", "must evaluate to bool"),
                (NEEDED, "spec.matchConditions[0].name", ""),
                (NEEDED, "spec.matchConditions[2].expression", ""),
                (TWICE, "spec.matchConditions[2].name", '"a"'),
            ],
        ),
        (
            {"spec.matchConditions": [{"name": f"a{i}", "expression": "true"} for i in range(65)]},
            [(MANY, "spec.matchConditions", "65: must have at most 64 items")],
        ),
        (
            {NOTES: [{"key": "k", "valueExpression": "'v'"}, {"key": "k"}]},
            [
                (NEEDED, f"{NOTES}[1].valueExpression", "valueExpression is not specified"),
                (TWICE, f"{NOTES}[1].key", '"k"'),
            ],
        ),
        (
            {NOTES: [{"key": "k_", "valueExpression": f"'{'v' * 5120}'"}]},
            [
                (BAD, f"{ANNOTATION}.key", '"p/k_": name part must consist'),
                (NEEDED, f"{ANNOTATION}.valueExpression", "must not exceed 5120 bytes in length"),
            ],
        ),
        (
            {NOTES: [{"key": f"k{i}", "valueExpression": "'v'"} for i in range(21)]},
            [(BAD, NOTES, 'AuditAnnotation{Key:"k0", ValueExpression:"\'v\'"}, admissionregistration.AuditAnn')],
        ),
    ],
)
def test_rules_of_validating_policies(change: Change, causes: list[Cause]) -> None:
    assert_create(POLICY, VALID, change, causes)


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({}, []),
        ({"spec.reinvocationPolicy": None}, [(NEEDED, "spec.reinvocationPolicy", "")]),
        ({"spec.mutations": []}, [(NEEDED, "spec.mutations", "must contain at least one item")]),
        ({"spec.mutations": [{}]}, [(NEEDED, "spec.mutations[0].patchType", "")]),
        ({"spec.mutations.0.patchType": "x"}, [(UNKNOWN, "spec.mutations[0].patchType", '"ApplyConfiguration"')]),
        ({PATCHES: " "}, [(NEEDED, "spec.mutations[0].jsonPatch.expression", "")]),
        ({PATCHES: "[]"}, [(BAD, "spec.mutations[0].jsonPatch.expression", '"[]": must evaluate to list(JSONPatch)')]),
        ({PATCHES: "[JSONPatch{?from: optional.of('a'), value: 1, path: object.spec.x}]"}, []),
        (
            {PATCHES: "[JSONPatch{op: 1}]"},
            [
                (
                    BAD,
                    "spec.mutations[0].jsonPatch.expression",
                    "<input>:1:14: expected type of field 'op' is 'string' but provided type is 'int'",
                )
            ],
        ),
        (
            {PATCHES: "[JSONPatch{to: 'a'}]"},
            [(BAD, "spec.mutations[0].jsonPatch.expression", "<input>:1:14: undefined field 'to'")],
        ),
        (
            {"spec.mutations.0.patchType": "ApplyConfiguration"},
            [
                (NEEDED, "spec.mutations[0].applyConfiguration", "must be specified when patchType is ApplyConfigur"),
                (BAD, "spec.mutations[0].jsonPatch", '"{jsonPatch}": must not be specified when patchType is Apply'),
            ],
        ),
        (
            {f"{RULES}.0.operations": ["UPDATE", "DELETE"]},
            [(UNKNOWN, f"{RULES}.operations", '"DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"')],
        ),
    ],
)
def test_rules_of_mutating_policies(change: Change, causes: list[Cause]) -> None:
    assert_create(MUTATING, MUTATES, change, causes)


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({}, []),
        ({"spec.policyName": "P"}, [(BAD, "spec.policyName", "RFC 1123 subdomain")]),
        ({REF: {"parameterNotFoundAction": "Deny"}}, [(NEEDED, REF, "one of name or selector must be specified")]),
        (
            {REF: {"name": "a/b", "selector": {}, "parameterNotFoundAction": "x"}},
            [
                (BAD, f"{REF}.name", "may not contain '/'"),
                (NOT_HERE, f"{REF}.name", BOTH),
                (NOT_HERE, f"{REF}.selector", BOTH),
                (UNKNOWN, f"{REF}.parameterNotFoundAction", 'supported values: "Deny", "Allow"'),
            ],
        ),
        ({"spec.validationActions": []}, [(NEEDED, "spec.validationActions", "at least one validation action")]),
        (
            {"spec.validationActions": ["Deny", "Deny", "x", "Warn"]},
            [
                (TWICE, "spec.validationActions[1]", '"Deny"'),
                (UNKNOWN, "spec.validationActions[2]", '"Audit", "Deny", "Warn"'),
                (BAD, "spec.validationActions", "must not contain both Deny and Warn"),
            ],
        ),
    ],
)
def test_rules_of_bindings(change: Change, causes: list[Cause]) -> None:
    assert_create(BINDING, BOUND, change, causes)


def test_nothing_is_mutated_that_is_deleted() -> None:
    match = {"resourceRules": [{**RULE, "operations": ["DELETE"]}]}
    at = "spec.matchResources.resourceRules.operations"
    bound = {"metadata": {"name": "b"}, "spec": {"policyName": "p"}}
    assert_create(MUTATING_BINDING, bound, {"spec.matchResources": match}, [(UNKNOWN, at, '"DELETE"')])


def test_a_selector_of_parameters_must_be_one() -> None:
    selector: dict[str, Any] = {"matchExpressions": [{"key": "a", "operator": "Near"}]}
    reference = {"selector": selector, "parameterNotFoundAction": "Deny"}
    spec = {"policyName": "p", "validationActions": ["Deny"], "paramRef": reference}
    _, errors = create(BINDING, {"metadata": {"name": "b"}, "spec": spec})
    at = "spec.paramRef.selector.matchExpressions[0].operator"
    assert_causes(errors, [(BAD, at, "not a valid selector operator")])


def test_a_new_policy_has_no_status_and_one_written_says_what_and_where() -> None:
    made, _ = create(POLICY, {**VALID, "status": {"observedGeneration": 3}})
    assert made["status"] == {}
    status = {"typeChecking": {"expressionWarnings": [{}]}, "conditions": [{"type": "A", "status": "x"}]}
    found = [(e.reason, e.field) for e in validate_status({"status": status}, VALID)]
    at = "status.typeChecking.expressionWarnings[0]"
    conditions = [(UNKNOWN, "status.conditions[0].status"), (NEEDED, "status.conditions[0].lastTransitionTime")]
    assert found[:4] == [(NEEDED, f"{at}.warning"), (NEEDED, f"{at}.fieldRef"), *conditions]
