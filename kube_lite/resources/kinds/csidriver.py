"""CSIDrivers: what a storage driver needs."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, duplicate, index, invalid, not_supported, required
from kube_lite.resources.gated import drop_gated
from kube_lite.resources.go.types import go_value
from kube_lite.resources.meta import Obj, metadata, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, UpdateCheck

GROUP_POLICIES = frozenset({"File", "None", "ReadWriteOnceWithFSType"})
MAX_TOKEN_SECONDS = 2**32
MIN_PERIOD = 10
MODES = ("Persistent", "Ephemeral")
_BOOLEANS = {"attachRequired": True, "podInfoOnMount": False}
"""Later ones (storageCapacity, requiresRepublish, seLinuxMount) mean false when they are not there."""
_IMMUTABLE = ("attachRequired", "volumeLifecycleModes")
"""Fields that never change; the message shows the whole spec."""
_TOLD_LATER = ("storageCapacity", "tokenRequests", "requiresRepublish")
"""Fields that became usable after the servers whose message this is."""


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    for name, value in _BOOLEANS.items():
        spec.setdefault(name, value)
    spec.setdefault("fsGroupPolicy", "ReadWriteOnceWithFSType")
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def _prepare_create(obj: Obj) -> None:
    drop_gated(obj.get("spec") or {}, {}, "preventPodSchedulingIfMissing")


def _prepare_update(new: Obj, old: Obj) -> None:
    """Changes are counted; a new driver's count is not there, which is 0."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    drop_gated(after, before, "preventPodSchedulingIfMissing")
    if after != before:
        metadata(new)["generation"] = metadata(old).get("generation", 0) + 1


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found: Errors = []
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in MODES:
            found.append(not_supported("spec.volumeLifecycleModes", mode, MODES))
    return _needed(spec) + found + _tokens(spec) + _period(spec) + _secrets(spec)


def _needed(spec: Obj) -> Errors:
    found: Errors = [required(f"spec.{name}") for name in _BOOLEANS if spec.get(name) is None]
    if (policy := spec.get("fsGroupPolicy")) not in GROUP_POLICIES:
        found.append(not_supported("spec.fsGroupPolicy", policy or "", GROUP_POLICIES))
    return found


def _secrets(spec: Obj) -> Errors:
    """Where tokens go is said of drivers that ask for some."""
    value, at = spec.get("serviceAccountTokenInSecrets"), "spec.serviceAccountTokenInSecrets"
    if value is None or spec.get("tokenRequests"):
        return []
    return [invalid(at, value, "serviceAccountTokenInSecrets is set but no tokenRequests are specified")]


def _tokens(spec: Obj) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for i, token in enumerate(spec.get("tokenRequests") or ()):
        audience, seconds = token.get("audience", ""), token.get("expirationSeconds")
        at = index("spec.tokenRequests", i)
        if audience in seen:
            found.append(duplicate(f"{at}.audience", audience))
            continue
        seen.add(audience)
        if seconds is not None and seconds < 600:
            detail = "may not specify a duration less than 10 minutes"
            found.append(invalid(f"{at}.expirationSeconds", seconds, detail))
        if seconds is not None and seconds > MAX_TOKEN_SECONDS:
            detail = "may not specify a duration larger than 2^32 seconds"
            found.append(invalid(f"{at}.expirationSeconds", seconds, detail))
    return found


def _period(spec: Obj) -> Errors:
    """How often a node asks its driver for the limit of volumes; not more often than every ten seconds."""
    seconds, at = spec.get("nodeAllocatableUpdatePeriodSeconds"), "spec.nodeAllocatableUpdatePeriodSeconds"
    if seconds is None or seconds >= MIN_PERIOD:
        return []
    return [invalid(at, seconds, f"must be greater than or equal to {MIN_PERIOD} seconds")]


def _validate_update(new: Obj, old: Obj) -> Errors:
    after, before = new.get("spec") or {}, old.get("spec") or {}
    found = _needed(after) + _tokens(after) + _period(after) + _secrets(after)
    if any(after.get(name) != before.get(name) for name in _IMMUTABLE):
        told = {name: after[name] for name in after if name not in _TOLD_LATER}
        found.append(invalid("spec", go_value("storage.CSIDriverSpec", told), IMMUTABLE))
    return found


def _row(obj: Obj, now: datetime) -> Cells:
    spec = obj.get("spec") or {}
    return [
        name_of(obj),
        spec.get("attachRequired", True),
        spec.get("podInfoOnMount", False),
        ",".join(sorted(spec.get("volumeLifecycleModes") or ())) or "<none>",
        age(obj, now),
    ]


RESOURCES = (
    Resource(
        kind="CSIDriver",
        create_checks=2,
        update_checks=(UpdateCheck.METADATA,),
        plural="csidrivers",
        group="storage.k8s.io",
        generation=False,
        returns_deleted=True,
        definition="io.k8s.api.storage.v1.CSIDriver",
        namespaced=False,
        allow_unconditional_update=False,
        default=_default,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        validate=_validate,
        validate_update=_validate_update,
        columns=(
            NAME_COLUMN,
            Column("AttachRequired", type="boolean"),
            Column("PodInfoOnMount", type="boolean"),
            Column("Modes"),
            AGE_COLUMN,
        ),
        row=_row,
    ),
)
