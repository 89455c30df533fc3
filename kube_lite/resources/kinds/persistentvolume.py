"""PersistentVolumes: pieces of storage."""

from __future__ import annotations

import copy
from datetime import datetime

from kube_lite import clock
from kube_lite.resources import quantity
from kube_lite.resources.ages import age
from kube_lite.resources.field import IMMUTABLE, Errors, child, forbidden, invalid, key, not_supported, required
from kube_lite.resources.go.diff import go_diff
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.persistentvolumeclaim import (
    claim_class,
    class_annotation_warnings,
    short_modes,
    validate_access_modes,
    validate_basic_amount,
)
from kube_lite.resources.kinds.pod.defaults import VOLUME_DEFAULTS, default_resource_list
from kube_lite.resources.kinds.pod.projections import Check
from kube_lite.resources.kinds.pod.scheduling import validate_node_selector
from kube_lite.resources.kinds.pod.storage_systems import (
    IN_FULL,
    LONG_ISCSI,
    MAX_ISCSI,
    azure_disk,
    azure_file_persistent,
    both,
    fibre_channel,
    flex_volume,
    flocker,
    glusterfs_persistent,
    iscsi_persistent,
    needs,
    nfs,
    partitioned,
    quobyte,
    storage_os,
)
from kube_lite.resources.kinds.pod.volumes import NAMED, NAMED_SECOND, host_path, validate_driver_name
from kube_lite.resources.kinds.pod.warnings import DEPRECATED_VOLUMES, term_warnings
from kube_lite.resources.meta import Obj, metadata, name_of
from kube_lite.resources.registry import (
    AGE_COLUMN,
    NAME_COLUMN,
    Cells,
    Column,
    Resource,
    UpdateCheck,
    prepare_status_update,
    status,
)
from kube_lite.resources.rules import POSITIVE, dns_label, dns_subdomain, no_backsteps

FINALIZER = "kubernetes.io/pv-protection"
MOUNT_ANNOTATION = "volume.beta.kubernetes.io/mount-options"
RECLAIM = frozenset({"Delete", "Recycle", "Retain"})


_CHANGED = "lastPhaseTransitionTime"
_EXPAND = "controllerExpandSecretRef"
_CSI_SECRETS = ("controllerPublishSecretRef", _EXPAND, "nodePublishSecretRef", "nodeExpandSecretRef")
_SOLD_OUT = ("photonPersistentDisk", "scaleIO", "storageos", "glusterfs", "rbd", "cephfs")
_GA_LABELS = {
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
}
_RECYCLED = (
    "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."
)


def _local(source: Obj, path: str) -> Errors:
    where = source.get("path", "")
    return no_backsteps(where, child(path, "path")) if where else [required(child(path, "path"))]


def _secret_name(text: str, path: str) -> Errors:
    """Dots are allowed since v1.24; what is malformed all the same is told as before."""
    return dns_label(text, path) if dns_subdomain(text, path) else []


def _csi(source: Obj, path: str) -> Errors:
    """A driver, its volume, and secrets that are named in full."""
    found = validate_driver_name(source.get("driver", ""), child(path, "driver"))
    if not source.get("volumeHandle"):
        found.append(required(child(path, "volumeHandle")))
    for name in _CSI_SECRETS:
        if (reference := source.get(name)) is None:
            continue
        # Upstream's paths: a blank after the last of these, and none of them where a name is malformed.
        at = child(path, f"{name} " if name == "nodePublishSecretRef" else name)
        for part, rule in (("name", _secret_name), ("namespace", dns_label)):
            if given := reference.get(part):
                found.extend(rule(given, child(path, part)))
            else:
                found.append(required(child(at, part)))
    return found


