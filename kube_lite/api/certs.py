"""Certificates: a CA of our own, the server's certificate, and client certificates signed by it.

Keys are ECDSA P-256 (the whole set takes 26 ms; one RSA-2048 key half a second) and lie in 0600 files. The
``cryptography`` package is imported inside the functions, for its import takes a while.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kube_lite import clock

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder, CertificateSigningRequest, GeneralName, KeyUsage

CA_YEARS = 10
LEAF_YEARS = 1
"""Upstream's kubeadm: ten years for the CA, one for what it signs."""
RENEW_BEFORE = timedelta(days=30)
"""A server certificate that ends sooner is made anew at start."""


class Pair(msgspec.Struct, frozen=True):
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    temporary.rename(path)


def check_key(path: Path) -> None:
    """Try a key that is there. :raises ValueError: it is damaged; says what to do"""
    if path.exists():
        _read_key(path)


def _read_key(path: Path) -> EllipticCurvePrivateKey:
    """A key of ours. :raises ValueError: it is damaged"""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(_damaged(path)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(_damaged(path))
    return key


def _read_certificate(path: Path) -> Certificate:
    """A certificate of ours. :raises ValueError: it is damaged"""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise ValueError(_damaged(path)) from error


def _damaged(path: Path) -> str:
    if path.stem == "ca":
        others = f"remove {path.with_name('ca.crt')} and ca.key, and a new CA is made, which every node must join again"
        return f"{path} is damaged: put a backup in its place; or {others}"
    return f"{path} is damaged: put a backup in its place; or remove it, and a new one is made"


class Authority:
    """The CA in a directory, made on first use.

    :raises ValueError: a part of it is missing or damaged
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.pair = Pair(directory / "ca.crt", directory / "ca.key")
        if not self.pair.certificate.exists():
            self._make()
        elif not self.pair.key.exists():
            # never made anew by itself: every node and kubeconfig trusts this CA and no other
            raise ValueError(
                f"{self.pair.key} is missing beside {self.pair.certificate.name}: put it back; or remove "
                f"{self.pair.certificate}, and a new CA is made, which every node must join again"
            )
        elif _read_certificate(self.pair.certificate).public_key() != _read_key(self.pair.key).public_key():
            raise ValueError(f"{self.pair.key} is not the key of {self.pair.certificate}: put the right one back")

    @property
    def certificate_pem(self) -> bytes:
        """The CA's certificate."""
        return self.pair.certificate.read_bytes()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate's PEM, hexadecimal: what a node's token carries."""
        return hashlib.sha256(self.certificate_pem).hexdigest()

    def _make(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("kube-lite-ca", ())
        builder = (
            _builder(name, name, key, CA_YEARS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(ca=True), critical=True)
        )
        self._store(self.pair, key, _sign(builder, key))

    def server_pair(self, names: Collection[str]) -> Pair:
        """The server's certificate for these host names and addresses; made anew when they change or it ends."""
        pair = Pair(self._directory / "apiserver.crt", self._directory / "apiserver.key")
        wanted = self._directory / "apiserver.names"
        line = ",".join(sorted(names))
        if wanted.exists() and wanted.read_text() == line and self._is_good(pair):
            return pair
        self._issue(pair, "kube-apiserver", (), server_names=names)
        write_private(wanted, line.encode())
        return pair

    def client_pair(self, file_name: str, user: str, groups: Sequence[str]) -> Pair:
        """A client certificate for a user and groups, kept under ``file_name``."""
        pair = Pair(self._directory / f"{file_name}.crt", self._directory / f"{file_name}.key")
        if not self._is_good(pair):
            self._issue(pair, user, groups)
        return pair

    def _is_good(self, pair: Pair) -> bool:
        """Whether a pair is there, ours (a CA that was removed is made anew) and does not end soon."""
        if not (pair.certificate.exists() and pair.key.exists()):
            return False
        from cryptography.exceptions import InvalidSignature

        try:
            certificate, key = _read_certificate(pair.certificate), _read_key(pair.key)
            certificate.verify_directly_issued_by(_read_certificate(self.pair.certificate))
        except (InvalidSignature, ValueError):
            return False
        if certificate.public_key() != key.public_key():
            return False  # a crash between the two files
        return certificate.not_valid_after_utc - clock.now() >= RENEW_BEFORE

    def _issue(self, pair: Pair, user: str, groups: Sequence[str], *, server_names: Collection[str] = ()) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certificate(_name(user, groups), key.public_key(), server_names)
        self._store(pair, key, certificate)

    def sign_request(self, request_pem: bytes, user: str, groups: Sequence[str]) -> bytes:
        """A client certificate for the key of a signing request; its own subject is ignored.

        :raises ValueError: not a valid request
        """
        from cryptography import x509

        request = x509.load_pem_x509_csr(request_pem)
        if not request.is_signature_valid:
            raise ValueError("the signature of the certificate request does not match its key")
        return _pem(self._certificate(_name(user, groups), request.public_key(), ()))

    def sign_as_asked(self, request_pem: bytes, usages: Sequence[str], seconds: float) -> bytes:
        """A certificate with the subject, the alternative names and the key of a signing request.

        :param usages: as in a CertificateSigningRequest
        :param seconds: how long it is valid; never longer than the CA's own
        :raises ValueError: not a valid request, or a usage that does not exist
        """
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization

        request = x509.load_pem_x509_csr(request_pem)
        if not request.is_signature_valid:
            raise ValueError("the signature of the certificate request does not match its key")
        ca = x509.load_pem_x509_certificate(self.certificate_pem)
        ca_key = serialization.load_pem_private_key(self.pair.key.read_bytes(), None)
        ends = min(clock.now() + timedelta(seconds=seconds), ca.not_valid_after_utc)
        builder = (
            _builder(request.subject, ca.subject, request.public_key(), LEAF_YEARS, ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key()),  # type: ignore[arg-type]
                critical=False,
            )
        )
        return _pem(_sign(_with_usages(builder, request, usages), ca_key))

    def _certificate(self, subject: object, public_key: object, server_names: Collection[str]) -> Certificate:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.x509.oid import ExtendedKeyUsageOID

        ca = x509.load_pem_x509_certificate(self.certificate_pem)
        ca_key = serialization.load_pem_private_key(self.pair.key.read_bytes(), None)
        builder = _builder(subject, ca.subject, public_key, LEAF_YEARS)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server_names else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key()),  # type: ignore[arg-type]
                critical=False,
            )
        )
        if server_names:
            builder = builder.add_extension(x509.SubjectAlternativeName(_alternatives(server_names)), critical=False)
        return _sign(builder, ca_key)

    @staticmethod
    def _store(pair: Pair, key: EllipticCurvePrivateKey, certificate: Certificate) -> None:
        from cryptography.hazmat.primitives import serialization

        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_private(pair.key, pem)
        write_private(pair.certificate, _pem(certificate))


