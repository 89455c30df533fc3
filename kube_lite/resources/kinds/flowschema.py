"""FlowSchemas: which requests share a priority."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, child, forbidden, index, invalid, not_supported, required
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, status
from kube_lite.resources.rules import dns_subdomain

MAX_PRECEDENCE = 10000
DEFAULT_PRECEDENCE = 1000
_SUBJECTS = {"User": "user", "Group": "group", "ServiceAccount": "serviceAccount"}


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = DEFAULT_PRECEDENCE


def _subject(subject: Obj, path: str) -> Errors:
    kind = subject.get("kind", "")
    if kind not in _SUBJECTS:
        return [not_supported(child(path, "kind"), kind, frozenset(_SUBJECTS))]
    found: Errors = []
    for other, name in _SUBJECTS.items():
        if other == kind and subject.get(name) is None:
            detail = f"{name} is required when subject kind is '{kind}'"
            found.append(required(child(path, name), detail))
        elif other != kind and subject.get(name) is not None:
            detail = f"{name} is forbidden when subject kind is not '{other}'"
            found.append(forbidden(child(path, name), detail))
    return found


def _rule(rule: Obj, path: str) -> Errors:
    found: Errors = []
    subjects = rule.get("subjects") or []
    if not subjects:
        found.append(required(child(path, "subjects"), "subjects must contain at least one value"))
    for i, subject in enumerate(subjects):
        found.extend(_subject(subject, index(child(path, "subjects"), i)))
    resources, others = rule.get("resourceRules") or [], rule.get("nonResourceRules") or []
    if not resources and not others:
        detail = "at least one of resourceRules and nonResourceRules has to be non-empty"
        found.append(required(path, detail))
    for i, resource in enumerate(resources):
        at = index(child(path, "resourceRules"), i)
        for name, what in (("verbs", "verbs"), ("apiGroups", "resource rules"), ("resources", "resource rules")):
            if not resource.get(name):
                if what == "verbs":
                    detail = "verbs must contain at least one value"
                else:
                    detail = f"{what} must supply at least one {'api group' if name == 'apiGroups' else 'resource'}"
                found.append(required(child(at, name), detail))
        if not resource.get("namespaces") and not resource.get("clusterScope"):
            detail = "resource rules that are not cluster scoped must supply at least one namespace"
            found.append(required(child(at, "namespaces"), detail))
    for i, other in enumerate(others):
        at = index(child(path, "nonResourceRules"), i)
        if not other.get("verbs"):
            found.append(required(child(at, "verbs"), "verbs must contain at least one value"))
        if not other.get("nonResourceURLs"):
            detail = "nonResourceURLs must contain at least one value"
            found.append(required(child(at, "nonResourceURLs"), detail))
    return found


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    precedence = spec.get("matchingPrecedence", 0)
    if precedence <= 0:
        found.append(invalid("spec.matchingPrecedence", precedence, "must be a positive value"))
    elif precedence > MAX_PRECEDENCE:
        detail = f"must not be greater than {MAX_PRECEDENCE}"
        found.append(invalid("spec.matchingPrecedence", precedence, detail))
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in ("ByNamespace", "ByUser"):
        choices = ("ByNamespace", "ByUser")
        found.append(not_supported("spec.distinguisherMethod.type", method.get("type", ""), choices))
    level = (spec.get("priorityLevelConfiguration") or {}).get("name", "")
    at = "spec.priorityLevelConfiguration.name"
    if level:
        found.extend(dns_subdomain(level, at))
    else:
        found.append(required(at, "must reference a priority level"))
    for i, rule in enumerate(spec.get("rules") or ()):
        found.extend(_rule(rule, index("spec.rules", i)))
    return found


def _row(obj: Obj, now: datetime) -> Cells:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    dangling = next((c.get("status", "") for c in state.get("conditions") or () if c.get("type") == "Dangling"), "?")
    method = spec.get("distinguisherMethod") or {}
    return [
        name_of(obj),
        (spec.get("priorityLevelConfiguration") or {}).get("name", ""),
        spec.get("matchingPrecedence", 0),
        method.get("type") or "<none>",
        age(obj, now),
        dangling,
    ]


RESOURCES = (
    Resource(
        kind="FlowSchema",
        plural="flowschemas",
        group="flowcontrol.apiserver.k8s.io",
        definition="io.k8s.api.flowcontrol.v1.FlowSchema",
        namespaced=False,
        subresources={"status": status()},
        default=_default,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=_validate,
        validate_update=lambda new, old: _validate(new),
        columns=(
            NAME_COLUMN,
            Column("PriorityLevel"),
            Column("MatchingPrecedence"),
            Column("DistinguisherMethod"),
            AGE_COLUMN,
            Column("MissingPL"),
        ),
        row=_row,
    ),
)
