"""ResourceQuotas: bounds of what a namespace may ask for."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, child, go_strings, index, invalid, key, required
from kube_lite.resources.kinds.pod.requirements import validate_amount, validate_quota_resource_name
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, status

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
_POD_SCOPES = SCOPES - {"VolumeAttributesClass"}
_POD_RESOURCES = frozenset(
    {
        "pods",
        "cpu",
        "memory",
        "ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
    }
)
_CONFLICTS = (frozenset({"BestEffort", "NotBestEffort"}), frozenset({"Terminating", "NotTerminating"}))


def _applies(scope: str, name: str) -> bool:
    """Whether a scope makes sense for a resource."""
    if scope == "BestEffort":
        return name == "pods"
    if scope in _POD_SCOPES:
        return name in _POD_RESOURCES or name.startswith("requests.hugepages-")
    return True


def _scopes(spec: Obj) -> Errors:
    scopes = spec.get("scopes") or []
    found: Errors = []
    if not scopes:
        return found
    for scope in scopes:
        if scope not in SCOPES:
            found.append(invalid("spec.scopes", go_strings(scopes, "[]core.ResourceQuotaScope"), "unsupported scope"))
        if any(not _applies(scope, name) for name in spec.get("hard") or {}):
            found.append(
                invalid(
                    "spec.scopes",
                    go_strings(scopes, "[]core.ResourceQuotaScope"),
                    "unsupported scope applied to resource",
                )
            )
    if any(pair <= set(scopes) for pair in _CONFLICTS):
        found.append(invalid("spec.scopes", go_strings(scopes, "[]core.ResourceQuotaScope"), "conflicting scopes"))
    return found


def _scope_selector(spec: Obj) -> Errors:
    found: Errors = []
    path = "spec.scopeSelector.matchExpressions"
    for i, requirement in enumerate((spec.get("scopeSelector") or {}).get("matchExpressions") or ()):
        at = index(path, i)
        scope, operator = requirement.get("scopeName", ""), requirement.get("operator", "")
        values = requirement.get("values") or []
        if scope not in SCOPES:
            found.append(invalid(child(at, "scopeName"), scope, "unsupported scope"))
        if scope not in ("PriorityClass", "VolumeAttributesClass") and operator != "Exists":
            detail = (
                "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
                "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
                "ResourceQuotaScopeCrossNamespacePodAffinity"
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
    return found


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
        found.append(invalid("spec.scopes", after, IMMUTABLE))
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


RESOURCES = (
    Resource(
        kind="ResourceQuota",
        returns_deleted=True,
        plural="resourcequotas",
        definition="io.k8s.api.core.v1.ResourceQuota",
        short_names=("quota",),
        subresources={"status": status(validate=_validate_status)},
        generation=False,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=_validate,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, AGE_COLUMN, Column("Request"), Column("Limit")),
        row=_row,
    ),
)
