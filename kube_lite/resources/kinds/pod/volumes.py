"""Validation of volumes; persistent volumes share the rules of their sources."""

from __future__ import annotations

import re

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
    too_long,
)
from kube_lite.resources.kinds.pod.projections import Check, downward, keyed, projected
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
AZURE_CACHING = frozenset({"None", "ReadOnly", "ReadWrite"})
AZURE_KINDS = frozenset({"Dedicated", "Managed", "Shared"})
AZURE_MANAGED = (
    "/subscriptions/",
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",
)
"""How addresses of managed disks start, and their form as messages tell it."""
AZURE_BLOB = ("https://", "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd")
"""The same of blobs."""


def needs(*fields: str) -> Check:
    """A source whose only rule is that some fields are set."""

    def check(source: Obj, path: str) -> Errors:
        return [required(child(path, name)) for name in fields if not source.get(name)]

    return check


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


def nfs(source: Obj, path: str) -> Errors:
    """NFS: a server and an absolute path."""
    found: Errors = [] if source.get("server") else [required(child(path, "server"))]
    where = source.get("path", "")
    if not where:
        found.append(required(child(path, "path")))
    if not where.startswith("/"):
        found.append(invalid(child(path, "path"), where, "must be an absolute path"))
    return found


def _git_repo(source: Obj, path: str) -> Errors:
    found = needs("repository")(source, path)
    where = source.get("directory", "")
    if where.startswith("/"):
        found.append(invalid(child(path, "directory"), where, "must be a relative path"))
    return found + no_backsteps(where, child(path, "directory"))


def _partitioned(name: str) -> Check:
    """A disk of a cloud, by the field that names it, and a partition of it."""

    def check(source: Obj, path: str) -> Errors:
        found = needs(name)(source, path)
        partition = source.get("partition", 0)
        if not 0 <= partition <= 255:
            found.append(invalid(child(path, "partition"), partition, names.in_range(1, 255)))
        return found

    return check


_INITIATORS = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)$"),
    "eui": re.compile(r"eui.[A-Za-z0-9]{16}$"),
    "naa": re.compile(r"naa.[A-Za-z0-9]{32}$"),
}


def _initiator(name: str, path: str) -> Errors:
    rule = _INITIATORS.get(name[:3])
    if rule is None:
        return [invalid(path, name, "must be valid format starting with iqn, eui, or naa")]
    return [] if rule.match(name) else [invalid(path, name, "must be valid format")]


def _unit(source: Obj, path: str) -> Errors:
    unit = source.get("lun", 0)
    return [] if 0 <= unit <= 255 else [invalid(child(path, "lun"), unit, names.in_range(0, 255))]


def _iscsi(source: Obj, path: str) -> Errors:
    found = needs("targetPortal", "iqn")(source, path)
    if iqn := source.get("iqn"):
        found.extend(_initiator(iqn, child(path, "iqn")))
    found.extend(_unit(source, path))
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and source.get("secretRef") is None:
        found.append(required(child(path, "secretRef")))
    if (initiator := source.get("initiatorName")) is not None:
        found.extend(_initiator(initiator, child(path, "initiatorname")))
    return found


def _fibre_channel(source: Obj, path: str) -> Errors:
    found: Errors = []
    targets, ids = source.get("targetWWNs") or [], source.get("wwids") or []
    at = child(path, "targetWWNs")
    if not targets and not ids:
        found.append(required(at, "must specify either targetWWNs or wwids, but not both"))
    if targets and ids:
        found.append(invalid(at, targets, "targetWWNs and wwids can not be specified simultaneously"))
    if targets and source.get("lun") is None:
        found.append(required(child(path, "lun"), "lun is required if targetWWNs is specified"))
    elif targets:
        found.extend(_unit(source, path))
    return found


