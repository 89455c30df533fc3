"""Roles and ClusterRoles: lists of what may be done."""

from __future__ import annotations

from kube_lite.resources import names
from kube_lite.resources.field import Errors, child, index, invalid, required
from kube_lite.resources.labelselector import validate_label_selector
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource, UpdateCheck


def validate_policy_rule(rule: Obj, path: str, *, namespaced: bool) -> Errors:
    """One rule: verbs over resources, or over URLs where the role is cluster-wide."""
    found: Errors = []
    if not rule.get("verbs"):
        found.append(required(child(path, "verbs"), "verbs must contain at least one value"))
    groups, resources, urls = rule.get("apiGroups"), rule.get("resources"), rule.get("nonResourceURLs")
    if urls:
        at = child(path, "nonResourceURLs")
        if namespaced:
            found.append(invalid(at, urls, "namespaced rules cannot apply to non-resource URLs"))
        if groups or resources or rule.get("resourceNames"):
            detail = "rules cannot apply to both regular resources and non-resource URLs"
            found.append(invalid(at, urls, detail))
        return found
    if not groups:
        found.append(required(child(path, "apiGroups"), "resource rules must supply at least one api group"))
    if not resources:
        found.append(required(child(path, "resources"), "resource rules must supply at least one resource"))
    return found


def _rules(obj: Obj, *, namespaced: bool) -> Errors:
    found: Errors = []
    for i, rule in enumerate(obj.get("rules") or ()):
        found.extend(validate_policy_rule(rule, index("rules", i), namespaced=namespaced))
    return found


def _validate_cluster_role(obj: Obj) -> Errors:
    found = _rules(obj, namespaced=False)
    aggregation = obj.get("aggregationRule")
    if aggregation is not None:
        selectors = aggregation.get("clusterRoleSelectors") or []
        if not selectors:
            detail = "at least one clusterRoleSelector required if aggregationRule is non-nil"
            found.append(required("aggregationRule.clusterRoleSelectors", detail))
        for i, selector in enumerate(selectors):
            at = index("aggregationRule.clusterRoleSelectors", i)
            if problems := validate_label_selector(selector, at):
                found.extend([*problems, invalid(at, None, "invalid label selector.")])
    return found


RESOURCES = (
    Resource(
        kind="ClusterRole",
        update_checks=(UpdateCheck.WHOLE, UpdateCheck.METADATA, UpdateCheck.CHANGE),
        plural="clusterroles",
        group="rbac.authorization.k8s.io",
        definition="io.k8s.api.rbac.v1.ClusterRole",
        namespaced=False,
        name_rule=names.rbac_name,
        generation=False,
        allow_create_on_update=True,
        validate=_validate_cluster_role,
        validate_update=lambda new, old: _validate_cluster_role(new),
    ),
    Resource(
        kind="Role",
        update_checks=(UpdateCheck.WHOLE, UpdateCheck.METADATA, UpdateCheck.CHANGE),
        plural="roles",
        group="rbac.authorization.k8s.io",
        definition="io.k8s.api.rbac.v1.Role",
        name_rule=names.rbac_name,
        generation=False,
        allow_create_on_update=True,
        validate=lambda obj: _rules(obj, namespaced=True),
        validate_update=lambda new, old: _rules(new, namespaced=True),
    ),
)
