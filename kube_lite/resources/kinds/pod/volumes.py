"""Validation of volumes; persistent volumes share the rules of their sources."""

from __future__ import annotations

from kube_lite.resources import names, quantity
from kube_lite.resources.field import (
    Errors,
    child,
    duplicate,
    forbidden,
    index,
    invalid,
    not_supported,
    required,
    show,
    too_long,
)
from kube_lite.resources.kinds.pod.projections import Check, downward, keyed, projected
from kube_lite.resources.kinds.pod.storage_systems import (
    IN_NAMESPACE,
    LONG_ISCSI,
    MAX_ISCSI,
    azure_disk,
    both,
    fibre_channel,
    flex_volume,
    flocker,
    iscsi,
    needs,
    nfs,
    partitioned,
    quobyte,
    storage_os,
)
from kube_lite.resources.meta import Obj
from kube_lite.resources.metadata import validate_template_metadata
from kube_lite.resources.rules import no_backsteps

HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
MAX_DRIVER = 63
"""Bytes of the name of a CSI driver."""


def host_path(source: Obj, path: str) -> Errors:
    """A path of the node, without ``..``, and what must be there."""
    where = source.get("path", "")
    if not where:
        return [required(child(path, "path"))]
    found = no_backsteps(where, child(path, "path"))
    if source.get("type", "") not in HOST_PATH_TYPES:
        found.append(not_supported(child(path, "type"), source["type"], HOST_PATH_TYPES))
    return found


def _empty_dir(source: Obj, path: str) -> Errors:
    limit = source.get("sizeLimit")
    if limit is not None and quantity.parse(limit).nanos < 0:
        return [forbidden(child(path, "sizeLimit"), "SizeLimit field must be a valid resource quantity")]
    return []


def _git_repo(source: Obj, path: str) -> Errors:
    found = needs("repository")(source, path)
    where = source.get("directory", "")
    if where.startswith("/"):
        found.append(invalid(child(path, "directory"), where, "must be a relative path"))
    return found + no_backsteps(where, child(path, "directory"))


def validate_driver_name(driver: str, path: str) -> Errors:
    """The name of a CSI driver, wherever it is referred to."""
    found: Errors = [] if driver else [required(path)]
    if len(driver) > MAX_DRIVER:
        found.append(too_long(path, MAX_DRIVER))
    found.extend(invalid(path, driver, problem) for problem in names.dns_subdomain(driver.lower()))
    return found


def csi(source: Obj, path: str) -> Errors:
    """CSI: a driver that looks like a domain, and a secret with a name."""
    found = validate_driver_name(source.get("driver", ""), child(path, "driver"))
    if (reference := source.get("nodePublishSecretRef")) is not None:
        if name := reference.get("name"):
            found.extend(invalid(child(path, "name"), name, p) for p in names.dns_subdomain(name))
        else:
            # The blank is upstream's.
            found.append(required(child(child(path, "nodePublishSecretRef "), "name")))
    return found


_TEMPLATE_METADATA = frozenset({"annotations", "labels"})


def _ephemeral(source: Obj, path: str) -> Errors:
    template = source.get("volumeClaimTemplate")
    if template is None:
        return [required(child(path, "volumeClaimTemplate"))]
    # Late, because claims in turn know volumes.
    from kube_lite.resources.kinds.persistentvolumeclaim import validate_claim_spec

    at = child(path, "volumeClaimTemplate")
    meta = template.get("metadata") or {}
    found = validate_template_metadata(meta, child(at, "metadata"))
    set_ = (name for name, value in meta.items() if value and name not in _TEMPLATE_METADATA)
    found.extend(forbidden(child(child(at, "metadata"), name), "cannot be set") for name in set_)
    return found + validate_claim_spec(template.get("spec") or {}, child(at, "spec"))


def _image(source: Obj, path: str) -> Errors:
    found: Errors = [] if source.get("reference") else [required(child(path, "reference"))]
    if source.get("pullPolicy") not in ("Always", "IfNotPresent", "Never"):
        choices = ("Always", "IfNotPresent", "Never")
        found.append(not_supported(child(path, "pullPolicy"), source.get("pullPolicy", ""), choices))
    return found


