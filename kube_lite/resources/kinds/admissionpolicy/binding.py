"""What an admission policy is for: the requests it matches, and the bindings that put it in force."""

from __future__ import annotations

from kube_lite.resources import names
from kube_lite.resources.field import Errors, child, duplicate, forbidden, index, invalid, not_supported, required
from kube_lite.resources.kinds.webhookconfiguration import MATCH_POLICIES, OPERATIONS, validate_rule
from kube_lite.resources.labelselector import validate_label_selector
from kube_lite.resources.meta import Obj
from kube_lite.resources.rules import dns_subdomain, one_of

_ACTIONS = frozenset({"Audit", "Deny", "Warn"})
_MUTABLE = OPERATIONS - {"DELETE"}


def validate_match(match: Obj, path: str) -> Errors:
    """Which requests, by resource and by labels."""
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


def validate_mutable(match: Obj, path: str) -> Errors:
    """Only what stores an object can be mutated; upstream does not tell which rule is wrong."""
    at = child(path, "resourceRules.operations")
    asked = [operation for rule in match.get("resourceRules") or () for operation in rule.get("operations") or ()]
    return [not_supported(at, operation, _MUTABLE) for operation in asked if operation not in _MUTABLE]


def _parameters(reference: Obj, path: str) -> Errors:
    found: Errors = []
    name, selector, both = reference.get("name"), reference.get("selector"), "name and selector are mutually exclusive"
    if name:
        found.extend(invalid(child(path, "name"), name, problem) for problem in names.path_segment(name))
        if selector is not None:
            found.append(forbidden(child(path, "name"), both))
    if selector is not None:
        found.extend(validate_label_selector(selector, child(path, "selector")))
        if name:
            found.append(forbidden(child(path, "selector"), both))
    elif not name:
        found.append(required(path, "one of name or selector must be specified"))
    action = reference.get("parameterNotFoundAction")
    return found + one_of(action, ("Deny", "Allow"), child(path, "parameterNotFoundAction"), told=True)


def _actions(actions: list[str], path: str) -> Errors:
    found: Errors = []
    for i, action in enumerate(actions):
        if action not in _ACTIONS:
            found.append(not_supported(index(path, i), action, _ACTIONS))
        if action in actions[:i]:
            found.append(duplicate(index(path, i), action))
    if {"Deny", "Warn"} <= set(actions):
        detail = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the API "
            "response and headers serves no purpose)"
        )
        found.append(invalid(path, actions, detail))
    if not actions:
        found.append(required(path, "at least one validation action is required"))
    return found


def validate_binding(obj: Obj, validating: bool) -> Errors:
    """A policy and what it is given: parameters, a narrower match, and what follows where it fails."""
    spec = obj.get("spec") or {}
    policy = spec.get("policyName")
    found = dns_subdomain(policy, "spec.policyName") if policy else [required("spec.policyName")]
    if (reference := spec.get("paramRef")) is not None:
        found.extend(_parameters(reference, "spec.paramRef"))
    if (match := spec.get("matchResources")) is not None:
        found.extend(validate_match(match, "spec.matchResources"))
        if not validating:
            found.extend(validate_mutable(match, "spec.matchResources"))
    if validating:
        found.extend(_actions(spec.get("validationActions") or [], "spec.validationActions"))
    return found
