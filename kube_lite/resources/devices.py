"""What the kinds of resource.k8s.io share: names of devices and of what they have, selectors, configurations, taints.

Rules and words are those of upstream's ``pkg/apis/resource/validation``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, Final

from kube_lite.resources import names
from kube_lite.resources.cel.examine import examine
from kube_lite.resources.cel.types import BOOL, DYN, STRING, CelType, map_of, object_of, read
from kube_lite.resources.field import (
    Errors,
    child,
    duplicate,
    forbidden,
    index,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from kube_lite.resources.kinds.pod.volumes import validate_driver_name
from kube_lite.resources.meta import Obj
from kube_lite.resources.rules import dns_subdomain, qualified_name

Rule = Callable[[Any, str], Errors]
"""``(item, path) -> problems``."""

MAX_LISTED: Final = 32
"""Requests, constraints, configurations, selectors and results, each."""
MAX_EXPRESSION: Final = 10 * 1024
MAX_COST: Final = 1_000_000
"""Steps that a selector may take at most, as estimated (``CELSelectorExpressionMaxCost``)."""
MAX_PARAMETERS: Final = 10 * 1024
"""Bytes of a CEL expression, and of a driver's own parameters as JSON."""
MAX_POOL: Final = 253
MAX_ID: Final = 32
MAX_DOMAIN: Final = 63
"""Bytes of an identifier, and of the domain before it."""
MAX_PROPERTIES: Final = 32
"""Attributes and capacities of a device together."""
MAX_VALUE: Final = 64
"""Bytes of an attribute."""
MAX_BINDING_CONDITIONS: Final = 4
EFFECTS: Final = frozenset({"NoExecute", "NoSchedule", "None"})
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _by_name(value: CelType) -> CelType:
    """Values by domain and identifier, both sizes of which are known."""
    named = map_of(replace(STRING, most=MAX_ID), value, MAX_PROPERTIES)
    return map_of(replace(STRING, most=MAX_DOMAIN), named, MAX_PROPERTIES)


_DEVICE: Final = object_of(
    "kubernetes.DRADevice",
    {
        "driver": replace(STRING, most=MAX_DOMAIN),
        "attributes": _by_name(replace(DYN, most=MAX_VALUE)),
        "capacity": _by_name(read("kubernetes.Quantity")),
        "allowMultipleAllocations": BOOL,
    },
)


def each(items: Sequence[Any] | None, limit: int, rule: Rule, path: str) -> Errors:
    """A list whose items keep a rule; one over its length is not looked into."""
    if len(items or ()) > limit:
        return [too_many(path, len(items or ()), limit)]
    return [problem for i, item in enumerate(items or ()) for problem in rule(item, index(path, i))]


def distinct(items: Sequence[Any] | None, limit: int, rule: Rule, key: Callable[[Any], Hashable], path: str) -> Errors:
    """The same, and no two items have the same key."""
    found = each(items, limit, rule, path)
    if len(items or ()) > limit:
        return found
    seen: set[Hashable] = set()
    for i, item in enumerate(items or ()):
        if (name := key(item)) in seen:
            found.append(duplicate(index(path, i), name))
        seen.add(name)
    return found


def pool_name(name: str, path: str) -> Errors:
    """Subdomains between slashes."""
    if not name:
        return [required(path)]
    found: Errors = [too_long(path, MAX_POOL)] if names.size(name) > MAX_POOL else []
    return found + [problem for part in name.split("/") for problem in dns_subdomain(part, path)]


def share_id(uid: str, path: str) -> Errors:
    """A UUID in its usual form."""
    if _UUID.fullmatch(uid):
        return []
    if _UUID.fullmatch(uid.lower()):
        form = "`xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters"
        return [invalid(path, uid, f"uid must be in RFC 4122 normalized form, {form}")]
    wrong = "invalid UUID format" if len(uid) == 36 else f"invalid UUID length: {len(uid)}"
    return [invalid(path, uid, f"error validating uid: {wrong}")]


def _identifier(text: str, path: str) -> Errors:
    found: Errors = [too_long(path, MAX_ID)] if names.size(text) > MAX_ID else []
    return found + [invalid(path, text, problem) for problem in names.c_identifier(text)]


