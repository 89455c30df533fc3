"""Validation of resource names, amounts and ``resources`` of containers and pods."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from kube_lite.errors import FieldError
from kube_lite.resources import names, quantity
from kube_lite.resources.field import (
    Errors,
    child,
    duplicate,
    forbidden,
    index,
    invalid,
    key,
    not_found,
    not_supported,
    required,
)
from kube_lite.resources.go.types import go_quantity
from kube_lite.resources.meta import Obj
from kube_lite.resources.remembered import LONGEST, remembered
from kube_lite.resources.rules import NOT_NEGATIVE, dns_label

HUGE_PAGES = "hugepages-"
QUOTA_HUGE_PAGES = (HUGE_PAGES, f"requests.{HUGE_PAGES}")

CONTAINER_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})
POD_RESOURCES = frozenset({"cpu", "memory"})
"""Resources that a pod as a whole can be given, apart from huge pages."""

QUOTA_RESOURCES = frozenset(
    {
        "cpu",
        "memory",
        "ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.storage",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "persistentvolumeclaims",
        "configmaps",
        "services.nodeports",
        "services.loadbalancers",
    }
)

STANDARD_RESOURCES = QUOTA_RESOURCES | {"storage", "count"}

_NOT_WHOLE = "must be an integer"
_INTEGER_RESOURCES = frozenset(
    {
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    }
)


def is_native(name: str) -> bool:
    """Whether Kubernetes itself defines the resource."""
    return "/" not in name or "kubernetes.io/" in name


@remembered(512)
def is_extended(name: str) -> bool:
    """Whether it is a resource of a device plug-in or of an administrator."""
    return not is_native(name) and not name.startswith("requests.") and not names.qualified_name(f"requests.{name}")


def is_overcommitable(name: str) -> bool:
    """Whether requests may be below limits."""
    return is_native(name) and not name.startswith(HUGE_PAGES)


@remembered(512)
def _name_problems(name: str) -> tuple[str, ...]:
    if problems := names.qualified_name(name):
        return tuple(problems)
    if "/" not in name and name not in STANDARD_RESOURCES and not name.startswith(QUOTA_HUGE_PAGES):
        return ("must be a standard resource type or fully qualified",)
    return ()


@remembered(512)
def _container_problems(name: str) -> tuple[str, ...]:
    problems = _name_problems(name)
    if "/" not in name:
        if name not in CONTAINER_RESOURCES and not name.startswith(HUGE_PAGES):
            return (*problems, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        return (*problems, "doesn't follow extended resource name standard")
    return problems


def validate_quota_resource_name(name: str, path: str) -> Errors:
    """A resource that a quota can limit: upstream tells of both rules that one breaks."""
    problems = _name_problems(name)
    if "/" not in name and name not in QUOTA_RESOURCES and not name.startswith(QUOTA_HUGE_PAGES):
        problems = (*problems, "must be a standard resource for quota")
    return [invalid(path, name, problem) for problem in problems]


def validate_resource_name(name: str, path: str) -> Errors:
    """A resource of any kind: a standard one, or one with a domain."""
    return [invalid(path, name, problem) for problem in _name_problems(name)]


def validate_container_resource_name(name: str, path: str) -> Errors:
    """A resource that a container can ask for."""
    return [invalid(path, name, problem) for problem in _container_problems(name)]


def _pod_resource_name(name: str, path: str) -> Errors:
    """A resource that a pod as a whole can ask for."""
    found = validate_resource_name(name, path)
    if not found and name not in POD_RESOURCES and not name.startswith(HUGE_PAGES):
        found.append(not_supported(path, name, ("cpu", HUGE_PAGES, "memory")))
    return found


def validate_amount(name: str, text: str, path: str) -> Errors:
    """An amount: not negative, and whole where halves make no sense."""
    # Upstream prints the amount as text in one message and as a struct in the other.
    problems = _amount_problems(name[:LONGEST], text)
    return [invalid(path, go_quantity(_spelt(text)) if p == _NOT_WHOLE else text, p) for p in problems]


def _spelt(text: str) -> str:
    """A canonical amount as it was sent, most likely: the spelling is not kept, but nobody asks for ``1500m`` pods."""
    milli = quantity.parse(text).milli
    return f"{milli / 1000:g}" if text.endswith("m") and abs(milli) > 1000 else text


@lru_cache(maxsize=4096)
def _amount_problems(name: str, text: str) -> tuple[str, ...]:
    nanos = quantity.parse(text).nanos
    negative = (NOT_NEGATIVE,) if nanos < 0 else ()
    if nanos % quantity.NANO and (name in _INTEGER_RESOURCES or is_extended(name)):
        return (*negative, _NOT_WHOLE)
    return negative


def _page_size(name: str, text: str, path: str) -> Errors:
    try:
        size = quantity.parse(name.removeprefix(HUGE_PAGES)).nanos
    except ValueError:
        size = 0
    if size > 0 and not size % quantity.NANO and not quantity.parse(text).nanos % size:
        return []
    return [invalid(path, text, f"{text} is not positive integer multiple of {name}")]


def _compare(name: str, asked: str, limits: Obj, path: str) -> FieldError | None:
    limit = limits.get(name)
    if limit is None:
        if is_overcommitable(name):
            return None
        return required(child(path, "limits"), "Limit must be set for non overcommitable resources")
    if asked == limit:
        return None
    wanted, most = quantity.parse(asked).nanos, quantity.parse(limit).nanos
    at = child(path, "requests")
    if wanted != most and not is_overcommitable(name):
        return invalid(at, asked, f"must be equal to {name} limit of {limit}")
    if wanted > most:
        return invalid(at, asked, f"must be less than or equal to {name} limit")
    return None


def _claims(claims: list[Obj], known: Collection[str], path: str) -> Errors:
    found: Errors = []
    seen: set[str] = set()
    for i, claim in enumerate(claims):
        at, name, request = index(path, i), claim.get("name", ""), claim.get("request", "")
        if not name:
            found.append(required(at))
            continue
        whole = f"{name}/{request}" if request else name
        if name in seen:
            found.append(duplicate(at, name))
        else:
            found.extend(dns_label(request, child(at, "request")) if request else [])
            overlaps = whole in seen if request else any(one.startswith(f"{name}/") for one in seen)
            if overlaps:
                found.append(duplicate(at, whole))
            seen.add(whole)
        if name not in known:
            found.append(_unknown_claim(name, known, at))
    return found


def _unknown_claim(name: str, known: Collection[str], path: str) -> FieldError:
    error = not_found(path, name)
    which = f": {', '.join(sorted(known))}" if known else " which is empty"
    detail = f"must be one of the names in pod.spec.resourceClaims{which}"
    return FieldError(error.reason, error.field, f"{error.message}: {detail}")


def validate_requirements(
    resources: Obj, path: str, claims: Collection[str] = (), *, whole_pod: bool = False
) -> Errors:
    """``resources`` of a container or (``whole_pod``) a pod: names, amounts, and that no request is above its limit."""
    found: Errors = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    huge = compute = False
    for part, amounts in (("limits", limits), ("requests", requests)):
        for name, text in amounts.items():
            if name in ("cpu", "memory"):
                compute = True
            elif name.startswith(HUGE_PAGES):
                huge = True
            # Paths are built for what is wrong only: this runs for every container that is written.
            if whole_pod or _container_problems(name) or _amount_problems(name[:LONGEST], text) or huge:
                at = key(child(path, part), name)
                found.extend((_pod_resource_name if whole_pod else validate_container_resource_name)(name, at))
                found.extend(validate_amount(name, text, at))
                if name.startswith(HUGE_PAGES):
                    found.extend(_page_size(name, text, at))
            if part == "requests" and (error := _compare(name, text, limits, path)):
                found.append(error)
    if huge and not compute:
        found.append(forbidden(path, "HugePages require cpu or memory"))
    if listed := resources.get("claims"):
        found.extend(_claims(listed, claims, child(path, "claims")))
    return found
