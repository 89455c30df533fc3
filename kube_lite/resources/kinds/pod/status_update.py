"""``pods/x/status``: what a node may say of a pod.

Written far more often than anything else of pods, so every rule looks first whether its field is there.
"""

from __future__ import annotations

from collections.abc import Sequence

from kube_lite.resources.addresses import address_errors
from kube_lite.resources.field import (
    IMMUTABLE,
    Errors,
    child,
    duplicate,
    forbidden,
    index,
    invalid,
    not_supported,
    required,
    too_long,
)
from kube_lite.resources.go.types import go_value
from kube_lite.resources.kinds.pod.qos import qos_class
from kube_lite.resources.kinds.pod.security import MAX_ID
from kube_lite.resources.kinds.pod.update import annotation_changes
from kube_lite.resources.kinds.pod.validation import validate_pod_annotations
from kube_lite.resources.meta import Obj
from kube_lite.resources.names import in_range
from kube_lite.resources.registry import prepare_status_update
from kube_lite.resources.rules import BAD_IP, dns_label, dns_subdomain, nonnegative, parse_ip, qualified_name

_HEALTH = ("Healthy", "Unhealthy", "Unknown")
MAX_HEALTH_MESSAGE = 1024
"""Bytes of what a driver says of the health of a device (ResourceHealthMessageMaxLength)."""
_OWN_CONDITIONS = frozenset({"PodScheduled", "Ready", "Initialized"})
_BAD_GENERATION = "must be a non-negative integer"


def prepare_pod_status(new: Obj, old: Obj) -> None:
    """A status write keeps the spec and the owners, and the class of service where it does not name one."""
    prepare_status_update(new, old)
    meta, owners = new.get("metadata"), (old.get("metadata") or {}).get("ownerReferences")
    if meta is not None and meta.get("ownerReferences") != owners:
        meta.pop("ownerReferences", None)
        if owners is not None:
            meta["ownerReferences"] = owners
    status, before = new.setdefault("status", {}), old.get("status") or {}
    if not status.get("qosClass"):
        status["qosClass"] = before.get("qosClass") or qos_class(new.get("spec") or {})
    status.pop("nodeAllocatableResourceClaimStatuses", None)  # of a feature that is off
    if "observedGeneration" in before and not status.get("observedGeneration"):
        status["observedGeneration"] = before["observedGeneration"]
    if conditions := before.get("conditions"):
        _keep_generations(status.get("conditions") or (), conditions)


def _keep_generations(conditions: Sequence[Obj], before: Sequence[Obj]) -> None:
    """Writers that do not know which generation a condition is about do not take it away."""
    seen = [(c.get("type"), c["observedGeneration"]) for c in before if "observedGeneration" in c]
    for condition in conditions if seen else ():
        known = next((pair for pair in seen if pair[0] == condition.get("type")), None)
        if known is not None:
            seen.remove(known)
            if not condition.get("observedGeneration"):
                condition["observedGeneration"] = known[1]


def validate_pod_status(new: Obj, old: Obj) -> Errors:
    """A status is plausible: names of nodes, addresses, and no finished container that runs again."""
    status, before, spec = new.get("status") or {}, old.get("status") or {}, new.get("spec") or {}
    found = annotation_changes(new, old) + _conditions(status.get("conditions") or ())
    meta = new.get("metadata") or {}
    if meta.get("annotations") != (old.get("metadata") or {}).get("annotations"):
        found.extend(validate_pod_annotations(meta, spec))
    node = status.get("nominatedNodeName")
    if node and node != before.get("nominatedNodeName"):
        found.extend(dns_subdomain(node, "status.nominatedNodeName"))
    if (seen := status.get("observedGeneration")) and seen < 0:
        found.append(invalid("status.observedGeneration", seen, _BAD_GENERATION))
    if (qos := before.get("qosClass")) and status.get("qosClass") != qos:
        found.append(invalid("status.qosClass", status.get("qosClass"), IMMUTABLE))
    found.extend(_containers(status, before, spec))
    if claims := status.get("resourceClaimStatuses"):
        found.extend(_claims(claims, spec))
    if (claim := status.get("extendedResourceClaimStatus")) is not None:
        found.extend(_extended_claim(claim, spec, "status.extendedResourceClaimStatus"))
    if addresses := status.get("podIPs"):
        found.extend(_addresses(addresses, before.get("podIPs") or (), "podIPs", "core.PodIP"))
    if addresses := status.get("hostIPs"):
        if addresses[0].get("ip", "") != status.get("hostIP", ""):
            wrong = addresses[0].get("ip", "")
            found.append(invalid("status.hostIPs[0].ip", wrong, "must be equal to `hostIP`"))
        found.extend(_addresses(addresses, before.get("hostIPs") or (), "hostIPs", "core.HostIP"))
    return found


