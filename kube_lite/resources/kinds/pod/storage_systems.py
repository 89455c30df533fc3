"""Volume sources that stand for a storage system: what pods and persistent volumes both ask of them.

The two differ where a persistent volume, which has no namespace, names a secret or endpoints in full.
"""

from __future__ import annotations

import re

from kube_lite.resources import names
from kube_lite.resources.field import Errors, child, invalid, key, not_supported, required
from kube_lite.resources.kinds.pod.projections import Check
from kube_lite.resources.meta import Obj
from kube_lite.resources.rules import dns_label

AZURE_CACHING = frozenset({"None", "ReadOnly", "ReadWrite"})
AZURE_KINDS = frozenset({"Dedicated", "Managed", "Shared"})
AZURE_MANAGED = (
    "/subscriptions/",
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",
)
"""How addresses of managed disks start, and their form as messages tell it."""
AZURE_BLOB = ("https://", "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd")
"""The same of blobs."""
RESERVED_OPTIONS = (".kubernetes.io", ".k8s.io")
"""Domains whose options a flex volume may not set."""
MAX_ISCSI = 64
"""Characters of an iSCSI volume's name and portal together, where an initiator is named."""
LONG_ISCSI = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is "
    "specified."
)
MAX_TENANT = 64
"""Characters of the tenant of a Quobyte volume."""


def needs(*fields: str) -> Check:
    """A source whose only rule is that some fields are set."""

    def check(source: Obj, path: str) -> Errors:
        return [required(child(path, name)) for name in fields if not source.get(name)]

    return check


def nfs(source: Obj, path: str) -> Errors:
    """NFS: a server and an absolute path."""
    found: Errors = [] if source.get("server") else [required(child(path, "server"))]
    where = source.get("path", "")
    if not where:
        found.append(required(child(path, "path")))
    if not where.startswith("/"):
        found.append(invalid(child(path, "path"), where, "must be an absolute path"))
    return found


def partitioned(name: str) -> Check:
    """A disk of a cloud, by the field that names it, and a partition of it."""

    def check(source: Obj, path: str) -> Errors:
        found = needs(name)(source, path)
        partition = source.get("partition", 0)
        if not 0 <= partition <= 255:
            found.append(invalid(child(path, "partition"), partition, names.in_range(1, 255)))
        return found

    return check


def secret_ref(*parts: str) -> Check:
    """The secret of a source, if it has one, by the parts that name it."""

    def check(source: Obj, path: str) -> Errors:
        if (reference := source.get("secretRef")) is None:
            return []
        return needs(*parts)(reference, child(path, "secretRef"))

    return check


def both(first: Check, second: Check) -> Check:
    """Two rules, one after the other."""
    return lambda source, path: first(source, path) + second(source, path)


IN_NAMESPACE = secret_ref("name")
"""A secret beside the pod."""
IN_FULL = secret_ref("name", "namespace")
"""A secret that a persistent volume names."""

_INITIATORS = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)$"),
    "eui": re.compile(r"eui.[A-Za-z0-9]{16}$"),
    "naa": re.compile(r"naa.[A-Za-z0-9]{32}$"),
}


def _initiator(name: str, path: str, unknown: str = "must be valid format") -> Errors:
    rule = _INITIATORS.get(name[:3])
    if rule is None:
        return [invalid(path, name, unknown)]
    return [] if rule.match(name) else [invalid(path, name, "must be valid format")]


def _unit(source: Obj, path: str) -> Errors:
    unit = source.get("lun", 0)
    return [] if 0 <= unit <= 255 else [invalid(child(path, "lun"), unit, names.in_range(0, 255))]


def _iscsi_target(source: Obj, path: str, unknown: str) -> Errors:
    iqn = source.get("iqn", "")
    found = _initiator(iqn, child(path, "iqn"), unknown) if iqn else [required(child(path, "iqn"))]
    found.extend(_unit(source, path))
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and source.get("secretRef") is None:
        found.append(required(child(path, "secretRef")))
    return found


