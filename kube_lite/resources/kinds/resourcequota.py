"""ResourceQuotas: bounds of what a namespace may ask for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, child, invalid, key, required
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.pod.defaults import default_resource_list
from kube_lite.resources.kinds.pod.requirements import QUOTA_RESOURCES, validate_amount, validate_quota_resource_name
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, TWICE, Cells, Column, Resource, status

SCOPES = frozenset(
    {
        "BestEffort",
        "CrossNamespacePodAffinity",
        "NotBestEffort",
        "NotTerminating",
        "PriorityClass",
        "Terminating",
        "VolumeAttributesClass",
    }
)
_EXISTING = frozenset({"BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "Terminating"})
"""Scopes that a selector can only ask for as such."""
_POD_SCOPES = SCOPES - {"VolumeAttributesClass"}
_POD_RESOURCES = frozenset(
    {
        "pods",
        "cpu",
        "memory",
        "requests.cpu",
        "requests.memory",
        "limits.cpu",
        "limits.memory",
    }
)
_CLAIM_RESOURCES = frozenset({"persistentvolumeclaims", "requests.storage"})
_CONFLICTS = (frozenset({"BestEffort", "NotBestEffort"}), frozenset({"Terminating", "NotTerminating"}))


def _applies(scope: str, name: str) -> bool:
    """Whether a scope makes sense for a resource."""
    if scope == "BestEffort":
        return name == "pods"
    if scope in _POD_SCOPES:
        return name in _POD_RESOURCES
    if scope == "VolumeAttributesClass":
        return name in _CLAIM_RESOURCES
    return True


def _scopes(spec: Obj) -> Errors:
    scopes = spec.get("scopes") or []
    found: Errors = []
    if not scopes:
        return found
    shown = go_value("[]core.ResourceQuotaScope", scopes)
    for scope in scopes:
        if scope not in SCOPES:
            found.append(invalid("spec.scopes", shown, "unsupported scope"))
        found.extend(invalid("spec.scopes", shown, _NOT_APPLIED) for _ in _not_applied(scope, spec))
    return found + _conflicts(scopes, spec, "spec.scopes")


_NOT_APPLIED = "unsupported scope applied to resource"


def _not_applied(scope: str, spec: Obj) -> list[str]:
    """The standard resources of a quota that a scope makes no sense for."""
    return [name for name in sorted(spec.get("hard") or {}) if name in QUOTA_RESOURCES and not _applies(scope, name)]


def _scope_selector(spec: Obj) -> Errors:
    found: Errors = []
    at = "spec.scopeSelector.matchExpressions"
    for requirement in (spec.get("scopeSelector") or {}).get("matchExpressions") or ():
        scope, operator = requirement.get("scopeName", ""), requirement.get("operator", "")
        values = requirement.get("values") or []
        if scope not in SCOPES:
            found.append(invalid(child(at, "scopeName"), scope, "unsupported scope"))
        shown = go_value("core.ScopeSelector", spec["scopeSelector"])
        found.extend(invalid(at, shown, _NOT_APPLIED) for _ in _not_applied(scope, spec))
        if scope in _EXISTING and operator != "Exists":
            detail = (
                "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
                "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort "
                "or ResourceQuotaScopeCrossNamespacePodAffinity"
            )
            found.append(invalid(child(at, "operator"), operator, detail))
        if operator in ("In", "NotIn") and not values:
            detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            found.append(required(child(at, "values"), detail))
        elif operator in ("Exists", "DoesNotExist") and values:
            detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            found.append(invalid(child(at, "values"), values, detail))
        elif operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            found.append(invalid(child(at, "operator"), operator, "not a valid selector operator"))
    asked = {r.get("scopeName", "") for r in (spec.get("scopeSelector") or {}).get("matchExpressions") or ()}
    return found + _conflicts(asked, spec, at)


def _conflicts(scopes: Collection[str], spec: Obj, path: str) -> Errors:
    """Scopes that no pod can be in both; upstream shows ``spec.scopes``, also of a selector."""
    shown = go_value("[]core.ResourceQuotaScope", spec.get("scopes") or None)
    return [invalid(path, shown, "conflicting scopes") for pair in _CONFLICTS if pair <= set(scopes)]


def _amounts(amounts: Obj, path: str) -> Errors:
    found: Errors = []
    for name, text in amounts.items():
        at = key(path, name)
        found.extend(validate_quota_resource_name(name, at))
        found.extend(validate_amount(name, text, at))
    return found


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    return _amounts(spec.get("hard") or {}, "spec.hard") + _scopes(spec) + _scope_selector(spec)


def _validate_update(new: Obj, old: Obj) -> Errors:
    found = _validate(new)
    after, before = (new.get("spec") or {}).get("scopes") or [], (old.get("spec") or {}).get("scopes") or []
    if set(after) != set(before):
        found.append(invalid("spec.scopes", go_value("[]core.ResourceQuotaScope", after or None), IMMUTABLE))
    return found


def _validate_status(new: Obj, old: Obj) -> Errors:
    state = new.get("status") or {}
    return _amounts(state.get("hard") or {}, "status.hard") + _amounts(state.get("used") or {}, "status.used")


def _row(obj: Obj, now: datetime) -> Cells:
    state = obj.get("status") or {}
    hard, used = state.get("hard") or {}, state.get("used") or {}
    request = [f"{name}: {used.get(name, '0')}/{hard[name]}" for name in sorted(hard) if not name.startswith("limits.")]
    limit = [f"{name}: {used.get(name, '0')}/{hard[name]}" for name in sorted(hard) if name.startswith("limits.")]
    return [name_of(obj), age(obj, now), ", ".join(request), ", ".join(limit)]


def _default(obj: Obj) -> None:
    for holder in (obj.get("spec"), obj.get("status")):
        for name in ("hard", "used"):
            if amounts := (holder or {}).get(name):
                default_resource_list(amounts)


RESOURCES = (
    Resource(
        kind="ResourceQuota",
        update_checks=TWICE,
        returns_deleted=True,
        plural="resourcequotas",
        definition="io.k8s.api.core.v1.ResourceQuota",
        short_names=("quota",),
        subresources={"status": status(validate=_validate_status)},
        generation=False,
        default=_default,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=_validate,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, AGE_COLUMN, Column("Request"), Column("Limit")),
        row=_row,
    ),
)
