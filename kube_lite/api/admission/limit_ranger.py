"""LimitRanger: a namespace's defaults and bounds for the resources of containers, pods and claims.

Messages and the annotation that tells of defaults are upstream's (``plugin/pkg/admission/limitranger``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kube_lite.api.admission.matching import aggregate
from kube_lite.api.admission.plugin import AdmissionRequest, Objects
from kube_lite.resources.meta import Obj
from kube_lite.resources.pod_resources import Amounts, amounts, pod_limits, pod_requests
from kube_lite.resources.quantity import Quantity

ANNOTATION = "kubernetes.io/limit-ranger"
LIMIT_RANGES = "limitranges"


class LimitRanger:
    """Fills in what containers leave open, and refuses what lies outside the bounds."""

    name = "LimitRanger"
    resources = frozenset({"pods", "persistentvolumeclaims"})

    async def admit(self, request: AdmissionRequest, objects: Objects) -> None:
        """Give the containers of a new pod the namespace's defaults."""
        if not request.is_("pods") or not _concerns(request) or request.obj is None:
            return
        for limit_range in objects.select(LIMIT_RANGES, request.namespace):
            _set_defaults(request.obj, limit_range)

    async def validate(self, request: AdmissionRequest, objects: Objects) -> None:
        """Hold a pod or a claim against the bounds. :raises Forbidden: outside of them"""
        if not _concerns(request) or request.obj is None:
            return
        check = _CHECKS.get(request.resource.group_resource)
        if check is None:
            return
        for limit_range in objects.select(LIMIT_RANGES, request.namespace):
            found = [why for limit in _limits(limit_range) for why in check(limit, request.obj)]
            if found:
                raise request.refused(aggregate(found))


def _concerns(request: AdmissionRequest) -> bool:
    if request.operation not in ("CREATE", "UPDATE") or not request.namespace:
        return False
    if request.old is not None and request.old["metadata"].get("deletionTimestamp") is not None:
        return False
    if request.resource.group_resource == "pods" and request.operation == "UPDATE":
        return request.subresource == "resize"  # nothing else changes what a pod asks for
    return not request.subresource


def _limits(limit_range: Obj) -> list[Obj]:
    return list((limit_range.get("spec") or {}).get("limits") or ())


# ---- defaults


def _set_defaults(pod: Obj, limit_range: Obj) -> None:
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for limit in _limits(limit_range):
        if limit.get("type") == "Container":
            requests.update(limit.get("defaultRequest") or {})
            limits.update(limit.get("default") or {})
    notes: list[str] = []
    spec = pod.get("spec") or {}
    for kind, containers in (("container", "containers"), ("init container", "initContainers")):
        for container in spec.get(containers) or ():
            resources = container.get("resources") or {}
            set_limits = _fill(resources, "limits", limits)
            for part, names in (("request", _fill(resources, "requests", requests)), ("limit", set_limits)):
                if names:
                    notes.append(f"{', '.join(names)} {part} for {kind} {container.get('name', '')}")
            if resources:
                container["resources"] = resources
    if notes:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[ANNOTATION] = "LimitRanger plugin set: " + "; ".join(notes)


def _fill(resources: Obj, part: str, defaults: Mapping[str, str]) -> list[str]:
    present = resources.get(part) or {}
    missing = sorted(set(defaults) - set(present))
    if missing:
        resources[part] = {**present, **{name: defaults[name] for name in missing}}
    return missing


# ---- bounds


def _minimum(kind: str, name: str, bound: Quantity, requests: Amounts, limits: Amounts) -> str:
    start = f"minimum {name} usage per {kind} is {bound}"
    if name not in requests:
        return f"{start}.  No request is specified"
    if requests[name] < bound:
        return f"{start}, but request is {requests[name]}"
    if name in limits and limits[name] < bound:
        return f"{start}, but limit is {limits[name]}"
    return ""


def _maximum(kind: str, name: str, bound: Quantity, requests: Amounts, limits: Amounts) -> str:
    start = f"maximum {name} usage per {kind} is {bound}"
    if name not in limits:
        return f"{start}.  No limit is specified"
    if limits[name] > bound:
        return f"{start}, but limit is {limits[name]}"
    if name in requests and requests[name] > bound:
        return f"{start}, but request is {requests[name]}"
    return ""


def _maximum_request(kind: str, name: str, bound: Quantity, requests: Amounts) -> str:
    start = f"maximum {name} usage per {kind} is {bound}"
    if name not in requests:
        return f"{start}.  No request is specified"
    return f"{start}, but request is {requests[name]}" if requests[name] > bound else ""


def _ratio(kind: str, name: str, bound: Quantity, requests: Amounts, limits: Amounts) -> str:
    start = f"{name} max limit to request ratio per {kind} is {bound}"
    if not requests.get(name):
        return f"{start}, but no request is specified or request is 0"
    if not limits.get(name):
        return f"{start}, but no limit is specified or limit is 0"
    ratio = limits[name].nanos / requests[name].nanos
    if limits[name].nanos * 1_000_000_000 > bound.nanos * requests[name].nanos:
        return f"{start}, but provided ratio is {ratio:f}"
    return ""


def _against(limit: Obj, requests: Amounts, limits: Amounts) -> Iterator[str]:
    kind = str(limit.get("type"))
    for part, rule in (("min", _minimum), ("max", _maximum), ("maxLimitRequestRatio", _ratio)):
        for name, bound in sorted(amounts(limit.get(part)).items()):
            if why := rule(kind, name, bound, requests, limits):
                yield why


def _check_pod(limit: Obj, pod: Obj) -> Iterator[str]:
    spec = pod.get("spec") or {}
    if limit.get("type") == "Container":
        for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
            resources = container.get("resources") or {}
            yield from _against(limit, amounts(resources.get("requests")), amounts(resources.get("limits")))
    elif limit.get("type") == "Pod":
        sums = (pod_requests(spec, overhead=False), pod_limits(spec, overhead=False))
        yield from _against(limit, *map(_plain, sums))


def _plain(sums: Amounts) -> Amounts:
    """Sums, which are told without binary suffixes: they have that of no container (as recorded)."""
    return {name: Quantity(amount.nanos) for name, amount in sums.items()}


def _check_claim(limit: Obj, claim: Obj) -> Iterator[str]:
    if limit.get("type") != "PersistentVolumeClaim":
        return
    requests = amounts(((claim.get("spec") or {}).get("resources") or {}).get("requests"))
    for name, bound in sorted(amounts(limit.get("min")).items()):
        if why := _minimum("PersistentVolumeClaim", name, bound, requests, {}):
            yield why
    for name, bound in sorted(amounts(limit.get("max")).items()):
        if why := _maximum_request("PersistentVolumeClaim", name, bound, requests):
            yield why


_CHECKS = {"pods": _check_pod, "persistentvolumeclaims": _check_claim}