SOURCES: dict[str, Check] = {
    "hostPath": host_path,
    "gcePersistentDisk": partitioned("pdName"),
    "awsElasticBlockStore": partitioned("volumeID"),
    "glusterfs": glusterfs_persistent,
    "flocker": flocker,
    "nfs": nfs,
    "rbd": needs("monitors", "image"),
    "quobyte": quobyte,
    "cephfs": needs("monitors"),
    "iscsi": iscsi_persistent,
    "cinder": both(needs("volumeID"), IN_FULL),
    "fc": fibre_channel,
    "flexVolume": flex_volume,
    "azureFile": azure_file_persistent,
    "vsphereVolume": needs("volumePath"),
    "photonPersistentDisk": needs("pdID"),
    "portworxVolume": needs("volumeID"),
    "azureDisk": azure_disk,
    "scaleIO": needs("gateway", "system", "volumeName"),
    "local": _local,
    "storageos": storage_os(IN_FULL),
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
    if capacity := spec.get("capacity"):
        default_resource_list(capacity)
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


def _prepare_status(new: Obj, old: Obj) -> None:
    """The time of a change of phase is set where the writer does not tell one."""
    prepare_status_update(new, old)
    state, before = new.setdefault("status", {}), old.get("status") or {}
    told, was = state.get(_CHANGED), before.get(_CHANGED)
    if state.get("phase") != before.get("phase"):
        state[_CHANGED] = clock.timestamp() if told is None or told == was else told
    elif told is None and was is not None:
        state[_CHANGED] = was


def _capacity(capacity: Obj | None, path: str) -> Errors:
    found: Errors = [] if capacity else [required(path)]
    if not capacity or "storage" not in capacity or len(capacity) > 1:
        found.append(not_supported(path, go_value("core.ResourceList", capacity), ("storage",)))
    for name, amount in sorted((capacity or {}).items()):
        found.extend(validate_basic_amount(amount, key(path, name)))
        if quantity.parse(amount).nanos <= 0:
            found.append(invalid(key(path, name), amount, POSITIVE))
    return found


def _sources(spec: Obj, path: str) -> Errors:
    """Exactly one source, and its own rules."""
    given = [name for name in SOURCES if spec.get(name) is not None]
    if not given:
        return [required(path, "must specify a volume type")]
    found = SOURCES[given[0]](spec[given[0]], child(path, NAMED.get(given[0], given[0])))
    for name in given[1:]:
        if name == "flexVolume":  # upstream does not count these
            found.extend(flex_volume(spec[name], child(path, name)))
            continue
        found.append(forbidden(child(path, NAMED_SECOND.get(name, name)), "may not specify more than 1 volume type"))
    if given[0] == "local" and spec.get("nodeAffinity") is None:  # an empty one is refused elsewhere
        found.append(required(child(path, "nodeAffinity"), "Local volume requires node affinity"))
    return found


def _placement(spec: Obj, path: str) -> Errors:
    """What a volume has that is not inside an attachment: its size, its class, nodes, and what becomes of it."""
    found = _capacity(spec.get("capacity"), child(path, "capacity"))
    policy = spec.get("persistentVolumeReclaimPolicy")
    if policy and policy not in RECLAIM:
        found.append(not_supported(child(path, "persistentVolumeReclaimPolicy"), policy, RECLAIM))
    if (affinity := spec.get("nodeAffinity")) is not None:
        at = child(child(path, "nodeAffinity"), "required")
        if (needed := affinity.get("required")) is None:
            found.append(required(at, "must specify required node constraints"))
        else:
            found.extend(validate_node_selector(needed, at))
    return found


def _end(spec: Obj, path: str) -> Errors:
    found: Errors = []
    host = spec.get("hostPath")
    if (
        host is not None
        and spec.get("persistentVolumeReclaimPolicy") == "Recycle"
        and not host.get("path", "").strip("/")
    ):
        detail = "may not be 'recycle' for a hostPath mount of '/'"
        found.append(forbidden(child(path, "persistentVolumeReclaimPolicy"), detail))
    if class_name := spec.get("storageClassName"):
        found.extend(dns_subdomain(class_name, child(path, "storageClassName")))
    mode = spec.get("volumeMode")
    if mode is not None and mode not in ("Block", "Filesystem"):
        found.append(not_supported(child(path, "volumeMode"), mode, ("Block", "Filesystem")))
    return found


def validate_inline_spec(spec: Obj, path: str) -> Errors:
    """A volume inside an attachment: a CSI volume that is only attached, not claimed, sized or placed."""
    inside = "in the context of inline volumes"
    never = f"may not be specified {inside}"
    found = [forbidden(child(path, name), never) for name in ("claimRef", "capacity") if spec.get(name)]
    if spec.get("csi") is None:
        found.append(required(child(path, "csi"), f"has to be specified {inside}"))
    modes = spec.get("accessModes") or []
    at = child(path, "accessModes")
    found.extend(validate_access_modes(modes, at) if modes else [required(at)])
    if (spec.get("persistentVolumeReclaimPolicy") or "Retain") != "Retain":
        found.append(forbidden(child(path, "persistentVolumeReclaimPolicy"), f"may only be Retain {inside}"))
    if spec.get("nodeAffinity") is not None:
        found.append(forbidden(child(path, "nodeAffinity"), never))
    found.extend(_sources(spec, path))
    if spec.get("storageClassName"):
        found.append(forbidden(child(path, "storageClassName"), never))
    if (spec.get("volumeMode") or "Filesystem") != "Filesystem":
        detail = f"may not specify volumeMode other than Filesystem {inside}"
        found.append(forbidden(child(path, "volumeMode"), detail))
    return found


def _session(source: Obj, volume: str) -> Errors:
    """The name that an iSCSI session gets, where its initiator has one."""
    target = f"{volume}:{source.get('targetPortal', '')}"
    if source.get("initiatorName") is None or len(target) <= MAX_ISCSI:
        return []
    return [invalid("spec.iscsi.targetportal", target, LONG_ISCSI)]


def _attributes(spec: Obj) -> Errors:
    """The class of a volume's attributes."""
    if (name := spec.get("volumeAttributesClassName")) is None:
        return []
    at = "spec.volumeAttributesClassName"
    found = dns_subdomain(name, at) if name else [required(at, "an empty string is disallowed")]
    if spec.get("csi") is None:
        found.append(required("spec.csi", "has to be specified when using volumeAttributesClassName"))
    return found


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    modes = spec.get("accessModes") or []
    found = validate_access_modes(modes, "spec.accessModes") if modes else [required("spec.accessModes")]
    found += _placement(spec, "spec") + _sources(spec, "spec")
    if (session := spec.get("iscsi")) is not None:
        found.extend(_session(session, name_of(obj)))
    return found + _end(spec, "spec") + _attributes(spec)


def _validate_update(new: Obj, old: Obj) -> Errors:
    found = _validate(new)
    after, before = new.get("spec") or {}, old.get("spec") or {}
    sources = {n: after.get(n) for n in SOURCES}
    csi, was = after.get("csi"), before.get("csi")
    if csi is not None and was is not None and was.get(_EXPAND) is None:  # which may be given later, once
        sources["csi"] = {k: v for k, v in csi.items() if k != _EXPAND}
    if sources != {n: before.get(n) for n in SOURCES}:
        changed = go_diff("core.PersistentVolumeSource", after, before)
        detail = f"spec.persistentvolumesource is immutable after creation\n{changed}"
        found.append(forbidden("spec.persistentvolumesource", detail))
    if after.get("volumeMode") != before.get("volumeMode"):
        found.append(invalid("volumeMode", after.get("volumeMode"), IMMUTABLE))
    if had := before.get("nodeAffinity"):
        found.extend(_same_nodes(after.get("nodeAffinity"), had))
    if before.get("volumeAttributesClassName") is not None and after.get("volumeAttributesClassName") is None:
        detail = "update from non-nil value to nil is forbidden"
        found.append(forbidden("spec.volumeAttributesClassName", detail))
    return found


def _same_nodes(affinity: Obj | None, had: Obj) -> Errors:
    """Where the volume is reached stays, but for labels that have newer names."""
    if affinity == had:
        return []
    if affinity is None:
        return [invalid("nodeAffinity", None, IMMUTABLE)]
    if _with_new_labels(affinity) == _with_new_labels(had) and _count_old(affinity) <= _count_old(had):
        return []
    shown = go_value("core.VolumeNodeAffinity", affinity)
    return [invalid("nodeAffinity", shown, IMMUTABLE)]


def _expressions(affinity: Obj) -> list[Obj]:
    terms = (affinity.get("required") or {}).get("nodeSelectorTerms") or ()
    return [expression for term in terms for expression in term.get("matchExpressions") or ()]


def _count_old(affinity: Obj) -> int:
    return sum(expression.get("key") in _GA_LABELS for expression in _expressions(affinity))


def _with_new_labels(affinity: Obj) -> Obj:
    made = copy.deepcopy(affinity)
    for expression in _expressions(made):
        expression["key"] = _GA_LABELS.get(expression.get("key", ""), expression.get("key"))
    return made


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    spec = new.get("spec") or {}
    found = class_annotation_warnings(new)
    if MOUNT_ANNOTATION in ((new.get("metadata") or {}).get("annotations") or {}):
        at = key("metadata.annotations", MOUNT_ANNOTATION)
        found.append(f'{at}: deprecated since v1.31; use "mountOptions" attribute instead')
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        found.append(f"spec.persistentVolumeReclaimPolicy: {_RECYCLED}")
    terms = ((spec.get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms") or ()
    found += term_warnings(terms, "spec.nodeAffinity.required.nodeSelectorTerms")
    return found + [f"spec.{DEPRECATED_VOLUMES[name]}" for name in _SOLD_OUT if name in spec]


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
        subresources={"status": status(_prepare_status)},
        generation=False,
        default=_default,
        prepare_create=_prepare_create,
        prepare_update=_prepare_update,
        validate=_validate,
        validate_update=_validate_update,
        warnings=_warnings,
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
