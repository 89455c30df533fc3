"""Tables: what ``kubectl get`` prints, computed by the server (meta.k8s.io Table)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from kube_lite import clock, errors
from kube_lite.api.negotiate import Form
from kube_lite.resources import field
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Column, Resource

INCLUDES = ("None", "Metadata", "Object")


def include_object(text: str) -> str:
    """The includeObject parameter. :raises Invalid: not one of None, Metadata, Object"""
    if text and text not in INCLUDES:
        raise errors.BadRequest(
            f"Unable to convert to Table as requested: includeObject: Invalid value: {field.show(text)}: "
            "must be 'Metadata', 'Object', 'None', or empty"
        )
    return text or "Metadata"


def columns(resource: Resource) -> list[dict[str, Any]]:
    """The column definitions of a kind."""
    return [_definition(c) for c in resource.columns]


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def row(resource: Resource, obj: Obj, form: Form, include: str, now: datetime) -> dict[str, Any]:
    """One row: cells, conditions, and as much of the object as was asked for."""
    cells = resource.row(obj, now) if resource.row is not None else _default_cells(obj)
    found: dict[str, Any] = {"cells": cells}
    conditions = resource.row_conditions(obj) if resource.row_conditions is not None else []
    if conditions:
        found["conditions"] = conditions
    if include == "Object":
        found["object"] = obj
    elif include == "Metadata":
        found["object"] = partial(_shown(resource, obj), form)
    else:
        found["object"] = None
    return found


def _shown(resource: Resource, obj: Obj) -> Obj:
    """The object without the annotations that are made up for the wire."""
    meta = obj["metadata"]
    annotations = meta.get("annotations")
    if not resource.internal_annotations or not annotations:
        return obj
    kept = {key: value for key, value in annotations.items() if key not in resource.internal_annotations}
    shown = {key: value for key, value in meta.items() if key != "annotations"}
    if kept:
        shown["annotations"] = kept
    return {**obj, "metadata": shown}


def _default_cells(obj: Obj) -> list[Any]:
    meta = obj["metadata"]
    return [meta.get("name", ""), meta.get("creationTimestamp")]


def partial(obj: Mapping[str, Any], form: Form) -> dict[str, Any]:
    """The object's metadata alone, as PartialObjectMetadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": form.meta_api_version, "metadata": obj["metadata"]}


def table(
    resource: Resource,
    objects: Iterable[Obj],
    form: Form,
    include: str,
    metadata: Mapping[str, Any],
    *,
    with_columns: bool = True,
) -> dict[str, Any]:
    """A whole Table. Kinds with no columns of their own print null for no rows, as upstream's default does."""
    now = clock.now()
    if resource.row_order is not None:
        objects = sorted(objects, key=resource.row_order)
    rows = [row(resource, obj, form, include, now) for obj in objects]
    return {
        "kind": "Table",
        "apiVersion": form.meta_api_version,
        "metadata": dict(metadata),
        "columnDefinitions": columns(resource) if with_columns else None,
        "rows": rows if rows or resource.custom or resource.row is not None else None,
    }


def partial_list(objects: Sequence[Obj], form: Form, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A PartialObjectMetadataList; its items carry kind and apiVersion, as upstream's do."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": form.meta_api_version,
        "metadata": dict(metadata),
        "items": [partial(obj, form) for obj in objects] or None,
    }
