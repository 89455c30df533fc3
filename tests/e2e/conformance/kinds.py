"""Every kind whose API operations upstream's conformance tests go through: where it lies, a body, its status.

Bodies are chosen so that no controller deletes or completes them while a test looks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml


@dataclass(frozen=True)
class Kind:
    """One row of the table."""

    group_version: str
    resource: str
    kind: str
    body: dict[str, Any]
    namespaced: bool = True
    status: dict[str, Any] = field(default_factory=dict)
    """A status to merge into what is there; empty where the kind has none."""
    status_alone: bool = False
    """Whether a write of the status leaves annotations as they were, as newer kinds have it."""
    subresources: tuple[str, ...] = ()
    scale: bool = False
    collection: bool = True
    """Whether the collection can be deleted."""

    @property
    def base(self) -> str:
        """The path of its group and version."""
        return f"/api/{self.group_version}" if self.group_version == "v1" else f"/apis/{self.group_version}"

    def collection_path(self, namespace: str = "") -> str:
        """The path of its objects, in ``namespace`` where it has one."""
        inside = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.base}{inside}/{self.resource}"


def kind(group_version: str, resource: str, name: str, body: str, **more: Any) -> Kind:
    """A row whose body, but for apiVersion, kind and name, is given as YAML."""
    return Kind(group_version, resource, name, yaml.safe_load(body) or {}, **more)


def condition(name: str) -> dict[str, Any]:
    """A status of one condition."""
    return {"conditions": [{"type": name, "status": "True", "reason": "Tested", "message": "by a test"}]}


def timed(name: str) -> dict[str, Any]:
    """A status of one condition as ``metav1.Condition`` wants it."""
    status = condition(name)
    status["conditions"][0]["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    return status


TEMPLATE = "{metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: i}]}}"
SELECTED = f"selector: {{matchLabels: {{app: x}}}}, template: {TEMPLATE}"
JOB = "template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}"
WEBHOOK = """
webhooks:
- name: w.example.com
  clientConfig: {url: "https://127.0.0.1:1/"}
  sideEffects: None
  admissionReviewVersions: [v1]
  failurePolicy: Ignore
  rules: [{apiGroups: [none.example.com], apiVersions: [v1], resources: [nones], operations: [CREATE]}]
"""
MATCHES_NOTHING = """
  matchConstraints:
    resourceRules: [{apiGroups: [none.example.com], apiVersions: [v1], resources: [nones], operations: [CREATE]}]
