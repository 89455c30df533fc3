"""AdmissionReview: what a webhook is asked, and what it answers."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kube_lite import errors
from kube_lite.api.admission.matching import converted
from kube_lite.api.admission.plugin import AdmissionRequest
from kube_lite.resources.meta import Obj
from kube_lite.resources.registry import Resource

GROUP = "admission.k8s.io"
VERSIONS = ("v1", "v1beta1")
_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


class BadReview(ValueError):
    """Raised when an answer is not a review."""


class Denied(errors.ApiError):
    """A webhook's or policy's own refusal, with the code and reason that it chose."""

    def __init__(self, status: Mapping[str, Any]) -> None:
        details = status.get("details")
        super().__init__(str(status["message"]), details if isinstance(details, Mapping) else None)
        self.code = int(status["code"])  # type: ignore[misc]  # theirs to choose
        self.reason = str(status.get("reason") or "")  # type: ignore[misc]


class UnknownPatch(BadReview):
    """Raised when an answer changes the object in a way that does not exist."""


class Answer(msgspec.Struct, frozen=True):
    """What a webhook said."""

    allowed: bool
    status: Mapping[str, Any] = msgspec.field(default_factory=dict)
    patch: bytes = b""
    warnings: Sequence[str] = ()
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)


def _kind(request: AdmissionRequest, resource: Resource) -> Obj:
    sub = resource.subresources.get(request.subresource)
    if sub is not None and sub.kind:
        return {"group": sub.group, "version": sub.version or resource.version, "kind": sub.kind}
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _name(resource: Resource) -> Obj:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}


def request_fields(request: AdmissionRequest, resource: Resource) -> Obj:
    """``AdmissionReview.request`` without uid and objects: also CEL's ``request``."""
    asked: Obj = {
        "kind": _kind(request, resource),
        "resource": _name(resource),
        "requestKind": _kind(request, request.resource),
        "requestResource": _name(request.resource),
    }
    if request.subresource:
        asked["subResource"] = asked["requestSubResource"] = request.subresource
    if request.name:
        asked["name"] = request.name
    if request.shown_namespace:
        asked["namespace"] = request.shown_namespace
    asked["operation"] = request.operation
    asked["userInfo"] = request.user.to_json()
    asked["dryRun"] = request.dry_run
    if request.operation in _OPTIONS:
        asked["options"] = {
            "kind": _OPTIONS[request.operation],
            "apiVersion": "meta.k8s.io/v1",
            **({"dryRun": ["All"]} if request.dry_run else {}),
            **request.options,
        }
    return asked


def build(request: AdmissionRequest, resource: Resource, uid: str, version: str) -> Obj:
    """The review to send, with objects in ``resource``'s version."""
    asked = {"uid": uid, **request_fields(request, resource)}
    asked["object"] = converted(request.obj, request.resource, resource)
    asked["oldObject"] = converted(request.old, request.resource, resource)
    return {"kind": "AdmissionReview", "apiVersion": f"{GROUP}/{version}", "request": asked}


def read(review: Obj, uid: str, version: str, *, mutating: bool) -> Answer:
    """The answer in a review, which is of its type. :raises BadReview: it is none to what was asked"""
    response = review.get("response")
    if response is None:
        raise BadReview("webhook response was absent")
    if version == "v1" and response.get("uid", "") != uid:
        raise BadReview(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
    if version == "v1" and (review.get("kind"), review.get("apiVersion")) != ("AdmissionReview", f"{GROUP}/v1"):
        group, _, given = str(review.get("apiVersion") or "/").rpartition("/")
        got = f"{group}/{given}, Kind={review.get('kind') or ''}"
        raise BadReview(f"expected webhook response of {GROUP}/v1, Kind=AdmissionReview, got {got}")
    if version == "v1" and not mutating:
        _without_patch(response)
    patch = _patch(response, version) if mutating else b""
    allowed = bool(response.get("allowed"))
    return Answer(
        allowed,
        response.get("status") or {},
        patch if allowed else b"",
        response.get("warnings") or (),
        response.get("auditAnnotations") or {},
    )


def _without_patch(response: Mapping[str, Any]) -> None:
    for name in ("patch", "patchType"):
        if response.get(name) not in (None, ""):
            raise BadReview(f"validating webhook may not return response.{name}")


def _patch(response: Mapping[str, Any], version: str) -> bytes:
    encoded, kind = response.get("patch"), response.get("patchType")
    if not encoded:
        if version == "v1" and kind is not None:
            raise BadReview("webhook returned response.patchType but not response.patch")
        return b""
    if version == "v1" and not kind:
        raise BadReview(
            "webhook returned response.patch but not response.patchType"
            if kind is None
            else 'webhook returned invalid response.patchType of ""'
        )
    if version == "v1" and kind != "JSONPatch":
        raise UnknownPatch(f'unsupported patch type "{kind}"')
    return base64.b64decode(encoded)


def refusal(webhook: str, status: Mapping[str, Any]) -> Denied:
    """The refusal that a client sees."""
    by = f'admission webhook "{webhook}" denied the request'
    text, reason = status.get("message"), status.get("reason")
    message = f"{by}: {text or reason}" if text or reason else f"{by} without explanation"
    code = status.get("code")
    code = code if code is not None and 400 <= code <= 599 else 400  # upstream leaves 600, and HTTP clients do not
    return Denied({**status, "message": message, "code": code})
