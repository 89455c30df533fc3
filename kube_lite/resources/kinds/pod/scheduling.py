"""Validation of what decides where a pod runs: affinity, tolerations, spread, gates."""

from __future__ import annotations

from kube_lite.resources import names
from kube_lite.resources.field import Errors, child, duplicate, forbidden, index, invalid, not_supported, required
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.pod.label_keys import validate_term_keys
from kube_lite.resources.labelselector import validate_label_selector
from kube_lite.resources.meta import Obj
from kube_lite.resources.rules import POSITIVE, qualified_name

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_BAD_OPERATOR = "not a valid selector operator"
_BAD_WEIGHT = "must be in the range 1-100"


def _node_requirement(requirement: Obj, path: str, *, any_value: bool) -> Errors:
    found: Errors = []
    operator, values = requirement.get("operator", ""), requirement.get("values") or ()
    at = child(path, "values")
    if operator in ("In", "NotIn"):
        if not values:
            found.append(required(at, "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            found.append(forbidden(at, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            found.append(required(at, "must be specified single value when `operator` is 'Lt' or 'Gt'"))
    else:
        found.append(invalid(child(path, "operator"), operator, _BAD_OPERATOR))
    found.extend(qualified_name(requirement.get("key", ""), child(path, "key")))
    for i, value in enumerate(() if any_value or found else values):  # a later rule
        found.extend(invalid(index(at, i), value, problem) for problem in names.label_value(value))
    return found


def _node_field_requirement(requirement: Obj, path: str) -> Errors:
    found: Errors = []
    operator, values, key = requirement.get("operator", ""), requirement.get("values") or (), requirement.get("key", "")
    if operator not in ("In", "NotIn"):
        found.append(invalid(child(path, "operator"), operator, _BAD_OPERATOR))
    elif len(values) != 1:
        detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        found.append(required(child(path, "values"), detail))
    if key != "metadata.name":
        found.append(invalid(child(path, "key"), key, "not a valid field selector key"))
    else:
        for i, value in enumerate(values):
            at = index(child(path, "values"), i)
            found.extend(invalid(at, value, problem) for problem in names.dns_subdomain(value))
    return found


def validate_node_selector_term(term: Obj, path: str, *, any_value: bool = False) -> Errors:
    """One term: expressions over labels and fields.

    :param any_value: whether values may be what no label can be, as in wishes
    """
    found: Errors = []
    for i, requirement in enumerate(term.get("matchExpressions") or ()):
        found.extend(_node_requirement(requirement, index(child(path, "matchExpressions"), i), any_value=any_value))
    for i, requirement in enumerate(term.get("matchFields") or ()):
        found.extend(_node_field_requirement(requirement, index(child(path, "matchFields"), i)))
    return found


def validate_node_selector(selector: Obj, path: str) -> Errors:
    """A node selector with at least one term."""
    at = child(path, "nodeSelectorTerms")
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        return [required(at, "must have at least one node selector term")]
    found: Errors = []
    for i, term in enumerate(terms):
        found.extend(validate_node_selector_term(term, index(at, i)))
    return found


def _node_affinity(affinity: Obj, path: str) -> Errors:
    found: Errors = []
    if (needed := affinity.get(_REQUIRED)) is not None:
        found.extend(validate_node_selector(needed, child(path, _REQUIRED)))
    for i, wish in enumerate(affinity.get(_PREFERRED) or ()):
        at = index(child(path, _PREFERRED), i)
        if not 1 <= wish.get("weight", 0) <= 100:
            found.append(invalid(child(at, "weight"), wish.get("weight", 0), _BAD_WEIGHT))
        preference = wish.get("preference") or {}
        found.extend(validate_node_selector_term(preference, child(at, "preference"), any_value=True))
    return found


def _pod_affinity_term(term: Obj, path: str) -> Errors:
    found: Errors = []
    found.extend(validate_label_selector(term.get("labelSelector"), child(path, "matchExpressions")))
    found.extend(validate_label_selector(term.get("namespaceSelector"), child(path, "namespaceSelector")))
    for name in term.get("namespaces") or ():
        found.extend(invalid(child(path, "namespace"), name, problem) for problem in names.dns_label(name))
    found.extend(validate_term_keys(term, path))
    key = term.get("topologyKey", "")
    if not key:
        found.append(required(child(path, "topologyKey"), "can not be empty"))
    found.extend(qualified_name(key, child(path, "topologyKey")))
    return found


def _pod_affinity(affinity: Obj, path: str) -> Errors:
    found: Errors = []
    for i, term in enumerate(affinity.get(_REQUIRED) or ()):
        found.extend(_pod_affinity_term(term, index(child(path, _REQUIRED), i)))
    for i, wish in enumerate(affinity.get(_PREFERRED) or ()):
        at = index(child(path, _PREFERRED), i)
        if not 1 <= wish.get("weight", 0) <= 100:
            found.append(invalid(child(at, "weight"), wish.get("weight", 0), _BAD_WEIGHT))
        found.extend(_pod_affinity_term(wish.get("podAffinityTerm") or {}, child(at, "podAffinityTerm")))
    return found


def validate_affinity(affinity: Obj, path: str) -> Errors:
    """All three affinities."""
    found: Errors = []
    if (node := affinity.get("nodeAffinity")) is not None:
        found.extend(_node_affinity(node, child(path, "nodeAffinity")))
    for name in ("podAffinity", "podAntiAffinity"):
        if (pods := affinity.get(name)) is not None:
            found.extend(_pod_affinity(pods, child(path, name)))
    return found


def validate_taint_effect(effect: str, path: str, *, allow_empty: bool) -> Errors:
    """An effect of a taint or toleration."""
    if effect in TAINT_EFFECTS or (not effect and allow_empty):
        return []
    return [not_supported(path, effect, TAINT_EFFECTS)] if effect else [required(path)]


def validate_tolerations(tolerations: list[Obj], path: str) -> Errors:
    """Each toleration by itself."""
    found: Errors = []
    for i, toleration in enumerate(tolerations):
        at = index(path, i)
        key, operator = toleration.get("key", ""), toleration.get("operator", "")
        value, effect = toleration.get("value", ""), toleration.get("effect", "")
        if key:
            found.extend(qualified_name(key, child(at, "key")))
        elif operator != "Exists":
            detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            found.append(invalid(child(at, "operator"), operator, detail))
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            found.append(invalid(child(at, "effect"), effect, detail))
        if operator in ("Equal", ""):
            if problems := names.label_value(value):
                found.append(invalid(child(at, "operator"), value, ";".join(problems)))
        elif operator == "Exists":
            if value:
                detail = "value must be empty when `operator` is 'Exists'"
                found.append(invalid(child(at, "operator"), go_value("core.Toleration", toleration), detail))
        else:
            found.append(not_supported(child(at, "operator"), operator, ("Equal", "Exists")))
        found.extend(validate_taint_effect(effect, child(at, "effect"), allow_empty=True))
    return found


def _spread_constraint(constraint: Obj, path: str) -> Errors:
    found: Errors = []
    if constraint.get("maxSkew", 0) <= 0:
        found.append(invalid(child(path, "maxSkew"), constraint.get("maxSkew", 0), POSITIVE))
    if not constraint.get("topologyKey"):
        found.append(required(child(path, "topologyKey"), "can not be empty"))
    action = constraint.get("whenUnsatisfiable", "")
    if action not in ("DoNotSchedule", "ScheduleAnyway"):
        choices = ("DoNotSchedule", "ScheduleAnyway")
        found.append(not_supported(child(path, "whenUnsatisfiable"), action, choices))
    if (domains := constraint.get("minDomains")) is not None:
        if domains <= 0:
            found.append(invalid(child(path, "minDomains"), domains, POSITIVE))
        if action != "DoNotSchedule":
            detail = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
            found.append(invalid(child(path, "minDomains"), domains, detail))
    for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        policy = constraint.get(name)
        if policy is not None and policy not in ("Honor", "Ignore"):
            found.append(not_supported(child(path, name), policy, ("Honor", "Ignore")))
    found.extend(validate_term_keys(constraint, path))
    found.extend(validate_label_selector(constraint.get("labelSelector"), child(path, "labelSelector")))
    return found


def validate_spread_constraints(constraints: list[Obj], path: str) -> Errors:
    """Each constraint, and that no two say the same."""
    found: Errors = []
    pairs = [(constraint.get("topologyKey", ""), constraint.get("whenUnsatisfiable", "")) for constraint in constraints]
    for i, constraint in enumerate(constraints):
        at, pair = index(path, i), pairs[i]
        found.extend(_spread_constraint(constraint, at))
        if pair in pairs[i + 1 :]:
            found.append(duplicate(child(at, "{topologyKey, whenUnsatisfiable}"), f"{{{pair[0]}, {pair[1]}}}"))
    return found


def validate_gates(spec: Obj, path: str) -> Errors:
    """Readiness gates and scheduling gates."""
    found: Errors = []
    for i, gate in enumerate(spec.get("readinessGates") or ()):
        at = child(index(child(path, "readinessGates"), i), "conditionType")
        found.extend(qualified_name(gate.get("conditionType", ""), at))
    seen: set[str] = set()
    for i, gate in enumerate(spec.get("schedulingGates") or ()):
        at = index(child(path, "schedulingGates"), i)
        name = gate.get("name", "")
        found.extend(qualified_name(name, at))
        if name in seen:
            found.append(duplicate(at, name))
        seen.add(name)
    return found
