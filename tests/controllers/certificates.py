"""Requests for certificates, as a test asks for them."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kube_lite.resources.meta import Obj


def request_pem(
    common_name: str,
    organizations: Sequence[str] = (),
    *,
    dns: Sequence[str] = (),
    addresses: Sequence[str] = (),
    key: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """A PKCS #10 request."""
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    names.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    others: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
    others += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    if others:
        builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
    signed = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def signing_request(name: str, pem: bytes, signer: str, usages: Sequence[str], **spec: object) -> Obj:
    """A CertificateSigningRequest."""
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(pem).decode(),
            "signerName": f"kubernetes.io/{signer}",
            "usages": list(usages),
            **spec,
        },
    }
