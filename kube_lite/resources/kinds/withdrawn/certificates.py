"""CertificateSigningRequests of certificates.k8s.io/v1beta1: signer and usages may be left out.

Defaults and rules are those of Kubernetes' ``pkg/apis/certificates/v1beta1``.
"""

from __future__ import annotations

import base64
import binascii

from msgspec.structs import replace

from kube_lite.resources.field import Errors
from kube_lite.resources.kinds import certificatesigningrequest
from kube_lite.resources.kinds.withdrawn.legacy import Release, legacy
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource, Subresource

CLIENT, SERVING, UNKNOWN = (
    "kubernetes.io/kube-apiserver-client-kubelet",
    "kubernetes.io/kubelet-serving",
    "kubernetes.io/legacy-unknown",
)
USAGES = ("digital signature", "key encipherment")
NODES, NODE = "system:nodes", "system:node:"
"""Organization, and start of the name, of a kubelet's certificate."""


def signer_of(request: str, usages: list[str]) -> str:
    """The signer that a request which names none is for, by what it asks.

    :param request: the PEM request, base64
    """
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        parsed = x509.load_pem_x509_csr(base64.b64decode(request, validate=True))
    except (ValueError, binascii.Error):
        return UNKNOWN
    organizations = [a.value for a in parsed.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    names = [str(a.value) for a in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if organizations != [NODES] or not names or not names[0].startswith(NODE):
        return UNKNOWN
    try:
        others = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        others = x509.SubjectAlternativeName([])
    hosts = [*others.get_values_for_type(x509.DNSName), *others.get_values_for_type(x509.IPAddress)]
    if sorted(usages) == sorted((*USAGES, "client auth")) and not len(others):
        return CLIENT
    if sorted(usages) == sorted((*USAGES, "server auth")) and hosts and len(hosts) == len(others):
        return SERVING
    return UNKNOWN


def _complete_conditions(obj: Obj) -> None:
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if not condition.get("status"):
            condition["status"] = "True"


def _default(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("usages"):
        spec["usages"] = list(USAGES)
    if spec.get("signerName") is None:
        spec["signerName"] = signer_of(spec.get("request", ""), spec["usages"])
    _complete_conditions(obj)


def _told(obj: Obj, problems: Errors) -> Errors:
    """Any usages were taken, and a signer that v1 has no more."""
    return [
        problem
        for problem in problems
        if not problem.field.startswith("spec.usages")
        and not problem.message.endswith("is not allowed via this API version")
    ]


def _approvable(resource: Resource) -> Resource:
    """Conditions that an old client writes to ``approval`` need no status."""
    approval: Subresource = resource.subresources["approval"]

    def prepare(new: Obj, old: Obj) -> None:
        _complete_conditions(new)
        approval.prepare(new, old)

    return replace(resource, subresources={**resource.subresources, "approval": replace(approval, prepare=prepare)})


RESOURCES = (
    _approvable(
        legacy(
            certificatesigningrequest.RESOURCES[0],
            "v1beta1",
            Release("v1.19", "v1.22"),
            default=_default,
            errors=_told,
        )
    ),
)
