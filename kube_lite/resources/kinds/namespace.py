"""Namespaces: the scopes of names."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources import names
from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, index, invalid
from kube_lite.resources.meta import Obj, metadata, name_of
from kube_lite.resources.metadata import STANDARD_FINALIZERS
from kube_lite.resources.registry import (
    AGE_COLUMN,
    NAME_COLUMN,
    Cells,
    Column,
    Resource,
    Subresource,
    UpdateCheck,
    prepare_status_update,
    status,
)

FINALIZER = "kubernetes"
"""Holds a namespace until it is empty."""
_AT = "spec.finalizers"
NAME_LABEL = "kubernetes.io/metadata.name"


def _label(obj: Obj) -> None:
    """Label a namespace with its name; of one that is no label only the name is complained about."""
    meta = metadata(obj)
    name = meta.get("name", "")
    if not names.label_value(name):
        meta.setdefault("labels", {})[NAME_LABEL] = name


def _default(obj: Obj) -> None:
    if metadata(obj).get("name"):
        _label(obj)
    state = obj.setdefault("status", {})
    if not state.get("phase"):
        state["phase"] = "Active"


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"phase": "Active"}
    finalizers = obj.setdefault("spec", {}).setdefault("finalizers", [])
    if FINALIZER not in finalizers:
        finalizers.append(FINALIZER)
    _label(obj)  # a generated name was not known when defaults were set


def _prepare_update(new: Obj, old: Obj) -> None:
    """Finalizers go through ``/finalize``, status through ``/status``."""
    new.setdefault("spec", {})["finalizers"] = (old.get("spec") or {}).get("finalizers", [])
    new["status"] = old.get("status", {})


def _prepare_finalize(new: Obj, old: Obj) -> None:
    wanted = (new.get("spec") or {}).get("finalizers", [])
    prepare_status_update(new, old)
    new["spec"] = {**(old.get("spec") or {}), "finalizers": wanted}
    if not wanted:
        new["spec"].pop("finalizers")
    new["status"] = old.get("status", {})


def _validate(obj: Obj) -> Errors:
    return [error for name in (obj.get("spec") or {}).get("finalizers") or () for error in _finalizer(name, _AT)]


def _validate_finalize(new: Obj, old: Obj) -> Errors:
    finalizers = (new.get("spec") or {}).get("finalizers") or ()
    return [error for i, name in enumerate(finalizers) for error in _finalizer(name, index(_AT, i))]


def _finalizer(name: str, path: str) -> Errors:
    found: Errors = [invalid(path, name, problem) for problem in names.qualified_name(name)]
    if "/" not in name and name not in STANDARD_FINALIZERS:
        found.append(invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified"))
    return found


def _validate_status(new: Obj, old: Obj) -> Errors:
    phase = (new.get("status") or {}).get("phase", "")
    if (new.get("metadata") or {}).get("deletionTimestamp"):
        if phase != "Terminating":
            detail = "may only be 'Terminating' if `deletionTimestamp` is not empty"
            return [invalid("status.Phase", phase, detail)]
    elif phase != "Active":
        return [invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")]
    return []


def _row(obj: Obj, now: datetime) -> Cells:
    return [name_of(obj), (obj.get("status") or {}).get("phase", ""), age(obj, now)]


RESOURCES = (
    Resource(
        kind="Namespace",
        update_checks=(UpdateCheck.METADATA, UpdateCheck.CHANGE),
        plural="namespaces",
        definition="io.k8s.api.core.v1.Namespace",
        namespaced=False,
        short_names=("ns",),
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        subresources={
            "status": status(validate=_validate_status),
            "finalize": Subresource(
                name="finalize",
                verbs=("update",),
                prepare=_prepare_finalize,
                validate=_validate_finalize,
            ),
        },
        name_rule=names.label_name,
        generation=False,
        default=_default,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        validate=_validate,
        validate_update=lambda new, old: _validate(new),
        columns=(NAME_COLUMN, Column("Status"), AGE_COLUMN),
        row=_row,
        selectable=lambda obj: {"status.phase": (obj.get("status") or {}).get("phase", "")},
        selectable_names=("status.phase",),
    ),
)
