"""StorageClasses: how volumes are made."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, duplicate, forbidden, index, invalid, not_supported, required, too_long
from kube_lite.resources.kinds.pod.warnings import DEPRECATED_LABELS
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.names import qualified_name, size
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, TWICE, Cells, Column, Resource
from kube_lite.resources.rules import immutable

DEFAULT_ANNOTATION = "storageclass.kubernetes.io/is-default-class"
LEGACY_DEFAULT_ANNOTATION = "storageclass.beta.kubernetes.io/is-default-class"
BINDING_MODES = frozenset({"Immediate", "WaitForFirstConsumer"})
MAX_PARAMETERS = 512
MAX_PARAMETERS_SIZE = 256 * 1024
"""Bytes of all parameters together."""


def _default(obj: Obj) -> None:
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


def validate_provisioner(name: str, path: str) -> Errors:
    """A provisioner or driver: named like a label key."""
    if not name:
        return [required(path)]
    return [invalid(path, name, problem) for problem in qualified_name(name.lower())]


def validate_parameters(parameters: Obj, path: str = "parameters") -> Errors:
    """Free text, within bounds."""
    found: Errors = []
    if len(parameters) > MAX_PARAMETERS:
        found.append(too_long(path, MAX_PARAMETERS))
        return found
    for name in parameters:
        if not name:
            found.append(invalid(path, name, "field can not be empty."))
    if sum(size(name) + size(value) for name, value in parameters.items()) > MAX_PARAMETERS_SIZE:
        found.append(too_long(path, MAX_PARAMETERS_SIZE))
    return found


def _validate(obj: Obj) -> Errors:
    found = validate_provisioner(obj.get("provisioner", ""), "provisioner")
    found.extend(validate_parameters(obj.get("parameters") or {}))
    policy = obj.get("reclaimPolicy")
    if policy and policy not in ("Delete", "Retain"):
        found.append(not_supported("reclaimPolicy", policy, ("Delete", "Retain")))
    mode = obj.get("volumeBindingMode")
    if mode is None:
        found.append(required("volumeBindingMode"))
    elif mode not in BINDING_MODES:
        found.append(not_supported("volumeBindingMode", mode, BINDING_MODES))
    return found + _topologies(obj.get("allowedTopologies") or [])


def _topologies(terms: list[Obj]) -> Errors:
    """Terms that differ, each with keys that differ and values for each key."""
    found: Errors = []
    seen: list[dict[str, set[str]]] = []
    if terms:
        seen.append({})  # upstream compares with as many empty terms as there are
    for i, term in enumerate(terms):
        wanted: dict[str, set[str]] = {}
        for j, requirement in enumerate(term.get("matchLabelExpressions") or ()):
            at = index(f"{index('allowedTopologies', i)}.matchLabelExpressions", j)
            name, values = requirement.get("key", ""), requirement.get("values") or []
            if not values:
                found.append(required(f"{at}.values"))
            repeated = [(k, value) for k, value in enumerate(values) if value in values[:k]]
            found.extend(duplicate(index(f"{at}.values", k), value) for k, value in repeated)
            found.extend(invalid(f"{at}.key", name, problem) for problem in qualified_name(name))
            if name in wanted:
                found.append(duplicate(f"{at}.key", name))
            wanted[name] = set(values)
        if wanted in seen:
            found.append(duplicate(f"{index('allowedTopologies', i)}.matchLabelExpressions", ""))
        seen.append(wanted)
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    found: Errors = []
    for name in ("parameters", "provisioner", "reclaimPolicy"):
        if new.get(name) != old.get(name):
            found.append(forbidden(name, f"updates to {name} are forbidden."))
    return found + immutable(new, old, "volumeBindingMode", "")


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    return [
        f"allowedTopologies[{i}].matchLabelExpressions[{j}].key: {DEPRECATED_LABELS[expression['key']]}"
        for i, term in enumerate(new.get("allowedTopologies") or ())
        for j, expression in enumerate(term.get("matchLabelExpressions") or ())
        if expression.get("key") in DEPRECATED_LABELS
    ]


def _row(obj: Obj, now: datetime) -> Cells:
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    default = any(annotations.get(name) == "true" for name in (DEFAULT_ANNOTATION, LEGACY_DEFAULT_ANNOTATION))
    name = name_of(obj) + (" (default)" if default else "")
    return [
        name,
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy", "Delete"),
        obj.get("volumeBindingMode", "Immediate"),
        bool(obj.get("allowVolumeExpansion")),
        age(obj, now),
    ]


RESOURCES = (
    Resource(
        kind="StorageClass",
        update_checks=TWICE,
        plural="storageclasses",
        group="storage.k8s.io",
        definition="io.k8s.api.storage.v1.StorageClass",
        namespaced=False,
        short_names=("sc",),
        generation=False,
        default=_default,
        validate=_validate,
        validate_update=_validate_update,
        warnings=_warnings,
        columns=(
            NAME_COLUMN,
            Column("Provisioner"),
            Column("ReclaimPolicy"),
            Column("VolumeBindingMode"),
            Column("AllowVolumeExpansion"),
            AGE_COLUMN,
        ),
        row=_row,
    ),
)
