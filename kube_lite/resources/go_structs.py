"""How upstream's Go structs are named and laid out, where the published definitions do not say.

Messages of upstream's decoder name Go's struct fields (``PodSpec.HostNetwork``), which are written like the JSON
names but for initialisms, embedded structs and a few that have names of their own. Field names are those of
k8s.io/api and k8s.io/apimachinery.
"""

from __future__ import annotations

import re
from typing import Final

from kube_lite.resources.schema import OBJECT, STRING, Field, Type
from kube_lite.resources.shapes import POINTER_SCALARS_OF, short_name

_INITIALISMS: Final = (
    "api ip id uid cidr pid ipc tcp http fs nfs iscsi rbd csi fc gce aws dns se tty url qos ca tls os uuid sctp udp "
    "cpu ttl ssl fqdn gid wwn wwid scsi sni io pv pvc vm acl"
).split()
_AT_START: Final = re.compile(
    rf"^({'|'.join(sorted(_INITIALISMS, key=len, reverse=True))})(?=s?(?:[A-Z0-9]|$))"
)
_NAMES: Final = {
    "cephfs": "CephFS",
    "storageos": "StorageOS",
    "gcePersistentDisk": "GCEPersistentDisk",
    "pdName": "PDName",
    "chapAuthDiscovery": "DiscoveryCHAPAuth",
    "chapAuthSession": "SessionCHAPAuth",
    "serviceAccount": "DeprecatedServiceAccount",
    "externalID": "DoNotUseExternalID",
    "ips": "IPs",
    "targetWWNs": "TargetWWNs",
    "wwids": "WWIDs",
    "osImage": "OSImage",
    "seLinuxOptions": "SELinuxOptions",
    "seLinux": "SELinux",
    "$ref": "Ref",
    "$schema": "Schema",
}
"""Go names that no rule makes of the JSON name."""
_NAMES_OF: Final = {
    "RBDVolumeSource.monitors": "CephMonitors",
    "RBDVolumeSource.image": "RBDImage",
    "RBDVolumeSource.pool": "RBDPool",
    "RBDVolumeSource.user": "RadosUser",
    "RBDPersistentVolumeSource.monitors": "CephMonitors",
    "RBDPersistentVolumeSource.image": "RBDImage",
    "RBDPersistentVolumeSource.pool": "RBDPool",
    "RBDPersistentVolumeSource.user": "RadosUser",
    "VsphereVirtualDiskVolumeSource.volumePath": "VolumePath",
    "AzureDiskVolumeSource.diskURI": "DataDiskURI",
    "AzureDiskVolumeSource.kind": "Kind",
    "ScaleIOVolumeSource.sslEnabled": "SSLEnabled",
    "Subject.apiGroup": "APIGroup",
    "ServiceSpec.externalName": "ExternalName",
    "PodSpec.serviceAccount": "DeprecatedServiceAccount",
}
"""The same for the fields of one struct."""

_VOLUME_SOURCE: Final = "VolumeSource"
_EMBEDDED: Final = {
    "Volume": ({"name"}, _VOLUME_SOURCE),
    "EphemeralContainer": ({"targetContainerName"}, "EphemeralContainerCommon"),
    "ConfigMapKeySelector": ({"key", "optional"}, "LocalObjectReference"),
    "SecretKeySelector": ({"key", "optional"}, "LocalObjectReference"),
    "ConfigMapEnvSource": ({"optional"}, "LocalObjectReference"),
    "SecretEnvSource": ({"optional"}, "LocalObjectReference"),
    "ConfigMapVolumeSource": ({"items", "defaultMode", "optional"}, "LocalObjectReference"),
    "ConfigMapProjection": ({"items", "optional"}, "LocalObjectReference"),
    "SecretProjection": ({"items", "optional"}, "LocalObjectReference"),
    "Probe": (
        {
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
            "terminationGracePeriodSeconds",
        },
        "Handler",
    ),
    "PersistentVolumeSpec": (
        {
            "capacity",
            "accessModes",
            "claimRef",
            "persistentVolumeReclaimPolicy",
            "storageClassName",
            "mountOptions",
            "volumeMode",
            "nodeAffinity",
            "volumeAttributesClassName",
        },
        "PersistentVolumeSource",
    ),
    "RuleWithOperations": ({"operations"}, "Rule"),
}
"""Structs that embed another: their own fields, and the name of the embedded struct, which has the others."""

SMALL_STRUCT: Final = 10
"""Fields up to which upstream's decoder reads a struct by hashes of its field names."""
_ONCE_SMALL: Final = {"StatefulSetSpec", "JobSpec", "JobStatus", "PodSecurityContext", "CSIDriverSpec"}
"""Structs that had so few fields in the decoder's time, and have more now."""


def field_path(owner: Type, name: str) -> tuple[str, ...]:
    """Go's names from a struct to the field with that JSON name; two where the field is one of an embedded struct."""
    struct = owner.go_struct
    if name == "metadata":
        return ("ListMeta" if struct.endswith("List") else "ObjectMeta",)
    go = _NAMES_OF.get(f"{struct}.{name}") or go_name(name)
    if name in ("apiVersion", "kind") and "metadata" in owner.fields:
        return "TypeMeta", go
    own, embedded = _EMBEDDED.get(struct, (None, ""))
    if own is not None and name not in own:
        return embedded, go
    return (go,)


def go_name(name: str) -> str:
    """``hostIP`` gives HostIP, ``apiVersion`` APIVersion, ``clusterIPs`` ClusterIPs."""
    fixed = _NAMES.get(name)
    if fixed:
        return fixed
    match = _AT_START.match(name)
    if match:
        return match[1].upper() + name[match.end() :]
    return name[:1].upper() + name[1:]


def is_small(struct: Type) -> bool:
    """Whether upstream's decoder reads the struct by hashes."""
    return 0 < len(struct.fields) <= SMALL_STRUCT or struct.go_struct in _ONCE_SMALL


def is_pointer(owner: Type, field: Field) -> bool:
    """Whether the field is a pointer in Go: then its decoder looks for null twice."""
    if field.type.kind == OBJECT:
        return not field.always or field.nullable
    if field.type.kind == STRING:
        return f"{short_name(owner.definition)}.{field.name}" in POINTER_SCALARS_OF
    return field.type.item is None and not field.drop_empty and not field.always
