"""CertificateSigningRequests as the controllers see them, and what each signer of the cluster accepts.

The rules and their words are upstream's (``pkg/apis/certificates/helpers.go``, ``pkg/controller/certificates``):
a client certificate of a kubelet names its node and nothing else, a serving certificate also where it serves.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from kube_lite.resources.meta import ObjectView, View

REQUESTS = "certificatesigningrequests.certificates.k8s.io"
KUBE_APISERVER_CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
SIGNERS = (KUBE_APISERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING)
"""The signers that the cluster's own authority answers for."""

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
NODES, NODE_PREFIX = "system:nodes", "system:node:"


class RequestCondition(View, frozen=True):
    """One word on a request."""

    type: str
    status: str = ""
    last_update_time: str | None = None


class RequestSpec(View, frozen=True):
    """What is asked for (``request``: PEM in base64), and by whom."""

    request: str = ""
    signer_name: str = ""
    expiration_seconds: int | None = None
    usages: list[str] = []
    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}


class RequestStatus(View, frozen=True):
    """What became of it (``certificate``: PEM in base64)."""

    conditions: list[RequestCondition] = []
    certificate: str = ""


class CertificateRequest(ObjectView, frozen=True):
    """A CertificateSigningRequest."""

    spec: RequestSpec = RequestSpec()
    status: RequestStatus = RequestStatus()

    def condition(self, kind: str) -> RequestCondition | None:
        """The condition of that type, if it is there and true."""
        return next((c for c in self.status.conditions if c.type == kind and c.status in ("True", "")), None)

    @property
    def pem(self) -> bytes:
        """The request itself. :raises ValueError: not base64"""
        return base64.b64decode(self.spec.request)


class Asked(msgspec.Struct, frozen=True):
    """What a PKCS #10 request asks for."""

    common_name: str
    organizations: tuple[str, ...]
    dns: int
    emails: int
    addresses: int
    uris: int


def asked(pem: bytes) -> Asked:
    """Read a request. :raises ValueError: it is none"""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    request = x509.load_pem_x509_csr(pem)
    names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    organizations = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    try:
        others = list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        others = []
    return Asked(
        common_name=str(names[-1].value) if names else "",
        organizations=tuple(str(organization.value) for organization in organizations),
        dns=sum(isinstance(name, x509.DNSName) for name in others),
        emails=sum(isinstance(name, x509.RFC822Name) for name in others),
        addresses=sum(isinstance(name, x509.IPAddress) for name in others),
        uris=sum(isinstance(name, x509.UniformResourceIdentifier) for name in others),
    )


def problem(signer: str, request: Asked, usages: Sequence[str]) -> str:
    """Why ``signer`` may not sign this; '' when it may."""
    if signer == KUBELET_CLIENT:
        return kubelet_client_problem(request, usages)
    if signer == KUBELET_SERVING:
        return _kubelet_serving_problem(request, usages)
    return _client_problem(usages)


def _client_problem(usages: Sequence[str]) -> str:
    for usage in usages:
        if usage not in ("digital signature", "key encipherment", "client auth"):
            return f"invalid usage for client certificate: {usage}"
    return "" if "client auth" in usages else "missing required usage for client certificate: client auth"


def kubelet_client_problem(request: Asked, usages: Sequence[str]) -> str:
    """Why this is no request for a kubelet's client certificate; '' when it is one."""
    if request.organizations != (NODES,):
        return "subject organization is not system:nodes"
    for kind, count in (
        ("DNS", request.dns),
        ("email", request.emails),
        ("IP", request.addresses),
        ("URI", request.uris),
    ):
        if count:
            return f"{kind} subjectAltNames are not allowed"
    if not request.common_name.startswith(NODE_PREFIX):
        return "subject common name does not begin with system:node: prefix"
    return _usages_problem(usages, "client auth")


def _kubelet_serving_problem(request: Asked, usages: Sequence[str]) -> str:
    if request.organizations != (NODES,):
        return "subject organization is not system:nodes"
    if not request.dns and not request.addresses:
        return "DNS or IP subjectAltName is required"
    for kind, count in (("email", request.emails), ("URI", request.uris)):
        if count:
            return f"{kind} subjectAltNames are not allowed"
    if mismatch := _usages_problem(usages, "server auth"):
        return mismatch
    if not request.common_name.startswith(NODE_PREFIX):
        return "subject common name does not begin with system:node: prefix"
    return ""


def _usages_problem(usages: Sequence[str], purpose: str) -> str:
    """Exactly the usages of a kubelet; only RSA keys encipher keys, so that one is optional."""
    wanted = {"digital signature", purpose}
    if set(usages) - {"key encipherment"} == wanted:
        return ""
    listed = " ".join(sorted({*wanted, "key encipherment"}))
    return f"usages did not match [{listed}]"
