"""Admission policies and their bindings: CEL rules instead of webhooks."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources import admission_expressions
from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, child, index, invalid, not_supported, required
from kube_lite.resources.kinds.webhookconfiguration import (
    FAILURE_POLICIES,
    GROUP,
    MATCH_POLICIES,
    default_rules,
    validate_match_conditions,
    validate_rule,
)
from kube_lite.resources.labelselector import validate_label_selector
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, status_alone

ACTIONS = frozenset({"Audit", "Deny", "Warn"})


def _default_match(match: Obj) -> None:
    match.setdefault("matchPolicy", "Equivalent")
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    for name in ("resourceRules", "excludeResourceRules"):
        default_rules(match.get(name) or [])


def _default_policy(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("failurePolicy", "Fail")
    if (match := spec.get("matchConstraints")) is not None:
        _default_match(match)


def _default_binding(obj: Obj) -> None:
    if (match := (obj.get("spec") or {}).get("matchResources")) is not None:
        _default_match(match)


def _match(match: Obj, path: str) -> Errors:
    found: Errors = []
    if (policy := match.get("matchPolicy")) is not None and policy not in MATCH_POLICIES:
        found.append(not_supported(child(path, "matchPolicy"), policy, MATCH_POLICIES))
    for name in ("namespaceSelector", "objectSelector"):
        found.extend(validate_label_selector(match.get(name), child(path, name)))
    for name in ("resourceRules", "excludeResourceRules"):
        for i, rule in enumerate(match.get(name) or ()):
            found.extend(validate_rule(rule, index(child(path, name), i)))
    return found


def _expressions(spec: Obj) -> Errors:
    """What a policy does: validations and annotations, or mutations."""
    found: Errors = []
    for i, validation in enumerate(spec.get("validations") or ()):
        if not validation.get("expression", "").strip():
            found.append(required(child(index("spec.validations", i), "expression"), "expression is not specified"))
    for i, annotation in enumerate(spec.get("auditAnnotations") or ()):
        for name in ("key", "valueExpression"):
            if not annotation.get(name, "").strip():
                found.append(required(child(index("spec.auditAnnotations", i), name)))
    for i, variable in enumerate(spec.get("variables") or ()):
        for name in ("name", "expression"):
            if not variable.get(name, "").strip():
                found.append(required(child(index("spec.variables", i), name)))
    for i, mutation in enumerate(spec.get("mutations") or ()):
        kind = mutation.get("patchType", "")
        at = index("spec.mutations", i)
        if kind not in ("ApplyConfiguration", "JSONPatch"):
            found.append(not_supported(child(at, "patchType"), kind, ("ApplyConfiguration", "JSONPatch")))
    return found


def _validate_policy(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    policy = spec.get("failurePolicy")
    if policy is None:
        found.append(required("spec.failurePolicy"))
    elif policy not in FAILURE_POLICIES:
        found.append(not_supported("spec.failurePolicy", policy, FAILURE_POLICIES))
    if (kind := spec.get("paramKind")) is not None:
        found.extend(required(f"spec.paramKind.{name}") for name in ("apiVersion", "kind") if not kind.get(name))
    match = spec.get("matchConstraints")
    if match is None:
        found.append(required("spec.matchConstraints"))
    else:
        found.extend(_match(match, "spec.matchConstraints"))
        if not match.get("resourceRules"):
            found.append(required("spec.matchConstraints.resourceRules"))
    found.extend(validate_match_conditions(spec.get("matchConditions") or [], "spec.matchConditions"))
    return found + _expressions(spec) + admission_expressions.policy_errors(spec)


def _validate_validating(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found = _validate_policy(obj) + admission_expressions.validation_words(spec)
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        detail = "validations or auditAnnotations must contain at least one item"
        found.append(required("spec.validations", detail))
    return found


def _validate_mutating(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found = _validate_policy(obj)
    if not spec.get("mutations"):
        found.append(required("spec.mutations", "mutations must contain at least one item"))
    policy = spec.get("reinvocationPolicy")
    if policy not in ("IfNeeded", "Never"):
        at = "spec.reinvocationPolicy"
        found.append(not_supported(at, policy, ("IfNeeded", "Never")) if policy else required(at))
    return found


def _validate_binding(obj: Obj, validating: bool) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    if not spec.get("policyName"):
        found.append(required("spec.policyName"))
    if (reference := spec.get("paramRef")) is not None:
        if bool(reference.get("name")) == (reference.get("selector") is not None):
            detail = "one of name or selector must be specified"
            found.append(required("spec.paramRef", detail))
        found.extend(validate_label_selector(reference.get("selector"), "spec.paramRef.selector"))
        action = reference.get("parameterNotFoundAction")
        if action not in ("Allow", "Deny"):
            at = "spec.paramRef.parameterNotFoundAction"
            found.append(not_supported(at, action, ("Deny", "Allow")) if action else required(at))
    if (match := spec.get("matchResources")) is not None:
        found.extend(_match(match, "spec.matchResources"))
    if validating:
        actions = spec.get("validationActions") or []
        at = "spec.validationActions"
        if not actions:
            found.append(required(at, "at least one validation action is required"))
        found.extend(not_supported(index(at, i), a, ACTIONS) for i, a in enumerate(actions) if a not in ACTIONS)
        if {"Deny", "Warn"} <= set(actions):
            detail = (
                "must not contain both Deny and Warn (repeating the same validation failure information in the API "
                "response and headers serves no purpose)"
            )
            found.append(invalid(at, actions, detail))
    return found


def _policy_row(obj: Obj, now: datetime) -> Cells:
    spec = obj.get("spec") or {}
    kind = spec.get("paramKind")
    shown = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else "<unset>"
    return [name_of(obj), len(spec.get("validations") or spec.get("mutations") or ()), shown, age(obj, now)]


def _binding_row(obj: Obj, now: datetime) -> Cells:
    spec = obj.get("spec") or {}
    reference = spec.get("paramRef")
    shown = "<unset>"
    if reference is not None:
        namespace = reference.get("namespace") or "*"
        shown = f"{namespace}/{reference.get('name') or '*'}"
    return [name_of(obj), spec.get("policyName", ""), shown, age(obj, now)]


_BINDING_COLUMNS = (NAME_COLUMN, Column("PolicyName"), Column("ParamRef"), AGE_COLUMN)


def _policy(kind: str, plural: str, what: str, validating: bool) -> Resource:
    validate = _validate_validating if validating else _validate_mutating
    return Resource(
        kind=kind,
        plural=plural,
        group=GROUP,
        definition=f"io.k8s.api.admissionregistration.v1.{kind}",
        namespaced=False,
        categories=("api-extensions",),
        subresources={"status": status_alone()} if validating else {},
        allow_unconditional_update=False,
        default=_default_policy,
        validate=validate,
        validate_update=lambda new, old: validate(new),
        columns=(NAME_COLUMN, Column(what, type="integer"), Column("ParamKind"), AGE_COLUMN),
        row=_policy_row,
    )


def _binding(kind: str, plural: str, validating: bool) -> Resource:
    return Resource(
        kind=kind,
        plural=plural,
        group=GROUP,
        definition=f"io.k8s.api.admissionregistration.v1.{kind}",
        namespaced=False,
        categories=("api-extensions",),
        allow_unconditional_update=False,
        default=_default_binding,
        validate=lambda obj: _validate_binding(obj, validating),
        validate_update=lambda new, old: _validate_binding(new, validating),
        columns=_BINDING_COLUMNS,
        row=_binding_row,
    )


RESOURCES = (
    _policy("MutatingAdmissionPolicy", "mutatingadmissionpolicies", "Mutations", False),
    _binding("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", False),
    _policy("ValidatingAdmissionPolicy", "validatingadmissionpolicies", "Validations", True),
    _binding("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", True),
)
