"""Admission policies and their bindings: CEL rules instead of webhooks."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources import admission_expressions, names
from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, child, duplicate, forbidden, index, invalid, not_supported, required
from kube_lite.resources.go.types import go_value
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
from kube_lite.resources.rules import dns_subdomain, qualified_name

ACTIONS = frozenset({"Audit", "Deny", "Warn"})
REASONS = frozenset({"Forbidden", "Invalid", "RequestEntityTooLarge"})
CHANGING = frozenset({"*", "CONNECT", "CREATE", "UPDATE"})
"""The operations that a mutating policy can be for."""
MAX_ANNOTATIONS = 20
MAX_VALUE_EXPRESSION = 5 * 1024
"""Bytes of the expression of an audit annotation at most."""
_PATCHES = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}


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
            at = index(child(path, name), i)
            found.extend(_resource_names(rule.get("resourceNames") or [], child(at, "resourceNames")))
            found.extend(validate_rule(rule, at))
    return found


def _resource_names(listed: list[str], path: str) -> Errors:
    found: Errors = []
    for i, name in enumerate(listed):
        found.extend(invalid(index(path, i), name, problem) for problem in names.path_segment(name))
        if name in listed[:i]:
            found.append(duplicate(index(path, i), name))
    return found


def _param_kind(kind: Obj) -> Errors:
    """An apiVersion and a kind that a resource could have."""
    found: Errors = []
    at, text = "spec.paramKind.apiVersion", kind.get("apiVersion") or ""
    group, _, version = text.rpartition("/")
    if not text:
        found.append(required(at))
    elif text.count("/") > 1:
        found.append(invalid(at, text, f"unexpected GroupVersion string: {text}"))
    else:
        if group and (problems := names.dns_subdomain(group)):
            found.append(invalid(at, group, ",".join(problems)))
        if not version:
            found.append(invalid(at, text, "version must be specified"))
        elif problems := names.dns_1035_label(version):
            found.append(invalid(at, version, ",".join(problems)))
    at, text = "spec.paramKind.kind", kind.get("kind") or ""
    if not text:
        found.append(required(at))
    elif problems := names.dns_1035_label(text.lower()):
        detail = "may have mixed case, but should otherwise match: " + ",".join(problems)
        found.append(invalid(at, text, detail))
    return found


def _variables(spec: Obj) -> Errors:
    found: Errors = []
    for i, variable in enumerate(spec.get("variables") or ()):
        for name in ("name", "expression"):
            if not variable.get(name, "").strip():
                found.append(required(child(index("spec.variables", i), name), f"{name} is not specified"))
    return found


def _validations(spec: Obj) -> Errors:
    found: Errors = []
    for i, validation in enumerate(spec.get("validations") or ()):
        at = index("spec.validations", i)
        if not validation.get("expression", "").strip():
            found.append(required(child(at, "expression"), "expression is not specified"))
        reason = validation.get("reason")
        if reason is not None and reason not in REASONS:
            found.append(not_supported(child(at, "reason"), reason, REASONS))
    return found


def _annotations(policy: str, annotations: list[Obj]) -> Errors:
    """Keys that an audit annotation can have behind the policy's name, and what gives their values."""
    found: Errors = []
    path, keys = "spec.auditAnnotations", [annotation.get("key", "") for annotation in annotations]
    if len(annotations) > MAX_ANNOTATIONS:
        shown = go_value("[]admissionregistration.AuditAnnotation", annotations)
        found.append(invalid(path, shown, f"must not have more than {MAX_ANNOTATIONS} auditAnnotations"))
    for i, annotation in enumerate(annotations):
        at = index(path, i)
        if policy:
            found.extend(qualified_name(f"{policy}/{keys[i]}", child(at, "key")))
        else:
            found.append(invalid(child(at, "key"), keys[i], "requires metadata.name be non-empty"))
        source = annotation.get("valueExpression", "").strip()
        if not source:
            found.append(required(child(at, "valueExpression"), "valueExpression is not specified"))
        elif len(source.encode()) > MAX_VALUE_EXPRESSION:
            detail = f"must not exceed {MAX_VALUE_EXPRESSION} bytes in length"
            found.append(required(child(at, "valueExpression"), detail))
        if keys[i] in keys[:i]:
            found.append(duplicate(child(at, "key"), keys[i]))
    return found


