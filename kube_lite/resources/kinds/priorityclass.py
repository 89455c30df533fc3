"""PriorityClasses: names for pod priorities."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, forbidden, invalid, not_supported, required
from kube_lite.resources.meta import Obj, metadata, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource

SYSTEM = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
"""The classes of the cluster's own pods, and their values."""
HIGHEST_USER_VALUE = 1_000_000_000
POLICIES = ("PreemptLowerPriority", "Never")


def _default(obj: Obj) -> None:
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _prepare_create(obj: Obj) -> None:
    metadata(obj)["generation"] = 1  # which changes leave as it is


def _validate(obj: Obj) -> Errors:
    name, value = name_of(obj), obj.get("value", 0)
    found: Errors = []
    if name.startswith("system-"):
        problem = ""
        if name not in SYSTEM:
            problem = f"{name} is not a known system priority class"
        elif value != SYSTEM[name]:
            problem = f"value of {name} PriorityClass must be {SYSTEM[name]}"
        elif obj.get("globalDefault"):
            problem = f"globalDefault of {name} PriorityClass must be false"
        if problem:
            detail = f"priority class names with 'system-' prefix are reserved for system use only. error: {problem}"
            found.append(forbidden("metadata.name", detail))
    elif value > HIGHEST_USER_VALUE:
        detail = f"maximum allowed value of a user defined priority is {HIGHEST_USER_VALUE}"
        found.append(forbidden("value", detail))
    policy = obj.get("preemptionPolicy")
    if not policy:
        found.append(required("preemptionPolicy"))
    elif policy not in POLICIES:
        found.append(not_supported("preemptionPolicy", policy, POLICIES))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    found: Errors = []
    if new.get("value", 0) != old.get("value", 0):
        found.append(forbidden("Value", "may not be changed in an update."))
    if new.get("preemptionPolicy") != old.get("preemptionPolicy"):
        found.append(invalid("preemptionPolicy", new.get("preemptionPolicy"), IMMUTABLE))
    return found


def _row(obj: Obj, now: datetime) -> Cells:
    return [
        name_of(obj),
        obj.get("value", 0),
        bool(obj.get("globalDefault")),
        age(obj, now),
    ]


RESOURCES = (
    Resource(
        kind="PriorityClass",
        plural="priorityclasses",
        list_kind="PriorityClassList",
        group="scheduling.k8s.io",
        definition="io.k8s.api.scheduling.v1.PriorityClass",
        namespaced=False,
        short_names=("pc",),
        generation=False,
        prepare_create=_prepare_create,
        default=_default,
        validate=_validate,
        validate_update=_validate_update,
        columns=(
            NAME_COLUMN,
            Column("Value", type="integer"),
            Column("Global-Default", type="boolean"),
            AGE_COLUMN,
        ),
        row=_row,
    ),
)
