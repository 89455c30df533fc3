"""PersistentVolumes: pieces of storage."""

from __future__ import annotations

from datetime import datetime

from kube_lite.resources import quantity
from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, child, forbidden, invalid, key, not_supported, required
from kube_lite.resources.go.diff import go_diff
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.persistentvolumeclaim import claim_class, short_modes, validate_access_modes
from kube_lite.resources.kinds.pod.defaults import VOLUME_DEFAULTS
from kube_lite.resources.kinds.pod.projections import Check
from kube_lite.resources.kinds.pod.scheduling import validate_node_selector
from kube_lite.resources.kinds.pod.volumes import azure_disk, host_path, needs, nfs, validate_driver_name
from kube_lite.resources.meta import Obj, metadata, name_of
from kube_lite.resources.registry import AGE_COLUMN, NAME_COLUMN, Cells, Column, Resource, UpdateCheck, status
from kube_lite.resources.rules import POSITIVE, dns_label, dns_subdomain, no_backsteps

FINALIZER = "kubernetes.io/pv-protection"
RECLAIM = frozenset({"Delete", "Recycle", "Retain"})


def _local(source: Obj, path: str) -> Errors:
    where = source.get("path", "")
    return no_backsteps(where, child(path, "path")) if where else [required(child(path, "path"))]


def _csi(source: Obj, path: str) -> Errors:
    """A driver, its volume, and secrets that are named in full."""
    found = validate_driver_name(source.get("driver", ""), child(path, "driver"))
    if not source.get("volumeHandle"):
        found.append(required(child(path, "volumeHandle")))
    for name in ("controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef"):
        if (reference := source.get(name)) is None:
            continue
        # Upstream's paths: a blank after the last of these, and none of them where a name is malformed.
        at = child(path, f"{name} " if name == "nodePublishSecretRef" else name)
        for part, rule in (("name", dns_subdomain), ("namespace", dns_label)):
            if given := reference.get(part):
                found.extend(rule(given, child(path, part)))
            else:
                found.append(required(child(at, part)))
    return found


SOURCES: dict[str, Check] = {
    "hostPath": host_path,
    "gcePersistentDisk": needs("pdName"),
    "awsElasticBlockStore": needs("volumeID"),
    "glusterfs": needs("endpoints", "path"),
    "flocker": needs(),
    "nfs": nfs,
    "rbd": needs("monitors", "image"),
    "quobyte": needs("registry", "volume"),
    "cephfs": needs("monitors"),
    "iscsi": needs("targetPortal", "iqn"),
    "cinder": needs("volumeID"),
    "fc": needs(),
    "flexVolume": needs("driver"),
    "azureFile": needs("secretName", "shareName"),
    "vsphereVolume": needs("volumePath"),
    "photonPersistentDisk": needs("pdID"),
    "portworxVolume": needs("volumeID"),
    "azureDisk": azure_disk,
    "scaleIO": needs("gateway", "system", "volumeName"),
    "local": _local,
    "storageos": needs("volumeName"),
    "csi": _csi,
}
"""Rules of each source, in the order in which upstream looks for a second one."""


def _default(obj: Obj) -> None:
    spec, state = obj.setdefault("spec", {}), obj.setdefault("status", {})
    if not state.get("phase"):
        state["phase"] = "Pending"
    if not spec.get("persistentVolumeReclaimPolicy"):
        spec["persistentVolumeReclaimPolicy"] = "Retain"
    spec.setdefault("volumeMode", "Filesystem")
    for name in SOURCES:
        if isinstance(source := spec.get(name), dict) and (fill := VOLUME_DEFAULTS.get(name)) is not None:
            fill(source)


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending"}
    finalizers = metadata(obj).setdefault("finalizers", [])
    if FINALIZER not in finalizers:
        finalizers.append(FINALIZER)


def _prepare_update(new: Obj, old: Obj) -> None:
    new["status"] = old.get("status", {})


