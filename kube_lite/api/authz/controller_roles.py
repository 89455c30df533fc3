"""The roles of the controllers, one for each service account in kube-system (upstream: ``controller_policy.go``),
and the roles inside kube-system and kube-public (``namespace_policy.go``).

Our controllers write with patches where upstream's send the whole object: whoever may update may patch as well.
"""

from __future__ import annotations

from msgspec.structs import replace

from kube_lite.api.authz.default_roles import CERTIFICATES, EVENTS, READ, SIGNER, Role, account, on, user
from kube_lite.api.authz.rules import Rule
from kube_lite.resources.meta import Obj

PREFIX = "system:controller:"
_APPS = "apps extensions"
_PODS = on("list watch create delete patch", "core", "pods")

_RULES: dict[str, tuple[Rule, ...]] = {
    "attachdetach-controller": (
        on("list watch", "core", "persistentvolumes persistentvolumeclaims"),
        on(READ, "core", "nodes"),
        on("patch update", "core", "nodes/status"),
        on("list watch", "core", "pods"),
        EVENTS,
        on("get create delete list watch", "storage.k8s.io", "volumeattachments"),
        on(READ, "storage.k8s.io", "csidrivers"),
        on(READ, "storage.k8s.io", "csinodes"),
    ),
    "clusterrole-aggregation-controller": (
        on("escalate get list watch update patch", "rbac.authorization.k8s.io", "clusterroles"),
    ),
    "cronjob-controller": (
        on("get list watch update", "batch", "cronjobs"),
        on("get list watch create update delete patch", "batch", "jobs"),
        on("update", "batch", "cronjobs/status"),
        on("update", "batch", "cronjobs/finalizers"),
        on("list watch delete", "core", "pods"),
        EVENTS,
    ),
    "daemon-set-controller": (
        on(READ, _APPS, "daemonsets"),
        on("update", _APPS, "daemonsets/status"),
        on("update", _APPS, "daemonsets/finalizers"),
        on("list watch", "core", "nodes"),
        _PODS,
        on("create", "core", "pods/binding"),
        on("get list watch create delete update patch", "apps", "controllerrevisions"),
        EVENTS,
    ),
    "deployment-controller": (
        on("get list watch update", _APPS, "deployments"),
        on("update", _APPS, "deployments/status"),
        on("update", _APPS, "deployments/finalizers"),
        on("get list watch create update patch delete", _APPS, "replicasets"),
        on("get list watch update", "core", "pods"),
        EVENTS,
    ),
    "device-taint-eviction-controller": (
        on("get list watch delete", "core", "pods"),
        on("update patch", "core", "pods/status"),
        on(READ, "resource.k8s.io", "resourceclaims"),
        on(READ, "resource.k8s.io", "resourceslices"),
        on(READ, "resource.k8s.io", "deviceclasses"),
        EVENTS,
    ),
    "disruption-controller": (
        on(READ, _APPS, "deployments"),
        on(READ, _APPS, "replicasets"),
        on(READ, "core", "replicationcontrollers"),
        on(READ, "policy", "poddisruptionbudgets"),
        on(READ, "apps", "statefulsets"),
        on("update", "policy", "poddisruptionbudgets/status"),
        on("patch update", "core", "pods/status"),
        on("get", "*", "*/scale"),
        EVENTS,
    ),
    "endpoint-controller": (
        on(READ, "core", "services pods"),
        on("get list watch create update delete", "core", "endpoints"),
        on("create", "core", "endpoints/restricted"),
        EVENTS,
    ),
    "endpointslice-controller": (
        on(READ, "core", "services pods nodes"),
        on("update", "core", "services/finalizers"),
        on("get list watch create update delete", "discovery.k8s.io", "endpointslices"),
        EVENTS,
    ),
    "endpointslicemirroring-controller": (
        on(READ, "core", "services endpoints"),
        on("update", "core", "services/finalizers"),
        on("update", "core", "endpoints/finalizers"),
        on("get list watch create update delete", "discovery.k8s.io", "endpointslices"),
        EVENTS,
    ),
    "expand-controller": (
        on("get list watch update patch", "core", "persistentvolumes"),
        on("update patch", "core", "persistentvolumeclaims/status"),
        on(READ, "core", "persistentvolumeclaims"),
        EVENTS,
    ),
    "ephemeral-volume-controller": (
        on(READ, "core", "pods"),
        on("update", "core", "pods/finalizers"),
        on("get list watch create", "core", "persistentvolumeclaims"),
        EVENTS,
    ),
    "resource-claim-controller": (
        on(READ, "core", "pods"),
        on("update", "core", "pods/finalizers"),
        on("get list watch create delete", "resource.k8s.io", "resourceclaims"),
        on("update patch", "resource.k8s.io", "resourceclaims resourceclaims/status"),
        on("update patch", "core", "pods/status"),
        EVENTS,
    ),
    "generic-garbage-collector": (on("get list watch patch update delete", "*", "*"), EVENTS),
    "horizontal-pod-autoscaler": (
        on(READ, "autoscaling", "horizontalpodautoscalers"),
        on("update", "autoscaling", "horizontalpodautoscalers/status"),
        on("get update", "*", "*/scale"),
        on("list watch", "core", "pods"),
        on("list watch", "metrics.k8s.io", "pods"),
        on(READ, "custom.metrics.k8s.io", "*"),
        on(READ, "external.metrics.k8s.io", "*"),
        EVENTS,
    ),
    "job-controller": (
        on("get list watch update patch", "batch", "jobs"),
        on("update", "batch", "jobs/status"),
        on("update", "batch", "jobs/finalizers"),
        _PODS,
        EVENTS,
    ),
    "namespace-controller": (
        on("get list watch delete", "core", "namespaces"),
        on("update", "core", "namespaces/finalize namespaces/status"),
        on("get list watch delete deletecollection", "*", "*"),
    ),
    "node-controller": (
        on("get list watch update delete patch", "core", "nodes"),
        on("patch update", "core", "nodes/status"),
        on("patch update", "core", "pods/status"),
        on("list watch get delete", "core", "pods"),
        on(READ, "coordination.k8s.io", "leases"),
        EVENTS,
    ),
    "persistent-volume-binder": (
        on("get list watch update create delete", "core", "persistentvolumes"),
        on("update", "core", "persistentvolumes/status"),
        on("get list watch update", "core", "persistentvolumeclaims"),
        on("update", "core", "persistentvolumeclaims/status"),
        on("list watch get create delete", "core", "pods"),
        on(READ, "storage.k8s.io", "storageclasses"),
        on("list watch", "core", "nodes"),
        EVENTS,
        on("watch", "core", "events"),
    ),
    "pod-garbage-collector": (
        on("list watch delete", "core", "pods"),
        on(READ, "core", "nodes"),
        on("patch", "core", "pods/status"),
    ),
    "replicaset-controller": (
        on("get list watch update", _APPS, "replicasets"),
        on("update", _APPS, "replicasets/status"),
        on("update", _APPS, "replicasets/finalizers"),
        _PODS,
        EVENTS,
    ),
    "replication-controller": (
        on("get list watch update", "core", "replicationcontrollers"),
        on("update", "core", "replicationcontrollers/status"),
        on("update", "core", "replicationcontrollers/finalizers"),
        _PODS,
        EVENTS,
    ),
    "resourcequota-controller": (
        on("list watch", "*", "*"),
        on("update", "core", "resourcequotas/status"),
        EVENTS,
    ),
    "route-controller": (on("list watch", "core", "nodes"), on("patch", "core", "nodes/status"), EVENTS),
    "selinux-warning-controller": (
        EVENTS,
        on(READ, "core", "persistentvolumes"),
        on(READ, "core", "persistentvolumeclaims"),
        on(READ, "core", "pods"),
        on(READ, "storage.k8s.io", "csidrivers"),
    ),
    "service-account-controller": (on("create", "core", "serviceaccounts"), EVENTS),
    "service-controller": (
        on(READ, "core", "services"),
        on("patch update", "core", "services/status"),
        on("list watch", "core", "nodes"),
        EVENTS,
    ),
    "service-cidrs-controller": (
        on("get list watch patch update", "networking.k8s.io", "servicecidrs"),
        on("patch update", "networking.k8s.io", "servicecidrs/finalizers"),
        on("patch update", "networking.k8s.io", "servicecidrs/status"),
        on(READ, "networking.k8s.io", "ipaddresses"),
        EVENTS,
    ),
    "statefulset-controller": (
        on("list watch", "core", "pods"),
        on(READ, "apps", "statefulsets"),
        on("update", "apps", "statefulsets/status"),
        on("update", "apps", "statefulsets/finalizers"),
        on("get create delete update patch", "core", "pods"),
        on("get create delete update patch list watch", "apps", "controllerrevisions"),
        on("get create list watch update delete", "core", "persistentvolumeclaims"),
        on("update", "core", "pods/finalizers"),
        EVENTS,
    ),
    "ttl-controller": (on("update patch list watch", "core", "nodes"), EVENTS),
    "certificate-controller": (
        on("get list watch delete", CERTIFICATES, "certificatesigningrequests"),
        on("update", CERTIFICATES, "certificatesigningrequests/status certificatesigningrequests/approval"),
        on("approve", CERTIFICATES, "signers", f"{SIGNER}kube-apiserver-client-kubelet"),
        on(
            "sign",
            CERTIFICATES,
            "signers",
            f"{SIGNER}legacy-unknown {SIGNER}kube-apiserver-client {SIGNER}kube-apiserver-client-kubelet "
            f"{SIGNER}kubelet-serving",
        ),
        on("create", "authorization.k8s.io", "subjectaccessreviews"),
        EVENTS,
    ),
    "pvc-protection-controller": (
        on("get list watch update", "core", "persistentvolumeclaims"),
        on("list watch get", "core", "pods"),
        EVENTS,
    ),
    "pv-protection-controller": (on("get list watch update", "core", "persistentvolumes"), EVENTS),
    "volumeattributesclass-protection-controller": (
        on(READ, "core", "persistentvolumeclaims"),
        on(READ, "core", "persistentvolumes"),
        on("get list watch update", "storage.k8s.io", "volumeattributesclasses"),
        EVENTS,
    ),
    "ttl-after-finished-controller": (on("get list watch delete", "batch", "jobs"), EVENTS),
    "root-ca-cert-publisher": (on("create update", "core", "configmaps"), EVENTS),
    "validatingadmissionpolicy-status-controller": (
        on(READ, "admissionregistration.k8s.io", "validatingadmissionpolicies"),
        on("get patch update", "admissionregistration.k8s.io", "validatingadmissionpolicies/status"),
        EVENTS,
    ),
    "legacy-service-account-token-cleaner": (
        on("get", "core", "configmaps", "kube-apiserver-legacy-service-account-token-tracking"),
        on("patch delete", "core", "secrets"),
    ),
    # upstream runs this one as system:kube-controller-manager
    "tokens-controller": (
        on("get list watch create update delete", "core", "secrets"),
        on("get list watch update", "core", "serviceaccounts"),
        EVENTS,
    ),
    # ours: one account writes the events of all controllers
    "event-recorder": (EVENTS,),
}


