"""What the kinds are called on the command line, so that common commands need no discovery.

The table is a copy of the registry's names: importing the registry takes longer than a whole ``get`` may, and
``tests/cli/test_names.py`` fails when the two differ. Anything that is not in it (custom resources, other
versions) is asked of the server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kube_lite.cli.main import CommandError


class Kind:
    """A kind as a client must know it to build URLs and messages."""

    __slots__ = (
        "categories",
        "group",
        "kind",
        "namespaced",
        "plural",
        "short_names",
        "singular_name",
        "verbs",
        "version",
    )

    def __init__(
        self,
        plural: str,
        group: str,
        version: str,
        kind: str,
        namespaced: bool,
        short_names: Sequence[str] = (),
        categories: Sequence[str] = (),
        verbs: Sequence[str] = (),
        singular_name: str = "",
    ) -> None:
        self.plural = plural
        self.group = group
        self.version = version
        self.kind = kind
        self.namespaced = namespaced
        self.short_names = short_names
        self.categories = categories
        self.verbs = verbs
        """What can be done with it, as discovery says; the table does not."""
        self.singular_name = singular_name
        """Where it is not the kind in lower case."""

    @property
    def qualified(self) -> str:
        """``pods`` or ``deployments.apps``: as in the server's messages."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        """``pod`` or ``deployment.apps``: as printed before a slash and a name."""
        name = self.kind.lower()
        return f"{name}.{self.group}" if self.group else name

    @property
    def api_version(self) -> str:
        """``v1`` or ``apps/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str | None = None, subresource: str = "") -> str:
        """The URL path of an object, or of the collection where ``name`` is None.

        :raises CommandError: the name is empty: that path would be the collection's, and delete all of it
        """
        from urllib.parse import quote

        if name is not None:
            check_object_name(name)

        parts = ["/apis" if self.group else "/api", self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        parts += [quote(part, safe="") for part in (name, subresource) if part]
        return "/".join(parts)

    def answers_to(self, name: str) -> bool:
        """Whether ``name`` (lower case: plural, singular, short, ``plural.group``, ``plural.version.group``) is it."""
        head, _, rest = name.partition(".")
        if rest and rest not in (self.group, f"{self.version}.{self.group}"):
            return False
        return head in (self.plural, self.singular_name or self.kind.lower(), self.kind.lower(), *self.short_names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kind) and (self.qualified, self.version) == (other.qualified, other.version)

    def __hash__(self) -> int:
        return hash((self.qualified, self.version))

    def __repr__(self) -> str:
        return f"<Kind {self.qualified}/{self.version}>"


def check_object_name(name: str) -> str:
    """The name of one object. :raises CommandError: it is empty"""
    if not name:
        raise CommandError("resource name may not be empty")
    return name


_EXTENSIONS = ("api-extensions",)

BUILTIN: tuple[Kind, ...] = (
    Kind("apiservices", "apiregistration.k8s.io", "v1", "APIService", False, (), _EXTENSIONS),
    Kind("certificatesigningrequests", "certificates.k8s.io", "v1", "CertificateSigningRequest", False, ("csr",)),
    Kind("clusterrolebindings", "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", False),
    Kind("clusterroles", "rbac.authorization.k8s.io", "v1", "ClusterRole", False),
    Kind("componentstatuses", "", "v1", "ComponentStatus", False, ("cs",)),
    Kind("configmaps", "", "v1", "ConfigMap", True, ("cm",)),
    Kind("controllerrevisions", "apps", "v1", "ControllerRevision", True),
    Kind("cronjobs", "batch", "v1", "CronJob", True, ("cj",), ("all",)),
    Kind("csidrivers", "storage.k8s.io", "v1", "CSIDriver", False),
    Kind("csinodes", "storage.k8s.io", "v1", "CSINode", False),
    Kind("csistoragecapacities", "storage.k8s.io", "v1", "CSIStorageCapacity", True),
    Kind(
        "customresourcedefinitions",
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        False,
        ("crd", "crds"),
        _EXTENSIONS,
    ),
    Kind("daemonsets", "apps", "v1", "DaemonSet", True, ("ds",), ("all",)),
    Kind("deployments", "apps", "v1", "Deployment", True, ("deploy",), ("all",)),
    Kind("deviceclasses", "resource.k8s.io", "v1", "DeviceClass", False),
    Kind("endpoints", "", "v1", "Endpoints", True, ("ep",)),
    Kind("endpointslices", "discovery.k8s.io", "v1", "EndpointSlice", True),
    Kind("events", "", "v1", "Event", True, ("ev",)),
    Kind("events", "events.k8s.io", "v1", "Event", True, ("ev",)),
    Kind("flowschemas", "flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", False),
    Kind("horizontalpodautoscalers", "autoscaling", "v2", "HorizontalPodAutoscaler", True, ("hpa",), ("all",)),
    Kind("horizontalpodautoscalers", "autoscaling", "v1", "HorizontalPodAutoscaler", True, ("hpa",), ("all",)),
    Kind("ingressclasses", "networking.k8s.io", "v1", "IngressClass", False),
    Kind("ingresses", "networking.k8s.io", "v1", "Ingress", True, ("ing",)),
    Kind("ipaddresses", "networking.k8s.io", "v1", "IPAddress", False, ("ip",)),
    Kind("jobs", "batch", "v1", "Job", True, (), ("all",)),
    Kind("leases", "coordination.k8s.io", "v1", "Lease", True),
    Kind("limitranges", "", "v1", "LimitRange", True, ("limits",)),
    Kind(
        "mutatingadmissionpolicies",
        "admissionregistration.k8s.io",
        "v1",
        "MutatingAdmissionPolicy",
        False,
        (),
        _EXTENSIONS,
    ),
    Kind(
        "mutatingadmissionpolicybindings",
        "admissionregistration.k8s.io",
        "v1",
        "MutatingAdmissionPolicyBinding",
        False,
        (),
        _EXTENSIONS,
    ),
    Kind(
        "mutatingwebhookconfigurations",
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        False,
        (),
        _EXTENSIONS,
    ),
    Kind("namespaces", "", "v1", "Namespace", False, ("ns",)),
    Kind("networkpolicies", "networking.k8s.io", "v1", "NetworkPolicy", True, ("netpol",)),
    Kind("nodes", "", "v1", "Node", False, ("no",)),
    Kind("persistentvolumeclaims", "", "v1", "PersistentVolumeClaim", True, ("pvc",)),
    Kind("persistentvolumes", "", "v1", "PersistentVolume", False, ("pv",)),
    Kind("poddisruptionbudgets", "policy", "v1", "PodDisruptionBudget", True, ("pdb",)),
    Kind("pods", "", "v1", "Pod", True, ("po",), ("all",)),
    Kind("podtemplates", "", "v1", "PodTemplate", True),
    Kind("priorityclasses", "scheduling.k8s.io", "v1", "PriorityClass", False, ("pc",)),
    Kind("prioritylevelconfigurations", "flowcontrol.apiserver.k8s.io", "v1", "PriorityLevelConfiguration", False),
    Kind("replicasets", "apps", "v1", "ReplicaSet", True, ("rs",), ("all",)),
    Kind("replicationcontrollers", "", "v1", "ReplicationController", True, ("rc",), ("all",)),
    Kind("resourceclaims", "resource.k8s.io", "v1", "ResourceClaim", True),
    Kind("resourceclaimtemplates", "resource.k8s.io", "v1", "ResourceClaimTemplate", True),
    Kind("resourcequotas", "", "v1", "ResourceQuota", True, ("quota",)),
    Kind("resourceslices", "resource.k8s.io", "v1", "ResourceSlice", False),
    Kind("rolebindings", "rbac.authorization.k8s.io", "v1", "RoleBinding", True),
    Kind("roles", "rbac.authorization.k8s.io", "v1", "Role", True),
    Kind("runtimeclasses", "node.k8s.io", "v1", "RuntimeClass", False),
    Kind("secrets", "", "v1", "Secret", True),
    Kind("serviceaccounts", "", "v1", "ServiceAccount", True, ("sa",)),
    Kind("servicecidrs", "networking.k8s.io", "v1", "ServiceCIDR", False),
    Kind("services", "", "v1", "Service", True, ("svc",), ("all",)),
    Kind("statefulsets", "apps", "v1", "StatefulSet", True, ("sts",), ("all",)),
    Kind("storageclasses", "storage.k8s.io", "v1", "StorageClass", False, ("sc",)),
    Kind(
        "validatingadmissionpolicies",
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicy",
        False,
        (),
        _EXTENSIONS,
    ),
    Kind(
        "validatingadmissionpolicybindings",
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicyBinding",
        False,
        (),
        _EXTENSIONS,
    ),
    Kind(
        "validatingwebhookconfigurations",
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        False,
        (),
        _EXTENSIONS,
    ),
    Kind("volumeattachments", "storage.k8s.io", "v1", "VolumeAttachment", False),
    Kind("volumeattributesclasses", "storage.k8s.io", "v1", "VolumeAttributesClass", False, ("vac",)),
)
"""Every stored kind; where a name stands for several, the one to use comes first."""


def builtin_named(name: str) -> Kind | None:
    """The kind that ``name`` means, if it is in the table."""
    lowered = name.lower()
    return next((kind for kind in BUILTIN if kind.answers_to(lowered)), None)


def builtin_of(api_version: str, kind: str) -> Kind | None:
    """The kind that objects with this apiVersion and kind have, if it is in the table."""
    return next((k for k in BUILTIN if k.api_version == api_version and k.kind == kind), None)


def in_category(category: str) -> Iterator[Kind]:
    """The kinds behind a word like ``all``, one version each, in the order kubectl prints them."""
    found = {k.qualified: k for k in reversed(BUILTIN) if category in k.categories}
    return iter(sorted(found.values(), key=lambda k: (k.group != "", k.group, k.plural)))
