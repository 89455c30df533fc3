"""CertificateSigningRequests: certificates asked for through the API."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from datetime import datetime

from kube_lite import clock
from kube_lite.resources import names
from kube_lite.resources.ages import age
from kube_lite.resources.field import (
    Errors,
    GoLiteral,
    child,
    duplicate,
    forbidden,
    index,
    invalid,
    not_supported,
    required,
    show,
)
from kube_lite.resources.go.types import go_bytes
from kube_lite.resources.kinds.replicaset import prepare_create
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import (
    AGE_COLUMN,
    NAME_COLUMN,
    Cells,
    Column,
    Resource,
    Subresource,
    UpdateCheck,
    prepare_status_update,
    status,
)

USAGES = frozenset(
    {
        "any",
        "cert sign",
        "client auth",
        "code signing",
        "content commitment",
        "crl sign",
        "data encipherment",
        "decipher only",
        "digital signature",
        "email protection",
        "encipher only",
        "ipsec end system",
        "ipsec tunnel",
        "ipsec user",
        "key agreement",
        "key encipherment",
        "microsoft sgc",
        "netscape sgc",
        "ocsp signing",
        "s/mime",
        "server auth",
        "signing",
        "timestamping",
    }
)
LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
MIN_LIFETIME = 600
"""Shortest expirationSeconds."""
_BLOCK = re.compile(rb"-----BEGIN ([^-\r\n]*)-----\s(.*?)-----END \1-----", re.DOTALL)


def _request(text: str | None) -> Errors:
    """A request in PEM; what is refused is shown, and nothing told apart from nothing sent."""
    try:
        pem = base64.b64decode(text or "", validate=True)
    except (ValueError, binascii.Error):
        pem = b""
    if not (problem := _request_problem(pem)):
        return []
    shown = go_bytes(pem) if text is not None else GoLiteral("[]byte(nil)")
    return [invalid("spec.request", shown, problem)]


def _request_problem(pem: bytes) -> str:
    """What is wrong with the first PEM block as a request signed by its key; '' when nothing is."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.x509 import load_der_x509_csr

    block = _BLOCK.search(pem)
    try:
        der = base64.b64decode(b"".join(block[2].split()), validate=True) if block is not None else None
    except binascii.Error:
        der = None
    if block is None or der is None or block[1] != b"CERTIFICATE REQUEST":
        return "PEM block type must be CERTIFICATE REQUEST"
    try:
        request = load_der_x509_csr(der)
        if request.is_signature_valid:
            return ""
        elliptic = isinstance(request.public_key(), EllipticCurvePublicKey)
    except (ValueError, UnsupportedAlgorithm):
        return "asn1: structure error: no certificate request"
    return "x509: ECDSA verification failure" if elliptic else "crypto/rsa: verification error"


def _signer(name: str) -> Errors:
    at = "spec.signerName"
    if not name:
        return [required(at, "signerName must be provided")]
    if name == LEGACY_SIGNER:
        return [invalid(at, name, "the legacy signerName is not allowed via this API version")]
    domain, slash, path = name.partition("/")
    if not slash or "/" in path:
        detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [invalid(at, name, detail)]
    found = _labels(domain, at, names.dns_label)
    if "." not in domain:
        found.append(invalid(at, domain, "should be a domain with at least two segments separated by dots"))
    return found + _labels(path, at, names.dns_subdomain)


def _labels(text: str, path: str, rule: Callable[[str], Sequence[str]]) -> Errors:
    """What is wrong with the first bad part between dots."""
    for label in text.split("."):
        if problems := rule(label):
            return [invalid(path, text, f"validating label {show(label)}: {problem}") for problem in problems]
    return []


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found = _request(spec.get("request"))
    usages = spec.get("usages") or []
    if not usages:
        found.append(required("spec.usages", "usages must be provided"))
    told = [(index("spec.usages", i), usage, usages[:i]) for i, usage in enumerate(usages)]
    found.extend(not_supported(at, usage, USAGES) for at, usage, _ in told if usage not in USAGES)
    found.extend(duplicate(at, usage) for at, usage, before in told if usage in before)
    found.extend(_signer(spec.get("signerName", "")))
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < MIN_LIFETIME:
        detail = f"may not specify a duration less than {MIN_LIFETIME} seconds (10 minutes)"
        found.append(invalid("spec.expirationSeconds", seconds, detail))
    return found


_DECISIONS = ("Approved", "Denied", "Failed")
"""Conditions that are true once they are there, and stay."""
_DECIDED = frozenset({"True"})
_ANY_STATUS = frozenset({"False", "True", "Unknown"})


def _validate_conditions(new: Obj, old: Obj) -> Errors:
    found: Errors = []
    conditions = (new.get("status") or {}).get("conditions") or ()
    kinds: set[str] = set()
    for i, condition in enumerate(conditions):
        at = index("status.conditions", i)
        kind, state = condition.get("type", ""), condition.get("status", "")
        if not kind:
            found.append(required(child(at, "type")))
        choices = _DECIDED if kind in _DECISIONS else _ANY_STATUS
        if not state:
            found.append(required(child(at, "status")))
        elif state not in choices:
            found.append(not_supported(child(at, "status"), state, choices))
        if (kind == "Approved" and "Denied" in kinds) or (kind == "Denied" and "Approved" in kinds):
            found.append(invalid(child(at, "type"), kind, "Approved and Denied conditions are mutually exclusive"))
        if kind in kinds:
            found.append(duplicate(child(at, "type"), kind))
        kinds.add(kind)
    before = {condition.get("type") for condition in (old.get("status") or {}).get("conditions") or ()}
    found.extend(
        forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"')
        for kind in _DECISIONS
        if kind in before and kind not in kinds
    )
    return found


