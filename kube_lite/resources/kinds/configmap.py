"""ConfigMaps: plain configuration."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources import names
from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, forbidden, invalid, key, too_long
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, REPLACED, Cells, Column, Resource

SIZE_LIMIT = 1024 * 1024
"""Bytes of all values together; Secrets share it."""

NO_PATH = "[]"
"""How upstream prints the path of the whole object."""

IMMUTABLE_WHEN = "field is immutable when `immutable` is set"


def _decoded_size(text: str) -> int:
    """Bytes that a base64 text stands for."""
    return len(text) * 3 // 4 - text[-2:].count("=")


def _validate(obj: Obj) -> Errors:
    found: Errors = []
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    total = 0
    for name, value in data.items():
        found.extend(invalid(key("data", name), name, problem) for problem in names.config_map_key(name))
        if name in binary:
            found.append(invalid(key("data", name), name, "duplicate of key present in binaryData"))
        total += names.size(value)
    for name, value in binary.items():
        found.extend(invalid(key("binaryData", name), name, problem) for problem in names.config_map_key(name))
        total += _decoded_size(value)
    if total > SIZE_LIMIT:
        found.append(too_long(NO_PATH, SIZE_LIMIT))
    return found


def validate_immutable(new: Obj, old: Obj, fields: tuple[str, ...]) -> Errors:
    """What may not change of an object that was made immutable."""
    if not old.get("immutable"):
        return []
    found: Errors = [] if new.get("immutable") else [forbidden("immutable", IMMUTABLE_WHEN)]
    for name in fields:
        if (new.get(name) or {}) != (old.get(name) or {}):
            found.append(forbidden(name, IMMUTABLE_WHEN))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    return validate_immutable(new, old, ("data", "binaryData")) + _validate(new)


def _row(obj: Obj, now: datetime) -> Cells:
    return [name_of(obj), len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), age(obj, now)]


RESOURCES = (
    Resource(
        kind="ConfigMap",
        update_checks=REPLACED,
        plural="configmaps",
        definition="io.k8s.api.core.v1.ConfigMap",
        short_names=("cm",),
        generation=False,
        validate=_validate,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, Column("Data"), AGE_COLUMN),
        row=_row,
    ),
)
