"""Approved certificate requests are signed, by the rules of their signers."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kube_lite.api.certs import Authority
from kube_lite.api.signer import CLIENT, NODE_CLIENT, NODE_SERVING, Signer
from kube_lite.resources.meta import Obj
from tests.plane import admin, started_plane

NAME = "wanted"


def request_pem(common_name: str, *groups: str, dns: str = "") -> bytes:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


async def decided(
    directory: Path, pem: bytes, signer: str, usages: list[str], decision: str = "Approved", **spec: Any
) -> Obj:
    """The status of a request once the signer has seen it."""
    plane = await started_plane()
    client = admin(plane)
    wanted = {"request": base64.b64encode(pem).decode(), "signerName": signer, "usages": usages, **spec}
    resource = "certificatesigningrequests.certificates.k8s.io"
    await client.create(resource, {"metadata": {"name": NAME}, "spec": wanted})
    if decision:
        condition = {"type": decision, "status": "True", "reason": "Test", "message": "x"}
        change = {"status": {"conditions": [condition]}}
        await client.patch(resource, NAME, change, subresource="approval")
    await Signer(plane, Authority(directory)).reconcile(NAME)
    found = plane.storage.lookup(resource, "", NAME)
    assert found is not None
    status: Obj = found.get("status") or {}
    return status


def issued(status: Obj) -> x509.Certificate:
    return x509.load_pem_x509_certificate(base64.b64decode(status["certificate"]))


@pytest.mark.anyio
async def test_an_approved_client_gets_a_certificate_with_its_subject(tmp_path: Path) -> None:
    status = await decided(tmp_path, request_pem("joe", "team"), CLIENT, ["client auth"], expirationSeconds=3600)
    certificate = issued(status)
    assert certificate.subject.rfc4514_string() == "CN=joe,O=team"
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(Authority(tmp_path).certificate_pem))
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert lifetime <= timedelta(hours=1, minutes=10)
    assert [condition["type"] for condition in status["conditions"]] == ["Approved"]


@pytest.mark.anyio
async def test_a_node_gets_a_serving_certificate_with_its_names(tmp_path: Path) -> None:
    pem = request_pem("system:node:n1", "system:nodes", dns="n1.example")
    certificate = issued(await decided(tmp_path, pem, NODE_SERVING, ["server auth", "digital signature"]))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["n1.example"]


@pytest.mark.anyio
@pytest.mark.parametrize(("decision", "signer"), [("", CLIENT), ("Denied", CLIENT), ("Approved", "example.com/x")])
async def test_what_is_not_approved_or_anothers_is_left_alone(tmp_path: Path, decision: str, signer: str) -> None:
    status = await decided(tmp_path, request_pem("joe"), signer, ["client auth"], decision)
    assert "certificate" not in status
    assert [c["type"] for c in status.get("conditions") or ()] == ([decision] if decision else [])


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("pem", "signer", "usages"),
    [
        (request_pem("joe", "system:masters"), CLIENT, ["client auth"]),
        (request_pem("joe"), CLIENT, ["server auth"]),
        (request_pem("joe"), NODE_CLIENT, ["client auth"]),
        (request_pem("joe", "system:nodes"), NODE_CLIENT, ["client auth"]),
    ],
)
async def test_what_a_signer_must_not_certify_fails(tmp_path: Path, pem: bytes, signer: str, usages: list[str]) -> None:
    status = await decided(tmp_path, pem, signer, usages)
    assert "certificate" not in status
    assert [c["type"] for c in status["conditions"]] == ["Approved", "Failed"]
    assert status["conditions"][1]["reason"] == "SignerValidationFailure"