def attribute_name(name: str, path: str) -> Errors:
    """An identifier, with a domain in front or without."""
    parts = name.split("/")
    if len(parts) == 1:
        return _identifier(name, path)
    if len(parts) > 2:  # which upstream does not look at
        return []
    domain, identifier = parts
    found = validate_driver_name(domain, path) if domain else [invalid(path, "", "the domain must not be empty")]
    return found + (_identifier(identifier, path) if identifier else [invalid(path, "", "the name must not be empty")])


def full_attribute_name(name: str, path: str) -> Errors:
    """The same with a domain."""
    found = attribute_name(name, path)
    if "/" not in name:
        detail = "a fully qualified name must be a domain and a name separated by a slash"
        found.append(invalid(path, name, detail))
    return found


def selector(chosen: Obj, path: str) -> Errors:
    """An expression over a device, which may be one whose result is not known before it runs."""
    if (cel := chosen.get("cel")) is None:
        return [required(child(path, "cel"))]
    source, at = cel.get("expression", ""), f"{path}.cel.expression"
    if names.size(source) > MAX_EXPRESSION:
        return [too_long(at, MAX_EXPRESSION)]
    found = examine(source, {"device": _DEVICE})
    if found.problem:
        return [invalid(at, source, found.problem)]
    if found.type in (BOOL, DYN):
        return [forbidden(at, "too complex, exceeds cost limit")] if found.cost > MAX_COST else []
    return [invalid(at, source, f"must evaluate to bool or the unknown type, not {found.type}")]


def raw_object(value: Any, path: str, limit: int) -> Errors:
    """Anything that a driver reads by itself, as long as it is an object."""
    if value is None:
        return [required(path)]
    if names.size(json.dumps(value, ensure_ascii=False, separators=(",", ":"))) > limit:
        return [too_long(path, limit)]
    if not isinstance(value, dict):
        return [invalid(path, "<value omitted>", "must be a valid JSON object")]
    return []


def configuration(config: Obj, path: str) -> Errors:
    """Parameters for one driver."""
    opaque, at = config.get("opaque"), child(path, "opaque")
    if opaque is None:
        return [required(at)]
    found = validate_driver_name(opaque.get("driver", ""), child(at, "driver"))
    return found + raw_object(opaque.get("parameters"), child(at, "parameters"), MAX_PARAMETERS)


def _label_value(value: str, path: str) -> Errors:
    return [invalid(path, value, problem) for problem in names.label_value(value)]


def taint(mark: Obj, path: str) -> Errors:
    """What keeps claims off a device, or drives them away."""
    found = qualified_name(mark.get("key", ""), child(path, "key"))
    if value := mark.get("value"):
        found.extend(_label_value(value, child(path, "value")))
    effect, at = mark.get("effect", ""), child(path, "effect")
    if not effect:
        found.append(required(at))
    elif effect not in EFFECTS:
        found.append(not_supported(at, effect, EFFECTS))
    return found


def toleration(wish: Obj, path: str) -> Errors:
    """Which taints a request does not mind."""
    found = qualified_name(wish["key"], child(path, "key")) if wish.get("key") else []
    operator, value, at = wish.get("operator", ""), wish.get("value", ""), child(path, "value")
    if operator == "Exists":
        found.extend([invalid(at, value, "must be empty for operator `Exists`")] if value else [])
    elif operator == "Equal":
        found.extend(_label_value(value, at))
    else:
        where = child(path, "operator")
        found.append(not_supported(where, operator, ("Equal", "Exists")) if operator else required(where))
    if (effect := wish.get("effect")) and effect not in EFFECTS:
        found.append(not_supported(child(path, "effect"), effect, EFFECTS))
    return found


def binding_conditions(device: Obj, path: str) -> Errors:
    """What must come true, or false, before a pod with the device is bound; the one needs the other."""
    lists = {name: device.get(name) or [] for name in ("bindingConditions", "bindingFailureConditions")}
    good, bad = lists.values()
    found: Errors = []
    for name, listed in lists.items():
        found.extend(each(listed, MAX_BINDING_CONDITIONS, qualified_name, child(path, name)))
    for name, listed in lists.items():
        for i, condition in enumerate(listed):
            at = index(child(path, name), i)
            if condition in listed[:i]:
                found.append(duplicate(at, condition))
            if listed is bad and condition in good:
                detail = "bindingFailureConditions must not overlap with bindingConditions"
                found.append(invalid(at, condition, detail))
    for (name, listed), (other, needed) in zip(lists.items(), reversed(lists.items()), strict=True):
        if needed and not listed:
            found.append(invalid(child(path, name), device.get(name), f"{name} are required to use {other}"))
    return found
