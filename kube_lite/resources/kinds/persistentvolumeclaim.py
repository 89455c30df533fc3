"""PersistentVolumeClaims: requests for storage."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kube_lite.resources import quantity
from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, child, forbidden, invalid, key, not_supported, required
from kube_lite.resources.go.diff import go_diff
from kube_lite.resources.kinds.pod.defaults import default_claim_spec, default_resource_list
from kube_lite.resources.kinds.pod.requirements import is_native, validate_amount, validate_resource_name
from kube_lite.resources.kinds.pod.warnings import claim_spec_warnings
from kube_lite.resources.labelselector import validate_label_selector
from kube_lite.resources.meta import Obj, metadata, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, TWICE, Cells, Column, Resource, UpdateCheck, status
from kube_lite.resources.rules import POSITIVE, dns_label, dns_subdomain, immutable, qualified_name

FINALIZER = "kubernetes.io/pvc-protection"
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
ACCESS_MODES = frozenset({"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"})
_SHORT_MODES = (
    ("ReadWriteOnce", "RWO"),
    ("ReadOnlyMany", "ROX"),
    ("ReadWriteMany", "RWX"),
    ("ReadWriteOncePod", "RWOP"),
)
RESIZES = frozenset(
    {
        "ControllerResizeInProgress",
        "ControllerResizeInfeasible",
        "NodeResizePending",
        "NodeResizeInProgress",
        "NodeResizeInfeasible",
    }
)
_CURRENT = "currentVolumeAttributesClassName"
_NO_AMOUNT = "must be a valid resource quantity"
_SOURCES = (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))


def default_claim(obj: Obj) -> None:
    """A claim, also one inside a StatefulSet."""
    state = obj.setdefault("status", {})
    if not state.get("phase"):
        state["phase"] = "Pending"
    if capacity := state.get("capacity"):
        default_resource_list(capacity)
    default_claim_spec(obj.setdefault("spec", {}))


def _normalize_sources(spec: Obj, before: Obj | None = None) -> None:
    """``dataSource`` and ``dataSourceRef`` say the same; other kinds than these two are only said in the latter.

    :param before: the spec until now; a source that is there already is not dropped, but checked
    """
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is None and reference is None:
        return
    known = before or {}
    if reference is not None and reference.get("namespace") and known.get("dataSourceRef") is None:
        # sources of other namespaces are alpha
        spec.pop("dataSourceRef")
        reference = None
    in_use = known.get("dataSource") is not None or known.get("dataSourceRef") is not None
    if source is not None and reference is None and not in_use and _kind_of(source) not in _SOURCES:
        spec.pop("dataSource")
    if reference is not None and source is None and not reference.get("namespace"):
        spec["dataSource"] = {k: v for k, v in reference.items() if k != "namespace"}


def _kind_of(source: Obj) -> tuple[str, str]:
    return source.get("apiGroup") or "", source.get("kind", "")


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


def validate_claim_spec(spec: Obj, path: str, *, any_group: bool = False) -> Errors:
    """A claim's spec, of a claim or of an ephemeral volume; ``any_group`` takes any text as a source's API group."""
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
    found.extend(_sources(spec, path, any_group=any_group))
    if name := spec.get("volumeAttributesClassName"):
        found.extend(dns_subdomain(name, child(path, "volumeAttributesClassName")))
    return found


def _sources(spec: Obj, path: str, *, any_group: bool) -> Errors:
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is None and reference is None:
        return []
    found: Errors = []
    for at, given in ((child(path, "dataSource"), source), (child(path, "dataSourceRef"), reference)):
        if given is not None:
            found.extend(required(child(at, part)) for part in ("name", "kind") if not given.get(part))
            group, kind = _kind_of(given)
            if not group and kind != "PersistentVolumeClaim":
                found.append(invalid(at, kind, ""))
            elif group and not any_group:
                found.extend(dns_subdomain(group, child(at, "apiGroup")))
    if reference is None:
        return found
    namespace = reference.get("namespace")
    if namespace:
        found.extend(dns_label(namespace, child(child(path, "dataSourceRef"), "namespace")))
    if source is None:
        return found
    if namespace:
        found.append(invalid(path, {}, "may not be specified when dataSourceRef.namespace is specified"))
    elif any(source.get(part) != reference.get(part) for part in ("apiGroup", "kind", "name")):
        found.append(invalid(path, {}, "must match dataSourceRef"))
    return found


def _has_group(spec: Obj) -> bool:
    return any((spec.get(name) or {}).get("apiGroup") is not None for name in ("dataSource", "dataSourceRef"))


def _validate_update(new: Obj, old: Obj) -> Errors:
    after, before = new.get("spec") or {}, dict(old.get("spec") or {})
    _normalize_sources(before, before)
    found = validate_claim_spec(after, "spec", any_group=_has_group(before))
    changeable: dict[str, Any] = dict(after)
    if not before.get("volumeName"):
        changeable["volumeName"] = before.get("volumeName")
    marks = [(obj.get("metadata") or {}).get("annotations") or {} for obj in (new, old)]
    if _takes_class_over(marks[0], marks[1], after, before):
        changeable["storageClassName"] = None
    elif marks[0].get(CLASS_ANNOTATION, "") != marks[1].get(CLASS_ANNOTATION, ""):
        given = marks[0].get(CLASS_ANNOTATION, "")
        found.append(invalid(f"metadata.annotations.{CLASS_ANNOTATION}", given, IMMUTABLE))
    requests = (after.get("resources") or {}).get("requests") or {}
    had = ((before.get("resources") or {}).get("requests") or {}).get("storage")
    if (old.get("status") or {}).get("phase") == "Bound":
        if requests:
            changeable["resources"] = {**after["resources"], "requests": {**requests, "storage": had}}
        changeable["volumeAttributesClassName"] = before.get("volumeAttributesClassName")
    kept = {k: v for k, v in changeable.items() if v is not None}
    if kept != {k: v for k, v in before.items() if v is not None}:
        changed = go_diff("core.PersistentVolumeClaimSpec", changeable, before)
        detail = f"spec is immutable after creation except resources.requests for bound claims\n{changed}"
        found.append(forbidden("spec", detail))
    capacity = ((old.get("status") or {}).get("capacity") or {}).get("storage")
    # No claim shrank up to v1.22, which is told where the update is refused anyway.
    found.extend(_shrinks(requests.get("storage"), had, had if found else capacity))
    found.extend(immutable(after, before, "volumeMode", ""))
    return found + _attributes_kept(after, before, old.get("status") or {})


def _takes_class_over(marks: Obj, marked: Obj, after: Obj, before: Obj) -> bool:
    """Whether the class moves from the old annotation, which may go, to its field."""
    had = marked.get(CLASS_ANNOTATION)
    fills = had is not None and before.get("storageClassName") is None and after.get("storageClassName") == had
    return fills and marks.get(CLASS_ANNOTATION, had) == had


def _shrinks(wanted: str | None, had: str | None, given: str | None) -> Errors:
    """A failed expansion may be taken back in part, but not to what is there already."""
    size = quantity.parse(wanted or "0")
    if size >= quantity.parse(had or "0") or size > quantity.parse(given or "0"):
        return []
    return [forbidden("spec.resources.requests.storage", "field can not be less than previous value")]


def _attributes_kept(after: Obj, before: Obj, state: Obj) -> Errors:
    """A class of attributes that the volume has is another one or stays."""
    now = after.get("volumeAttributesClassName")
    if now or now == before.get("volumeAttributesClassName") or state.get(_CURRENT) is None:
        return []
    what = "nil" if now is None else "empty string"
    detail = f"update to {what} is forbidden when status.{_CURRENT} is not nil"
    return [forbidden("spec.volumeAttributesClassName", detail)]


def _validate_status(new: Obj, old: Obj) -> Errors:
    state = new.get("status") or {}
    found: Errors = []
    for name, amount in sorted((state.get("capacity") or {}).items()):
        found.extend(validate_basic_amount(amount, key("status.capacity", name)))
    at = "status.allocatedResourceStatuses"
    for name, told in sorted((state.get("allocatedResourceStatuses") or {}).items()):
        found.extend(_resource(name, at))
        if told not in RESIZES:
            found.append(not_supported(at, name, RESIZES))
    at = "status.allocatedResources"
    for name, amount in sorted((state.get("allocatedResources") or {}).items()):
        found.extend(
            _resource(name, at)
            or validate_basic_amount(amount, key(at, name))
            or validate_amount("storage", amount, key(at, name))
        )
    return found


def _resource(name: str, path: str) -> Errors:
    """Storage, or a resource with a domain of its own."""
    if found := qualified_name(name, path):
        return found
    return [not_supported(path, name, ("storage",))] if is_native(name) and name != "storage" else []


def validate_basic_amount(amount: str, path: str) -> Errors:
    """An amount that is not negative, in few words."""
    parsed = quantity.parse(amount)
    return [invalid(path, -(-parsed.nanos // quantity.NANO), _NO_AMOUNT)] if parsed.nanos <= -quantity.NANO else []


def class_annotation_warnings(obj: Obj) -> list[str]:
    """Of a claim or a volume whose class is said by the old annotation."""
    if CLASS_ANNOTATION not in ((obj.get("metadata") or {}).get("annotations") or {}):
        return []
    detail = 'deprecated since v1.8; use "storageClassName" attribute instead'
    return [f"{key('metadata.annotations', CLASS_ANNOTATION)}: {detail}"]


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    return class_annotation_warnings(new) + claim_spec_warnings(new.get("spec") or {}, "spec")


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
        subresources={"status": status(validate=_validate_status)},
        generation=False,
        default=default_claim,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        validate=lambda obj: validate_claim_spec(obj.get("spec") or {}, "spec"),
        validate_update=_validate_update,
        warnings=_warnings,
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
