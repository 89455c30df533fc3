"""What the types of withdrawn versions had otherwise than those of today, as data.

Field names, numbers and cardinalities are those of Kubernetes' published API of releases 1.15 to 1.31; the
descriptions are our own. A version whose fields are those of today needs no more than its name.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kube_lite.resources.withdrawn.edits import API, EXTENSIONS, Derived, Edit, plain, refers, text
from kube_lite.resources.withdrawn.metrics import METRICS, autoscaling

_CERTIFICATES = {"CertificateSigningRequestSpec": Edit(optional=("signerName",), own=("signerName",))}
_WORKLOADS = {
    "DaemonSetSpec": Edit(
        added={
            "templateGeneration": {
                "type": "integer",
                "format": "int64",
                "description": "How often the template changed. It was never to be set: the field is passed over.",
            }
        },
        optional=("selector",),
    ),
    "ReplicaSetSpec": Edit(optional=("selector",)),
    "StatefulSetSpec": Edit(optional=("selector",)),
    "DeploymentSpec": Edit(
        added={
            "rollbackTo": {
                "type": "object",
                "description": "The revision to go back to. It was never kept: the field is read and passed over.",
                "properties": {
                    "revision": {
                        "type": "integer",
                        "format": "int64",
                        "description": "The revision to go back to, 0 for the last one.",
                    }
                },
            }
        },
        optional=("selector",),
    ),
}

_INGRESS = {
    "IngressSpec": Edit(
        renamed={"defaultBackend": "backend"},
        numbers={
            1: ("backend", "one", ("networking.v1.IngressBackend",)),
            2: ("tls", "list", ("networking.v1.IngressTLS",)),
            3: ("rules", "list", ("networking.v1.IngressRule",)),
            4: ("ingressClassName", "one", ("string",)),
        },
    ),
    "IngressBackend": Edit(
        removed=("service",),
        added={
            "serviceName": text("Name of the Service that requests go to."),
            "servicePort": refers(
                "io.k8s.apimachinery.pkg.util.intstr.IntOrString", "Number or name of the Service's port."
            ),
        },
        numbers={
            1: ("serviceName", "one", ("string",)),
            2: ("servicePort", "one", ("util.intstr.IntOrString",)),
            3: ("resource", "one", ("core.v1.TypedLocalObjectReference",)),
        },
    ),
    "HTTPIngressPath": Edit(optional=("pathType",)),
}

_INGRESS_PARTS = dict.fromkeys(
    ("HTTPIngressRuleValue", "IngressRule", "IngressStatus", "IngressTLS", "IngressLoadBalancerStatus"), Edit()
)
_POLICY_PARTS = dict.fromkeys(
    (
        "IPBlock",
        "NetworkPolicyEgressRule",
        "NetworkPolicyIngressRule",
        "NetworkPolicyPeer",
        "NetworkPolicyPort",
        "NetworkPolicySpec",
    ),
    Edit(),
)
"""Unchanged structs, named where a package is made from several."""

_ENDPOINTS = {
    "Endpoint": Edit(
        renamed={"deprecatedTopology": "topology"},
        removed=("zone",),
        numbers={
            1: ("addresses", "list", ("string",)),
            2: ("conditions", "one", ("discovery.v1.EndpointConditions",)),
            3: ("hostname", "one", ("string",)),
            4: ("targetRef", "one", ("core.v1.ObjectReference",)),
            5: ("topology", "map", ("string", "string")),
            6: ("nodeName", "one", ("string",)),
            8: ("hints", "one", ("discovery.v1.EndpointHints",)),
        },
    )
}

_ASSURED = {
    "LimitedPriorityLevelConfiguration": Edit(
        renamed={"nominalConcurrencyShares": "assuredConcurrencyShares"},
        required=("assuredConcurrencyShares",),
        numbers={
            1: ("assuredConcurrencyShares", "one", ("int32",)),
            2: ("limitResponse", "one", ("flowcontrol.v1.LimitResponse",)),
            3: ("lendablePercent", "one", ("int32",)),
            4: ("borrowingLimitPercent", "one", ("int32",)),
        },
    )
}

_BETA = EXTENSIONS + "v1beta1."


def _columns_of(owner: str) -> dict[str, Any]:
    return {
        "type": "array",
        "description": f"Columns of tables, {owner}.",
        "items": {"$ref": f"#/$defs/{_BETA}CustomResourceColumnDefinition"},
        "x-kubernetes-list-type": "atomic",
    }


_DEFINITIONS = {
    "CustomResourceDefinitionSpec": Edit(
        added={
            "version": text("The version, where there is only one; else the first of versions."),
            "validation": refers(_BETA + "CustomResourceValidation", "The schema that all versions share."),
            "subresources": refers(_BETA + "CustomResourceSubresources", "The subresources that all versions share."),
            "additionalPrinterColumns": _columns_of("shared by all versions"),
        },
        optional=("versions", "scope"),
        own=("preserveUnknownFields",),
    ),
    "CustomResourceColumnDefinition": Edit(renamed={"jsonPath": "JSONPath"}),
    "CustomResourceConversion": Edit(
        removed=("webhook",),
        added={
            "webhookClientConfig": refers(_BETA + "WebhookClientConfig", "How the webhook is called."),
            "conversionReviewVersions": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Versions of ConversionReview that the webhook takes, the preferred one first.",
            },
        },
    ),
}

DERIVED = (
    Derived(
        group="apps",
        version="v1beta2",
        package=API + "apps.v1beta2",
        base=API + "apps.v1",
        kinds=("ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"),
    ),
    Derived(
        group="apps",
        version="v1beta1",
        package=API + "apps.v1beta1",
        base=API + "apps.v1",
        kinds=("ControllerRevision", "Deployment", "StatefulSet"),
        edits=_WORKLOADS,
    ),
    Derived(
        group="extensions",
        version="v1beta1",
        package=API + "extensions.v1beta1",
        base=API + "apps.v1",
        kinds=("DaemonSet", "Deployment", "ReplicaSet"),
        edits=_WORKLOADS,
    ),
    Derived(
        group="extensions",
        version="v1beta1",
        package=API + "extensions.v1beta1",
        base=API + "networking.v1",
        kinds=("NetworkPolicy",),
        edits=_POLICY_PARTS,
    ),
    Derived(
        group="extensions",
        version="v1beta1",
        package=API + "extensions.v1beta1",
        base=API + "networking.v1",
        kinds=("Ingress",),
        edits={**_INGRESS_PARTS, **_INGRESS},
    ),
    Derived(
        group="networking.k8s.io",
        version="v1beta1",
        package=API + "networking.v1beta1",
        base=API + "networking.v1",
        kinds=("Ingress", "IngressClass"),
        edits=_INGRESS,
    ),
    Derived(
        group="discovery.k8s.io",
        version="v1beta1",
        package=API + "discovery.v1beta1",
        base=API + "discovery.v1",
        kinds=("EndpointSlice",),
        edits=_ENDPOINTS,
    ),
    *(
        Derived(
            group="flowcontrol.apiserver.k8s.io",
            version=version,
            package=f"{API}flowcontrol.{version}",
            base=API + "flowcontrol.v1",
            kinds=("FlowSchema", "PriorityLevelConfiguration"),
            edits=edits,
        )
        for version, edits in (("v1beta1", _ASSURED), ("v1beta2", _ASSURED), ("v1beta3", {}))
    ),
    autoscaling("v2beta2", {}),
    autoscaling("v2beta1", METRICS),
    Derived(
        group="apiextensions.k8s.io",
        version="v1beta1",
        package=EXTENSIONS + "v1beta1",
        base=EXTENSIONS + "v1",
        kinds=("CustomResourceDefinition",),
        edits=_DEFINITIONS,
    ),
    Derived(
        group="authorization.k8s.io",
        version="v1beta1",
        package=API + "authorization.v1beta1",
        base=API + "authorization.v1",
        kinds=(
            "LocalSubjectAccessReview",
            "SelfSubjectAccessReview",
            "SelfSubjectRulesReview",
            "SubjectAccessReview",
        ),
        edits={
            "SubjectAccessReviewSpec": Edit(
                renamed={"groups": "group"},
                numbers={
                    1: ("resourceAttributes", "one", ("authorization.v1.ResourceAttributes",)),
                    2: ("nonResourceAttributes", "one", ("authorization.v1.NonResourceAttributes",)),
                    3: ("user", "one", ("string",)),
                    4: ("group", "list", ("string",)),
                    5: ("extra", "map", ("string", "authorization.v1.ExtraValue")),
                    6: ("uid", "one", ("string",)),
                },
            )
        },
        listed=False,
    ),
    plain("authentication.k8s.io", "v1beta1", "TokenReview", listed=False),
    plain("admissionregistration.k8s.io", "v1beta1", "MutatingWebhookConfiguration ValidatingWebhookConfiguration"),
    plain("apiregistration.k8s.io", "v1beta1", "APIService"),
    replace(plain("batch", "v1beta1", "CronJob"), shared=frozenset({"JobSpec"})),
    plain("certificates.k8s.io", "v1beta1", "CertificateSigningRequest", edits=_CERTIFICATES),
    plain("coordination.k8s.io", "v1beta1", "Lease"),
    plain("events.k8s.io", "v1beta1", "Event"),
    plain("node.k8s.io", "v1beta1", "RuntimeClass"),
    plain("policy", "v1beta1", "PodDisruptionBudget"),
    plain("rbac.authorization.k8s.io", "v1beta1", "ClusterRole ClusterRoleBinding Role RoleBinding"),
    plain("scheduling.k8s.io", "v1beta1", "PriorityClass"),
    plain("storage.k8s.io", "v1beta1", "CSIDriver CSINode StorageClass VolumeAttachment"),
)
"""Every withdrawn version that is served."""