def iscsi(source: Obj, path: str) -> Errors:
    """iSCSI in a pod: a portal, a target of one of three forms, a unit."""
    unknown = "must be valid format starting with iqn, eui, or naa"
    found = needs("targetPortal")(source, path) + _iscsi_target(source, path, unknown)
    if (initiator := source.get("initiatorName")) is not None:
        found.extend(_initiator(initiator, child(path, "initiatorname"), unknown))
    return found


def iscsi_persistent(source: Obj, path: str) -> Errors:
    """iSCSI in a persistent volume, whose errors say less."""
    found = needs("targetPortal")(source, path)
    found.extend(_iscsi_target(source, path, "must be valid format"))
    found.extend(IN_NAMESPACE(source, path))
    if (initiator := source.get("initiatorName")) is not None:
        found.extend(_initiator(initiator, child(path, "initiatorname")))
    return found


def fibre_channel(source: Obj, path: str) -> Errors:
    """Fibre Channel: names of ports with a unit, or identifiers of the disk."""
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


def flocker(source: Obj, path: str) -> Errors:
    """Flocker: a data set by its name or by its UUID."""
    found: Errors = []
    name, uid = source.get("datasetName", ""), source.get("datasetUUID", "")
    if not name and not uid:
        found.append(required(path, "one of datasetName and datasetUUID is required"))
    if name and uid:
        found.append(invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously"))
    if "/" in name:
        found.append(invalid(child(path, "datasetName"), name, "must not contain '/'"))
    return found


def quobyte(source: Obj, path: str) -> Errors:
    """Quobyte: registries with ports, and a volume."""
    detail = "must be a host:port pair or multiple pairs separated by commas"
    registry = source.get("registry", "")
    at = child(path, "registry")
    found: Errors = []
    if not registry:
        found.append(required(at, detail))
    elif len(source.get("tenant", "")) > MAX_TENANT:
        found.append(required(child(path, "tenant"), "must be a UUID and may not exceed a length of 64 characters"))
    else:
        for pair in registry.split(","):
            if not re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*", pair):
                found.append(invalid(at, registry, detail))
    return found + needs("volume")(source, path)


def glusterfs_persistent(source: Obj, path: str) -> Errors:
    """GlusterFS in a persistent volume: the endpoints may be in a namespace."""
    found = needs("endpoints", "path")(source, path)
    if (namespace := source.get("endpointsNamespace")) is not None:
        at = child(path, "endpointsNamespace")
        if namespace:
            found.extend(dns_label(namespace, at))
        else:
            found.append(invalid(at, "", "if the endpointnamespace is set, it must be a valid namespace name"))
    return found


def storage_os(secret: Check) -> Check:
    """StorageOS: a volume whose name and namespace are labels, and a secret."""

    def check(source: Obj, path: str) -> Errors:
        found = needs("volumeName")(source, path)
        for name in ("volumeName", "volumeNamespace"):
            if given := source.get(name):
                found.extend(dns_label(given, child(path, name)))
        return found + secret(source, path)

    return check


def flex_volume(source: Obj, path: str) -> Errors:
    """A flex volume: a driver, and options outside of Kubernetes' own domains."""
    found = needs("driver")(source, path)
    for option in sorted(source.get("options") or ()):
        if f".{option.split('/', 1)[0].lower()}".endswith(RESERVED_OPTIONS):
            at = key(child(path, "options"), option)
            found.append(invalid(at, option, "kubernetes.io and k8s.io namespaces are reserved"))
    return found


def azure_file_persistent(source: Obj, path: str) -> Errors:
    """A share in Azure, whose secret may be in another namespace."""
    found = needs("secretName", "shareName")(source, path)
    if source.get("secretNamespace") == "":
        found.append(required(child(path, "secretNamespace")))
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