def _flocker(source: Obj, path: str) -> Errors:
    found: Errors = []
    name, uid = source.get("datasetName", ""), source.get("datasetUUID", "")
    if not name and not uid:
        found.append(required(path, "one of datasetName and datasetUUID is required"))
    if name and uid:
        found.append(invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously"))
    if "/" in name:
        found.append(invalid(child(path, "datasetName"), name, "must not contain '/'"))
    return found


def _quobyte(source: Obj, path: str) -> Errors:
    detail = "must be a host:port pair or multiple pairs separated by commas"
    registry = source.get("registry", "")
    at = child(path, "registry")
    found: Errors = [] if registry else [required(at, detail)]
    for pair in registry.split(",") if registry else ():
        if not re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*", pair):
            found.append(invalid(at, registry, detail))
    return found + needs("volume")(source, path)


def validate_driver_name(driver: str, path: str) -> Errors:
    """The name of a CSI driver, wherever it is referred to."""
    found: Errors = [] if driver else [required(path)]
    if len(driver) > MAX_DRIVER:
        found.append(too_long(path, MAX_DRIVER))
    found.extend(invalid(path, driver, problem) for problem in names.dns_subdomain(driver.lower()))
    return found


def azure_disk(source: Obj, path: str) -> Errors:
    """A disk in Azure, whose address must suit its kind."""
    found = needs("diskName", "diskURI")(source, path)
    for name, choices in (("cachingMode", AZURE_CACHING), ("kind", AZURE_KINDS)):
        if (given := source.get(name)) is not None and given not in choices:
            found.append(not_supported(child(path, name), given, choices))
    kind, address = source.get("kind"), source.get("diskURI", "")
    if kind is not None:
        start, form = AZURE_MANAGED if kind == "Managed" else AZURE_BLOB
        if not address.startswith(start):
            found.append(not_supported(child(path, "diskURI"), address, (form,)))
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


def _ephemeral(source: Obj, path: str) -> Errors:
    template = source.get("volumeClaimTemplate")
    if template is None:
        return [required(child(path, "volumeClaimTemplate"))]
    # Late, because claims in turn know volumes.
    from kube_lite.resources.kinds.persistentvolumeclaim import validate_claim_spec

    at = child(path, "volumeClaimTemplate")
    found = validate_template_metadata(template.get("metadata") or {}, child(at, "metadata"))
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
    "gcePersistentDisk": _partitioned("pdName"),
    "awsElasticBlockStore": _partitioned("volumeID"),
    "secret": keyed("secretName"),
    "nfs": nfs,
    "iscsi": _iscsi,
    "glusterfs": needs("endpoints", "path"),
    "persistentVolumeClaim": needs("claimName"),
    "rbd": needs("monitors", "image"),
    "cinder": needs("volumeID"),
    "cephfs": needs("monitors"),
    "flocker": _flocker,
    "downwardAPI": downward,
    "fc": _fibre_channel,
    "azureFile": needs("secretName", "shareName"),
    "configMap": keyed("name"),
    "vsphereVolume": needs("volumePath"),
    "photonPersistentDisk": needs("pdID"),
    "portworxVolume": needs("volumeID"),
    "azureDisk": azure_disk,
    "storageos": needs("volumeName"),
    "scaleIO": needs("gateway", "system", "volumeName"),
    "flexVolume": needs("driver"),
    "quobyte": _quobyte,
    "projected": projected,
    "csi": csi,
    "ephemeral": _ephemeral,
    "image": _image,
}
"""Rules of each source, in the order in which upstream looks for a second one."""
_NAMED = {"gcePersistentDisk": "persistentDisk"}
_NAMED_SECOND = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
"""Fields that upstream's errors call something else; clients see its spelling."""


def _source(volume: Obj, path: str) -> Errors:
    given = [name for name in SOURCES if volume.get(name) is not None]
    if not given:
        return [required(path, "must specify a volume type")]
    found = SOURCES[given[0]](volume[given[0]], child(path, _NAMED.get(given[0], given[0])))
    for name in given[1:]:
        at = child(path, _NAMED_SECOND.get(name, name))
        found.append(forbidden(at, "may not specify more than 1 volume type"))
    return found


def validate_volumes(volumes: list[Obj], path: str) -> tuple[Errors, dict[str, Obj]]:
    """Names that are labels and unique, and one valid source each; also the valid volumes, which can be mounted."""
    found: Errors = []
    valid: dict[str, Obj] = {}
    for i, volume in enumerate(volumes):
        at = index(path, i)
        name = volume.get("name", "")
        wrong = _source(volume, at)
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
    return found, valid
