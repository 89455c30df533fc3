"""Conditions in the form that kinds share (upstream's ``metav1.Condition``): what each must say."""

from __future__ import annotations

import re
from typing import Final

from kube_lite.resources.field import Errors, child, duplicate, index, invalid, not_supported, required, too_long
from kube_lite.resources.meta import Obj
from kube_lite.resources.names import size
from kube_lite.resources.rules import nonnegative, qualified_name

STATUSES: Final = frozenset({"False", "True", "Unknown"})
MAX_REASON: Final = 1024
MAX_MESSAGE: Final = 32 * 1024
"""Bytes."""
_REASON: Final = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_REASON_MESSAGE: Final = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or "
    "'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is "
    f"'{_REASON.pattern}')"
)


def validate_conditions(conditions: list[Obj], path: str) -> Errors:
    """Types that differ, and for each a status, a time and a reason."""
    found: Errors = []
    seen: set[str] = set()
    for i, condition in enumerate(conditions):
        at, kind = index(path, i), condition.get("type", "")
        if kind in seen:
            found.append(duplicate(child(at, "type"), kind))
        seen.add(kind)
        found.extend(_condition(condition, at))
    return found


def _condition(condition: Obj, path: str) -> Errors:
    found = qualified_name(condition.get("type", ""), child(path, "type"))
    if (status := condition.get("status", "")) not in STATUSES:
        found.append(not_supported(child(path, "status"), status, STATUSES))
    found.extend(nonnegative(condition.get("observedGeneration"), child(path, "observedGeneration")))
    if not condition.get("lastTransitionTime"):
        found.append(required(child(path, "lastTransitionTime"), "must be set"))
    reason, at = condition.get("reason", ""), child(path, "reason")
    if not reason:
        found.append(required(at))
    elif _REASON.fullmatch(reason) is None:
        found.append(invalid(at, reason, _REASON_MESSAGE))
    if size(reason) > MAX_REASON:
        found.append(too_long(at, MAX_REASON))
    if size(condition.get("message", "")) > MAX_MESSAGE:
        found.append(too_long(child(path, "message"), MAX_MESSAGE))
    return found
