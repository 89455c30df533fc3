"""CertificateSigningRequests."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.resources.kinds.cases import (
    BAD,
    NEEDED,
    NOT_HERE,
    TWICE,
    UNKNOWN,
    Cause,
    Change,
    assert_causes,
    changed,
    create,
    resource,
)

KIND = resource("certificates.k8s.io", "certificatesigningrequests")
PEM = b"-----BEGIN CERTIFICATE REQUEST-----\nMII\n-----END CERTIFICATE REQUEST-----\n"
VALID: dict[str, Any] = {
    "metadata": {"name": "x"},
    "spec": {
        "request": base64.b64encode(PEM).decode(),
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
        ("no usages", {"spec.usages": []}, [(NEEDED, "spec.usages", "usages must be provided")]),
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
    assert_causes(create(KIND, changed(VALID, change))[1], causes)


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


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        ("x", "must contain at least one CERTIFICATE PEM block"),
        ("-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n", 'only CERTIFICATE PEM blocks are allowed, found "KEY"'),
        (
            "-----BEGIN CERTIFICATE-----\nA: b\n\nAAAA\n-----END CERTIFICATE-----\n",
            "no PEM block headers are permitted",
        ),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ""),
    ],
)
def test_what_is_issued_is_a_certificate(pem: str, words: str) -> None:
    kind = resource("certificates.k8s.io", "certificatesigningrequests")
    state = {"certificate": base64.b64encode(pem.encode()).decode()}
    found = kind.subresources["status"].validate({"status": state}, {})
    wanted = [f'Invalid value: "<certificate data>": {words}'] if words else []
    assert [error.message for error in found] == wanted


def test_what_is_issued_stays() -> None:
    found = KIND.subresources["status"].validate({"status": {}}, {"status": {"certificate": "QQ=="}})
    assert [(e.reason, e.field) for e in found] == [(NOT_HERE, "status.certificate")]
