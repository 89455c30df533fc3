"""PersistentVolumeClaims: requests for storage."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kube_lite.resources import quantity
from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, child, forbidden, invalid, key, not_supported, required
from kube_lite.resources.go.diff import go_diff
from kube_lite.resources.kinds.pod.defaults import default_claim_spec, default_resource_list
from kube_lite.resources.kinds.pod.requirements import validate_amount, validate_resource_name
from kube_lite.resources.labelselector import validate_label_selector
from kube_lite.resources.meta import Obj, metadata, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, TWICE, Cells, Column, Resource, UpdateCheck, status
from kube_lite.resources.rules import POSITIVE, dns_subdomain, immutable

FINALIZER = "kubernetes.io/pvc-protection"
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
ACCESS_MODES = frozenset({"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"})
_SHORT_MODES = (
    ("ReadWriteOnce", "RWO"),
    ("ReadOnlyMany", "ROX"),
    ("ReadWriteMany", "RWX"),
    ("ReadWriteOncePod", "RWOP"),
)
_SOURCES = (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))


def default_claim(obj: Obj) -> None:
    """A claim, also one inside a StatefulSet."""
    state = obj.setdefault("status", {})
    if not state.get("phase"):
        state["phase"] = "Pending"
    if capacity := state.get("capacity"):
        default_resource_list(capacity)
    default_claim_spec(obj.setdefault("spec", {}))


def _is_plain(reference: Obj) -> bool:
    known = (reference.get("apiGroup") or "", reference.get("kind")) in _SOURCES
    return known and not reference.get("namespace")


def _normalize_sources(spec: Obj, before: Obj | None = None) -> None:
    """``dataSource`` and ``dataSourceRef`` say the same; other kinds than these two are dropped from the former.

    :param before: the spec until now; a source that is there already is not dropped, but checked
    """
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    in_use = before is not None and before.get("dataSource") is not None
    if not in_use and source is not None and (source.get("apiGroup") or "", source.get("kind")) not in _SOURCES:
        spec.pop("dataSource")
        source = None
    if reference is not None and source is None and _is_plain(reference):
        spec["dataSource"] = dict(reference)


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending"}
    _normalize_sources(obj["spec"])
    finalizers = metadata(obj).setdefault("finalizers", [])
    if FINALIZER not in finalizers:
        finalizers.append(FINALIZER)


def _prepare_update(new: Obj, old: Obj) -> None:
    new["status"] = old.get("status", {})
    _normalize_sources(new.setdefault("spec", {}), old.get("spec") or {})


def validate_access_modes(modes: list[str], path: str) -> Errors:
    """At least one known mode; ReadWriteOncePod stands alone."""
    if not modes:
        return [required(path, "at least 1 access mode is required")]
    told = sorted(ACCESS_MODES - {"ReadWriteOncePod"})
    found: Errors = [not_supported(path, mode, told) for mode in modes if mode not in ACCESS_MODES]
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        found.append(forbidden(path, "may not use ReadWriteOncePod with other access modes"))
    return found


def validate_claim_spec(spec: Obj, path: str) -> Errors:
    """A claim's spec, of a claim or of an ephemeral volume."""
    found = validate_access_modes(spec.get("accessModes") or [], child(path, "accessModes"))
    found.extend(validate_label_selector(spec.get("selector"), child(path, "selector")))
    amount = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    at = key(child(path, "resources"), "storage")
    if amount is None:
        found.append(required(at))
    else:
        found.extend(validate_resource_name("storage", at))
        if quantity.parse(amount).nanos <= 0:
            found.append(invalid(at, amount, POSITIVE))
        else:
            found.extend(validate_amount("storage", amount, at))
    if name := spec.get("storageClassName"):
        found.extend(dns_subdomain(name, child(path, "storageClassName")))
    mode = spec.get("volumeMode")
    if mode is not None and mode not in ("Block", "Filesystem"):
        found.append(not_supported(child(path, "volumeMode"), mode, ("Block", "Filesystem")))
    for name in ("dataSource", "dataSourceRef"):
        if (source := spec.get(name)) is not None:
            for part in ("name", "kind"):
                if not source.get(part):
                    found.append(required(child(child(path, name), part)))
            if not source.get("apiGroup") and source.get("kind") != "PersistentVolumeClaim":
                found.append(invalid(child(path, name), source.get("kind", ""), ""))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    after, before = new.get("spec") or {}, old.get("spec") or {}
    found = validate_claim_spec(after, "spec")
    classes = [((obj.get("metadata") or {}).get("annotations") or {}).get(CLASS_ANNOTATION, "") for obj in (new, old)]
    if classes[0] != classes[1]:
        found.append(invalid(f"metadata.annotations.{CLASS_ANNOTATION}", classes[0], IMMUTABLE))
    changeable: dict[str, Any] = dict(after)
    if not before.get("volumeName"):
        changeable["volumeName"] = before.get("volumeName")
    bound = (old.get("status") or {}).get("phase") == "Bound"
    if bound:
        changeable["resources"] = before.get("resources")
        changeable["volumeAttributesClassName"] = before.get("volumeAttributesClassName")
    kept = {k: v for k, v in changeable.items() if v is not None}
    if kept != {k: v for k, v in before.items() if v is not None}:
        changed = go_diff("core.PersistentVolumeClaimSpec", changeable, before)
        detail = f"spec is immutable after creation except resources.requests for bound claims\n{changed}"
        found.append(forbidden("spec", detail))
    found.extend(immutable(after, before, "volumeMode", ""))
    wanted = ((after.get("resources") or {}).get("requests") or {}).get("storage")
    had = ((before.get("resources") or {}).get("requests") or {}).get("storage")
    given = ((old.get("status") or {}).get("capacity") or {}).get("storage")
    shrinks = quantity.parse(wanted or "0") < quantity.parse(had or "0")
    if shrinks and (not given or quantity.parse(wanted or "0") < quantity.parse(given)):
        found.append(forbidden("spec.resources.requests.storage", "field can not be less than previous value"))
    return found


