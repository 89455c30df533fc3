"""ControllerRevisions: earlier templates of stateful and daemon sets."""

from __future__ import annotations

import json
from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, GoLiteral, invalid, required
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource
from kube_lite.resources.rules import nonnegative


def _validate(obj: Obj) -> Errors:
    found: Errors = []
    if obj.get("data") is None:
        found.append(required("data", "data is mandatory"))
    return found + nonnegative(obj.get("revision", 0), "revision")


def _validate_update(new: Obj, old: Obj) -> Errors:
    found = _validate(new)
    if new.get("data") != old.get("data"):
        found.append(invalid("data", _go_unknown(new.get("data")), IMMUTABLE))
    return found


def _go_unknown(data: object) -> GoLiteral:
    """The data as Go prints it: as the bytes of its JSON."""
    raw = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    shown = ", ".join(f"0x{byte:x}" for byte in raw)
    return GoLiteral(
        'runtime.Unknown{TypeMeta:runtime.TypeMeta{APIVersion:"", Kind:""}, '
        f'Raw:[]uint8{{{shown}}}, ContentEncoding:"", ContentType:"application/json"}}'
    )


def _row(obj: Obj, now: datetime) -> Cells:
    owners = (obj.get("metadata") or {}).get("ownerReferences") or ()
    owner = next((o for o in owners if o.get("controller")), None)
    group = owner.get("apiVersion", "").rpartition("/")[0] if owner else ""
    kind = f"{owner['kind'].lower()}{'.' + group if group else ''}/{owner.get('name', '')}" if owner else "<none>"
    return [name_of(obj), kind, obj.get("revision", 0), age(obj, now)]


RESOURCES = (
    Resource(
        kind="ControllerRevision",
        plural="controllerrevisions",
        group="apps",
        definition="io.k8s.api.apps.v1.ControllerRevision",
        generation=False,
        validate=_validate,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, Column("Controller"), Column("Revision", type="integer"), AGE_COLUMN),
        row=_row,
    ),
)
