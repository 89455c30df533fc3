"""How upstream's Go structs are named and laid out, where the published definitions do not say.

Messages of upstream's decoder name Go's struct fields (``PodSpec.HostNetwork``), which are written like the JSON
names but for initialisms, embedded structs and a few that have names of their own. Field names are those of
k8s.io/api and k8s.io/apimachinery.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final

from kube_lite.resources.schema import INT_OR_STRING, OBJECT, QUANTITY, STRING, Field, Type
from kube_lite.resources.shapes import short_name

_INITIALISMS: Final = (
    "api|aws|ca|cidr|cpu|csi|dns|fc|fqdn|fs|gce|gid|gmsa|http|id|ipc|ip|iqn|iscsi|nfs|os|pid|qos|rbd|sctp|se|ssl|tcp|tls|"
    "ttl|tty|udp|uid|url|uuid|wwid|wwn"
)
_AT_START: Final = re.compile(rf"^({_INITIALISMS})(?=s?(?:[A-Z0-9]|$))")
_NAMES: Final = {
    "cephfs": "CephFS",
    "storageos": "StorageOS",
    "gcePersistentDisk": "GCEPersistentDisk",
    "pdName": "PDName",
    "chapAuthDiscovery": "DiscoveryCHAPAuth",
    "chapAuthSession": "SessionCHAPAuth",
    "externalID": "DoNotUseExternalID",
    "ips": "IPs",
    "targetWWNs": "TargetWWNs",
    "wwids": "WWIDs",
    "osImage": "OSImage",
    "seLinuxOptions": "SELinuxOptions",
    "seLinux": "SELinux",
    "$ref": "Ref",
    "$schema": "Schema",
    "x-kubernetes-embedded-resource": "XEmbeddedResource",
    "x-kubernetes-int-or-string": "XIntOrString",
    "x-kubernetes-list-map-keys": "XListMapKeys",
    "x-kubernetes-list-type": "XListType",
    "x-kubernetes-map-type": "XMapType",
    "x-kubernetes-preserve-unknown-fields": "XPreserveUnknownFields",
    "x-kubernetes-validations": "XValidations",
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
    "ContainerStatus.lastState": "LastTerminationState",
    "Event.reportingComponent": "ReportingController",
    "SubjectAccessReviewSpec.group": "Groups",
    "CustomResourceColumnDefinition.jsonPath": "JSONPath",
    "GlusterfsPersistentVolumeSource.endpoints": "EndpointsName",
    "GlusterfsVolumeSource.endpoints": "EndpointsName",
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
    "IngressRule": ({"host"}, "IngressRuleValue"),
}
"""Structs that embed another: their own fields, and the name of the embedded struct, which has the others."""

SMALL_STRUCT: Final = 10
"""Fields up to which upstream's decoder reads a struct by hashes of its field names."""
_ONCE_SMALL: Final = {
    "CSIDriverSpec",
    "ContainerStatus",
    "JobSpec",
    "JobStatus",
    "NodeSystemInfo",
    "PodSecurityContext",
    "StatefulSetSpec",
    "ValidatingWebhook",
}
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


_OWN_TEXT_POINTERS: Final = {"maxSurge", "maxUnavailable", "minAvailable", "sizeLimit", "averageValue", "value"}
"""Fields of quantities and ports that are pointers; elsewhere those are values."""
_OWN_TEXT_POINTERS_OF: Final = {
    "NetworkPolicyPort.port",
    "ContainerResourceMetricSource.targetAverageValue",
    "ExternalMetricSource.targetAverageValue",
    "ExternalMetricSource.targetValue",
    "ExternalMetricStatus.currentAverageValue",
    "ResourceMetricSource.targetAverageValue",
}
"""The same in one struct only."""


def is_pointer(owner: Type, field: Field) -> bool:
    """Whether the field is a pointer in Go: then its decoder looks for null twice."""
    if field.type.kind == OBJECT:
        return not field.always or field.nullable
    if field.type.kind == STRING:
        return field.nullable
    if field.type.kind in (INT_OR_STRING, QUANTITY):
        return field.name in _OWN_TEXT_POINTERS or f"{owner.go_struct}.{field.name}" in _OWN_TEXT_POINTERS_OF
    return field.type.item is None and not field.drop_empty and not field.always


