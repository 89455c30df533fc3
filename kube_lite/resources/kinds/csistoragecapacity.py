"""CSIStorageCapacities: how much room a driver has where."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources import quantity
from kube_lite.resources.field import IMMUTABLE, Errors, invalid
from kube_lite.resources.kinds.pod.warnings import DEPRECATED_LABELS, selector_warnings
from kube_lite.resources.labelselector import validate_label_selector
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import NAME_COLUMN, Cells, Column, Resource
from kube_lite.resources.rules import NOT_NEGATIVE, dns_subdomain


def _validate(obj: Obj) -> Errors:
    found = validate_label_selector(obj.get("nodeTopology"), "nodeTopology")
    found.extend(dns_subdomain(obj.get("storageClassName", ""), "storageClassName"))
    if (text := obj.get("capacity")) is not None and quantity.parse(text).nanos < 0:
        found.append(invalid("capacity", text, NOT_NEGATIVE))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    found: Errors = []
    for name in ("nodeTopology", "storageClassName"):
        if new.get(name) != old.get(name):
            found.append(invalid(name, new.get(name), IMMUTABLE))
    return found


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    topology = new.get("nodeTopology") or {}
    labels = [label for label in topology.get("matchLabels") or () if label in DEPRECATED_LABELS]
    told = [f"nodeTopology.matchLabels.{label}: {DEPRECATED_LABELS[label]}" for label in labels]
    return selector_warnings(topology, "nodeTopology") + told


def _row(obj: Obj, now: datetime) -> Cells:
    return [name_of(obj), obj.get("storageClassName", ""), obj.get("capacity") or "<unset>"]


RESOURCES = (
    Resource(
        kind="CSIStorageCapacity",
        warnings=_warnings,
        plural="csistoragecapacities",
        list_kind="CSIStorageCapacityList",
        group="storage.k8s.io",
        definition="io.k8s.api.storage.v1.CSIStorageCapacity",
        generation=False,
        allow_unconditional_update=False,
        validate=_validate,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, Column("StorageClassName"), Column("Capacity")),
        row=_row,
    ),
)