def _mutations(mutations: list[Obj]) -> Errors:
    """The patch that each announces, and no other."""
    found: Errors = []
    for i, mutation in enumerate(mutations):
        at, kind = index("spec.mutations", i), mutation.get("patchType") or ""
        if not kind:
            found.append(required(child(at, "patchType")))
            continue
        if kind not in _PATCHES:
            found.append(not_supported(child(at, "patchType"), kind, _PATCHES))
            continue
        for name in dict.fromkeys((_PATCHES[kind], *_PATCHES.values())):
            wanted, present = name == _PATCHES[kind], mutation.get(name) is not None
            if wanted and not present:
                found.append(required(child(at, name), f"must be specified when patchType is {kind}"))
            elif present and not wanted:
                found.append(invalid(child(at, name), f"{{{name}}}", f"must not be specified when patchType is {kind}"))
            elif wanted and not (mutation[name].get("expression") or "").strip():
                found.append(required(child(child(at, name), "expression")))
    return found


def _operations(match: Obj, path: str) -> Errors:
    """What is deleted cannot be changed."""
    given = [operation for rule in match.get("resourceRules") or () for operation in rule.get("operations") or ()]
    at = f"{path}.resourceRules.operations"
    return [not_supported(at, operation, CHANGING) for operation in given if operation not in CHANGING]


def _validate_policy(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    policy = spec.get("failurePolicy")
    if policy is None:
        found.append(required("spec.failurePolicy"))
    elif policy not in FAILURE_POLICIES:
        found.append(not_supported("spec.failurePolicy", policy, FAILURE_POLICIES))
    if (kind := spec.get("paramKind")) is not None:
        found.extend(_param_kind(kind))
    match = spec.get("matchConstraints")
    if match is None:
        found.append(required("spec.matchConstraints"))
    else:
        found.extend(_match(match, "spec.matchConstraints"))
        if not match.get("resourceRules"):
            found.append(required("spec.matchConstraints.resourceRules"))
    conditions, scope = spec.get("matchConditions") or [], admission_expressions.policy_scope(spec)
    found.extend(validate_match_conditions(conditions, "spec.matchConditions", scope))
    return found + _variables(spec) + admission_expressions.policy_errors(spec)


def _validate_validating(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found = _validate_policy(obj) + _validations(spec) + admission_expressions.validation_words(spec)
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        detail = "validations or auditAnnotations must contain at least one item"
        found.extend(required(f"spec.{name}", detail) for name in ("validations", "auditAnnotations"))
    return found + _annotations(name_of(obj), spec.get("auditAnnotations") or [])


def _validate_mutating(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found = _validate_policy(obj) + _operations(spec.get("matchConstraints") or {}, "spec.matchConstraints")
    found += _mutations(spec.get("mutations") or [])
    if not spec.get("mutations"):
        found.append(required("spec.mutations", "mutations must contain at least one item"))
    policy = spec.get("reinvocationPolicy")
    if policy not in ("IfNeeded", "Never"):
        at = "spec.reinvocationPolicy"
        found.append(not_supported(at, policy, ("IfNeeded", "Never")) if policy else required(at))
    return found


def _param_ref(reference: Obj) -> Errors:
    """One object by its name, or those that a selector chooses."""
    found: Errors = []
    name, selector, at = reference.get("name") or "", reference.get("selector"), "spec.paramRef"
    both = [forbidden(child(at, part), "name and selector are mutually exclusive") for part in ("name", "selector")]
    if name:
        found.extend(invalid(child(at, "name"), name, problem) for problem in names.path_segment(name))
    found.extend(both[:1] if name and selector is not None else ())
    found.extend(validate_label_selector(selector, child(at, "selector")))
    found.extend(both[1:] if name and selector is not None else ())
    if not name and selector is None:
        found.append(required(at, "one of name or selector must be specified"))
    action = reference.get("parameterNotFoundAction")
    if action not in ("Allow", "Deny"):
        at = child(at, "parameterNotFoundAction")
        found.append(not_supported(at, action, ("Deny", "Allow")) if action else required(at))
    return found


def _validate_binding(obj: Obj, validating: bool) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    if not spec.get("policyName"):
        found.append(required("spec.policyName"))
    else:
        found.extend(dns_subdomain(spec["policyName"], "spec.policyName"))
    if (reference := spec.get("paramRef")) is not None:
        found.extend(_param_ref(reference))
    if (match := spec.get("matchResources")) is not None:
        found.extend(_match(match, "spec.matchResources"))
        if not validating:
            found.extend(_operations(match, "spec.matchResources"))
    if validating:
        actions = spec.get("validationActions") or []
        at = "spec.validationActions"
        if not actions:
            found.append(required(at, "at least one validation action is required"))
        found.extend(not_supported(index(at, i), a, ACTIONS) for i, a in enumerate(actions) if a not in ACTIONS)
        found.extend(duplicate(index(at, i), a) for i, a in enumerate(actions) if a in actions[:i])
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