def _validate_status(new: Obj, old: Obj) -> Errors:
    """A certificate is one, and once it is there it stays."""
    found = _validate_conditions(new, old)
    issued, before = ((obj.get("status") or {}).get("certificate", "") for obj in (new, old))
    if issued == before:
        return found
    if before:
        found.append(forbidden("status.certificate", "updates may not modify existing certificate content"))
    if issued and (not before or not _certificate_problem(before)) and (problem := _certificate_problem(issued)):
        found.append(invalid("status.certificate", "<certificate data>", problem))
    return found


_HEADER = re.compile(rb"^[^:\r\n]+:", re.MULTILINE)


def _certificate_problem(text: str) -> str:
    """What is wrong with certificates in PEM (base64 of it); '' when nothing is."""
    from cryptography.x509 import load_der_x509_certificate

    blocks = 0
    for block in _BLOCK.finditer(base64.b64decode(text)):
        kind = block[1].decode(errors="replace")
        if kind != "CERTIFICATE":
            return f'only CERTIFICATE PEM blocks are allowed, found "{kind}"'
        if _HEADER.search(block[2]):
            return "no PEM block headers are permitted"
        blocks += 1
        try:
            load_der_x509_certificate(base64.b64decode(block[2]))
        except ValueError:
            return "x509: malformed certificate"
    return "" if blocks else "must contain at least one CERTIFICATE PEM block"


def _prepare_update(new: Obj, old: Obj) -> None:
    """What was asked for, and by whom, stays."""
    new["spec"], new["status"] = old.get("spec", {}), old.get("status", {})


def _date_conditions(new: Obj, old: Obj) -> None:
    """Give conditions the times that their writer left out."""
    before = {c.get("type"): c for c in (old.get("status") or {}).get("conditions") or ()}
    for condition in (new.get("status") or {}).get("conditions") or ():
        if not condition.get("lastUpdateTime"):
            condition["lastUpdateTime"] = clock.timestamp()
        if not condition.get("lastTransitionTime"):
            was = before.get(condition.get("type")) or {}
            same = was.get("status") == condition.get("status") and was.get("lastTransitionTime")
            condition["lastTransitionTime"] = was["lastTransitionTime"] if same else clock.timestamp()


def _prepare_status(new: Obj, old: Obj) -> None:
    """The signer writes the certificate; approval is not its to change."""
    prepare_status_update(new, old)
    decided = [c for c in (old.get("status") or {}).get("conditions") or () if c.get("type") in ("Approved", "Denied")]
    others = [
        c for c in (new.get("status") or {}).get("conditions") or () if c.get("type") not in ("Approved", "Denied")
    ]
    if decided or others:
        new.setdefault("status", {})["conditions"] = decided + others
    _date_conditions(new, old)


def _prepare_approval(new: Obj, old: Obj) -> None:
    """The approver writes conditions only."""
    conditions = (new.get("status") or {}).get("conditions")
    prepare_status_update(new, old)
    new["status"] = dict(old.get("status") or {})
    if conditions is not None:
        new["status"]["conditions"] = conditions
    _date_conditions(new, old)


def _condition(state: Obj) -> str:
    kinds = [condition.get("type") for condition in state.get("conditions") or ()]
    if "Denied" in kinds:
        shown = "Denied"
    elif "Approved" in kinds:
        shown = "Approved"
    else:
        shown = "Pending"
    if "Failed" in kinds:
        shown += ",Failed"
    return shown + (",Issued" if state.get("certificate") else "")


def _row(obj: Obj, now: datetime) -> Cells:
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    return [
        name_of(obj),
        age(obj, now),
        spec.get("signerName") or "<none>",
        spec.get("username", ""),
        _condition(state),
    ]


RESOURCES = (
    Resource(
        kind="CertificateSigningRequest",
        update_checks=(UpdateCheck.METADATA, UpdateCheck.CHANGE),
        plural="certificatesigningrequests",
        group="certificates.k8s.io",
        definition="io.k8s.api.certificates.v1.CertificateSigningRequest",
        namespaced=False,
        short_names=("csr",),
        subresources={
            "status": status(prepare=_prepare_status, validate=_validate_status),
            "approval": Subresource(
                name="approval",
                prepare=_prepare_approval,
                validate=_validate_conditions,
                resets=("spec", "status.certificate"),
            ),
        },
        name_rule=names.path_segment,
        generation=False,
        prepare_create=prepare_create,
        prepare_update=_prepare_update,
        validate=_validate,
        columns=(
            NAME_COLUMN,
            AGE_COLUMN,
            Column("SignerName"),
            Column("Requestor"),
            Column("Condition"),
        ),
        row=_row,
        selectable=lambda obj: {"spec.signerName": (obj.get("spec") or {}).get("signerName", "")},
        selectable_names=("spec.signerName",),
    ),
)