"""

KINDS = (
    kind("v1", "configmaps", "ConfigMap", "data: {a: b}"),
    kind("v1", "secrets", "Secret", "stringData: {a: b}"),
    kind("v1", "serviceaccounts", "ServiceAccount", "", subresources=("token",)),
    kind("v1", "services", "Service", "spec: {ports: [{port: 80}]}", status=timed("Seen"), subresources=("proxy",)),
    kind("v1", "endpoints", "Endpoints", "subsets: [{addresses: [{ip: 10.0.0.24}], ports: [{port: 80}]}]"),
    kind("v1", "limitranges", "LimitRange", "spec: {limits: [{type: Pod, max: {cpu: '1'}}]}"),
    kind("v1", "podtemplates", "PodTemplate", f"template: {TEMPLATE}"),
    kind(
        "v1",
        "pods",
        "Pod",
        "spec: {containers: [{name: c, image: i}], schedulerName: nobody}",
        status=condition("Seen"),
        subresources=("attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy"),
    ),
    kind(
        "v1",
        "replicationcontrollers",
        "ReplicationController",
        f"spec: {{replicas: 0, selector: {{app: x}}, template: {TEMPLATE}}}",
        status=condition("Seen"),
        scale=True,
    ),
    kind("v1", "resourcequotas", "ResourceQuota", "spec: {hard: {pods: '5'}}", status={"hard": {"pods": "5"}}),
    kind(
        "v1",
        "events",
        "Event",
        "{involvedObject: {kind: Pod, name: x, namespace: NAMESPACE}, reason: R, message: m, type: Normal}",
    ),
    kind(
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        "spec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: {requests: {storage: 1Gi}}}",
        status=condition("Seen"),
    ),
    kind(
        "v1",
        "persistentvolumes",
        "PersistentVolume",
        "spec: {accessModes: [ReadWriteOnce], storageClassName: none, capacity: {storage: 1Gi}, hostPath: {path: /x}}",
        namespaced=False,
        status={"message": "seen", "reason": "Tested"},
    ),
    kind("v1", "namespaces", "Namespace", "", namespaced=False, status=condition("Seen"), collection=False),
    kind("v1", "nodes", "Node", "", namespaced=False, status=condition("Seen"), subresources=("proxy",)),
    kind(
        "apps/v1",
        "deployments",
        "Deployment",
        f"spec: {{replicas: 0, {SELECTED}}}",
        status=condition("Seen"),
        scale=True,
    ),
    kind(
        "apps/v1",
        "replicasets",
        "ReplicaSet",
        f"spec: {{replicas: 0, {SELECTED}}}",
        status=condition("Seen"),
        scale=True,
    ),
    kind(
        "apps/v1",
        "statefulsets",
        "StatefulSet",
        f"spec: {{replicas: 0, serviceName: s, {SELECTED}}}",
        status=condition("Seen"),
        scale=True,
    ),
    kind(
        "apps/v1",
        "daemonsets",
        "DaemonSet",
        "spec: {selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x}}, spec:"
        " {nodeSelector: {a: b}, containers: [{name: c, image: i}]}}}",
        status=condition("Seen"),
    ),
    kind("apps/v1", "controllerrevisions", "ControllerRevision", "{data: {spec: {}}, revision: 1}"),
    kind("batch/v1", "jobs", "Job", f"spec: {{suspend: true, {JOB}}}", status=condition("Seen")),
    kind(
        "batch/v1",
        "cronjobs",
        "CronJob",
        f"spec: {{schedule: '* */1 * * *', suspend: true, jobTemplate: {{spec: {{{JOB}}}}}}}",
        status={"lastScheduleTime": "2026-01-01T00:00:00Z"},
    ),
    kind(
        "policy/v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        "spec: {minAvailable: 1, selector: {matchLabels: {app: none}}}",
        status={"disruptedPods": {"gone": "2026-01-01T00:00:00Z"}},
    ),
    kind(
        "autoscaling/v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        "spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: none}}",
        status={"currentReplicas": 2, "desiredReplicas": 2},
    ),
    kind(
        "autoscaling/v1",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        "spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: none}}",
        status={"currentReplicas": 2, "desiredReplicas": 2},
    ),
    kind("coordination.k8s.io/v1", "leases", "Lease", "spec: {holderIdentity: me, leaseDurationSeconds: 30}"),
    kind(
        "discovery.k8s.io/v1",
        "endpointslices",
        "EndpointSlice",
        "{addressType: IPv4, endpoints: [{addresses: [10.1.2.3]}], ports: [{name: http, port: 80, protocol: TCP}]}",
    ),
    kind(
        "events.k8s.io/v1",
        "events",
        "Event",
        "{regarding: {kind: Pod, name: x, namespace: NAMESPACE}, reason: R, note: m, type: Normal, action: Do,"
        " eventTime: '2026-01-01T00:00:00.000000Z', reportingController: c, reportingInstance: i}",
    ),
    kind(
        "networking.k8s.io/v1",
        "ingresses",
        "Ingress",
        "spec: {defaultBackend: {service: {name: s, port: {number: 80}}}}",
        status={"loadBalancer": {"ingress": [{"ip": "169.1.1.1"}]}},
    ),
    kind(
        "networking.k8s.io/v1", "ingressclasses", "IngressClass", "spec: {controller: example.com/c}", namespaced=False
    ),
    kind(
        "networking.k8s.io/v1",
        "ipaddresses",
        "IPAddress",
        "spec: {parentRef: {group: '', resource: services, name: s, namespace: default}}",
        namespaced=False,
    ),
    kind(
        "networking.k8s.io/v1",
        "servicecidrs",
        "ServiceCIDR",
        "spec: {cidrs: [CIDR]}",
        namespaced=False,
        status=timed("Seen"),
        status_alone=True,
    ),
    kind("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", "spec: {podSelector: {}}"),
    kind("node.k8s.io/v1", "runtimeclasses", "RuntimeClass", "handler: h", namespaced=False),
    kind("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", "value: 10", namespaced=False),
    kind(
        "certificates.k8s.io/v1",
        "certificatesigningrequests",
        "CertificateSigningRequest",
        "spec: {request: REQUEST, signerName: example.com/e2e, usages: [digital signature, key encipherment]}",
        namespaced=False,
        status={"conditions": [{"type": "Failed", "status": "True", "reason": "Tested", "message": "by a test"}]},
        subresources=("approval",),
    ),
    kind(
        "rbac.authorization.k8s.io/v1",
        "roles",
        "Role",
        "rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]",
    ),
    kind(
        "rbac.authorization.k8s.io/v1",
        "rolebindings",
        "RoleBinding",
        "{roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view},"
        " subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: u}]}",
    ),
    kind(
        "rbac.authorization.k8s.io/v1",
        "clusterroles",
        "ClusterRole",
        "rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]",
        namespaced=False,
    ),
    kind(
        "rbac.authorization.k8s.io/v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        "{roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view},"
        " subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: u}]}",
        namespaced=False,
    ),
    kind(
        "flowcontrol.apiserver.k8s.io/v1",
        "flowschemas",
        "FlowSchema",
        "spec: {matchingPrecedence: 10000, priorityLevelConfiguration: {name: global-default}, distinguisherMethod:"
        " {type: ByUser}, rules: [{subjects: [{kind: User, user: {name: nobody}}],"
        " nonResourceRules: [{verbs: ['*'], nonResourceURLs: ['*']}]}]}",
        namespaced=False,
        status=condition("Seen"),
        status_alone=True,
    ),
    kind(
        "flowcontrol.apiserver.k8s.io/v1",
        "prioritylevelconfigurations",
        "PriorityLevelConfiguration",
        "spec: {type: Limited, limited: {nominalConcurrencyShares: 2, limitResponse: {type: Reject}}}",
        namespaced=False,
        status=condition("Seen"),
        status_alone=True,
    ),
    kind(
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
        f"spec:\n  validations: [{{expression: 'true'}}]{MATCHES_NOTHING}",
        namespaced=False,
        status=timed("Seen"),
        status_alone=True,
    ),
    kind(
        "admissionregistration.k8s.io/v1",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        "spec: {policyName: none.example.com, validationActions: [Deny]}",
        namespaced=False,
    ),
    kind(
        "admissionregistration.k8s.io/v1",
        "mutatingadmissionpolicies",
        "MutatingAdmissionPolicy",
        "spec:\n  reinvocationPolicy: Never\n  mutations: [{patchType: ApplyConfiguration, applyConfiguration:"
        f" {{expression: 'Object{{}}'}}}}]{MATCHES_NOTHING}",
        namespaced=False,
    ),
    kind(
        "admissionregistration.k8s.io/v1",
        "mutatingadmissionpolicybindings",
        "MutatingAdmissionPolicyBinding",
        "spec: {policyName: none.example.com}",
        namespaced=False,
    ),
    kind(
        "admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        WEBHOOK,
        namespaced=False,
    ),
    kind(
        "admissionregistration.k8s.io/v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        WEBHOOK,
        namespaced=False,
    ),
    kind(
        "storage.k8s.io/v1",
        "storageclasses",
        "StorageClass",
        "provisioner: example.com/none",
        namespaced=False,
    ),
    kind("storage.k8s.io/v1", "csidrivers", "CSIDriver", "spec: {attachRequired: false}", namespaced=False),
    kind("storage.k8s.io/v1", "csinodes", "CSINode", "spec: {drivers: [{name: d, nodeID: n}]}", namespaced=False),
    kind("storage.k8s.io/v1", "csistoragecapacities", "CSIStorageCapacity", "storageClassName: none"),
    kind(
        "storage.k8s.io/v1",
        "volumeattachments",
        "VolumeAttachment",
        "spec: {attacher: a, nodeName: n, source: {persistentVolumeName: p}}",
        namespaced=False,
        status={"attached": True},
        status_alone=True,
    ),
    kind(
        "storage.k8s.io/v1",
        "volumeattributesclasses",
        "VolumeAttributesClass",
        "{driverName: d.example.com, parameters: {a: b}}",
        namespaced=False,
    ),
    kind(
        "resource.k8s.io/v1",
        "deviceclasses",
        "DeviceClass",
        "spec: {selectors: [{cel: {expression: 'true'}}]}",
        namespaced=False,
    ),
    kind(
        "resource.k8s.io/v1",
        "resourceclaims",
        "ResourceClaim",
        "spec: {devices: {requests: [{name: r, exactly: {deviceClassName: none}}]}}",
        status={"allocation": {"allocationTimestamp": "2026-01-01T00:00:00Z"}},
        status_alone=True,
    ),
    kind(
        "resource.k8s.io/v1",
        "resourceclaimtemplates",
        "ResourceClaimTemplate",
        "spec: {spec: {devices: {requests: [{name: r, exactly: {deviceClassName: none}}]}}}",
    ),
    kind(
        "resource.k8s.io/v1",
        "resourceslices",
        "ResourceSlice",
        "spec: {driver: d.example.com, nodeName: n, devices: [{name: x}],"
        " pool: {name: NAME, generation: 1, resourceSliceCount: 1}}",
        namespaced=False,
    ),
    kind(
        "apiregistration.k8s.io/v1",
        "apiservices",
        "APIService",
        "spec: {group: GROUP, version: v1, groupPriorityMinimum: 10, versionPriority: 10,"
        " service: {namespace: default, name: none}, insecureSkipTLSVerify: true}",
        namespaced=False,
        status=timed("Seen"),
        status_alone=True,
    ),
    kind(
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        "spec: {group: GROUP, scope: Namespaced, names: {plural: noxus, singular: noxu, kind: Noxu},"
        " versions: [{name: v1, served: true, storage: true,"
        " schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}",
        namespaced=False,
        status=condition("Seen"),
        status_alone=True,
    ),
)
