"""CertificateSigningRequests of v1beta1: the signer is found out."""

from __future__ import annotations

import base64
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kube_lite.resources.kinds.withdrawn.certificates import CLIENT, SERVING, UNKNOWN, USAGES
from kube_lite.resources.schema import type_for
from tests.resources.kinds.cases import create, resource

KEY = ec.generate_private_key(ec.SECP256R1())
HOSTS = [x509.DNSName("n1"), x509.IPAddress(ipaddress.ip_address("10.0.0.1"))]
CLIENT_USAGES, SERVER_USAGES = [*USAGES, "client auth"], [*USAGES, "server auth"]


def request(name: str, organization: str, hosts: list[x509.GeneralName]) -> str:
    subject = [
        x509.NameAttribute(NameOID.COMMON_NAME, name),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    pem = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(pem).decode()


@pytest.mark.parametrize(
    ("name", "organization", "hosts", "usages", "signer"),
    [
        ("system:node:n1", "system:nodes", [], CLIENT_USAGES, CLIENT),
        ("system:node:n1", "system:nodes", HOSTS, SERVER_USAGES, SERVING),
        ("system:node:n1", "system:nodes", HOSTS, CLIENT_USAGES, UNKNOWN),
        ("system:node:n1", "system:nodes", [*HOSTS, x509.RFC822Name("a@b.c")], SERVER_USAGES, UNKNOWN),
        ("system:node:n1", "system:masters", [], CLIENT_USAGES, UNKNOWN),
        ("n1", "system:nodes", [], CLIENT_USAGES, UNKNOWN),
        ("alice", "devs", [], [], UNKNOWN),
    ],
)
def test_the_signer_follows_from_what_is_asked(
    name: str, organization: str, hosts: list[x509.GeneralName], usages: list[str], signer: str
) -> None:
    spec = {"request": request(name, organization, hosts), **({"usages": usages} if usages else {})}
    made, causes = create(
        resource("certificates.k8s.io", "certificatesigningrequests", "v1beta1"),
        {"metadata": {"name": "x"}, "spec": spec},
    )
    assert not causes
    assert made["spec"]["signerName"] == signer
    assert made["spec"]["usages"] == (usages or list(USAGES))


def test_what_is_no_request_has_the_unknown_signer_and_is_refused() -> None:
    kind = resource("certificates.k8s.io", "certificatesigningrequests", "v1beta1")
    made, causes = create(kind, {"metadata": {"name": "x"}, "spec": {"request": "????"}})
    assert made["spec"]["signerName"] == UNKNOWN
    assert [cause[1] for cause in causes] == ["spec.request"]


def test_approvers_may_leave_the_status_of_a_condition_out() -> None:
    kind = resource("certificates.k8s.io", "certificatesigningrequests", "v1beta1")
    approval = kind.subresources["approval"]
    condition = {"type": "Approved"}
    new = {"metadata": {"name": "x"}, "spec": {}, "status": {"conditions": [condition]}}
    approval.prepare(new, {"metadata": {"name": "x"}, "spec": {}})
    assert condition["status"] == "True"
    assert not approval.validate(new, new)


def test_usages_have_a_type_of_their_own_in_each_version() -> None:
    for version in ("v1", "v1beta1"):
        type_ = type_for("certificates.k8s.io", version, "CertificateSigningRequest").fields["spec"].type
        assert (type_.fields["usages"].type.go, type_.fields["uid"].type.go) == (f"[]{version}.KeyUsage", "string")
        assert type_.fields["extra"].type.item is not None
        assert type_.fields["extra"].type.item.go == f"{version}.ExtraValue"
