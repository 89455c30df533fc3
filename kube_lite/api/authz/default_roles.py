"""The roles and bindings that every cluster has (upstream: ``bootstrappolicy/policy.go``), as data.

A rule is written as verbs, groups, resources and names, each a string of words; the core group is ``core``.
Resources that are not served here are left in: charts and operators bind these roles by name and expect the
same rules in them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from kube_lite.api.authz.rules import Rule
from kube_lite.api.user import AUTHENTICATED, EXECUTORS, MASTERS, SERVICE_ACCOUNTS, UNAUTHENTICATED
from kube_lite.resources.meta import Obj

GROUP = "rbac.authorization.k8s.io"
LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
"""Annotation: "false" keeps our hands off a default role or binding."""
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"

READ = "get list watch"
WRITE = "create update patch delete deletecollection"
READ_WRITE = f"{READ} {WRITE}"
READ_UPDATE = f"{READ} update patch"
CERTIFICATES = "certificates.k8s.io"
SIGNER = "kubernetes.io/"


def words(text: str) -> tuple[str, ...]:
    """The words of a string, sorted; ``core`` is the group without a name."""
    return tuple(sorted("" if word == "core" else word for word in text.split()))


def on(verbs: str, groups: str, resources: str, names: str = "") -> Rule:
    """A rule about resources."""
    return Rule(words(verbs), words(groups), words(resources), words(names))


def at(verbs: str, urls: str) -> Rule:
    """A rule about paths."""
    return Rule(words(verbs), urls=words(urls))


EVENTS = on("create update patch", "core events.k8s.io", "events")


class Role(msgspec.Struct, frozen=True):
    """A default ClusterRole."""

    name: str
    rules: tuple[Rule, ...] = ()
    collects: str = ""
    """The aggregation label whose roles it is made of."""
    part_of: str = ""
    """The aggregated role that it is a part of."""

    def to_json(self) -> Obj:
        """The ClusterRole."""
        labels = dict(LABELS)
        if self.part_of:
            labels[AGGREGATE + self.part_of] = "true"
        role: dict[str, Any] = {"metadata": metadata(self.name, labels)}
        if self.collects:
            selector = {"matchLabels": {AGGREGATE + self.collects: "true"}}
            role["aggregationRule"] = {"clusterRoleSelectors": [selector]}
        role["rules"] = [rule.to_json() for rule in self.rules]
        return role


def metadata(name: str, labels: dict[str, str] | None = None) -> Obj:
    """Metadata of a default object."""
    return {"name": name, "labels": labels or dict(LABELS), "annotations": {AUTOUPDATE: "true"}}


NODE_RULES = (
    on("create", "authentication.k8s.io", "tokenreviews"),
    on("create", "authorization.k8s.io", "subjectaccessreviews localsubjectaccessreviews"),
    on(READ, "core", "services"),
    on("create get list watch", "core", "nodes"),
    on("update patch", "core", "nodes/status"),
    on("update patch", "core", "nodes"),
    EVENTS,
    on(READ, "core", "pods"),
    on("create delete", "core", "pods"),
    on("update patch", "core", "pods/status"),
    on("create", "core", "pods/eviction"),
    on(READ, "core", "secrets configmaps"),
    on("get", "core", "persistentvolumeclaims persistentvolumes"),
    on("get", "core", "endpoints"),
    on("create get list watch", CERTIFICATES, "certificatesigningrequests"),
    on("get create update patch delete", "coordination.k8s.io", "leases"),
    on("get", "storage.k8s.io", "volumeattachments"),
    on("get update patch", "core", "persistentvolumeclaims/status"),
    on("create", "core", "serviceaccounts/token"),
    on("get watch list", "storage.k8s.io", "csidrivers"),
    on("get create update patch delete", "storage.k8s.io", "csinodes"),
    on(READ, "node.k8s.io", "runtimeclasses"),
    on("get", "resource.k8s.io", "resourceclaims"),
    on("deletecollection", "resource.k8s.io", "resourceslices"),
    on("get", "core", "serviceaccounts"),
)
"""What every node may do alike; the Node authorizer narrows some of it to what the node's pods name."""

_TO_ADMIN = (
    on("create", "authorization.k8s.io", "localsubjectaccessreviews"),
    on(READ_WRITE, GROUP, "roles rolebindings"),
)

_TO_EDIT = (
    on(READ, "core", "pods/attach pods/proxy pods/exec pods/portforward secrets services/proxy"),
    on("impersonate", "core", "serviceaccounts"),
    on(WRITE, "core", "pods pods/attach pods/proxy pods/exec pods/portforward"),
    on("create", "core", "pods/eviction"),
    on(
        WRITE,
        "core",
        "replicationcontrollers replicationcontrollers/scale serviceaccounts services services/proxy "
        "persistentvolumeclaims configmaps secrets events",
    ),
    on("create", "core", "serviceaccounts/token"),
    on(
        WRITE,
        "apps",
        "statefulsets statefulsets/scale daemonsets deployments deployments/scale deployments/rollback "
        "replicasets replicasets/scale",
    ),
    on(WRITE, "autoscaling", "horizontalpodautoscalers"),
    on(WRITE, "batch", "jobs cronjobs"),
    on(
        WRITE,
        "extensions",
        "daemonsets deployments deployments/scale deployments/rollback ingresses replicasets replicasets/scale "
        "replicationcontrollers/scale networkpolicies",
    ),
    on(WRITE, "policy", "poddisruptionbudgets"),
    on(WRITE, "networking.k8s.io", "networkpolicies ingresses"),
    on(READ_WRITE, "coordination.k8s.io", "leases"),
    on(WRITE, "resource.k8s.io", "resourceclaims resourceclaimtemplates"),
)

