"""What one object counts for in a ResourceQuota: usage, scopes, and what a quota demands to be stated.

Used where writes are admitted and where usage is counted anew, so that both agree. Names and messages are
upstream's (``pkg/quota/v1/evaluator``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta

from kube_lite import clock
from kube_lite.resources.kinds.pod.qos import qos_class
from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.pod_resources import Amounts, amounts, largest, plus, pod_limits, pod_requests
from kube_lite.resources.quantity import NANO, Quantity, parse

ONE = parse("1")
ZERO = Quantity(0)
PLAIN_COUNTS = frozenset({"configmaps", "secrets", "replicationcontrollers", "resourcequotas"})
"""Core kinds that may be counted under their bare name too; pods, services and claims have more to them."""

_COMPUTE = frozenset({"cpu", "memory", "ephemeral-storage"})
_STATED = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})
"""Names that, once limited, every container must state."""
_CLASS = ".storageclass.storage.k8s.io/"
_DEVICE_CLASS = ".deviceclass.resource.k8s.io/devices"
_DEVICE_REQUESTS = "requests.deviceclass.resource.kubernetes.io/"
"""Devices of a class, whether a container asks for them as a resource or a claim does."""
_MAX_DEVICES = parse("32")
"""What a request for all devices counts for: as many as a claim can ever get (``AllocationResultsMaxSize``)."""


def usage(group_resource: str, obj: Obj, now: datetime | None = None) -> Amounts:
    """What ``obj`` counts for, under every name that a quota may limit."""
    total: Amounts = {f"count/{group_resource}": ONE}
    if group_resource in PLAIN_COUNTS:
        total[group_resource] = ONE
    more = _USAGE.get(group_resource)
    if more is not None:
        total.update(more(obj, now or clock.now()))
    return total


def limited_kinds(hard: Iterable[str]) -> set[str]:
    """The ``group_resource`` names whose objects a quota with these names counts."""
    kinds: set[str] = set()
    for name in hard:
        if name.startswith("count/"):
            kinds.add(name[len("count/") :])
        elif name in PLAIN_COUNTS:
            kinds.add(name)
        elif name.startswith("services"):
            kinds.add("services")
        elif name in ("persistentvolumeclaims", "requests.storage") or _CLASS in name:
            kinds.add("persistentvolumeclaims")
        elif name.endswith(_DEVICE_CLASS):
            kinds.add("resourceclaims.resource.k8s.io")
        elif name.startswith(_DEVICE_REQUESTS):
            kinds.update(("pods", "resourceclaims.resource.k8s.io"))
        else:
            kinds.add("pods")
    return kinds


# ---- pods


def _finished(pod: Obj, now: datetime) -> bool:
    if dig(pod, "status", "phase") in ("Failed", "Succeeded"):
        return True
    meta = pod["metadata"]
    deleted, grace = meta.get("deletionTimestamp"), meta.get("deletionGracePeriodSeconds")
    if deleted is None or grace is None:
        return False
    return now > clock.parse_timestamp(deleted) + timedelta(seconds=int(grace))


def _pod_usage(pod: Obj, now: datetime) -> Amounts:
    if _finished(pod, now):
        return {}
    spec = pod.get("spec") or {}
    total: Amounts = {"pods": ONE}
    for name, amount in pod_requests(spec).items():
        if name in _COMPUTE or name.startswith("hugepages-"):
            total[name] = total[f"requests.{name}"] = amount
        elif "/" in name:
            total[f"requests.{name}"] = amount
    for name, amount in pod_limits(spec).items():
        if name in _COMPUTE:
            total[f"limits.{name}"] = amount
    return total


def unstated(group_resource: str, obj: Obj, limited: Collection[str]) -> str:
    """Why a quota over ``limited`` cannot count a pod: what its containers leave open; '' when all is stated."""
    needed = _STATED & set(limited)
    if group_resource != "pods" or not needed:
        return ""
    spec = obj.get("spec") or {}
    if _stated_by(spec):
        return ""  # the pod as a whole is bounded: nobody asks its containers
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    missing = {name for container in containers for name in needed - _stated_by(container)}
    return "must specify " + ",".join(sorted(missing)) if missing else ""


def _stated_by(holder: Obj) -> set[str]:
    resources = holder.get("resources") or {}
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    return {*requests, *(f"requests.{n}" for n in requests), *(f"limits.{n}" for n in limits)}


# ---- services and claims


def _service_usage(service: Obj, now: datetime) -> Amounts:
    spec = service.get("spec") or {}
    ports = spec.get("ports") or []
    balanced = spec.get("type") == "LoadBalancer"
    node_ports = 0
    if spec.get("type") == "NodePort":
        node_ports = len(ports)
    elif balanced:
        allocated = spec.get("allocateLoadBalancerNodePorts") is not False
        node_ports = len(ports) if allocated else sum(bool(p.get("nodePort")) for p in ports)
    return {
        "services": ONE,
        "services.nodeports": parse(str(node_ports)),
        "services.loadbalancers": ONE if balanced else ZERO,
    }


def _claim_usage(claim: Obj, now: datetime) -> Amounts:
    spec = claim.get("spec") or {}
    asked = amounts(dig(spec, "resources", "requests"))
    storage = largest(asked, amounts(dig(claim, "status", "allocatedResources"))).get("storage")
    total: Amounts = {"persistentvolumeclaims": ONE}
    annotations = claim["metadata"].get("annotations") or {}
    storage_class = annotations.get("volume.beta.kubernetes.io/storage-class") or spec.get("storageClassName") or ""
    if storage_class:
        total[f"{storage_class}{_CLASS}persistentvolumeclaims"] = ONE
    if storage is not None:
        storage = _whole(storage)
        total["requests.storage"] = storage
        if storage_class:
            total[f"{storage_class}{_CLASS}requests.storage"] = storage
    return total


def _whole(amount: Quantity) -> Quantity:
    """Bytes are not divided: part of one counts as one."""
    return Quantity(amount.value * NANO, amount.format) if amount.nanos % NANO else amount


def _devices_usage(claim: Obj, now: datetime) -> Amounts:
    """The devices by their class; of alternatives those that ask for most."""
    total: Amounts = {}
    for request in dig(claim, "spec", "devices", "requests") or ():
        most: Amounts = {}
        for wanted in request.get("firstAvailable") or [request.get("exactly") or request]:
            name = wanted.get("deviceClassName", "")
            match wanted.get("allocationMode"):
                case "ExactCount":
                    count = parse(str(wanted.get("count") or 1))
                case "All":
                    count = _MAX_DEVICES
                case _:
                    count = ZERO
            most = largest(most, {f"{name}{_DEVICE_CLASS}": count, f"{_DEVICE_REQUESTS}{name}": count})
        total = plus(total, most)
    return total


_USAGE: dict[str, Callable[[Obj, datetime], Amounts]] = {
    "pods": _pod_usage,
    "services": _service_usage,
    "persistentvolumeclaims": _claim_usage,
    "resourceclaims.resource.k8s.io": _devices_usage,
}


# ---- scopes


def in_scope(quota: Obj, group_resource: str, obj: Obj) -> bool:
    """Whether every scope of a quota covers the object."""
    spec = quota.get("spec") or {}
    terms = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    terms += dig(spec, "scopeSelector", "matchExpressions", default=[])
    if not terms:
        return True
    covers = _SCOPES.get(group_resource)
    return covers is not None and all(covers(term, obj) for term in terms)


def _chosen(term: Obj, value: str) -> bool:
    operator, values = term.get("operator"), term.get("values") or ()
    if operator == "In":
        return bool(value) and value in values
    if operator == "NotIn":
        return not value or value not in values
    return bool(value) is (operator == "Exists")


def _pod_scope(term: Obj, pod: Obj) -> bool:
    spec = pod.get("spec") or {}
    match term.get("scopeName"):
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return qos_class(spec) == "BestEffort"
        case "NotBestEffort":
            return qos_class(spec) != "BestEffort"
        case "PriorityClass":
            return _chosen(term, spec.get("priorityClassName") or "")
        case "CrossNamespacePodAffinity":
            return _crosses_namespaces(spec.get("affinity") or {})
    return False


def _crosses_namespaces(affinity: Obj) -> bool:
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms = list(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        weighted = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [w.get("podAffinityTerm") or {} for w in weighted]
        if any(t.get("namespaces") or t.get("namespaceSelector") is not None for t in terms):
            return True
    return False


def _claim_scope(term: Obj, claim: Obj) -> bool:
    if term.get("scopeName") != "VolumeAttributesClass":
        return False
    names = {dig(claim, *path) for path in _ATTRIBUTES} - {None, ""}
    return any(_chosen(term, name) for name in names or ("",))


_ATTRIBUTES = (
    ("spec", "volumeAttributesClassName"),
    ("status", "currentVolumeAttributesClassName"),
    ("status", "modifyVolumeStatus", "targetVolumeAttributesClassName"),
)
"""The classes of attributes that a claim asks for, has, and is being given."""


_SCOPES: dict[str, Callable[[Obj, Obj], bool]] = {"pods": _pod_scope, "persistentvolumeclaims": _claim_scope}


def counted(quota: Obj, names: Collection[str], objects: Iterable[tuple[str, Obj]]) -> Amounts:
    """Usage of ``names`` by all ``objects`` (pairs of group_resource and object) that the quota covers."""
    total: Amounts = dict.fromkeys(names, ZERO)
    now = clock.now()
    for group_resource, obj in objects:
        if in_scope(quota, group_resource, obj):
            own = usage(group_resource, obj, now)
            total = plus(total, {name: own[name] for name in names if name in own})
    return total
