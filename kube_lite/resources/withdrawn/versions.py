"""What the types of withdrawn versions had otherwise than those of today, as data.

Field names, numbers and cardinalities are those of Kubernetes' published API of releases 1.15 to 1.31; the
descriptions are our own. A version whose fields are those of today needs no more than its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

Row = tuple[str, str, tuple[str, ...]]
_API = "io.k8s.api."
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions."
_AGGREGATOR = "io.k8s.kube-aggregator.pkg.apis.apiregistration."


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """How one old struct differs. ``own`` names fields whose zero was printed in another way than today's."""

    renamed: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    added: Mapping[str, Any] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    numbers: Mapping[int, Row] | None = None
    """All fields of the protobuf message by number; None where the numbers are today's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """One old version of a group, or a part of one."""

    group: str
    version: str
    package: str
    base: str
    kinds: tuple[str, ...]
    edits: Mapping[str, Edit] = field(default_factory=dict)
    added: Mapping[str, Any] = field(default_factory=dict)
    listed: bool = True
    """Whether the kinds have lists (reviews have none)."""
    shared: frozenset[str] = frozenset()
    """Structs that the version took from the package it is derived from, instead of having its own."""

    @property
    def top_level(self) -> tuple[str, ...]:
        """The kinds and their lists."""
        return (*self.kinds, *(f"{kind}List" for kind in self.kinds if self.listed))


_NONE: Final[Mapping[str, Edit]] = {}


def _string(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _integer(description: str) -> dict[str, Any]:
    return {"type": "integer", "format": "int32", "description": description}


def _quantity(description: str) -> dict[str, Any]:
    return {"$ref": "#/$defs/io.k8s.apimachinery.pkg.api.resource.Quantity", "description": description}


def _refers(target: str, description: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{target}", "description": description}


def _plain(
    group: str, version: str, kinds: str, *, listed: bool = True, base: str = "v1", edits: Mapping[str, Edit] = _NONE
) -> Derived:
    """A version whose fields are those of v1, but for ``edits``."""
    short = group.split(".")[0]
    package = {"apiregistration": _AGGREGATOR}.get(short, f"{_API}{short}.")
    return Derived(
        group=group,
        version=version,
        package=package + version,
        base=package + base,
        kinds=tuple(kinds.split()),
        edits=edits,
        listed=listed,
    )


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
            "serviceName": _string("Name of the Service that requests go to."),
            "servicePort": _refers(
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

_SELECTOR = _refers("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector", "Which series of the metric are meant.")
_NAMED = {"metricName": _string("Name of the metric.")}
_TARGETED = {
    "targetAverageUtilization": _integer("Percent of what pods request that is aimed at, on average."),
    "targetAverageValue": _quantity("Amount per pod that is aimed at, on average."),
}
_CURRENT = {
    "currentAverageUtilization": _integer("Percent of what pods request that is used, on average."),
    "currentAverageValue": _quantity("Amount per pod, on average."),
}
_NAME: Row = ("name", "one", ("string",))
_CONTAINER: Row = ("container", "one", ("string",))
_METRIC_NAME: Row = ("metricName", "one", ("string",))
_METRIC_SELECTOR: Row = ("metricSelector", "one", ("apis.meta.v1.LabelSelector",))
_ANY_SELECTOR: Row = ("selector", "one", ("apis.meta.v1.LabelSelector",))
_TARGET: Row = ("target", "one", ("autoscaling.v2.CrossVersionObjectReference",))


def _amount(name: str) -> Row:
    return (name, "one", ("api.resource.Quantity",))


def _number(name: str) -> Row:
    return (name, "one", ("int32",))


_METRICS = {
    "ObjectMetricSource": Edit(
        renamed={"describedObject": "target"},
        removed=("metric",),
        added={
            **_NAMED,
            "target": _refers(f"{_API}autoscaling.v2beta1.CrossVersionObjectReference", "The object measured."),
            "targetValue": _quantity("Value of the metric that is aimed at."),
            "averageValue": _quantity("Amount per pod that is aimed at, on average."),
            "selector": _SELECTOR,
        },
        required=("metricName", "targetValue"),
        numbers={
            1: _TARGET,
            2: _METRIC_NAME,
            3: _amount("targetValue"),
            4: _ANY_SELECTOR,
            5: _amount("averageValue"),
        },
    ),
    "PodsMetricSource": Edit(
        removed=("metric", "target"),
        added={**_NAMED, "targetAverageValue": _TARGETED["targetAverageValue"], "selector": _SELECTOR},
        required=("metricName", "targetAverageValue"),
        numbers={1: _METRIC_NAME, 2: _amount("targetAverageValue"), 3: _ANY_SELECTOR},
    ),
    "ResourceMetricSource": Edit(
        removed=("target",),
        added=_TARGETED,
        numbers={1: _NAME, 2: _number("targetAverageUtilization"), 3: _amount("targetAverageValue")},
    ),
    "ContainerResourceMetricSource": Edit(
        removed=("target",),
        added=_TARGETED,
        numbers={1: _NAME, 2: _number("targetAverageUtilization"), 3: _amount("targetAverageValue"), 4: _CONTAINER},
    ),
    "ExternalMetricSource": Edit(
        removed=("metric", "target"),
        added={
            **_NAMED,
            "metricSelector": _SELECTOR,
            "targetValue": _quantity("Value of the metric that is aimed at."),
            "targetAverageValue": _TARGETED["targetAverageValue"],
        },
        required=("metricName",),
        numbers={1: _METRIC_NAME, 2: _METRIC_SELECTOR, 3: _amount("targetValue"), 4: _amount("targetAverageValue")},
    ),
    "ObjectMetricStatus": Edit(
        renamed={"describedObject": "target"},
        removed=("metric", "current"),
        added={
            **_NAMED,
            "target": _refers(f"{_API}autoscaling.v2beta1.CrossVersionObjectReference", "The object measured."),
            "currentValue": _quantity("Value of the metric."),
            "averageValue": _quantity("Amount per pod, on average."),
            "selector": _SELECTOR,
        },
        required=("metricName", "currentValue"),
        numbers={
            1: _TARGET,
            2: _METRIC_NAME,
            3: _amount("currentValue"),
            4: _ANY_SELECTOR,
            5: _amount("averageValue"),
        },
    ),
    "PodsMetricStatus": Edit(
        removed=("metric", "current"),
        added={**_NAMED, "currentAverageValue": _CURRENT["currentAverageValue"], "selector": _SELECTOR},
        required=("metricName", "currentAverageValue"),
        numbers={1: _METRIC_NAME, 2: _amount("currentAverageValue"), 3: _ANY_SELECTOR},
    ),
    "ResourceMetricStatus": Edit(
        removed=("current",),
        added=_CURRENT,
        required=("currentAverageValue",),
        numbers={1: _NAME, 2: _number("currentAverageUtilization"), 3: _amount("currentAverageValue")},
    ),
    "ContainerResourceMetricStatus": Edit(
        removed=("current",),
        added=_CURRENT,
        required=("currentAverageValue",),
        numbers={1: _NAME, 2: _number("currentAverageUtilization"), 3: _amount("currentAverageValue"), 4: _CONTAINER},
    ),
    "ExternalMetricStatus": Edit(
        removed=("metric", "current"),
        added={
            **_NAMED,
            "metricSelector": _SELECTOR,
            "currentValue": _quantity("Value of the metric."),
            "currentAverageValue": _CURRENT["currentAverageValue"],
        },
        required=("metricName", "currentValue"),
        numbers={1: _METRIC_NAME, 2: _METRIC_SELECTOR, 3: _amount("currentValue"), 4: _amount("currentAverageValue")},
    ),
    "HorizontalPodAutoscalerSpec": Edit(
        removed=("behavior",),
        numbers={
            1: ("scaleTargetRef", "one", ("autoscaling.v2.CrossVersionObjectReference",)),
            2: _number("minReplicas"),
            3: _number("maxReplicas"),
            4: ("metrics", "list", ("autoscaling.v2.MetricSpec",)),
        },
    ),
}

_BETA = _EXTENSIONS + "v1beta1."


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
            "version": _string("The version, where there is only one; else the first of versions."),
            "validation": _refers(_BETA + "CustomResourceValidation", "The schema that all versions share."),
            "subresources": _refers(_BETA + "CustomResourceSubresources", "The subresources that all versions share."),
            "additionalPrinterColumns": _columns_of("shared by all versions"),
        },
        optional=("versions", "scope"),
        own=("preserveUnknownFields",),
    ),
    "CustomResourceColumnDefinition": Edit(renamed={"jsonPath": "JSONPath"}),
    "CustomResourceConversion": Edit(
        removed=("webhook",),
        added={
            "webhookClientConfig": _refers(_BETA + "WebhookClientConfig", "How the webhook is called."),
            "conversionReviewVersions": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Versions of ConversionReview that the webhook takes, the preferred one first.",
            },
        },
    ),
}


def _autoscaling(version: str, edits: Mapping[str, Edit]) -> Derived:
    return Derived(
        group="autoscaling",
        version=version,
        package=_API + f"autoscaling.{version}",
        base=_API + "autoscaling.v2",
        kinds=("HorizontalPodAutoscaler",),
        edits={**edits, "HorizontalPodAutoscalerStatus": Edit(required=("currentReplicas", "conditions"))},
    )


DERIVED = (
    Derived(
        group="apps",
        version="v1beta2",
        package=_API + "apps.v1beta2",
        base=_API + "apps.v1",
        kinds=("ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"),
    ),
    Derived(
        group="apps",
        version="v1beta1",
        package=_API + "apps.v1beta1",
        base=_API + "apps.v1",
        kinds=("ControllerRevision", "Deployment", "StatefulSet"),
        edits=_WORKLOADS,
    ),
    Derived(
        group="extensions",
        version="v1beta1",
        package=_API + "extensions.v1beta1",
        base=_API + "apps.v1",
        kinds=("DaemonSet", "Deployment", "ReplicaSet"),
        edits=_WORKLOADS,
    ),
    Derived(
        group="extensions",
        version="v1beta1",
        package=_API + "extensions.v1beta1",
        base=_API + "networking.v1",
        kinds=("NetworkPolicy",),
        edits=_POLICY_PARTS,
    ),
    Derived(
        group="extensions",
        version="v1beta1",
        package=_API + "extensions.v1beta1",
        base=_API + "networking.v1",
        kinds=("Ingress",),
        edits={**_INGRESS_PARTS, **_INGRESS},
    ),
    Derived(
        group="networking.k8s.io",
        version="v1beta1",
        package=_API + "networking.v1beta1",
        base=_API + "networking.v1",
        kinds=("Ingress", "IngressClass"),
        edits=_INGRESS,
    ),
    Derived(
        group="discovery.k8s.io",
        version="v1beta1",
        package=_API + "discovery.v1beta1",
        base=_API + "discovery.v1",
        kinds=("EndpointSlice",),
        edits=_ENDPOINTS,
    ),
    *(
        Derived(
            group="flowcontrol.apiserver.k8s.io",
            version=version,
            package=f"{_API}flowcontrol.{version}",
            base=_API + "flowcontrol.v1",
            kinds=("FlowSchema", "PriorityLevelConfiguration"),
            edits=edits,
        )
        for version, edits in (("v1beta1", _ASSURED), ("v1beta2", _ASSURED), ("v1beta3", {}))
    ),
    _autoscaling("v2beta2", {}),
    _autoscaling("v2beta1", _METRICS),
    Derived(
        group="apiextensions.k8s.io",
        version="v1beta1",
        package=_EXTENSIONS + "v1beta1",
        base=_EXTENSIONS + "v1",
        kinds=("CustomResourceDefinition",),
        edits=_DEFINITIONS,
    ),
    Derived(
        group="authorization.k8s.io",
        version="v1beta1",
        package=_API + "authorization.v1beta1",
        base=_API + "authorization.v1",
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
    _plain("authentication.k8s.io", "v1beta1", "TokenReview", listed=False),
    _plain("admissionregistration.k8s.io", "v1beta1", "MutatingWebhookConfiguration ValidatingWebhookConfiguration"),
    _plain("apiregistration.k8s.io", "v1beta1", "APIService"),
    replace(_plain("batch", "v1beta1", "CronJob"), shared=frozenset({"JobSpec"})),
    _plain("certificates.k8s.io", "v1beta1", "CertificateSigningRequest", edits=_CERTIFICATES),
    _plain("coordination.k8s.io", "v1beta1", "Lease"),
    _plain("events.k8s.io", "v1beta1", "Event"),
    _plain("node.k8s.io", "v1beta1", "RuntimeClass"),
    _plain("policy", "v1beta1", "PodDisruptionBudget"),
    _plain("rbac.authorization.k8s.io", "v1beta1", "ClusterRole ClusterRoleBinding Role RoleBinding"),
    _plain("scheduling.k8s.io", "v1beta1", "PriorityClass"),
    _plain("storage.k8s.io", "v1beta1", "CSIDriver CSINode StorageClass VolumeAttachment"),
)
"""Every withdrawn version that is served."""