def short_modes(modes: list[str]) -> str:
    """``RWO,RWX``."""
    return ",".join(short for mode, short in _SHORT_MODES if mode in modes)


def claim_class(obj: Obj) -> str:
    """The storage class of a claim or volume, also by its old annotation."""
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(CLASS_ANNOTATION) or (obj.get("spec") or {}).get("storageClassName") or "")


def _row(obj: Obj, now: datetime) -> Cells:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    phase = "Terminating" if (obj.get("metadata") or {}).get("deletionTimestamp") else state.get("phase", "")
    volume, capacity, modes = spec.get("volumeName", ""), "", ""
    if volume:
        modes = short_modes(state.get("accessModes") or [])
        capacity = (state.get("capacity") or {}).get("storage", "0")
    return [
        name_of(obj),
        phase,
        volume,
        capacity,
        modes,
        claim_class(obj),
        age(obj, now),
        spec.get("volumeMode") or "<unset>",
    ]


RESOURCES = (
    Resource(
        kind="PersistentVolumeClaim",
        update_checks=(*TWICE, UpdateCheck.METADATA),
        returns_deleted=True,
        plural="persistentvolumeclaims",
        definition="io.k8s.api.core.v1.PersistentVolumeClaim",
        short_names=("pvc",),
        subresources={"status": status()},
        generation=False,
        default=default_claim,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        validate=lambda obj: validate_claim_spec(obj.get("spec") or {}, "spec"),
        validate_update=_validate_update,
        columns=(
            NAME_COLUMN,
            Column("Status"),
            Column("Volume"),
            Column("Capacity"),
            Column("Access Modes"),
            Column("StorageClass"),
            AGE_COLUMN,
            Column("VolumeMode", priority=1),
        ),
        row=_row,
    ),
)
