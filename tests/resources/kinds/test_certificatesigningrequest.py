"""CertificateSigningRequests."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.controllers.certificates import request_pem
from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    TWICE,
    UNKNOWN,
    Cause,
    Change,
    assert_create,
    changed,
    create,
    resource,
)

KIND = resource("certificates.k8s.io", "certificatesigningrequests")
PEM = request_pem("alice")
FORGED = x509.load_pem_x509_csr(PEM).public_bytes(serialization.Encoding.DER).replace(b"alice", b"malic")
OTHER = b"-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"


def encoded(pem: bytes) -> str:
    """As the API takes it."""
    return base64.b64encode(pem).decode()


def in_pem(der: bytes) -> str:
    """As the API takes a request."""
    inside = base64.encodebytes(der)
    return encoded(b"-----BEGIN CERTIFICATE REQUEST-----\n" + inside + b"-----END CERTIFICATE REQUEST-----\n")


VALID: dict[str, Any] = {
    "metadata": {"name": "x"},
    "spec": {
        "request": encoded(PEM),
        "signerName": "example.com/gold",
        "usages": ["client auth"],
    },
}
SIGNER = "spec.signerName"


@pytest.mark.parametrize(
    ("name", "change", "causes"),
    [
        ("valid", {}, []),
        ("request", {"spec.request": "eA=="}, [(BAD, "spec.request", "[]byte{0x78}: PEM block type must be")]),
        ("garbage", {"spec.request": in_pem(b"x")}, [(BAD, "spec.request", "asn1: structure error")]),
        ("forged", {"spec.request": in_pem(FORGED)}, [(BAD, "spec.request", "x509: ECDSA verification failure")]),
        ("another block first", {"spec.request": encoded(OTHER + PEM)}, [(BAD, "spec.request", "PEM block type must")]),
        ("text before", {"spec.request": encoded(b"x\n" + PEM)}, []),
        ("no usages", {"spec.usages": []}, [(NEEDED, "spec.usages", "usages must be provided")]),
        ("name", {"metadata.name": "a/b"}, [(BAD, "metadata.name", "may not contain")]),
        ("usage", {"spec.usages": ["x"]}, [(UNKNOWN, "spec.usages[0]", '"any", "cert sign"')]),
        ("usage twice", {"spec.usages": ["any", "any"]}, [(TWICE, "spec.usages[1]", '"any"')]),
        ("no signer", {SIGNER: ""}, [(NEEDED, SIGNER, "signerName must be provided")]),
        ("signer", {SIGNER: "a"}, [(BAD, SIGNER, "must be a fully qualified domain and path")]),
        ("signer's domain", {SIGNER: "a/b"}, [(BAD, SIGNER, '"a": should be a domain with at least two segments')]),
        ("signer's label", {SIGNER: "a.B/b"}, [(BAD, SIGNER, '"a.B": validating label "B": a lowercase RFC 1123')]),
        (
            "old signer",
            {SIGNER: "kubernetes.io/legacy-unknown"},
            [(BAD, SIGNER, "is not allowed via this API version")],
        ),
    ],
)
def test_a_new_request(name: str, change: Change, causes: list[Cause]) -> None:
    assert_create(KIND, VALID, change, causes)


def test_a_decision_is_dated_and_stays() -> None:
    approval = KIND.subresources["approval"]
    old, _ = create(KIND, VALID)
    new = changed(old, {"status.conditions": [{"type": "Denied", "status": "True"}]})
    approval.prepare(new, old)
    assert not approval.validate(new, old)
    condition = new["status"]["conditions"][0]
    assert condition["lastUpdateTime"] == condition["lastTransitionTime"] != ""
    again = changed(new, {"status.conditions": [{"type": "Frob", "status": "True"}]})
    approval.prepare(again, new)
    (error,) = approval.validate(again, new)
    assert (error.reason, error.field) == (NOT_HERE, "status.conditions")


def test_what_is_asked_for_stays() -> None:
    old, _ = create(KIND, VALID)
    new = changed(old, {"spec.signerName": "example.com/other"})
    KIND.prepare_update(new, old)
    assert new["spec"] == old["spec"]


def certificate() -> str:
    """A certificate, PEM in base64."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start.replace(year=2027))
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return encoded(pem)


@pytest.mark.parametrize(
    ("before", "pem", "problem"),
    [
        ("", certificate(), ""),
        ("", "Zm9v", "must contain at least one CERTIFICATE PEM block"),
        ("", VALID["spec"]["request"], 'only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"'),
        ("", encoded(PEM.replace(b" REQUEST", b"")), "x509: malformed certificate"),
        (
            "",
            encoded(PEM.replace(b" REQUEST", b"").replace(b"\nMI", b"\nA: b\n\nMI")),
            "no PEM block headers are permitted",
        ),
        ("Zm9v", "YmFy", "updates may not modify existing certificate content"),
    ],
    ids=["certificate", "text", "request", "garbage", "headers", "again"],
)
def test_what_a_signer_issues_is_a_certificate_and_stays(before: str, pem: str, problem: str) -> None:
    old = {**VALID, "status": {"certificate": before} if before else {}}
    found = KIND.subresources["status"].validate({**VALID, "status": {"certificate": pem}}, old)
    assert [error.field for error in found] == ["status.certificate"] * bool(problem)
    assert not problem or problem in found[0].message


def test_approval_and_denial_exclude_each_other() -> None:
    conditions = [{"type": kind, "status": "True"} for kind in ("Approved", "Denied")]
    found = KIND.subresources["approval"].validate({**VALID, "status": {"conditions": conditions}}, VALID)
    assert [error.field for error in found] == ["status.conditions[1].type"]


def test_what_was_issued_is_not_taken_away() -> None:
    found = KIND.subresources["status"].validate({"status": {}}, {"status": {"certificate": "QQ=="}})
    assert [(e.reason, e.field) for e in found] == [("FieldValueForbidden", "status.certificate")]
