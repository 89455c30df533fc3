"""What the specs of admission policies must be like, and the type checks in their status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from kube_lite.resources import names
from kube_lite.resources.admission_expressions import (
    JSON_PATCHES,
    OBJECT,
    errors_of,
    match_condition_errors,
    message_scope,
    policy_scope,
    variable_errors,
)
from kube_lite.resources.cel.types import BOOL, NULL, STRING, CelType
from kube_lite.resources.conditions import validate_conditions
from kube_lite.resources.field import Errors, child, duplicate, index, invalid, not_supported, required
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.admissionpolicy.binding import validate_match, validate_mutable
from kube_lite.resources.kinds.webhookconfiguration import FAILURE_POLICIES
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.rules import one_of, qualified_name

_REASONS: Final = frozenset({"Forbidden", "Invalid", "RequestEntityTooLarge"})
_MAX_ANNOTATIONS: Final = 20
_MAX_EXPRESSION: Final = 5 * 1024
"""Bytes of what gives the value of an audit annotation."""
_PATCHES: Final = {"ApplyConfiguration": ("applyConfiguration", OBJECT), "JSONPatch": ("jsonPatch", JSON_PATCHES)}
_LINE_BREAK: Final = re.compile(r"[\n\r]")

Scope = Mapping[str, CelType]


def _param_kind(kind: Obj, path: str) -> Errors:
    at, version_and_group = child(path, "apiVersion"), kind.get("apiVersion", "")
    found: Errors = []
    if not version_and_group:
        found.append(required(at))
    elif version_and_group.count("/") > 1:
        found.append(invalid(at, version_and_group, f"unexpected GroupVersion string: {version_and_group}"))
    else:
        group, _, version = version_and_group.rpartition("/")
        if group and (problems := names.dns_subdomain(group)):
            found.append(invalid(at, group, ",".join(problems)))
        if not version:
            found.append(invalid(at, version_and_group, "version must be specified"))
        elif problems := names.dns_1035_label(version):
            found.append(invalid(at, version, ",".join(problems)))
    at, name = child(path, "kind"), kind.get("kind", "")
    if not name:
        found.append(required(at))
    elif problems := names.dns_1035_label(name.lower()):
        detail = f"may have mixed case, but should otherwise match: {','.join(problems)}"
        found.append(invalid(at, name, detail))
    return found


def _spec(spec: Obj, mutating: bool) -> tuple[Errors, Scope]:
    """What is wrong before what the policy does, and what the expressions of that may mention."""
    found = one_of(spec.get("failurePolicy"), FAILURE_POLICIES, "spec.failurePolicy", told=True)
    if (kind := spec.get("paramKind")) is not None:
        found.extend(_param_kind(kind, "spec.paramKind"))
    if (match := spec.get("matchConstraints")) is None:
        found.append(required("spec.matchConstraints"))
    else:
        found.extend(validate_match(match, "spec.matchConstraints"))
        if not match.get("resourceRules"):
            found.append(required("spec.matchConstraints.resourceRules"))
        if mutating:
            found.extend(validate_mutable(match, "spec.matchConstraints"))
    scope = policy_scope(spec)
    found.extend(match_condition_errors(spec.get("matchConditions") or (), "spec.matchConditions", scope))
    known, problems = variable_errors(spec, scope)
    return found + problems, known


def _validation(validation: Obj, path: str, scope: Scope) -> Errors:
    at, source = child(path, "expression"), validation.get("expression", "")
    found = errors_of(source, at, scope, (BOOL,), needed="expression is not specified")
    at, made = child(path, "messageExpression"), validation.get("messageExpression", "")
    if made and not made.strip():
        found.append(invalid(at, made, "must be non-empty if specified"))
    elif made:
        found.extend(errors_of(made, at, message_scope(scope), (STRING,)))
    at, message = child(path, "message"), validation.get("message", "")
    if message and not message.strip():
        found.append(invalid(at, message, "message must be non-empty if specified"))
    elif _LINE_BREAK.search(message.strip()):
        found.append(invalid(at, message, "message must not contain line breaks"))
    reason = validation.get("reason")
    if reason is not None and reason not in _REASONS:
        found.append(not_supported(child(path, "reason"), reason, _REASONS))
    return found


def _annotations(annotations: list[Obj], policy: str, scope: Scope) -> Errors:
    found: Errors = []
    if len(annotations) > _MAX_ANNOTATIONS:
        shown = go_value("[]admissionregistration.AuditAnnotation", annotations)
        detail = f"must not have more than {_MAX_ANNOTATIONS} auditAnnotations"
        found.append(invalid("spec.auditAnnotations", shown, detail))
    seen: set[str] = set()
    for i, annotation in enumerate(annotations):
        path, key = index("spec.auditAnnotations", i), annotation.get("key", "")
        found.extend(qualified_name(f"{policy}/{key}", child(path, "key")))
        at, source = child(path, "valueExpression"), annotation.get("valueExpression", "")
        if names.size(source.strip()) > _MAX_EXPRESSION:
            found.append(required(at, f"must not exceed {_MAX_EXPRESSION} bytes in length"))
        else:
            needed = "valueExpression is not specified"
            found.extend(errors_of(source, at, scope, (STRING, NULL), needed=needed))
        if key in seen:
            found.append(duplicate(child(path, "key"), key))
        seen.add(key)
    return found


def validate_validating(obj: Obj) -> Errors:
    """A ValidatingAdmissionPolicy."""
    spec = obj.get("spec") or {}
    found, scope = _spec(spec, False)
    validations, annotations = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not annotations:
        detail = "validations or auditAnnotations must contain at least one item"
        found.extend(required(f"spec.{name}", detail) for name in ("validations", "auditAnnotations"))
    for i, validation in enumerate(validations):
        found.extend(_validation(validation, index("spec.validations", i), scope))
    return found + _annotations(annotations, name_of(obj), scope)


def _mutation(mutation: Obj, path: str, scope: Scope) -> Errors:
    kind = mutation.get("patchType")
    if kind not in _PATCHES:
        return one_of(kind, tuple(_PATCHES), child(path, "patchType"))
    name, wanted = _PATCHES[kind]
    other = next(part for part, _ in _PATCHES.values() if part != name)
    found: Errors = []
    if (patch := mutation.get(name)) is None:
        found.append(required(child(path, name), f"must be specified when patchType is {kind}"))
    else:
        at = child(child(path, name), "expression")
        found.extend(errors_of(patch.get("expression", "").strip(), at, scope, (wanted,), needed=""))
    if mutation.get(other) is not None:
        detail = f"must not be specified when patchType is {kind}"
        found.append(invalid(child(path, other), f"{{{other}}}", detail))
    return found


def validate_mutating(obj: Obj) -> Errors:
    """A MutatingAdmissionPolicy."""
    spec = obj.get("spec") or {}
    found, scope = _spec(spec, True)
    mutations = spec.get("mutations") or []
    if not mutations:
        found.append(required("spec.mutations", "mutations must contain at least one item"))
    for i, mutation in enumerate(mutations):
        found.extend(_mutation(mutation, index("spec.mutations", i), scope))
    return found + one_of(spec.get("reinvocationPolicy"), ("Never", "IfNeeded"), "spec.reinvocationPolicy")


def validate_status(new: Obj, old: Obj) -> Errors:
    """What type checking found, and conditions."""
    status = new.get("status") or {}
    found: Errors = []
    at = "status.typeChecking.expressionWarnings"
    for i, warning in enumerate((status.get("typeChecking") or {}).get("expressionWarnings") or ()):
        found.extend(
            required(child(index(at, i), name)) for name in ("warning", "fieldRef") if not warning.get(name, "").strip()
        )
    return found + validate_conditions(status.get("conditions") or [], "status.conditions")
