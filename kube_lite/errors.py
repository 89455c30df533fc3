"""Errors of the API: one class per reason that somebody handles, to and from ``Status`` objects.

Anything below the HTTP edge raises an :class:`ApiError`; it is written as a Kubernetes ``Status`` once, in
``api/app.py``, and read back once, in ``client/http.py``. Reasons, codes and message forms are those of
upstream's ``k8s.io/apimachinery/pkg/api/errors``, because kubectl prints them and clients match on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """One rejected field: what upstream calls a cause.

    ``reason`` is a cause type such as ``FieldValueInvalid``, ``field`` a path such as
    ``spec.containers[0].name`` and ``message`` the text after that path.
    """

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class ApiError(Exception):
    """A refusal with a Kubernetes ``Status``.

    :param message: the text a user reads after ``Error from server (Reason):``
    :param details: ``status.details``: name, group, kind, uid, causes, retryAfterSeconds
    """

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
        self.shows_details = details is not None
        self.list_metadata: dict[str, Any] = {}
        """``status.metadata``: a fresh continue token, when a stale one was refused."""

    @property
    def retry_after(self) -> int | None:
        """Seconds after which the client may try again, when the server named them."""
        seconds = self.details.get("retryAfterSeconds")
        return seconds if isinstance(seconds, int) else None  # another server may have said anything

    def to_status(self) -> dict[str, Any]:
        """The ``Status`` object that goes over the wire."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.list_metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details or self.shows_details:
            status["details"] = self.details
        status["code"] = self.code
        return status


class BadRequest(ApiError):
    """The request itself is malformed (400)."""

    code = 400
    reason = "BadRequest"


class Unauthorized(ApiError):
    """No identity, or not a valid one (401)."""

    code = 401
    reason = "Unauthorized"


class Forbidden(ApiError):
    """The identity may not do this, or admission refused it (403)."""

    code = 403
    reason = "Forbidden"


class NotFound(ApiError):
    """No such object or path (404)."""

    code = 404
    reason = "NotFound"


class MethodNotAllowed(ApiError):
    """The path exists but not with this method (405)."""

    code = 405
    reason = "MethodNotAllowed"


class NotAcceptable(ApiError):
    """None of the media types in Accept can be produced (406)."""

    code = 406
    reason = "NotAcceptable"


class AlreadyExists(ApiError):
    """Create of a name that is taken (409)."""

    code = 409
    reason = "AlreadyExists"


class Conflict(ApiError):
    """The object changed since the caller read it, or a field is owned by another manager (409)."""

    code = 409
    reason = "Conflict"


class Gone(ApiError):
    """The resource is no longer available (410)."""

    code = 410
    reason = "Gone"


class Expired(ApiError):
    """The resourceVersion or continue token is older than the history kept (410)."""

    code = 410
    reason = "Expired"


class RequestEntityTooLarge(ApiError):
    """The body is larger than the server takes (413)."""

    code = 413
    reason = "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    """The body's Content-Type is not understood (415)."""

    code = 415
    reason = "UnsupportedMediaType"


class Invalid(ApiError):
    """The object is well formed but breaks a rule (422)."""

    code = 422
    reason = "Invalid"


class TooManyRequests(ApiError):
    """Try again later (429), e.g. an eviction that a disruption budget holds back."""

    code = 429
    reason = "TooManyRequests"


class InternalError(ApiError):
    """A bug or a failing dependency (500)."""

    code = 500
    reason = "InternalError"


class Unspecified(InternalError):
    """A failure (500) that upstream answers without a reason: a Go error that is no Status."""

    reason = ""


class ServiceUnavailable(ApiError):
    """Not now (503)."""

    code = 503
    reason = "ServiceUnavailable"


class Timeout(ApiError):
    """The request could not be completed in time (504)."""

    code = 504
    reason = "Timeout"


class InsufficientStorage(ApiError):
    """The disk under the store is full (507)."""

    code = 507
    reason = "InsufficientStorage"


def _subclasses(cls: type[ApiError]) -> list[type[ApiError]]:
    return [cls] + [deep for sub in cls.__subclasses__() for deep in _subclasses(sub)]


def from_status(status: Mapping[str, Any], code: int = 500) -> ApiError:
    """The error that a ``Status`` object stands for.

    :param code: the HTTP status, used where the object names none
    """
    reason = str(status.get("reason") or "")
    code = int(status.get("code") or code)
    details = status.get("details")
    kinds = _subclasses(ApiError)[1:]
    same = [c for c in kinds if c.reason == reason and (reason or c.code == code)]
    known = same or [c for c in kinds if c.code == code]
    error = (known[0] if known else ApiError)(
        str(status.get("message") or f"the server answered {code}"), details if isinstance(details, Mapping) else None
    )
    if not known:
        error.code = code  # type: ignore[misc]  # an unknown reason keeps the code it came with
    return error


def qualified(plural: str, group: str) -> str:
    """``deployments.apps``, or ``pods`` for the core group: the form used in messages."""
    return f"{plural}.{group}" if group else plural


def _about(name: str, group: str, kind: str) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    return details


def not_found(plural: str, group: str, name: str) -> NotFound:
    """``pods "x" not found``."""
    return NotFound(f'{qualified(plural, group)} "{name}" not found', _about(name, group, plural))


def no_such_path() -> NotFound:
    """The path leads nowhere; kubectl shows this text."""
    return NotFound("the server could not find the requested resource", {})


def already_exists(plural: str, group: str, name: str) -> AlreadyExists:
    """``configmaps "a" already exists``."""
    return AlreadyExists(f'{qualified(plural, group)} "{name}" already exists', _about(name, group, plural))


def conflict(plural: str, group: str, name: str, why: str) -> Conflict:
    """``Operation cannot be fulfilled on pods "x": why``."""
    message = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return Conflict(message, _about(name, group, plural))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
"""Why an update with a stale resourceVersion is refused; clients retry on it."""


def forbidden(plural: str, group: str, name: str, why: str) -> Forbidden:
    """``pods "x" is forbidden: why``."""
    quoted = f' "{name}"' if name else ""
    message = f"{qualified(plural, group)}{quoted} is forbidden: {why}"
    return Forbidden(message, _about(name, group, plural))


def invalid(kind: str, group: str, name: str, errors: Sequence[FieldError]) -> Invalid:
    """``Pod "x" is invalid: spec.containers: Required value``, with a cause for each field."""
    texts = list(dict.fromkeys(str(e) for e in errors))
    joined = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    details = _about(name, group, kind)
    details["causes"] = [{"reason": e.reason, "message": e.message, "field": e.field} for e in errors]
    return Invalid(f'{qualified(kind, group)} "{name}" is invalid: {joined}', details)
