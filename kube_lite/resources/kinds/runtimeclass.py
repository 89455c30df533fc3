"""RuntimeClasses: which runtime starts a pod."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, child, duplicate, index, invalid
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.pod.requirements import validate_requirements
from kube_lite.resources.kinds.pod.scheduling import validate_tolerations
from kube_lite.resources.kinds.pod.warnings import DEPRECATED_LABELS
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.metadata import validate_labels
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, TWICE, Cells, Column, Resource
from kube_lite.resources.rules import dns_label


def _validate(obj: Obj) -> Errors:
    found = dns_label(obj.get("handler", ""), "handler")
    if fixed := (obj.get("overhead") or {}).get("podFixed"):
        found.extend(validate_requirements({"limits": fixed}, "overhead"))
    if scheduling := obj.get("scheduling"):
        found.extend(validate_labels(scheduling.get("nodeSelector") or {}, "scheduling.nodeSelector"))
        found.extend(_tolerations(scheduling.get("tolerations") or []))
    return found


def _tolerations(tolerations: list[Obj]) -> Errors:
    """Upstream names the field twice in all but the errors of tolerations that are there already."""
    at = "scheduling.tolerations"
    found = validate_tolerations(tolerations, child(at, "tolerations"))
    seen: list[tuple[str, ...]] = []
    for i, toleration in enumerate(tolerations):
        same = tuple(toleration.get(name, "") for name in ("key", "operator", "value", "effect"))
        if same in seen:
            found.append(duplicate(index(at, i), go_value("core.Toleration", toleration)))
        seen.append(same)
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    handler = new.get("handler", "")
    return [] if handler == old.get("handler", "") else [invalid("handler", handler, IMMUTABLE)]


def _row(obj: Obj, now: datetime) -> Cells:
    return [name_of(obj), obj.get("handler", ""), age(obj, now)]


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    selector = (new.get("scheduling") or {}).get("nodeSelector") or {}
    return [f"scheduling.nodeSelector: {DEPRECATED_LABELS[k]}" for k in selector if k in DEPRECATED_LABELS]


RESOURCES = (
    Resource(
        standard_finalizers=False,
        kind="RuntimeClass",
        plural="runtimeclasses",
        list_kind="RuntimeClassList",
        group="node.k8s.io",
        definition="io.k8s.api.node.v1.RuntimeClass",
        namespaced=False,
        generation=False,
        allow_create_on_update=True,
        update_checks=TWICE,
        allow_unconditional_update=False,
        validate=_validate,
        validate_update=_validate_update,
        warnings=_warnings,
        columns=(NAME_COLUMN, Column("Handler"), AGE_COLUMN),
        row=_row,
    ),
)
