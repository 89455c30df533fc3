"""Options of writes: query parameters and DeleteOptions, checked as upstream checks them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import anyio
import msgspec

from kube_lite.api.http import Request
from kube_lite.client.protocol import APPLY_PATCH
from kube_lite.errors import BadRequest, FieldError, invalid
from kube_lite.resources import field

FORCED = "may not be specified for non-apply patch"
MANAGER_LIMIT = 128
"""Longest field manager name in characters (apimachinery ``FieldManagerMaxLength``)."""
VALIDATIONS = ("Ignore", "Strict", "Warn")
PROPAGATIONS = ("Foreground", "Background", "Orphan")


class WriteOptions(msgspec.Struct, frozen=True):
    """What create, update and patch were asked besides the object."""

    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = "Warn"
    force: bool = False
    body_size: int = 0
    """Bytes of the request body, 0 when unknown."""
    sent: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """What of it the client said itself, as admission is shown it."""
    deadline: float = math.inf
    """By when (loop time) the client wants an answer."""


class DeleteOptions(msgspec.Struct, frozen=True):
    """What delete was asked; None means not stated."""

    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    orphan_dependents: bool | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False
    sent: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """What of it the client said itself, as admission is shown it."""
    deadline: float = math.inf
    """By when (loop time) the client wants an answer."""


def _unsupported(path: str, value: Any, supported: tuple[str, ...]) -> FieldError:
    return field.not_supported(path, value, supported)


def manager_errors(manager: str) -> list[FieldError]:
    """What is wrong with a field manager's name."""
    errors = []
    if len(manager) > MANAGER_LIMIT:
        errors.append(field.too_long("fieldManager", MANAGER_LIMIT))
    for position, character in enumerate(manager):
        if not character.isprintable():
            detail = f"invalid character U+{ord(character):04X} (at position {position})"
            errors.append(field.invalid("fieldManager", manager, detail))
            break
    return errors


def user_agent_manager(request: Request) -> str:
    """The field manager of a client that names none: its User-Agent up to the first slash."""
    agent = request.header("user-agent").split("/", 1)[0]
    clean = "".join(c for c in agent if c.isprintable())
    return clean[:MANAGER_LIMIT] or "unknown"


def write_options(request: Request, kind: str) -> WriteOptions:
    """The options in the query of a create, update or patch.

    :param kind: CreateOptions, UpdateOptions or PatchOptions, for the message
    :raises Invalid: an option has a value that does not exist
    """
    info = request.info
    if not info.query:
        # our own parts do not send fields that nobody knows, and must not pay for being checked
        validation = "Ignore" if request.user.how == "in-process" else "Warn"
        return WriteOptions(field_manager=user_agent_manager(request), field_validation=validation)
    manager = info.param("fieldManager")
    errors = _patch_errors(request, manager) if kind == "PatchOptions" else []
    errors += manager_errors(manager)
    dry = list(info.query.get("dryRun") or ())
    if [v for v in dry if v != "All"]:
        errors.append(_unsupported("dryRun", dry, ("All",)))
    validation = info.param("fieldValidation") or "Warn"
    if validation not in VALIDATIONS:
        errors.append(_unsupported("fieldValidation", validation, VALIDATIONS))
    if errors:
        raise invalid(kind, "meta.k8s.io", "", errors)
    return WriteOptions(
        dry_run=bool(dry),
        field_manager=manager or user_agent_manager(request),
        field_validation=validation,
        force=info.flag("force"),
        sent={name: value for name in ("fieldManager", "fieldValidation") if (value := info.param(name))},
        deadline=_deadline(info.param("timeout")) if "timeout" in info.query else math.inf,
    )


def _patch_errors(request: Request, manager: str) -> list[FieldError]:
    """What only patches of a kind may say, or must."""
    if request.header("content-type").partition(";")[0].strip() == APPLY_PATCH:
        return [] if manager else [field.required("fieldManager", "is required for apply patch")]
    return [field.forbidden("force", FORCED)] if "force" in request.info.query else []


_DURATION: Final = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h)", re.ASCII)
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST: Final = 34.0
"""Seconds after which a write is given up however long the client would wait (``requestTimeoutUpperBound``)."""


def _deadline(text: str) -> float:
    """When a request with ``timeout=`` is given up. :raises BadRequest: that is no duration"""
    parts = _DURATION.findall(text)
    if text not in ("", "0") and "".join(parts) != text:
        raise BadRequest(f'invalid timeout specified in the request URL: time: invalid duration "{text}"')
    seconds = 0.0
    for part in parts:
        number = part.rstrip("nuµmsh")
        seconds += float(number) * _SECONDS[part[len(number) :]]
    return anyio.current_time() + min(seconds or LONGEST, LONGEST)


_DELETE_OPTIONS: Final = ("gracePeriodSeconds", "preconditions", "orphanDependents", "propagationPolicy", "dryRun")


def delete_options(request: Request, body: dict[str, Any] | None) -> DeleteOptions:
    """The options of a delete, from the body when there is one, else from the query.

    :raises BadRequest: a value of the wrong type
    :raises Invalid: a value that does not exist, or two that contradict each other
    """
    source = body if body is not None else _from_query(request)
    preconditions = source.get("preconditions") or {}
    grace = source.get("gracePeriodSeconds")
    policy = source.get("propagationPolicy")
    orphan = source.get("orphanDependents")
    errors = []
    if policy is not None and orphan is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(field.invalid("propagationPolicy", policy, detail))
    if policy is not None and policy not in PROPAGATIONS:
        errors.append(field.not_supported("propagationPolicy", policy, [*PROPAGATIONS, "nil"]))
    dry = source.get("dryRun") or []
    if [v for v in dry if v != "All"]:
        errors.append(_unsupported("dryRun", dry, ("All",)))
    if errors:
        raise invalid("DeleteOptions", "meta.k8s.io", "", errors)
    return DeleteOptions(
        grace_period_seconds=grace,
        propagation_policy=policy,
        orphan_dependents=orphan,
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        dry_run=bool(dry),
        sent={name: source[name] for name in _DELETE_OPTIONS if source.get(name) not in (None, [], {})},
        deadline=_deadline(request.info.param("timeout")) if "timeout" in request.info.query else math.inf,
    )


def _from_query(request: Request) -> dict[str, Any]:
    info = request.info
    found: dict[str, Any] = {}
    if "gracePeriodSeconds" in info.query:
        text = info.param("gracePeriodSeconds")
        try:
            found["gracePeriodSeconds"] = int(text)
        except ValueError as error:
            raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error
    if info.query.get("propagationPolicy"):  # an empty one is stated, and is none of those that exist
        found["propagationPolicy"] = info.param("propagationPolicy")
    if "orphanDependents" in info.query:  # stated without a value it holds
        found["orphanDependents"] = info.param("orphanDependents") == "" or info.flag("orphanDependents")
    if preconditions := {name: text for name in ("uid", "resourceVersion") if (text := info.param(name))}:
        found["preconditions"] = preconditions
    if info.query.get("dryRun"):
        found["dryRun"] = list(info.query["dryRun"])
    return found