def _conditions(conditions: Sequence[Obj]) -> Errors:
    """Types of conditions look like label keys."""
    found: Errors = []
    for i, condition in enumerate(conditions):
        if (seen := condition.get("observedGeneration")) and seen < 0:
            found.append(invalid(f"status.conditions[{i}].observedGeneration", seen, _BAD_GENERATION))
        if (kind := condition.get("type", "")) not in _OWN_CONDITIONS:
            found.extend(qualified_name(kind, f"status.conditions[{i}].Type"))
    return found


def _addresses(entries: list[Obj], before: Sequence[Obj], name: str, go_type: str) -> Errors:
    """Addresses are real, at most one a family, and none twice (upstream: ``validatePodIPs``)."""
    found: Errors = []
    path = f"status.{name}"
    texts = [entry.get("ip", "") for entry in entries]
    for i, text in enumerate(texts):
        at = index(path, i)
        if parse_ip(text) is None:
            found.append(invalid(at, text, BAD_IP))
        elif ":" in text and (odd := address_errors(text, at, held=[entry.get("ip", "") for entry in before])):
            found.extend(odd)
        elif text in texts[:i]:
            found.append(duplicate(at, {"ip": text}))
    families = [address.version for text in texts if (address := parse_ip(text)) is not None]
    if len(entries) > 1 and len(families) == len(entries) and sorted(families) != [4, 6]:
        detail = "may specify no more than one IP for each IP family"
        found.append(invalid(path, go_value(f"[]{go_type}", entries), detail))
    return found


_SORTS = (("containerStatuses", "containers"), ("initContainerStatuses", "initContainers"))


def _containers(status: Obj, before: Obj, spec: Obj) -> Errors:
    found: Errors = []
    policy = spec.get("restartPolicy", "")
    for name, listed in _SORTS:
        if entries := status.get(name):
            stood = before.get(name)
            limited = policy != "Always" or any("restartPolicy" in c for c in spec.get(listed) or ())
            if stood and limited and not _all_restart(spec):
                found.extend(_stays_ended(entries, stood, name, spec.get(listed) or (), policy))
            found.extend(_entries(entries, name, spec, listed))
    if entries := status.get("ephemeralContainerStatuses"):
        name = "ephemeralContainerStatuses"
        found.extend(_stays_ended(entries, before.get(name) or (), name, (), "Never"))
        found.extend(_entries(entries, name, spec, ""))
    return found


def _all_restart(spec: Obj) -> bool:
    """Whether the exit of some container may start all of them again."""
    return any(
        rule.get("action") == "RestartAllContainers"
        for _, listed in _SORTS
        for container in spec.get(listed) or ()
        for rule in container.get("restartPolicyRules") or ()
    )


def _may_restart(container: Obj, policy: str, exit_code: int) -> bool:
    """Whether a container that ended is started again: by its own rules and policy, else by its pod's."""
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        if (exit_code in (codes.get("values") or ())) == (codes.get("operator") == "In"):
            return True
    policy = container.get("restartPolicy") or policy
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _stays_ended(now: Sequence[Obj], stood: Sequence[Obj], name: str, listed: Sequence[Obj], policy: str) -> Errors:
    found: Errors = []
    running = {entry.get("name"): not (entry.get("state") or {}).get("terminated") for entry in now}
    containers = {container.get("name"): container for container in listed}
    for i, entry in enumerate(stood):
        ended = (entry.get("state") or {}).get("terminated")
        if not ended or not running.get(entry.get("name")):
            continue
        if not _may_restart(containers.get(entry.get("name")) or {}, policy, ended.get("exitCode", 0)):
            at = child(index(f"status.{name}", i), "state")
            found.append(forbidden(at, "may not be transitioned to non-terminated state"))
    return found


def _entries(entries: Sequence[Obj], name: str, spec: Obj, listed: str) -> Errors:
    """What is told of each container: restarts, its user, the health of its devices."""
    found: Errors = []
    for i, entry in enumerate(entries):
        if (count := entry.get("restartCount")) and count < 0:
            found.extend(nonnegative(count, f"status.{name}[{i}].restartCount"))
        if user := (entry.get("user") or {}).get("linux"):
            found.extend(_user(user, spec, f"status.{name}[{i}].linux"))
        if devices := entry.get("allocatedResourcesStatus"):
            at = f"status.{name}[{i}].allocatedResourcesStatus"
            if listed:
                found.extend(_devices(devices, entry.get("name"), spec.get(listed) or (), at))
            else:
                found.append(forbidden(at, "must not be specified in container status"))
    return found


