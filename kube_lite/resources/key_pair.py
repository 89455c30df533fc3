"""Whether a certificate and a key belong together, in the words of Go's ``tls.X509KeyPair``."""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_BLOCK = re.compile(rb"^-----BEGIN ([^\n-]*)-----[ \t\r]*\n.*?^-----END \1-----[ \t\r]*$", re.MULTILINE | re.DOTALL)


def key_pair_problem(certificate: bytes, key: bytes) -> str:
    """Why the two are no pair; '' if they are."""
    certificates, others = _blocks(certificate, "CERTIFICATE", ending=False)
    if not certificates:
        if not others:
            return "tls: failed to find any PEM data in certificate input"
        if len(others) == 1 and others[0].endswith("PRIVATE KEY"):
            detail = "did find a private key; PEM inputs may have been switched"
            return f"tls: failed to find certificate PEM data in certificate input, but {detail}"
        what = 'failed to find "CERTIFICATE" PEM block in certificate input'
        return f"tls: {what} after skipping PEM blocks of the following types: [{' '.join(others)}]"
    keys, others = _blocks(key, "PRIVATE KEY", ending=True)
    if not keys:
        if not others:
            return "tls: failed to find any PEM data in key input"
        if others == ["CERTIFICATE"]:
            return "tls: found a certificate rather than a key in the PEM for the private key"
        what = 'failed to find PEM block with type ending in "PRIVATE KEY" in key input'
        return f"tls: {what} after skipping PEM blocks of the following types: [{' '.join(others)}]"
    return _mismatch(certificates[0], keys[0])


def _blocks(pem: bytes, type_: str, *, ending: bool) -> tuple[list[bytes], list[str]]:
    """Blocks of a type, and the types of those before the first."""
    found: list[bytes] = []
    skipped: list[str] = []
    for match in _BLOCK.finditer(pem):
        given = match[1].decode(errors="replace")
        if given == type_ or (ending and given.endswith(f" {type_}")):
            found.append(match[0] + b"\n")
        elif not found:
            skipped.append(given)
    return found, skipped


def _mismatch(certificate: bytes, key: bytes) -> str:
    try:
        public = x509.load_pem_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "x509: malformed certificate"
    try:
        own = load_pem_private_key(key, None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "tls: failed to parse private key"
    if type(own) is not type(public):
        return "tls: private key type does not match public key type"
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "" if own.public_bytes(*form) == public.public_bytes(*form) else "tls: private key does not match public key"
