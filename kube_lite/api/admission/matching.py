"""Which requests a webhook or a policy is for: rules, namespace and object selectors, equivalent versions.

The rules are upstream's (``apiserver/pkg/admission/plugin/webhook/predicates``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.errors import not_found
from kube_lite.resources.labelselector import is_empty
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource
from kube_lite.resources.selectors import matches

EXEMPT = frozenset(
    {
        "mutatingwebhookconfigurations",
        "validatingwebhookconfigurations",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    }
)
"""Kinds of admissionregistration.k8s.io that are never intercepted, so that a mistake in one can be mended."""


def is_exempt(request: AdmissionRequest) -> bool:
    """Whether the request is about admission itself."""
    return request.resource.group == "admissionregistration.k8s.io" and request.resource.plural in EXEMPT


def aggregate(problems: Iterable[str]) -> str:
    """Several problems as upstream's aggregate tells them: each once, in brackets where they are more."""
    told = list(dict.fromkeys(problems))
    return told[0] if len(told) == 1 else f"[{', '.join(told)}]"


def _listed(value: str, values: Iterable[str]) -> bool:
    return any(v in ("*", value) for v in values)


def _resource_listed(resource: str, subresource: str, listed: Iterable[str]) -> bool:
    for one in listed:
        wanted, _, part = one.partition("/")
        if wanted in ("*", resource) and (part == subresource or (part == "*" and "/" in one)):
            return True
    return False


def rule_matches(rule: Mapping[str, Any], request: AdmissionRequest, resource: Resource) -> bool:
    """Whether one rule names the request, seen as one for ``resource`` (its own or an equivalent one)."""
    scope = rule.get("scope") or "*"
    # a namespace is cluster-scoped although requests for it carry its name as their namespace
    namespaced = bool(request.namespace) and resource.plural != "namespaces"
    return (
        (scope == "*" or (scope == "Namespaced") is namespaced)
        and _listed(request.operation, rule.get("operations") or ())
        and _listed(resource.group, rule.get("apiGroups") or ())
        and _listed(resource.version, rule.get("apiVersions") or ())
        and _resource_listed(resource.plural, request.subresource, rule.get("resources") or ())
    )


def matching_resource(
    rules: Iterable[Mapping[str, Any]], request: AdmissionRequest, objects: Objects, policy: str
) -> Resource | None:
    """As which resource the rules name the request: its own, or with ``Equivalent`` another version of it."""
    rules = list(rules)
    if any(rule_matches(rule, request, request.resource) for rule in rules):
        return request.resource
    if policy == "Exact" or not rules:
        return None
    for other in objects.equivalents(request.resource):
        if any(rule_matches(rule, request, other) for rule in rules):
            return other
    return None


def _labels(obj: Obj | None) -> Mapping[str, str]:
    return ((obj or {}).get("metadata") or {}).get("labels") or {}


def namespace_of(request: AdmissionRequest, objects: Objects) -> Obj | None:
    """The namespace that a request is in, or is about; None for cluster-scoped ones. :raises NotFound: it is gone"""
    if request.resource.group_resource == "namespaces":
        return request.obj or request.old
    if not request.namespace:
        return None
    found = objects.lookup("namespaces", "", request.namespace)
    if found is None:
        raise not_found("namespaces", "", request.namespace)
    return found


def selected(holder: Mapping[str, Any], request: AdmissionRequest, objects: Objects) -> bool:
    """Whether ``namespaceSelector`` and ``objectSelector`` of ``holder`` choose the request."""
    by_namespace = holder.get("namespaceSelector")
    if not is_empty(by_namespace):
        namespace = namespace_of(request, objects)
        if namespace is not None and not matches(by_namespace, _labels(namespace)):
            return False
    by_object = holder.get("objectSelector")
    if is_empty(by_object):
        return True
    objects_seen = [obj for obj in (request.obj, request.old) if obj is not None and "metadata" in obj]
    return any(matches(by_object, _labels(obj)) for obj in objects_seen)


def converted(obj: Obj | None, resource: Resource, other: Resource) -> Obj | None:
    """``obj`` of ``resource``'s version as ``other`` shows it; a Scale or the like is the same in every version."""
    if obj is None or resource is other or obj.get("kind", resource.kind) != resource.kind:
        return obj
    stored = resource.convert_to_storage(obj) if resource.convert_to_storage is not None else dict(obj)
    shown = other.convert_from_storage(stored) if other.convert_from_storage is not None else dict(stored)
    shown["kind"], shown["apiVersion"] = other.kind, other.api_version
    return shown