def _capacity(capacity: Obj | None) -> Errors:
    found: Errors = [] if capacity else [required("spec.capacity")]
    if not capacity or "storage" not in capacity or len(capacity) > 1:
        found.append(not_supported("spec.capacity", go_value("core.ResourceList", capacity), ("storage",)))
        return found
    amount = capacity["storage"]
    at = key("spec.capacity", "storage")
    return [] if quantity.parse(amount).nanos > 0 else [invalid(at, amount, POSITIVE)]


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    modes = spec.get("accessModes") or []
    found = validate_access_modes(modes, "spec.accessModes") if modes else [required("spec.accessModes")]
    found.extend(_capacity(spec.get("capacity")))
    policy = spec.get("persistentVolumeReclaimPolicy")
    if policy and policy not in RECLAIM:
        found.append(not_supported("spec.persistentVolumeReclaimPolicy", policy, RECLAIM))
    given = [name for name in SOURCES if spec.get(name) is not None]
    if (affinity := spec.get("nodeAffinity")) is not None:
        if (needed := affinity.get("required")) is None:
            found.append(required("spec.nodeAffinity.required", "must specify required node constraints"))
        else:
            found.extend(validate_node_selector(needed, "spec.nodeAffinity.required"))
    if not given:
        found.append(required("spec", "must specify a volume type"))
    else:
        found.extend(SOURCES[given[0]](spec[given[0]], child("spec", given[0])))
        for name in given[1:]:
            found.append(forbidden(child("spec", name), "may not specify more than 1 volume type"))
    if "local" in given and affinity is None:
        found.append(required("spec.nodeAffinity", "Local volume requires node affinity"))
    if policy == "Recycle" and (spec.get("hostPath") or {}).get("path", "").rstrip("/") == "" and "hostPath" in given:
        detail = "may not be 'recycle' for a hostPath mount of '/'"
        found.append(forbidden("spec.persistentVolumeReclaimPolicy", detail))
    if class_name := spec.get("storageClassName"):
        found.extend(dns_subdomain(class_name, "spec.storageClassName"))
    mode = spec.get("volumeMode")
    if mode is not None and mode not in ("Block", "Filesystem"):
        found.append(not_supported("spec.volumeMode", mode, ("Block", "Filesystem")))
    return found


def _validate_update(new: Obj, old: Obj) -> Errors:
    found = _validate(new)
    after, before = new.get("spec") or {}, old.get("spec") or {}
    if {n: after.get(n) for n in SOURCES} != {n: before.get(n) for n in SOURCES}:
        changed = go_diff("core.PersistentVolumeSource", after, before)
        detail = f"spec.persistentvolumesource is immutable after creation\n{changed}"
        found.append(forbidden("spec.persistentvolumesource", detail))
    if after.get("volumeMode") != before.get("volumeMode"):
        found.append(invalid("volumeMode", after.get("volumeMode"), IMMUTABLE))
    if before.get("nodeAffinity") and after.get("nodeAffinity") != before["nodeAffinity"]:
        affinity = after.get("nodeAffinity")
        shown = go_value("core.VolumeNodeAffinity", affinity) if affinity else None
        found.append(invalid("nodeAffinity", shown, IMMUTABLE))
    return found


def _row(obj: Obj, now: datetime) -> Cells:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    claim = spec.get("claimRef") or {}
    deleted = (obj.get("metadata") or {}).get("deletionTimestamp")
    return [
        name_of(obj),
        (spec.get("capacity") or {}).get("storage", "0"),
        short_modes(spec.get("accessModes") or []),
        spec.get("persistentVolumeReclaimPolicy", ""),
        "Terminating" if deleted else state.get("phase", ""),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        claim_class(obj),
        state.get("reason", ""),
        age(obj, now),
        spec.get("volumeMode") or "<unset>",
    ]


RESOURCES = (
    Resource(
        kind="PersistentVolume",
        update_checks=(UpdateCheck.WHOLE, UpdateCheck.METADATA),
        returns_deleted=True,
        plural="persistentvolumes",
        definition="io.k8s.api.core.v1.PersistentVolume",
        namespaced=False,
        short_names=("pv",),
        subresources={"status": status()},
        generation=False,
        default=_default,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        validate=_validate,
        validate_update=_validate_update,
        columns=(
            NAME_COLUMN,
            Column("Capacity"),
            Column("Access Modes"),
            Column("Reclaim Policy"),
            Column("Status"),
            Column("Claim"),
            Column("StorageClass"),
            Column("Reason"),
            AGE_COLUMN,
            Column("VolumeMode", priority=1),
        ),
        row=_row,
    ),
)
