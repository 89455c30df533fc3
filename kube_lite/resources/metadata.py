"""Validation of ``metadata``, which is the same for every kind.

Rules, order and wording are those of upstream's ``apimachinery/pkg/api/validation/objectmeta.go``. Values that
the server alone sets (uid, creationTimestamp, resourceVersion) are taken from the stored object before this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kube_lite.resources import names
from kube_lite.resources.field import (
    IMMUTABLE,
    Errors,
    GoLiteral,
    child,
    forbidden,
    index,
    invalid,
    key,
    required,
    too_long,
)
from kube_lite.resources.go.types import go_value
from kube_lite.resources.meta import Obj

ANNOTATIONS_LIMIT = 256 * 1024
"""Bytes of all annotations together, keys and values (upstream's TotalAnnotationSizeLimitB)."""

MANAGER_LENGTH = 128
"""Bytes of a field manager's name at most; upstream's number."""

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
STANDARD_FINALIZERS = frozenset({"kubernetes", ORPHAN, FOREGROUND})
"""The finalizers that need no domain prefix."""

_IMMUTABLE_FIELDS = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


def validate_labels(labels: Mapping[str, str], path: str) -> Errors:
    """Keys and values of a label map."""
    found: Errors = []
    for name, value in labels.items():
        for problem in names.qualified_name(name):
            found.append(invalid(path, name, problem))
        for problem in names.label_value(value):
            found.append(invalid(path, value, problem))
    return found


def validate_annotations(annotations: Mapping[str, str], path: str) -> Errors:
    """Keys of an annotation map and its total size."""
    found: Errors = []
    total = 0
    for name, value in annotations.items():
        for problem in names.qualified_name(name.lower()):
            found.append(invalid(path, name, problem))
        total += names.size(name) + names.size(value)
    if total > ANNOTATIONS_LIMIT:
        found.append(too_long(path, ANNOTATIONS_LIMIT))
    return found


def validate_finalizers(finalizers: list[str], path: str, *, builtin: bool = True) -> Errors:
    """Names of finalizers; those of built-in kinds are standard ones or carry a domain."""
    found: Errors = []
    for name in finalizers:
        found.extend(invalid(path, name, problem) for problem in names.qualified_name(name))
    if ORPHAN in finalizers and FOREGROUND in finalizers:
        found.append(invalid(path, finalizers, f"finalizer {ORPHAN} and {FOREGROUND} cannot be both set"))
    return found + validate_standard_finalizers(finalizers, path) if builtin else found


def validate_standard_finalizers(finalizers: list[str], path: str) -> Errors:
    """Finalizers without a domain are those that every server knows."""
    detail = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        invalid(index(path, i), name, detail)
        for i, name in enumerate(finalizers)
        if "/" not in name and name not in STANDARD_FINALIZERS
    ]


def finalizer_warnings(new: Obj, old: Obj | None) -> list[str]:
    """What custom resources are told of finalizers that a write adds without a domain."""
    before = () if old is None else old["metadata"].get("finalizers") or ()
    added = {name for name in new["metadata"].get("finalizers") or () if "/" not in name}
    return [
        f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer name '
        + ("including a path (/) " if "." in name else "")
        + "to avoid accidental conflicts with other finalizer writers"
        for name in sorted(added - STANDARD_FINALIZERS - set(before))
    ]


def validate_owner_references(owners: list[Obj], path: str) -> Errors:
    """Each owner is named fully, and at most one is the controller."""
    found: Errors = []
    controller = ""
    for owner in owners:
        version = owner.get("apiVersion", "")
        if not version.rpartition("/")[2] or version.count("/") > 1:
            found.append(invalid(child(path, "apiVersion"), version, "version must not be empty"))
        for name in ("kind", "name", "uid"):
            if not owner.get(name):
                found.append(invalid(child(path, name), owner.get(name, ""), f"{name} must not be empty"))
        if version == "v1" and owner.get("kind") == "Event":
            found.append(
                invalid(path, go_value("v1.OwnerReference", owner), "/v1, Kind=Event is disallowed from being an owner")
            )
        if owner.get("controller"):
            if controller:
                detail = (
                    'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{controller} and {owner.get('name', '')}"
                )
                found.append(invalid(path, go_value("[]v1.OwnerReference", owners), detail))
            controller = owner.get("name", "")
    return found


def _validate_maps(meta: Mapping[str, Any], path: str) -> Errors:
    found: Errors = []
    if labels := meta.get("labels"):
        found.extend(validate_labels(labels, child(path, "labels")))
    if annotations := meta.get("annotations"):
        found.extend(validate_annotations(annotations, child(path, "annotations")))
    if owners := meta.get("ownerReferences"):
        found.extend(validate_owner_references(owners, child(path, "ownerReferences")))
    return found


