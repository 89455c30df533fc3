"""The admission plugins, in the order in which they are asked: two explicit tuples.

The order is upstream's (``pkg/kubeapiserver/options/plugins.go``), restricted to the plugins that exist here.
"""

from __future__ import annotations

import random
from collections.abc import Collection

from kube_lite.api.admission.certificate_approval import CertificateApproval
from kube_lite.api.admission.certificate_signing import CertificateSigning
from kube_lite.api.admission.certificate_subject_restriction import CertificateSubjectRestriction
from kube_lite.api.admission.claim_resize import PersistentVolumeClaimResize
from kube_lite.api.admission.default_ingress_class import DefaultIngressClass
from kube_lite.api.admission.default_storage_class import DefaultStorageClass
from kube_lite.api.admission.default_toleration_seconds import DefaultTolerationSeconds
from kube_lite.api.admission.device_admin_access import DeviceAdminAccess
from kube_lite.api.admission.limit_ranger import LimitRanger
from kube_lite.api.admission.mutating_policy import MutatingAdmissionPolicy
from kube_lite.api.admission.namespace_lifecycle import NamespaceLifecycle
from kube_lite.api.admission.node_restriction import NodeRestriction
from kube_lite.api.admission.plugin import Chain, MutatingPlugin, ValidatingPlugin
from kube_lite.api.admission.pod_security import PodSecurity
from kube_lite.api.admission.pod_topology_labels import PodTopologyLabels
from kube_lite.api.admission.priority import Priority
from kube_lite.api.admission.resource_quota import ResourceQuota
from kube_lite.api.admission.runtime_class import RuntimeClass
from kube_lite.api.admission.service_account import ServiceAccount
from kube_lite.api.admission.storage_protection import StorageObjectInUseProtection
from kube_lite.api.admission.taint_nodes import TaintNodesByCondition
from kube_lite.api.admission.validating_policy import ValidatingAdmissionPolicy
from kube_lite.api.admission.webhook import MutatingAdmissionWebhook, ValidatingAdmissionWebhook
from kube_lite.api.admission.webhook_call import WebhookCaller
from kube_lite.api.authz.authorizer import Authorizer


def build(
    rng: random.Random,
    disabled: Collection[str] = (),
    caller: WebhookCaller | None = None,
    pod_security: str = "privileged",
    authorizer: Authorizer | None = None,
) -> Chain:
    """The chain without the plugins named in ``disabled``.

    :param pod_security: the level enforced in namespaces without a label
    :param authorizer: whom plugins ask that check rights beyond the request's own; without one there are none
    :raises ValueError: a name that does not exist
    """
    caller = caller or WebhookCaller(rng)
    limit_ranger, service_account, priority, runtime_class = (
        LimitRanger(),
        ServiceAccount(rng),
        Priority(),
        RuntimeClass(),
    )
    mutating: tuple[MutatingPlugin, ...] = (
        NamespaceLifecycle(),
        limit_ranger,
        service_account,
        NodeRestriction(),
        TaintNodesByCondition(),
        priority,
        DefaultTolerationSeconds(),
        DefaultStorageClass(),
        StorageObjectInUseProtection(),
        runtime_class,
        DefaultIngressClass(),
        PodTopologyLabels(),
        MutatingAdmissionPolicy(),
        MutatingAdmissionWebhook(caller, rng),
    )
    validating: tuple[ValidatingPlugin, ...] = (
        DeviceAdminAccess(),
        limit_ranger,
        service_account,
        PodSecurity(pod_security),
        priority,
        PersistentVolumeClaimResize(),
        *((CertificateApproval(authorizer), CertificateSigning(authorizer)) if authorizer is not None else ()),
        CertificateSubjectRestriction(),
        runtime_class,
        ValidatingAdmissionPolicy(),
        ValidatingAdmissionWebhook(caller, rng),
        ResourceQuota(),
    )
    known = ({p.name for p in mutating} | {p.name for p in validating}) - {DeviceAdminAccess.name}
    unknown = sorted(set(disabled) - known)
    if unknown:
        raise ValueError(f"no admission plugin named {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    return Chain(
        mutating=tuple(p for p in mutating if p.name not in disabled),
        validating=tuple(p for p in validating if p.name not in disabled),
    )
