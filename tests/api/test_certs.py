"""Certificates: made once, made anew when they must be, and never for whom a request says it is from."""

from __future__ import annotations

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kube_lite import clock
from kube_lite.api.certs import Authority, Pair, server_names, write_private

NAMES = ["localhost", "127.0.0.1", "::1"]


def loaded(path: Path | bytes) -> x509.Certificate:
    """A certificate."""
    return x509.load_pem_x509_certificate(path if isinstance(path, bytes) else path.read_bytes())


def subject(certificate: x509.Certificate) -> tuple[str, list[str]]:
    """Common name and organizations."""
    attributes = certificate.subject.get_attributes_for_oid
    return str(attributes(NameOID.COMMON_NAME)[0].value), [str(a.value) for a in attributes(NameOID.ORGANIZATION_NAME)]


def usage(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    """What it may be used for."""
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_the_authority_is_made_once_and_signs_what_it_makes(tmp_path: Path) -> None:
    first = Authority(tmp_path)
    again = Authority(tmp_path)
    assert (again.certificate_pem, again.fingerprint) == (first.certificate_pem, first.fingerprint)
    ca = loaded(first.certificate_pem)
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    pairs = [first.server_pair(NAMES), again.client_pair("admin", "me", ["g"])]
    for pair in pairs:
        loaded(pair.certificate).verify_directly_issued_by(ca)
        key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
        assert key.public_key() == loaded(pair.certificate).public_key()
        assert not loaded(pair.certificate).extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_keys_and_certificates_are_their_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        authority = Authority(tmp_path / "pki")
        authority.server_pair(NAMES)
        authority.client_pair("admin", "me", [])
        write_private(tmp_path / "pki" / "deep" / "file", b"x")
    finally:
        os.umask(before)
    files = [p for p in (tmp_path / "pki").rglob("*") if p.is_file()]
    assert len(files) == 8
    assert {p.stat().st_mode & 0o777 for p in files} == {0o600}
    assert {(tmp_path / "pki").stat().st_mode & 0o777, (tmp_path / "pki/deep").stat().st_mode & 0o777} == {0o700}


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_private(tmp_path / "f", b"a long first content")
    write_private(tmp_path / "f", b"b")
    assert (tmp_path / "f").read_bytes() == b"b"
    assert os.listdir(tmp_path) == ["f"]


def test_the_servers_certificate_is_kept_until_its_names_change(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    first = authority.server_pair(NAMES).certificate.read_bytes()
    assert authority.server_pair(list(reversed(NAMES))).certificate.read_bytes() == first
    second = authority.server_pair([*NAMES, "example.com"]).certificate.read_bytes()
    assert second != first
    names = loaded(second).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "example.com"}
    assert set(names.get_values_for_type(x509.IPAddress)) == {
        ipaddress.ip_address("127.0.0.1"),
        ipaddress.ip_address("::1"),
    }
    assert usage(loaded(second)) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_what_ends_within_a_month_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)

    def both() -> list[bytes]:
        pairs: list[Pair] = [authority.server_pair(NAMES), authority.client_pair("admin", "me", [])]
        return [pair.certificate.read_bytes() for pair in pairs]

    first = both()
    now = datetime.now(UTC)
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=330))
    assert both() == first
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=340))
    second = both()
    assert not set(first) & set(second)
    assert loaded(second[0]).not_valid_after_utc > now + timedelta(days=700)


def test_a_new_authority_does_not_go_with_old_certificates(tmp_path: Path) -> None:
    """Somebody who removes ca.crt and ca.key wants a new CA, and a server that its clients can trust."""
    old = Authority(tmp_path)
    old.server_pair(NAMES)
    old.client_pair("admin", "me", [])
    for path in (old.pair.certificate, old.pair.key):
        path.unlink()
    new = Authority(tmp_path)
    ca = loaded(new.certificate_pem)
    for pair in (new.server_pair(NAMES), new.client_pair("admin", "me", [])):
        loaded(pair.certificate).verify_directly_issued_by(ca)


def test_a_client_certificate_names_user_and_groups(tmp_path: Path) -> None:
    pair = Authority(tmp_path).client_pair("admin", "kubernetes-admin", ["system:masters", "others"])
    certificate = loaded(pair.certificate)
    assert subject(certificate) == ("kubernetes-admin", ["system:masters", "others"])
    assert usage(certificate) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def _request(name: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters")]
    wanted = x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName("kubernetes")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(wanted).add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_signing_request_gives_its_key_and_nothing_else(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    key = ec.generate_private_key(ec.SECP256R1())
    signed = loaded(authority.sign_request(_request("admin", key), "system:node:n", ["system:nodes"]))
    assert subject(signed) == ("system:node:n", ["system:nodes"])
    assert signed.public_key() == key.public_key()
    assert usage(signed) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    with pytest.raises(x509.ExtensionNotFound):
        signed.extensions.get_extension_for_class(x509.SubjectAlternativeName)


@pytest.mark.parametrize(
    ("usages", "of_the_key"),
    [(["client auth"], False), (["digital signature", "client auth"], True), (["key encipherment"], True)],
)
def test_a_certificate_says_what_its_key_is_for_only_where_that_is_asked(
    tmp_path: Path, usages: list[str], of_the_key: bool
) -> None:
    pem = _request("a", ec.generate_private_key(ec.SECP256R1()))
    signed = loaded(Authority(tmp_path).sign_as_asked(pem, usages, 3600))
    # one that allows nothing makes the certificate invalid for OpenSSL
    assert (x509.KeyUsage in [type(extension.value) for extension in signed.extensions]) is of_the_key


def test_a_request_whose_signature_is_not_by_its_key_is_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    good = x509.load_pem_x509_csr(_request("a", key)).public_bytes(serialization.Encoding.DER)
    forged = good.replace(b"kubernetes", b"kubernetez")
    import base64

    lines = base64.encodebytes(forged).decode()
    pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{lines}-----END CERTIFICATE REQUEST-----\n".encode()
    authority = Authority(tmp_path)
    with pytest.raises(ValueError, match="does not match its key"):
        authority.sign_request(pem, "u", [])
    with pytest.raises(ValueError, match="Unable to load PEM file"):
        authority.sign_request(b"nonsense", "u", [])


def test_the_servers_names_are_those_it_is_called_by() -> None:
    found = server_names("0.0.0.0", "192.0.2.7", "10.96.0.1")
    assert {"localhost", "127.0.0.1", "kubernetes.default.svc", "10.96.0.1", "192.0.2.7"} <= set(found)
    assert "0.0.0.0" not in found
    assert found == sorted(set(found))


def test_a_ca_without_its_key_is_not_replaced(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate = authority.certificate_pem
    authority.pair.key.rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"ca\.key is missing beside ca\.crt: put it back"):
        Authority(tmp_path)
    assert authority.certificate_pem == certificate
    Authority(tmp_path / "other").pair.key.rename(authority.pair.key)
    with pytest.raises(ValueError, match="is not the key of"):
        Authority(tmp_path)


def test_a_pair_that_does_not_fit_together_is_made_anew(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.client_pair("admin", "me", [])
    other = authority.client_pair("other", "me", [])
    pair.key.write_bytes(other.key.read_bytes())
    again = authority.client_pair("admin", "me", [])
    key = serialization.load_pem_private_key(again.key.read_bytes(), None)
    assert key.public_key() == loaded(again.certificate).public_key()
