"""CSINodes: the storage drivers of a node."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, duplicate, go_strings, index, invalid, required
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.pod.volumes import validate_driver_name
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.names import qualified_name
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, UpdateCheck
from kube_lite.resources.rules import nonnegative

MAX_NODE_ID = 256
"""Bytes of the name that a driver gives a node."""


def _validate(obj: Obj) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for i, driver in enumerate((obj.get("spec") or {}).get("drivers") or ()):
        at = index("spec.drivers", i)
        name, node = driver.get("name", ""), driver.get("nodeID", "")
        found.extend(validate_driver_name(name, f"{at}.name"))
        if not node:
            found.append(required(f"{at}.nodeID"))
        elif len(node) > MAX_NODE_ID:
            found.append(invalid(f"{at}.nodeID", node, f"must be {MAX_NODE_ID} characters or less"))
        found.extend(nonnegative((driver.get("allocatable") or {}).get("count"), f"{at}.allocatable.count"))
        if name in seen:
            found.append(duplicate(f"{at}.name", name))
        seen.add(name)
        found.extend(_topology_keys(driver.get("topologyKeys") or [], at))
    return found


def _topology_keys(keys: list[str], path: str) -> Errors:
    """Labels that the driver looks at; upstream blames the driver, and shows all keys."""
    found: Errors = []
    for i, key in enumerate(keys):
        if not key:
            found.append(required(path))
        if key in keys[:i]:
            found.append(duplicate(path, key))
        found.extend(invalid(path, go_strings(keys), problem) for problem in qualified_name(key))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    found = _validate(new)
    before = {driver.get("name"): driver for driver in (old.get("spec") or {}).get("drivers") or ()}
    for driver in (new.get("spec") or {}).get("drivers") or ():
        was = before.get(driver.get("name"))
        if was is not None and {**was, "allocatable": 0} != {**driver, "allocatable": 0}:
            # Upstream names the type here, not the field.
            found.append(invalid("CSINodeDriver", go_value("storage.CSINodeDriver", driver), IMMUTABLE))
    return found


def _row(obj: Obj, now: datetime) -> Cells:
    return [name_of(obj), len((obj.get("spec") or {}).get("drivers") or ()), age(obj, now)]


RESOURCES = (
    Resource(
        kind="CSINode",
        create_checks=2,
        update_checks=(UpdateCheck.WHOLE, UpdateCheck.METADATA),
        plural="csinodes",
        group="storage.k8s.io",
        definition="io.k8s.api.storage.v1.CSINode",
        namespaced=False,
        generation=False,
        returns_deleted=True,
        allow_unconditional_update=False,
        validate=_validate,
        validate_update=_validate_update,
        columns=(NAME_COLUMN, Column("Drivers", type="integer"), AGE_COLUMN),
        row=_row,
    ),
)