def _pem(certificate: Certificate) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM)


def _name(common_name: str, organizations: Sequence[str]) -> object:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _with_usages(
    builder: CertificateBuilder, request: CertificateSigningRequest, usages: Sequence[str]
) -> CertificateBuilder:
    """Add the usages asked for, and the request's alternative names."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    purposes = {"client auth": ExtendedKeyUsageOID.CLIENT_AUTH, "server auth": ExtendedKeyUsageOID.SERVER_AUTH}
    unknown = sorted(set(usages) - {"digital signature", "signing", "key encipherment", *purposes})
    if unknown:
        raise ValueError(f"the cluster's authority signs nothing for {', '.join(unknown)}")
    signature, encipherment = not {"digital signature", "signing"}.isdisjoint(usages), "key encipherment" in usages
    if signature or encipherment:  # an extension that allows nothing is no valid one
        usage = x509.KeyUsage(
            digital_signature=signature,
            key_encipherment=encipherment,
            key_cert_sign=False,
            crl_sign=False,
            content_commitment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    if extended := [purposes[name] for name in usages if name in purposes]:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return builder
    return builder.add_extension(names, critical=False)


def _builder(
    subject: object, issuer: object, key: object, years: int, ends: datetime | None = None
) -> CertificateBuilder:
    """The start of every certificate.

    :param ends: when it ends, if not so many years after its start
    """
    from cryptography import x509

    public = key.public_key() if hasattr(key, "public_key") else key
    start = clock.now() - timedelta(minutes=5)  # clocks of nodes may be a little behind
    return (
        x509.CertificateBuilder()
        .subject_name(subject)  # type: ignore[arg-type]
        .issuer_name(issuer)  # type: ignore[arg-type]
        .public_key(public)  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(ends or start + timedelta(days=365 * years))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)  # type: ignore[arg-type]
    )


def _usage(*, ca: bool) -> KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=not ca,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternatives(names: Collection[str]) -> list[GeneralName]:
    from cryptography import x509

    found: list[GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _sign(builder: CertificateBuilder, key: object) -> Certificate:
    from cryptography.hazmat.primitives import hashes

    return builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]


def server_names(host: str, advertise: str, service_ip: str) -> list[str]:
    """What the server's certificate must be valid for: how nodes, pods and people call it."""
    import socket

    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    names += ["kubernetes.default.svc.cluster.local", "127.0.0.1", "::1", service_ip, socket.gethostname()]
    names += [n for n in (host, advertise) if n and n not in ("0.0.0.0", "::")]
    return sorted(set(names))
