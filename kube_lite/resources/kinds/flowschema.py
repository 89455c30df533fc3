"""FlowSchemas: which requests share a priority."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, child, duplicate, forbidden, index, invalid, not_supported, required
from kube_lite.resources.flow_defaults import MANDATORY_SCHEMAS
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, UpdateCheck, status_alone
from kube_lite.resources.rules import dns_label, dns_subdomain

MAX_PRECEDENCE = 10000
DEFAULT_PRECEDENCE = 1000
VERBS = frozenset({"get", "list", "create", "update", "delete", "deletecollection", "patch", "watch", "proxy"})
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
        if other == kind:
            found.extend(_who(kind, name, subject.get(name), child(path, name)))
        elif other != kind and subject.get(name) is not None:
            detail = f"{name} is forbidden when subject kind is not '{other}'"
            found.append(forbidden(child(path, name), detail))
    return found


def _who(kind: str, name: str, who: Obj | None, path: str) -> Errors:
    if who is None:
        return [required(path, f"{name} is required when subject kind is '{kind}'")]
    found: Errors = []
    if not who.get("name"):
        found.append(required(child(path, "name")))
    elif kind == "ServiceAccount" and who["name"] != "*":
        found.extend(dns_subdomain(who["name"], child(path, "name")))
    if kind == "ServiceAccount":
        if who.get("namespace"):
            found.extend(dns_label(who["namespace"], child(path, "namespace")))
        else:
            found.append(required(child(path, "namespace"), "must specify namespace for service account"))
    return found


def _verbs(rule: Obj, path: str) -> Errors:
    verbs = rule.get("verbs") or []
    if not verbs:
        return [required(path, "verbs must contain at least one value")]
    if "*" in verbs:
        return _alone(verbs, path, "verbs")
    return [] if VERBS.issuperset(verbs) else [not_supported(path, verbs, VERBS)]


def _alone(values: list[str], path: str, what: str) -> Errors:
    """A wildcard makes everything beside it pointless."""
    if "*" in values and len(values) > 1:
        return [invalid(path, values, f"if '*' is present, must not specify other {what}")]
    return []


def _resource_rule(rule: Obj, path: str) -> Errors:
    found = _verbs(rule, child(path, "verbs"))
    for name, one, many in (("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")):
        values = rule.get(name) or []
        if values:
            found.extend(_alone(values, child(path, name), many))
        else:
            found.append(required(child(path, name), f"resource rules must supply at least one {one}"))
    namespaces, at = rule.get("namespaces") or [], child(path, "namespaces")
    if not namespaces and not rule.get("clusterScope"):
        detail = "resource rules that are not cluster scoped must supply at least one namespace"
        found.append(required(at, detail))
    elif "*" in namespaces:
        found.extend(_alone(namespaces, at, "namespaces"))
    else:
        for i, namespace in enumerate(namespaces):
            if complaints := dns_label(namespace, index(at, i)):
                text = complaints[0].message.partition(": ")[2].partition(": ")[2]
                detail = f"each member of this list must be '*' or a DNS-1123 label; {text}"
                found.append(invalid(index(at, i), namespace, detail))
    return found


def _url(url: str) -> str:
    """What is wrong with the path of a rule; '' when nothing."""
    if not url:
        return "must not be empty"
    if url != "/" and not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    if url.count("*") > 1 or ("*" in url and not url.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""


def _other_rule(rule: Obj, path: str) -> Errors:
    found = _verbs(rule, child(path, "verbs"))
    urls, at = rule.get("nonResourceURLs") or [], child(path, "nonResourceURLs")
    if not urls:
        found.append(required(at, "nonResourceURLs must contain at least one value"))
    elif "*" in urls:
        found.extend(_alone(urls, at, "non-resource URLs"))
    else:
        found.extend(invalid(index(at, i), url, wrong) for i, url in enumerate(urls) if (wrong := _url(url)))
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
        found.extend(_resource_rule(resource, index(child(path, "resourceRules"), i)))
    for i, other in enumerate(others):
        found.extend(_other_rule(other, index(child(path, "nonResourceRules"), i)))
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
    elif precedence == 1 and name_of(obj) != "exempt":
        detail = "only the schema named 'exempt' may have matchingPrecedence 1"
        found.append(invalid("spec.matchingPrecedence", precedence, detail))
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in ("ByNamespace", "ByUser"):
        choices = ("ByNamespace", "ByUser")
        shown = go_value("flowcontrol.FlowDistinguisherMethod", method)
        found.append(not_supported("spec.distinguisherMethod.type", shown, choices))
    level = (spec.get("priorityLevelConfiguration") or {}).get("name", "")
    at = "spec.priorityLevelConfiguration.name"
    if level:
        found.extend(dns_subdomain(level, at))
    else:
        found.append(required(at, "must reference a priority level"))
    for i, rule in enumerate(spec.get("rules") or ()):
        found.extend(_rule(rule, index("spec.rules", i)))
    fixed = MANDATORY_SCHEMAS.get(name_of(obj))
    if fixed is not None and spec != fixed:
        found.append(invalid("spec", spec, f"spec of '{name_of(obj)}' must equal the fixed value"))
    return found


def _validate_status(new: Obj, old: Obj) -> Errors:
    return condition_types(new)


def condition_types(obj: Obj) -> Errors:
    """Conditions have a type, each another one."""
    found: Errors = []
    seen: set[str] = set()
    for i, condition in enumerate((obj.get("status") or {}).get("conditions") or ()):
        at, kind = child(index("status.conditions", i), "type"), condition.get("type", "")
        if kind in seen:
            found.append(duplicate(at, kind))
        seen.add(kind)
        if not kind:
            found.append(required(at, "must not be empty"))
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
        update_checks=(UpdateCheck.METADATA,),
        plural="flowschemas",
        group="flowcontrol.apiserver.k8s.io",
        definition="io.k8s.api.flowcontrol.v1.FlowSchema",
        namespaced=False,
        subresources={"status": status_alone(_validate_status)},
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