def _patching(rule: Rule) -> Rule:
    if "update" in rule.verbs and "patch" not in rule.verbs:
        return replace(rule, verbs=(*rule.verbs, "patch"))
    return rule


CONTROLLER_ROLES = tuple(
    Role(PREFIX + name, tuple(_patching(rule) for rule in rules)) for name, rules in sorted(_RULES.items())
)
CONTROLLER_BINDINGS: tuple[tuple[str, str, tuple[Obj, ...]], ...] = tuple(
    (role.name, role.name, (account(role.name.removeprefix(PREFIX)),)) for role in CONTROLLER_ROLES
)


def _leader(component: str) -> tuple[Rule, ...]:
    return (
        on("watch", "core", "configmaps"),
        on("get update", "core", "configmaps", component),
        on("get watch list create update", "coordination.k8s.io", "leases"),
    )


NAMESPACE_ROLES: tuple[tuple[str, Role], ...] = (
    (
        "kube-system",
        Role(
            "extension-apiserver-authentication-reader",
            (on(READ, "core", "configmaps", "extension-apiserver-authentication"),),
        ),
    ),
    ("kube-system", Role(f"{PREFIX}bootstrap-signer", (on(READ, "core", "secrets"),))),
    ("kube-system", Role(f"{PREFIX}cloud-provider", (on("create get list watch", "core", "configmaps"),))),
    ("kube-system", Role(f"{PREFIX}token-cleaner", (on("get list watch delete", "core", "secrets"), EVENTS))),
    (
        "kube-system",
        Role("system::leader-locking-kube-controller-manager", _leader("kube-controller-manager")),
    ),
    ("kube-system", Role("system::leader-locking-kube-scheduler", _leader("kube-scheduler"))),
    (
        "kube-public",
        Role(
            f"{PREFIX}bootstrap-signer",
            (on(READ, "core", "configmaps"), on("update", "core", "configmaps", "cluster-info"), EVENTS),
        ),
    ),
)

NAMESPACE_BINDINGS: tuple[tuple[str, str, str, tuple[Obj, ...]], ...] = (
    (
        "kube-system",
        "system::extension-apiserver-authentication-reader",
        "extension-apiserver-authentication-reader",
        (user("system:kube-controller-manager"), user("system:kube-scheduler")),
    ),
    (
        "kube-system",
        "system::leader-locking-kube-controller-manager",
        "system::leader-locking-kube-controller-manager",
        (user("system:kube-controller-manager"), account("kube-controller-manager")),
    ),
    (
        "kube-system",
        "system::leader-locking-kube-scheduler",
        "system::leader-locking-kube-scheduler",
        (user("system:kube-scheduler"), account("kube-scheduler")),
    ),
    *(
        (namespace, f"{PREFIX}{name}", f"{PREFIX}{name}", (account(name),))
        for namespace, name in (
            ("kube-system", "bootstrap-signer"),
            ("kube-system", "cloud-provider"),
            ("kube-system", "token-cleaner"),
            ("kube-public", "bootstrap-signer"),
        )
    ),
)
"""Namespace, name, Role and subjects."""
