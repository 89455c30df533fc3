"""VolumeAttributesClasses: changeable properties of volumes."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, forbidden, required
from kube_lite.resources.kinds.storageclass import validate_parameters, validate_provisioner
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource

DEFAULT_ANNOTATION = "volumeattributesclass.alpha.kubernetes.io/is-default-class"


def _validate(obj: Obj) -> Errors:
    found = validate_provisioner(obj.get("driverName", ""), "driverName")
    found.extend(validate_parameters(obj.get("parameters") or {}))
    if not obj.get("parameters"):
        found.append(required("parameters", "must contain at least one key/value pair"))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    found: Errors = []
    for name in ("driverName", "parameters"):
        if new.get(name) != old.get(name):
            found.append(forbidden(name, f"updates to {name} are forbidden."))
    return found + _validate(new)


def _row(obj: Obj, now: datetime) -> Cells:
    default = ((obj.get("metadata") or {}).get("annotations") or {}).get(DEFAULT_ANNOTATION) == "true"
    return [name_of(obj) + (" (default)" if default else ""), obj.get("driverName", ""), age(obj, now)]


RESOURCES = (
    Resource(
        kind="VolumeAttributesClass",
        plural="volumeattributesclasses",
        group="storage.k8s.io",
        definition="io.k8s.api.storage.v1.VolumeAttributesClass",
        namespaced=False,
        short_names=("vac",),
        generation=False,
        validate=_validate,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, Column("DriverName"), AGE_COLUMN),
        row=_row,
    ),
)
