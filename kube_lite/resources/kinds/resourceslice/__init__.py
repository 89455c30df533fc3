"""ResourceSlices: the devices of a node."""

from __future__ import annotations

from datetime import datetime

from kube_lite import clock
from kube_lite.resources.ages import age
from kube_lite.resources.gated import drop_gated
from kube_lite.resources.kinds.resourceslice.validation import validate_slice, validate_slice_update
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource


def _default(obj: Obj) -> None:
    for device in (obj.get("spec") or {}).get("devices") or ():
        for taint in device.get("taints") or ():
            taint.setdefault("timeAdded", clock.timestamp())


_LISTS = ("bools", "ints", "strings", "versions")
_MAPPINGS = "nodeAllocatableResourceMappings"


def _attributes(obj: Obj) -> list[Obj]:
    return [a for device in _devices(obj) for a in (device.get("attributes") or {}).values()]


def _devices(obj: Obj) -> list[Obj]:
    listed: list[Obj] = (obj.get("spec") or {}).get("devices") or []
    return listed


def _prepare_update(new: Obj, old: Obj) -> None:
    """Lists as attributes, and what devices hold of a node's resources, are alpha: kept only where they are in use."""
    if not any(name in attribute for attribute in _attributes(old) for name in _LISTS):
        for attribute in _attributes(new):
            drop_gated(attribute, {}, *_LISTS)
    if not any(_MAPPINGS in device for device in _devices(old)):
        for device in _devices(new):
            drop_gated(device, {}, _MAPPINGS)


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
        default=_default,
        prepare_create=lambda obj: _prepare_update(obj, {}),
        prepare_update=_prepare_update,
        validate=validate_slice,
        validate_update=validate_slice_update,
        columns=(NAME_COLUMN, Column("Node"), Column("Driver"), Column("Pool"), AGE_COLUMN),
        row=_row,
        selectable=_selectable,
        selectable_names=("spec.nodeName", "spec.driver"),
    ),
)