def validate_common(meta: Mapping[str, Any], *, path: str = "metadata", builtin: bool = True) -> Errors:
    """The part of ``metadata`` that is checked alike in new and in changed objects: all but names and times."""
    found = _validate_maps(meta, path)
    if finalizers := meta.get("finalizers"):
        found.extend(validate_finalizers(finalizers, child(path, "finalizers"), builtin=builtin))
    return found


def validate_metadata(
    meta: Mapping[str, Any],
    *,
    namespaced: bool,
    rule: names.NameRule | None = None,
    path: str = "metadata",
    builtin: bool = True,
) -> Errors:
    """Validate ``metadata`` of a new object, after a generated name was filled in.

    :param rule: how names of the kind look; None means DNS subdomain
    :param builtin: whether finalizers need a domain or a standard name (not so for custom resources)
    """
    rule = rule or names.subdomain_name
    found: Errors = []
    name, generate, namespace = meta.get("name"), meta.get("generateName"), meta.get("namespace")
    if generate:
        found.extend(invalid(child(path, "generateName"), generate, problem) for problem in rule(generate, True))
    if not name:
        found.append(required(child(path, "name"), "name or generateName is required"))
    else:
        problems = rule(name, False)
        if problems:
            found.extend(invalid(child(path, "name"), name, problem) for problem in problems)
    if namespaced:
        if not namespace:
            found.append(required(child(path, "namespace")))
        else:
            found.extend(invalid(child(path, "namespace"), namespace, p) for p in names.dns_label(namespace))
    elif namespace:
        found.append(forbidden(child(path, "namespace"), "not allowed on this type"))
    if meta.get("generation", 0) < 0:
        found.append(invalid(child(path, "generation"), meta["generation"], "must be greater than or equal to 0"))
    return found + validate_common(meta, path=path, builtin=builtin)


def validate_template_metadata(meta: Mapping[str, Any], path: str) -> Errors:
    """The part of ``metadata`` that a pod template may hold."""
    found: Errors = []
    if labels := meta.get("labels"):
        found.extend(validate_labels(labels, child(path, "labels")))
    if annotations := meta.get("annotations"):
        found.extend(validate_annotations(annotations, child(path, "annotations")))
    return found


def validate_metadata_update(new: Mapping[str, Any], old: Mapping[str, Any], *, path: str = "metadata") -> Errors:
    """Validate ``metadata`` of an object that replaces ``old``."""
    found: Errors = []
    if old.get("deletionTimestamp"):
        before = old.get("finalizers") or ()
        added = [name for name in new.get("finalizers") or () if name not in before]
        if added:
            shown = ", ".join(f'"{name}"' for name in added)
            detail = (
                "no new finalizers can be added if the object is being deleted, found new finalizers "
                f"[]string{{{shown}}}"
            )
            found.append(forbidden(child(path, "finalizers"), detail))
    if new.get("generation", 0) < old.get("generation", 0):
        found.append(invalid(child(path, "generation"), new.get("generation", 0), "must not be decremented"))
    for name in _IMMUTABLE_FIELDS:
        if new.get(name) != old.get(name):
            value = new.get(name, "")
            shown = _go_time(value) if name in ("creationTimestamp", "deletionTimestamp") else value
            found.append(invalid(child(path, name), shown, IMMUTABLE))
    return found + _validate_maps(new, path) + validate_managed_fields(new.get("managedFields") or [], path)


def _go_time(text: str) -> GoLiteral:
    """A moment as Go prints it for people."""
    day, _, clock_time = text.removesuffix("Z").partition("T")
    return GoLiteral(f"{day} {clock_time} +0000 UTC")


def validate_managed_fields(entries: list[Obj], path: str = "metadata") -> Errors:
    """What a client sends as owners: how they wrote and what they are called, under the paths that upstream names."""
    found: Errors = []
    for entry in entries:
        operation, manager = entry.get("operation", ""), entry.get("manager", "")
        if operation not in ("Apply", "Update"):
            where = child(path, "managedFields.operation")
            found.append(invalid(where, operation, "must be `Apply` or `Update`"))
        if names.size(manager) > MANAGER_LENGTH:
            found.append(too_long(child(path, "fieldManager"), MANAGER_LENGTH))
    return found


def annotation_path(name: str, path: str = "metadata") -> str:
    """``metadata.annotations[name]``."""
    return key(child(path, "annotations"), name)
