"""ResourceSlices: the devices of a node."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, invalid, required
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource
from kube_lite.resources.rules import dns_subdomain


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    for at, name in (
        ("spec.driver", spec.get("driver", "")),
        ("spec.pool.name", (spec.get("pool") or {}).get("name", "")),
    ):
        found.extend(dns_subdomain(name, at) if name else [required(at)])
    where = [name for name in ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection") if spec.get(name)]
    if len(where) != 1:
        detail = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
        found.append(required("spec", detail) if not where else invalid("spec", spec, detail))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    after, before = new.get("spec") or {}, old.get("spec") or {}
    found = _validate(new)
    for name in ("driver", "nodeName"):
        if after.get(name) != before.get(name):
            found.append(invalid(f"spec.{name}", after.get(name), IMMUTABLE))
    return found


def _selectable(obj: Obj) -> dict[str, str]:
    spec = obj.get("spec") or {}
    return {"spec.nodeName": spec.get("nodeName", ""), "spec.driver": spec.get("driver", "")}


def _row(obj: Obj, now: datetime) -> Cells:
    spec = obj.get("spec") or {}
    pool = (spec.get("pool") or {}).get("name", "")
    return [name_of(obj), spec.get("nodeName") or "<unset>", spec.get("driver", ""), pool, age(obj, now)]


RESOURCES = (
    Resource(
        kind="ResourceSlice",
        plural="resourceslices",
        group="resource.k8s.io",
        definition="io.k8s.api.resource.v1.ResourceSlice",
        namespaced=False,
        validate=_validate,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, Column("Node"), Column("Driver"), Column("Pool"), AGE_COLUMN),
        row=_row,
        selectable=_selectable,
        selectable_names=("spec.nodeName", "spec.driver"),
    ),
)
