"""Certificates and keys that belong together, or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kube_lite.resources.key_pair import key_pair_problem

OWN = generate_private_key(SECP256R1())
START = datetime(2026, 1, 1, tzinfo=UTC)
SUBJECT = x509.Name([])
CERTIFICATE = (
    x509.CertificateBuilder(SUBJECT, SUBJECT, OWN.public_key(), 1, START, START + timedelta(days=1))
    .sign(OWN, SHA256())
    .public_bytes(Encoding.PEM)
)


def _pem(key: object) -> bytes:
    assert hasattr(key, "private_bytes")
    made = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert isinstance(made, bytes)
    return made


KEY = _pem(OWN)
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nAA==\n-----END EC PARAMETERS-----\n"
OTHER = CERTIFICATE.replace(b"CERTIFICATE", b"OTHER")


@pytest.mark.parametrize(
    ("certificate", "key", "problem"),
    [
        (CERTIFICATE, KEY, ""),
        (CERTIFICATE * 2, PARAMETERS + KEY, ""),
        (b"x", b"", "tls: failed to find any PEM data in certificate input"),
        (KEY, b"", "but did find a private key; PEM inputs may have been switched"),
        (OTHER, b"", "in certificate input after skipping PEM blocks of the following types: [OTHER]"),
        (CERTIFICATE, b"", "tls: failed to find any PEM data in key input"),
        (CERTIFICATE, CERTIFICATE, "tls: found a certificate rather than a key in the PEM for the private key"),
        (CERTIFICATE, PARAMETERS, "in key input after skipping PEM blocks of the following types: [EC PARAMETERS]"),
        (PARAMETERS.replace(b"EC PARAMETERS", b"CERTIFICATE"), KEY, "x509: malformed certificate"),
        (CERTIFICATE, PARAMETERS.replace(b"EC PARAMETERS", b"PRIVATE KEY"), "tls: failed to parse private key"),
        (CERTIFICATE, _pem(Ed25519PrivateKey.generate()), "tls: private key type does not match public key type"),
        (CERTIFICATE, _pem(generate_private_key(SECP256R1())), "tls: private key does not match public key"),
    ],
)
def test_a_pair(certificate: bytes, key: bytes, problem: str) -> None:
    found = key_pair_problem(certificate, key)
    assert found.endswith(problem)
    assert bool(found) == bool(problem)