_TO_VIEW = (
    on(
        READ,
        "core",
        "pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status "
        "endpoints persistentvolumeclaims persistentvolumeclaims/status configmaps",
    ),
    on(
        READ,
        "core",
        "limitranges resourcequotas bindings events pods/status resourcequotas/status namespaces/status "
        "replicationcontrollers/status pods/log",
    ),
    on(READ, "core", "namespaces"),
    on(READ, "discovery.k8s.io", "endpointslices"),
    on(
        READ,
        "apps",
        "controllerrevisions statefulsets statefulsets/status statefulsets/scale daemonsets daemonsets/status "
        "deployments deployments/status deployments/scale replicasets replicasets/status replicasets/scale",
    ),
    on(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    on(READ, "batch", "jobs cronjobs cronjobs/status jobs/status"),
    on(
        READ,
        "extensions",
        "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status "
        "replicasets replicasets/scale replicasets/status replicationcontrollers/scale networkpolicies",
    ),
    on(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
    on(READ, "networking.k8s.io", "networkpolicies ingresses ingresses/status"),
    on(READ, "resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates"),
)

_ISSUER = "/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/"

_PEOPLE = (
    Role("cluster-admin", (on("*", "*", "*"), at("*", "*"))),
    Role(
        "system:discovery",
        (at("get", "/livez /readyz /healthz /version /version/ /openapi /openapi/* /api /api/* /apis /apis/*"),),
    ),
    Role(
        "system:monitoring",
        (at("get", "/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*"),),
    ),
    Role(
        "system:basic-user",
        (on("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),),
    ),
    Role("system:public-info-viewer", (at("get", "/livez /readyz /healthz /version /version/"),)),
    Role("admin", collects="admin"),
    Role("edit", collects="edit", part_of="admin"),
    Role("view", collects="view", part_of="edit"),
    Role("system:aggregate-to-admin", _TO_ADMIN, part_of="admin"),
    Role("system:aggregate-to-edit", _TO_EDIT, part_of="edit"),
    Role("system:aggregate-to-view", _TO_VIEW, part_of="view"),
    Role("system:service-account-issuer-discovery", (at("get", _ISSUER),)),
    Role(
        "system:auth-delegator",
        (
            on("create", "authentication.k8s.io", "tokenreviews"),
            on("create", "authorization.k8s.io", "subjectaccessreviews"),
        ),
    ),
)

_NODES = (
    Role("system:node", NODE_RULES),
    Role("system:node-problem-detector", (on("get", "core", "nodes"), on("patch", "core", "nodes/status"), EVENTS)),
    Role(
        "system:node-proxier",
        (
            on("list watch", "core", "services endpoints"),
            on(READ, "core", "nodes"),
            EVENTS,
            on("list watch", "discovery.k8s.io", "endpointslices"),
            on("list watch", "networking.k8s.io", "servicecidrs"),
        ),
    ),
    Role(
        "system:kubelet-api-admin",
        (
            on(READ, "core", "nodes"),
            on("proxy", "core", "nodes"),
            on("*", "core", "nodes/proxy nodes/metrics nodes/stats nodes/log"),
            on("*", "core", "nodes/configz nodes/healthz nodes/pods"),
        ),
    ),
    Role("system:node-bootstrapper", (on("create get list watch", CERTIFICATES, "certificatesigningrequests"),)),
    Role(
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        (on("create", CERTIFICATES, "certificatesigningrequests/nodeclient"),),
    ),
    Role(
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        (on("create", CERTIFICATES, "certificatesigningrequests/selfnodeclient"),),
    ),
    *(
        Role(
            f"system:certificates.k8s.io:{signer}-approver",
            (on("approve", CERTIFICATES, "signers", SIGNER + signer),),
        )
        for signer in (
            "legacy-unknown",
            "kubelet-serving",
            "kube-apiserver-client",
            "kube-apiserver-client-kubelet",
        )
    ),
    Role("kube-lite:node-joiner", (on("create", "node.kube-lite.io", "nodes/join"),)),
)

_COMPONENTS = (
    Role("system:heapster", (on(READ, "core", "events pods nodes namespaces"), on(READ, "extensions", "deployments"))),
    Role("system:kube-aggregator", (on(READ, "core", "services endpoints"),)),
    Role(
        "system:kube-controller-manager",
        (
            EVENTS,
            on("create", "coordination.k8s.io", "leases"),
            on("get update", "coordination.k8s.io", "leases", "kube-controller-manager"),
            on("create", "core", "secrets serviceaccounts"),
            on("delete", "core", "secrets"),
            on("get", "core", "namespaces secrets serviceaccounts configmaps"),
            on("update", "core", "secrets serviceaccounts"),
            on("create", "authentication.k8s.io", "tokenreviews"),
            on("create", "authorization.k8s.io", "subjectaccessreviews"),
            on("list watch", "*", "*"),
            on("create", "core", "serviceaccounts/token"),
        ),
    ),
    Role(
        "system:kube-scheduler",
        (
            EVENTS,
            on("create", "coordination.k8s.io", "leases"),
            on("get update list watch", "coordination.k8s.io", "leases", "kube-scheduler"),
            on(READ, "core", "nodes"),
            on("get list watch delete", "core", "pods"),
            on("create", "core", "pods/binding bindings"),
            on("patch update", "core", "pods/status"),
            on(READ, "core", "services replicationcontrollers"),
            on(READ, "apps extensions", "replicasets"),
            on(READ, "apps", "statefulsets"),
            on(READ, "policy", "poddisruptionbudgets"),
            on(READ, "core", "persistentvolumeclaims persistentvolumes"),
            on("create", "authentication.k8s.io", "tokenreviews"),
            on("create", "authorization.k8s.io", "subjectaccessreviews"),
            on(READ, "storage.k8s.io", "csinodes"),
            on(READ, "storage.k8s.io", "volumeattachments"),
            on(READ, "core", "namespaces"),
            on(READ, "storage.k8s.io", "csidrivers"),
            on(READ, "storage.k8s.io", "csistoragecapacities"),
            on(READ, "resource.k8s.io", "deviceclasses"),
            on(READ_UPDATE, "resource.k8s.io", "resourceclaims"),
            on(READ_UPDATE, "resource.k8s.io", "resourceclaims/status"),
            on(READ_UPDATE, "core", "pods/finalizers"),
            on(READ, "resource.k8s.io", "resourceslices"),
        ),
    ),
    Role(
        "system:volume-scheduler",
        (
            on(READ_UPDATE, "core", "persistentvolumes"),
            on(READ, "storage.k8s.io", "storageclasses"),
            on(READ_UPDATE, "core", "persistentvolumeclaims"),
        ),
    ),
    Role(
        "system:kube-dns",
        (on("list watch", "core", "endpoints services"), on("list watch", "discovery.k8s.io", "endpointslices")),
    ),
    Role(
        "system:persistent-volume-provisioner",
        (
            on("get list watch create delete", "core", "persistentvolumes"),
            on("get list watch update", "core", "persistentvolumeclaims"),
            on(READ, "storage.k8s.io", "storageclasses"),
            on("watch", "core", "events"),
            EVENTS,
        ),
    ),
)

CLUSTER_ROLES = (*_PEOPLE, *_NODES, *_COMPONENTS)

CLUSTER_BINDINGS: tuple[tuple[str, str, tuple[Obj, ...]], ...]
"""Name, ClusterRole and subjects of the default ClusterRoleBindings."""


def group(name: str) -> Obj:
    """A group as the subject of a binding."""
    return {"kind": "Group", "apiGroup": GROUP, "name": name}


def user(name: str) -> Obj:
    """A user as the subject of a binding."""
    return {"kind": "User", "apiGroup": GROUP, "name": name}


def account(name: str, namespace: str = "kube-system") -> Obj:
    """A service account as the subject of a binding."""
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


CLUSTER_BINDINGS = (
    ("cluster-admin", "cluster-admin", (group(MASTERS),)),
    ("system:monitoring", "system:monitoring", (group("system:monitoring"),)),
    ("system:discovery", "system:discovery", (group(AUTHENTICATED),)),
    ("system:basic-user", "system:basic-user", (group(AUTHENTICATED),)),
    ("system:public-info-viewer", "system:public-info-viewer", (group(AUTHENTICATED), group(UNAUTHENTICATED))),
    ("system:node-proxier", "system:node-proxier", (user("system:kube-proxy"),)),
    ("system:kube-controller-manager", "system:kube-controller-manager", (user("system:kube-controller-manager"),)),
    ("system:kube-dns", "system:kube-dns", (account("kube-dns"),)),
    ("system:kube-scheduler", "system:kube-scheduler", (user("system:kube-scheduler"),)),
    ("system:volume-scheduler", "system:volume-scheduler", (user("system:kube-scheduler"),)),
    # without subjects: nodes are the Node authorizer's, who looks closer
    ("system:node", "system:node", ()),
    (
        "system:service-account-issuer-discovery",
        "system:service-account-issuer-discovery",
        (group(SERVICE_ACCOUNTS),),
    ),
    # our nodes do kube-proxy's work themselves, and join with a token of their own; other kubelets get no such right
    ("kube-lite:nodes", "system:node-proxier", (group(EXECUTORS),)),
    ("kube-lite:node-joiner", "kube-lite:node-joiner", (group("system:bootstrappers"),)),
)
