"""ControllerRevisions: earlier templates of stateful and daemon sets."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, GoLiteral, invalid, required
from kube_lite.resources.go.types import go_bytes
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, REPLACED, Cells, Column, Resource
from kube_lite.resources.rules import nonnegative


def _validate(obj: Obj) -> Errors:
    found: Errors = []
    if obj.get("data") is None:
        found.append(required("data", "data is mandatory"))
    return found + nonnegative(obj.get("revision", 0), "revision")


def _validate_update(new: Obj, old: Obj) -> Errors:
    found = _validate(new)
    if new.get("data") != old.get("data"):
        found.append(invalid("data", _go_raw(new.get("data")), IMMUTABLE))
    return found


def _go_raw(value: Any) -> GoLiteral | None:
    """Any JSON as Go holds it: its bytes."""
    if value is None:
        return None
    raw = go_bytes(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), "[]uint8")
    about = 'TypeMeta:runtime.TypeMeta{APIVersion:"", Kind:""}'
    return GoLiteral(f'runtime.Unknown{{{about}, Raw:{raw}, ContentEncoding:"", ContentType:"application/json"}}')


def _row(obj: Obj, now: datetime) -> Cells:
    owners = (obj.get("metadata") or {}).get("ownerReferences") or ()
    owner = next((o for o in owners if o.get("controller")), None)
    group = owner.get("apiVersion", "").rpartition("/")[0] if owner else ""
    kind = f"{owner['kind'].lower()}{'.' + group if group else ''}/{owner.get('name', '')}" if owner else "<none>"
    return [name_of(obj), kind, obj.get("revision", 0), age(obj, now)]


RESOURCES = (
    Resource(
        kind="ControllerRevision",
        update_checks=REPLACED,
        plural="controllerrevisions",
        group="apps",
        definition="io.k8s.api.apps.v1.ControllerRevision",
        generation=False,
        compared_as_text=True,
        validate=_validate,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, Column("Controller"), Column("Revision"), AGE_COLUMN),
        row=_row,
    ),
)