def _user(user: Obj, spec: Obj, path: str) -> Errors:
    if (spec.get("os") or {}).get("name") == "windows":
        return [forbidden(path, "cannot be set for a windows pod")]
    ids = [(child(path, name), user.get(name, 0)) for name in ("uid", "gid")]
    groups = child(path, "supplementalGroups")
    ids.extend((index(groups, i), group) for i, group in enumerate(user.get("supplementalGroups") or ()))
    return [invalid(at, value, in_range(0, MAX_ID)) for at, value in ids if not 0 <= value <= MAX_ID]


def _devices(devices: Sequence[Obj], name: str | None, containers: Sequence[Obj], path: str) -> Errors:
    found: Errors = []
    container = next((c for c in containers if c.get("name") == name), None)
    for i, device in enumerate(devices):
        at = index(path, i)
        if container is not None and (problem := _unknown_device(device.get("name", ""), container)):
            found.append(invalid(child(at, "name"), device.get("name", ""), problem))
        seen: set[str] = set()
        for j, part in enumerate(device.get("resources") or ()):
            where, identity = index(child(at, "resources"), j), part.get("resourceID", "")
            if part.get("health", "") not in _HEALTH:
                found.append(not_supported(child(where, "health"), part.get("health", ""), _HEALTH))
            if (message := part.get("message")) is not None and not 0 < len(message.encode()) <= MAX_HEALTH_MESSAGE:
                at_message = child(where, "message")
                long = too_long(at_message, MAX_HEALTH_MESSAGE)
                found.append(long if message else required(at_message, "must be non-empty if specified"))
            if identity in seen:
                found.append(duplicate(child(where, "resourceID"), identity))
            seen.add(identity)
    return found


def _unknown_device(name: str, container: Obj) -> str:
    resources = container.get("resources") or {}
    if not name.startswith("claim:"):
        known = name in (resources.get("requests") or ())
        return "" if known else "must match one of the container's resource requests"
    for claim in resources.get("claims") or ():
        request = f"/{claim['request']}" if claim.get("request") else ""
        if name == f"claim:{claim.get('name', '')}{request}":
            return ""
    form = "'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty"
    return f"must match one of the container's resource claims in a format {form}"


def _claims(statuses: Sequence[Obj], spec: Obj) -> Errors:
    found: Errors = []
    known = {claim.get("name") for claim in spec.get("resourceClaims") or ()}
    seen: set[str] = set()
    for i, status in enumerate(statuses):
        at, name = f"status.resourceClaimStatuses[{i}].name", status.get("name", "")
        if name not in known:
            found.append(invalid(at, name, "must match the name of an entry in `spec.resourceClaims`"))
        if name in seen:
            found.append(duplicate(at, name))
        seen.add(name)
        if (claim := status.get("resourceClaimName")) is not None:
            found.extend(dns_subdomain(claim, at))
    return found


_NO_RESOURCE = (
    "must match the extended resource name of an entry in spec.initContainers.resources.requests or "
    "spec.containers.resources.requests"
)
_NO_CONTAINER = "must match the name of an entry in spec.initContainers.name or spec.containers.name"


def _extended_claim(status: Obj, spec: Obj, path: str) -> Errors:
    """The claim that was made for extended resources, and which request of it each container's resource became."""
    mappings = status.get("requestMappings") or ()
    at = child(path, "requestMappings")
    found: Errors = [] if mappings else [required(at, "at least one request mapping is required")]
    containers = {c.get("name"): c for _, listed in reversed(_SORTS) for c in spec.get(listed) or ()}
    seen: set[tuple[str, ...]] = set()
    for i, mapping in enumerate(mappings):
        where = index(at, i)
        told = {name: mapping.get(name, "") for name in ("containerName", "resourceName", "requestName")}
        container = containers.get(told["containerName"])
        if container is None:
            found.append(invalid(child(where, "containerName"), told["containerName"], _NO_CONTAINER))
        elif told["resourceName"] not in ((container.get("resources") or {}).get("requests") or ()):
            found.append(invalid(child(where, "resourceName"), told["resourceName"], _NO_RESOURCE))
        found.extend(dns_label(told["requestName"], child(path, "requestName")))  # as upstream names it
        if (whole := tuple(told.values())) in seen:
            found.extend(duplicate(child(where, name), value) for name, value in told.items())
        seen.add(whole)
    name, at = status.get("resourceClaimName", ""), child(path, "resourceClaimName")
    return found + (dns_subdomain(name, at) if name else [required(at)])