SOURCES: dict[str, Check] = {
    "emptyDir": _empty_dir,
    "hostPath": host_path,
    "gitRepo": _git_repo,
    "gcePersistentDisk": partitioned("pdName"),
    "awsElasticBlockStore": partitioned("volumeID"),
    "secret": keyed("secretName"),
    "nfs": nfs,
    "iscsi": iscsi,
    "glusterfs": needs("endpoints", "path"),
    "persistentVolumeClaim": needs("claimName"),
    "rbd": needs("monitors", "image"),
    "cinder": both(needs("volumeID"), IN_NAMESPACE),
    "cephfs": needs("monitors"),
    "flocker": flocker,
    "downwardAPI": downward,
    "fc": fibre_channel,
    "azureFile": needs("secretName", "shareName"),
    "configMap": keyed("name"),
    "vsphereVolume": needs("volumePath"),
    "photonPersistentDisk": needs("pdID"),
    "portworxVolume": needs("volumeID"),
    "azureDisk": azure_disk,
    "storageos": storage_os(IN_NAMESPACE),
    "scaleIO": needs("gateway", "system", "volumeName"),
    "flexVolume": flex_volume,
    "quobyte": quobyte,
    "projected": projected,
    "csi": csi,
    "ephemeral": _ephemeral,
    "image": _image,
}
"""Rules of each source, in the order in which upstream looks for a second one."""
NAMED = {"gcePersistentDisk": "persistentDisk"}
NAMED_SECOND = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
"""Fields that upstream's errors call something else; clients see its spelling."""


def _source(volume: Obj, path: str) -> Errors:
    given = [name for name in SOURCES if volume.get(name) is not None]
    if not given:
        return [required(path, "must specify a volume type")]
    found = SOURCES[given[0]](volume[given[0]], child(path, NAMED.get(given[0], given[0])))
    for name in given[1:]:
        at = child(path, NAMED_SECOND.get(name, name))
        found.append(forbidden(at, "may not specify more than 1 volume type"))
    return found


def _names(volume: Obj, path: str, pod: str) -> Errors:
    """Names that volumes make up together with others: of a claim, of an iSCSI session."""
    found: Errors = []
    name = volume.get("name", "")
    if pod and name and "ephemeral" in volume:
        claim = f"{pod}-{name}"
        problems = names.dns_subdomain(claim)
        found.extend(invalid(child(path, "name"), name, f"PVC name {show(claim)}: {problem}") for problem in problems)
    target = volume.get("iscsi") or {}
    if target.get("initiatorName") is not None and len(f"{name}:{target.get('targetPortal', '')}") > MAX_ISCSI:
        found.append(invalid(child(path, "name"), name, LONG_ISCSI))
    return found


def validate_volumes(volumes: list[Obj], path: str, pod: str = "") -> tuple[Errors, dict[str, Obj]]:
    """Names that are labels and unique, and one valid source each; also the valid volumes, which can be mounted.

    :param pod: the name of the pod, where it has one already
    """
    found: Errors = []
    valid: dict[str, Obj] = {}
    for i, volume in enumerate(volumes):
        at = index(path, i)
        name = volume.get("name", "")
        wrong = _source(volume, at)
        if "ephemeral" in volume or "iscsi" in volume:
            wrong.extend(_names(volume, at, pod))
        if not name:
            wrong.append(required(child(at, "name")))
        else:
            wrong.extend(invalid(child(at, "name"), name, problem) for problem in names.dns_label(name))
        if name in valid:
            wrong.append(duplicate(child(at, "name"), name))
        if wrong:
            found.extend(wrong)
        else:
            valid[name] = volume
    made = {f"{pod}-{volume.get('name', '')}" for volume in volumes if "ephemeral" in volume} if pod else ()
    for i, volume in enumerate(volumes) if made else ():
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim in made:
            at = f"{index(path, i)}.persistentVolumeClaim.claimName"
            found.append(invalid(at, claim, "must not reference a PVC that gets created for an ephemeral volume"))
    return found, valid
