"""CertificateSigningRequests: certificates asked for through the API."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime

from kube_lite.resources import names
from kube_lite.resources.ages import age
from kube_lite.resources.field import Errors, child, duplicate, index, invalid, not_supported, required
from kube_lite.resources.kinds.replicaset import prepare_create, prepare_update
from kube_lite.resources.meta import Obj, name_of
from kube_lite.resources.registry import (
    AGE_COLUMN,
    NAME_COLUMN,
    Cells,
    Column,
    Resource,
    Subresource,
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
MIN_LIFETIME = 600
"""Shortest expirationSeconds."""
_PEM = re.compile(rb"\s*-----BEGIN CERTIFICATE REQUEST-----\s.+?-----END CERTIFICATE REQUEST-----", re.DOTALL)


def _request(text: str) -> Errors:
    try:
        block = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        block = b""
    if not _PEM.match(block):
        return [invalid("spec.request", text, "PEM block type must be CERTIFICATE REQUEST")]
    return []


def _signer(name: str) -> Errors:
    at = "spec.signerName"
    if not name:
        return [required(at)]
    domain, slash, path = name.partition("/")
    if not slash or "/" in path:
        detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [invalid(at, name, detail)]
    found: Errors = []
    if problems := names.dns_subdomain(domain):
        detail = f'validating label "{domain}": {problems[0]}'
        found.append(invalid(at, domain, detail))
    elif "." not in domain:
        found.append(invalid(at, domain, "should be a domain with at least two segments separated by dots"))
    found.extend(invalid(at, path, problem) for problem in names.dns_subdomain(path))
    return found


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    found = _request(spec.get("request", ""))
    usages = spec.get("usages") or []
    if not usages:
        found.append(required("spec.usages", "usages must contain at least one value"))
    for i, usage in enumerate(usages):
        at = index("spec.usages", i)
        if usage not in USAGES:
            found.append(not_supported(at, usage, USAGES))
        elif usage in usages[:i]:
            found.append(duplicate(at, usage))
    found.extend(_signer(spec.get("signerName", "")))
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < MIN_LIFETIME:
        detail = f"may not specify a duration less than {MIN_LIFETIME} seconds (10 minutes)"
        found.append(invalid("spec.expirationSeconds", seconds, detail))
    return found


def _validate_conditions(new: Obj, old: Obj) -> Errors:
    found: Errors = []
    conditions = (new.get("status") or {}).get("conditions") or ()
    for i, condition in enumerate(conditions):
        at = index("status.conditions", i)
        kind, state = condition.get("type", ""), condition.get("status", "")
        if not kind:
            found.append(required(child(at, "type")))
        if kind in ("Approved", "Denied", "Failed"):
            if state != "True":
                choices = ("True",)
                found.append(
                    not_supported(child(at, "status"), state, choices) if state else required(child(at, "status"))
                )
        elif state not in ("True", "False", "Unknown"):
            choices_of_other = ("True", "False", "Unknown")
            found.append(not_supported(child(at, "status"), state, choices_of_other))
    kinds = {condition.get("type") for condition in conditions}
    if {"Approved", "Denied"} <= kinds:
        found.append(
            invalid("status.conditions", list(conditions), "Approved and Denied conditions are mutually exclusive")
        )
    return found


def _prepare_status(new: Obj, old: Obj) -> None:
    """The signer writes the certificate; approval is not its to change."""
    prepare_status_update(new, old)
    decided = [c for c in (old.get("status") or {}).get("conditions") or () if c.get("type") in ("Approved", "Denied")]
    others = [
        c for c in (new.get("status") or {}).get("conditions") or () if c.get("type") not in ("Approved", "Denied")
    ]
    if decided or others:
        new.setdefault("status", {})["conditions"] = decided + others


def _prepare_approval(new: Obj, old: Obj) -> None:
    """The approver writes conditions only."""
    conditions = (new.get("status") or {}).get("conditions")
    prepare_status_update(new, old)
    new["status"] = dict(old.get("status") or {})
    if conditions is not None:
        new["status"]["conditions"] = conditions


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
        plural="certificatesigningrequests",
        group="certificates.k8s.io",
        definition="io.k8s.api.certificates.v1.CertificateSigningRequest",
        namespaced=False,
        short_names=("csr",),
        subresources={
            "status": status(prepare=_prepare_status, validate=_validate_conditions),
            "approval": Subresource(name="approval", prepare=_prepare_approval, validate=_validate_conditions),
        },
        name_rule=names.any_name,
        generation=False,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
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