def _fields(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ORDER: Final = {
    "ObjectMeta": _fields(
        "name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp "
        "deletionGracePeriodSeconds labels annotations ownerReferences finalizers managedFields"
    ),
    "ManagedFieldsEntry": _fields("manager operation apiVersion time fieldsType fieldsV1 subresource"),
    "OwnerReference": _fields("apiVersion kind name uid controller blockOwnerDeletion"),
    "DeploymentSpec": _fields(
        "replicas selector template strategy minReadySeconds revisionHistoryLimit paused progressDeadlineSeconds"
    ),
    "ReplicaSetSpec": _fields("replicas minReadySeconds selector template"),
    "StatefulSetSpec": _fields(
        "replicas selector template volumeClaimTemplates serviceName podManagementPolicy updateStrategy "
        "revisionHistoryLimit"
    ),
    "DaemonSetSpec": _fields("selector template updateStrategy minReadySeconds revisionHistoryLimit"),
    "JobSpec": _fields(
        "parallelism completions activeDeadlineSeconds backoffLimit selector manualSelector template "
        "ttlSecondsAfterFinished"
    ),
    "CronJobSpec": _fields(
        "schedule startingDeadlineSeconds concurrencyPolicy suspend jobTemplate successfulJobsHistoryLimit "
        "failedJobsHistoryLimit"
    ),
    "PodSpec": _fields(
        "volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds "
        "activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName serviceAccount automountServiceAccountToken "
        "nodeName hostNetwork hostPID hostIPC shareProcessNamespace securityContext imagePullSecrets hostname "
        "subdomain affinity schedulerName tolerations hostAliases priorityClassName priority dnsConfig "
        "readinessGates runtimeClassName enableServiceLinks preemptionPolicy overhead topologySpreadConstraints "
        "setHostnameAsFQDN"
    ),
    "PodStatus": _fields(
        "phase conditions message reason nominatedNodeName hostIP podIP podIPs startTime initContainerStatuses "
        "containerStatuses qosClass ephemeralContainerStatuses"
    ),
    "Container": _fields(
        "name image command args workingDir ports envFrom env resources volumeMounts volumeDevices livenessProbe "
        "readinessProbe startupProbe lifecycle terminationMessagePath terminationMessagePolicy imagePullPolicy "
        "securityContext stdin stdinOnce tty"
    ),
    "ContainerPort": _fields("name hostPort containerPort protocol hostIP"),
    "EnvVar": _fields("name value valueFrom"),
    "ServiceSpec": _fields(
        "ports selector clusterIP clusterIPs type externalIPs sessionAffinity loadBalancerIP "
        "loadBalancerSourceRanges externalName externalTrafficPolicy healthCheckNodePort publishNotReadyAddresses "
        "sessionAffinityConfig topologyKeys ipFamilies ipFamilyPolicy allocateLoadBalancerNodePorts"
    ),
    "ServicePort": _fields("name protocol appProtocol port targetPort nodePort"),
    "NodeSpec": _fields("podCIDR podCIDRs providerID unschedulable taints configSource externalID"),
    "PersistentVolumeClaimSpec": _fields(
        "accessModes selector resources volumeName storageClassName volumeMode dataSource"
    ),
    "LeaseSpec": _fields("holderIdentity leaseDurationSeconds acquireTime renewTime leaseTransitions"),
    "RollingUpdateDeployment": _fields("maxUnavailable maxSurge"),
    "DeploymentStrategy": _fields("type rollingUpdate"),
    "Secret": _fields("kind apiVersion metadata immutable data stringData type"),
    "ConfigMap": _fields("kind apiVersion metadata immutable data binaryData"),
    "LabelSelector": _fields("matchLabels matchExpressions"),
    "LabelSelectorRequirement": _fields("key operator values"),
    "Probe": _fields(
        "exec httpGet tcpSocket initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold"
    ),
    "HTTPGetAction": _fields("path port host scheme httpHeaders"),
    "TCPSocketAction": _fields("port host"),
    "ExecAction": _fields("command"),
    "Handler": _fields("exec httpGet tcpSocket"),
    "LifecycleHandler": _fields("exec httpGet tcpSocket"),
    "Lifecycle": _fields("postStart preStop"),
    "Toleration": _fields("key operator value effect tolerationSeconds"),
    "ResourceRequirements": _fields("limits requests"),
    "VolumeResourceRequirements": _fields("limits requests"),
    "EnvVarSource": _fields("fieldRef resourceFieldRef configMapKeyRef secretKeyRef"),
    "ObjectFieldSelector": _fields("apiVersion fieldPath"),
    "ResourceFieldSelector": _fields("containerName resource divisor"),
    "ConfigMapKeySelector": _fields("name key optional"),
    "SecretKeySelector": _fields("name key optional"),
    "EnvFromSource": _fields("prefix configMapRef secretRef"),
    "ConfigMapEnvSource": _fields("name optional"),
    "SecretEnvSource": _fields("name optional"),
    "VolumeMount": _fields("name readOnly mountPath subPath mountPropagation subPathExpr"),
    "VolumeDevice": _fields("name devicePath"),
    "SecurityContext": _fields(
        "capabilities privileged seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot "
        "readOnlyRootFilesystem allowPrivilegeEscalation procMount seccompProfile"
    ),
    "PodSecurityContext": _fields(
        "seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot supplementalGroups fsGroup "
        "fsGroupChangePolicy sysctls seccompProfile"
    ),
    "Capabilities": _fields("add drop"),
    "SELinuxOptions": _fields("user role type level"),
    "SeccompProfile": _fields("type localhostProfile"),
    "Sysctl": _fields("name value"),
    "HostAlias": _fields("ip hostnames"),
    "PodDNSConfig": _fields("nameservers searches options"),
    "PodDNSConfigOption": _fields("name value"),
    "PodReadinessGate": _fields("conditionType"),
    "LocalObjectReference": _fields("name"),
    "TypedLocalObjectReference": _fields("apiGroup kind name"),
    "TopologySpreadConstraint": _fields("maxSkew topologyKey whenUnsatisfiable labelSelector"),
    "Affinity": _fields("nodeAffinity podAffinity podAntiAffinity"),
    "PodAffinityTerm": _fields("labelSelector namespaces topologyKey"),
    "WeightedPodAffinityTerm": _fields("weight podAffinityTerm"),
    "PodAffinity": _fields(
        "requiredDuringSchedulingIgnoredDuringExecution preferredDuringSchedulingIgnoredDuringExecution"
    ),
    "PodAntiAffinity": _fields(
        "requiredDuringSchedulingIgnoredDuringExecution preferredDuringSchedulingIgnoredDuringExecution"
    ),
    "NodeAffinity": _fields(
        "requiredDuringSchedulingIgnoredDuringExecution preferredDuringSchedulingIgnoredDuringExecution"
    ),
    "PreferredSchedulingTerm": _fields("weight preference"),
    "NodeSelectorTerm": _fields("matchExpressions matchFields"),
    "NodeSelectorRequirement": _fields("key operator values"),
    "Volume": _fields(
        "name hostPath emptyDir gcePersistentDisk awsElasticBlockStore gitRepo secret nfs iscsi glusterfs "
        "persistentVolumeClaim rbd quobyte flexVolume cinder cephfs flocker downwardAPI fc azureFile configMap "
        "vsphereVolume azureDisk photonPersistentDisk projected portworxVolume scaleIO storageos csi ephemeral"
    ),
    "EmptyDirVolumeSource": _fields("medium sizeLimit"),
    "HostPathVolumeSource": _fields("path type"),
    "SecretVolumeSource": _fields("secretName items defaultMode optional"),
    "ConfigMapVolumeSource": _fields("name items defaultMode optional"),
    "KeyToPath": _fields("key path mode"),
    "PersistentVolumeClaimVolumeSource": _fields("claimName readOnly"),
    "NFSVolumeSource": _fields("server path readOnly"),
    "Taint": _fields("key value effect timeAdded"),
    "NodeAddress": _fields("type address"),
    "NodeCondition": _fields("type status lastHeartbeatTime lastTransitionTime reason message"),
    "ScopedResourceSelectorRequirement": _fields("scopeName operator values"),
    "AzureDiskVolumeSource": _fields("diskName diskURI cachingMode fsType readOnly kind"),
    "CSIPersistentVolumeSource": _fields(
        "driver volumeHandle readOnly fsType volumeAttributes controllerPublishSecretRef nodeStageSecretRef "
        "nodePublishSecretRef controllerExpandSecretRef"
    ),
    "PersistentVolumeSpec": _fields(
        "capacity gcePersistentDisk awsElasticBlockStore hostPath glusterfs nfs rbd iscsi cinder cephfs fc flocker "
        "flexVolume azureFile vsphereVolume quobyte azureDisk photonPersistentDisk portworxVolume scaleIO local "
        "storageos csi accessModes claimRef persistentVolumeReclaimPolicy storageClassName mountOptions volumeMode "
        "nodeAffinity"
    ),
    "NodeStatus": _fields(
        "capacity allocatable phase conditions addresses daemonEndpoints nodeInfo images volumesInUse "
        "volumesAttached config"
    ),
    "NodeSystemInfo": _fields(
        "machineID systemUUID bootID kernelVersion osImage containerRuntimeVersion kubeletVersion kubeProxyVersion "
        "operatingSystem architecture"
    ),
    "EndpointAddress": _fields("ip hostname nodeName targetRef"),
    "EndpointPort": _fields("name port protocol appProtocol"),
    "EndpointSubset": _fields("addresses notReadyAddresses ports"),
    "LimitRangeItem": _fields("type max min default defaultRequest maxLimitRequestRatio"),
    "ResourceQuotaSpec": _fields("hard scopes scopeSelector"),
    "ServiceReference": _fields("namespace name path port"),
}
"""Fields in the order of Go's structs, in which their JSON is printed."""
_TOP: Final = _fields("kind apiVersion metadata spec status")


RENAMED: Final = {
    "IngressClassParametersReference": "TypedLocalObjectReference",
    "LifecycleHandler": "Handler",
    "VolumeResourceRequirements": "ResourceRequirements",
}
"""Structs that were split up since, and the name that they had."""


@cache
def _listed_orders() -> dict[str, tuple[str, ...]]:
    """More such orders, read from a file on first use: they are only wanted for messages."""
    text = files("kube_lite.resources").joinpath("data/go-field-order.txt").read_text(encoding="utf-8")
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return {name: tuple(fields) for name, *fields in rows}


def struct_order(struct: Type, keys: Iterable[str]) -> list[str]:
    """``keys`` in the order in which Go prints the struct's fields; those of structs unknown here stay as they are."""
    listed = _listed_orders()
    found = listed.get(short_name(struct.definition)) or listed.get(struct.go_struct)
    known = found or _ORDER.get(struct.go_struct, _TOP)
    place = {name: position for position, name in enumerate(known)}
    return sorted(keys, key=lambda name: place.get(name, len(place)))
